#pragma once
/// \file
/// What all optimizers share: they change the parameters of a model by a rule (sgd.hpp, adam.hpp),
///
///     struct Rule {
///       using Options = ...;                         with a member double learning_rate
///       static constexpr std::size_t memories = ..;  most arrays that it keeps for a parameter
///       static bool has_memory(const Options&);      does it keep any with these options?
///       static bool skips_zeros(const Options&);     does a gradient of zero change nothing?
///       template <class T>
///       struct Update {                              made for each parameter in each step
///         Update(const Options&, long step);
///         void operator()(Piece<T> value, Piece<const T> grad, Memory<T, memories>) const;
///       };
///     };
///
/// An update sees a piece of a parameter at a time, small enough that several passes over it stay
/// in the first-level cache.

#include <array>
#include <memory>
#include <vector>

#include "../nn/module.hpp"

namespace gradtape::optim {

/// Neighbouring elements of a parameter, of its gradient or of what is remembered of it.
template <class T>
using Piece =
    Eigen::Map<std::conditional_t<std::is_const_v<T>,
                                  const Eigen::Array<std::remove_const_t<T>, Eigen::Dynamic, 1>,
                                  Eigen::Array<T, Eigen::Dynamic, 1>>>;

template <class T, std::size_t N>
using Memory = std::array<Piece<T>, N>;

/// Changes the parameters of a model, each once, even if several members share it.  The model may
/// be moved, but must outlive the optimizer.
template <class Rule>
class Optimizer {
 public:
  using Options = typename Rule::Options;

  template <class Model>
  explicit Optimizer(Model& model, const Options& options = {}) : options_(options) {
    for_each_parameter(model,
                       [this](const std::string&, auto& parameter) { this->add(parameter); });
  }

  /// Applies the gradients that have arrived since the last step, and clears them.  A parameter
  /// without gradient keeps its value, and what the rule remembers of it.
  void step() {
    for (const auto& entry : entries_) entry->step(options_);
  }

  /// Forgets the gradients without applying them.
  void zero_grad() {
    for (const auto& entry : entries_) entry->zero_grad();
  }

  const Options& options() const { return options_; }
  double learning_rate() const { return options_.learning_rate; }
  void learning_rate(double value) { options_.learning_rate = value; }

 private:
  /// A parameter of any scalar type.
  struct Entry {
    virtual ~Entry() = default;
    virtual const void* key() const = 0;
    virtual void step(const Options& options) = 0;
    virtual void zero_grad() = 0;
  };

  template <class T>
  class EntryOf final : public Entry {
   public:
    EntryOf(gradtape::detail::ParameterState<T>& state, bool has_memory) : state_(state) {
      if (!has_memory) return;
      const Index size = state.shape.size();
      for (auto& memory : memory_) {
        memory = gradtape::detail::TensorMemory<T>(size);
        std::uninitialized_fill_n(memory.get(), size, T(0));
      }
    }

    const void* key() const override { return &state_; }
    void zero_grad() override { state_.clear_gradient(); }

    void step(const Options& options) override {
      if (!state_.has_grad()) return;
      const Update update(options, ++step_);
      if (state_.is_sparse() && Rule::skips_zeros(options)) {
        const Index rows = state_.shape.rows();
        const T* const grad = state_.gradient_memory();
        for (const Index column : state_.touched()) apply(update, grad, column * rows, rows);
      } else {
        apply(update, state_.complete_gradient(), 0, state_.shape.size());
      }
      state_.clear_gradient();
    }

   private:
    using Update = typename Rule::template Update<T>;
    static constexpr Index piece = 1024;

    void apply(const Update& update, const T* grad, Index first, Index count) {
      for (Index i = first; i < first + count; i += piece) {
        const Index n = std::min(piece, first + count - i);
        update(Piece<T>(state_.value.get() + i, n), Piece<const T>(grad + i, n),
               memory(i, n, std::make_index_sequence<Rule::memories>()));
      }
    }

    template <std::size_t... K>
    Memory<T, Rule::memories> memory(Index i, Index n, std::index_sequence<K...>) {
      return {(memory_[K].get() != nullptr ? Piece<T>(memory_[K].get() + i, n)
                                           : Piece<T>(nullptr, 0))...};
    }

    gradtape::detail::ParameterState<T>& state_;
    std::array<gradtape::detail::TensorMemory<T>, Rule::memories> memory_;
    long step_ = 0;
  };

  template <class T>
  void add(Parameter<T>& parameter) {
    auto& state = gradtape::detail::ParameterHandle<T>::state(parameter);
    for (const auto& entry : entries_) {
      if (entry->key() == &state) return;
    }
    entries_.push_back(std::make_unique<EntryOf<T>>(state, Rule::has_memory(options_)));
  }

  Options options_;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace gradtape::optim
