#pragma once
/// \file
/// What all optimizers share: they change the parameters of a model by a rule (sgd.hpp, adam.hpp),
///
///     struct Rule {
///       using Options = ...;                        with a member double learning_rate
///       static constexpr std::string_view name;     in error texts
///       static constexpr std::array memory_names;   of what it may remember of each element, ...
///       static bool has_memory(const Options&, std::size_t k);          ... and whether it does
///       static void check(const Options&);          throws DomainError
///       static double penalty(const Options&);      c, where g + c w takes the gradient's place
///       static bool touched_only(const Options&);   is a column without gradient left alone?
///       template <class T>
///       struct Update {                             made for each parameter in each step
///         Update(const Options&, std::int64_t step);
///         template <class X>
///         void operator()(X& w, const X& g, std::array<X, N>& memory) const;
///       };
///     };
///
/// An update is written for one element w and its gradient g; X is its number type, or a `Tile` of
/// elements that go through it together.  Memories are 0 at first, and those that it does not have
/// always.
///
/// A gradient of NaN or infinity is not looked for: it enters the value and the memories, to stay
/// there, as the formulas say.  `clip_grad_norm` refuses it, also with an infinite limit.

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <vector>

#include "../nn/module.hpp"
#include "gradients.hpp"
#include "options.hpp"
#include "update.hpp"

namespace gradtape::optim {

/// Changes the parameters of a model, each once, even if several members share it.  The model may
/// be moved, but must outlive the optimizer.
/// \snippet reference/training_test.cpp training
template <class Rule>
class Optimizer {
 public:
  using Options = typename Rule::Options;  ///< such as `SgdOptions`

  /// For all parameters of a model, or for one parameter.
  /// \throws DomainError for options outside of their range.
  template <class Model>
  explicit Optimizer(Model& model, const Options& options = {}) : options_(options) {
    Rule::check(options);
    for_each_distinct_parameter(model, [this](const std::string& name, auto& parameter) {
      using T = typename std::remove_cvref_t<decltype(parameter)>::Scalar;
      auto& state = gradtape::detail::ParameterHandle<T>::state(parameter);
      entries_.push_back(std::make_unique<EntryOf<T>>(state, name, options_));
    });
  }

  /// Applies the gradients that have arrived since the last step, and clears them.  A parameter
  /// without gradient keeps its value, and what the rule remembers of it.
  /// \throws DomainError if a number of updates is negative, as only a file can make it.
  void step() {
    for (const auto& entry : entries_) entry->step();
  }

  /// Forgets the gradients without applying them.
  void zero_grad() {
    for (const auto& entry : entries_) entry->zero_grad();
  }

  // Options, also of parts of the model.

  /// Those of all parameters for which `group` gave no others.
  const Options& options() const { return options_; }
  /// Of all parameters whose rate `group` did not change.
  double learning_rate() const { return options_.learning_rate; }
  /// Changes the rate of all parameters; one whose rate `group` changed keeps its ratio to this.
  /// \throws DomainError unless the rate is finite and at least 0.
  void learning_rate(double value) {
    detail::check_option(Rule::name, "learning_rate", value);
    options_.learning_rate = value;
    for (const auto& entry : entries_) {
      entry->options.learning_rate = value * entry->rate_factor;
    }
  }

  /// Gives a part of the model (a member, or a parameter) options of its own: `edit` changes those
  /// that each of its parameters has so far, so that groups may overlap.
  /// \snippet reference/training_test.cpp group
  /// \throws DomainError for options outside of their range, a parameter that the optimizer does
  ///         not know, a change of a learning rate of 0.
  template <class Part, class Edit>
  void group(Part& part, Edit edit) {
    for_each_distinct_parameter(part, [&](const std::string& name, const auto& parameter) {
      for (const auto& entry : entries_) {
        if (entry->data() == parameter.data()) return change(*entry, edit);
      }
      gradtape::detail::fail<DomainError>(Rule::name, ": group: the parameter \"",
                                          name.empty() ? parameter.name() : name,
                                          "\" is none of those that the optimizer changes");
    });
  }

  /// The same for the parameters that a condition on their names and shapes selects.
  /// \snippet reference/training_test.cpp group_if
  /// \throws DomainError if there is none, and as above.
  template <std::predicate<std::string_view, const Shape&> Condition, class Edit>
  void group_if(Condition condition, Edit edit) {
    bool found = false;
    for (const auto& entry : entries_) {
      if (!condition(std::string_view(entry->name), entry->shape())) continue;
      found = true;
      change(*entry, edit);
    }
    if (!found)
      gradtape::detail::fail<DomainError>(Rule::name, ": group_if: no parameter is selected");
  }

  // Limits for the gradients that have arrived, to be set before a step.

  /// Scales the gradients, taken together as one vector, such that its Euclidean norm is at most
  /// max_norm, and returns the norm that it had.  An infinite limit only measures.
  /// \throws DomainError if an element is not finite (the gradients are as they were: a caller may
  ///         forget them by `zero_grad` and go on), or if the limit is negative or NaN.
  double clip_grad_norm(double max_norm) {
    detail::check_limit(Rule::name, "clip_grad_norm", max_norm);
    const double norm = grad_norm();
    if (norm > max_norm) {
      for (const auto& entry : entries_) entry->scale_grad(max_norm / norm);
    }
    return norm;
  }

  /// Moves every element of the gradients into [-limit, limit]; NaN stays NaN.
  /// \throws DomainError if the limit is negative or NaN.
  void clip_grad_value(double limit) {
    detail::check_limit(Rule::name, "clip_grad_value", limit);
    for (const auto& entry : entries_) entry->clamp_grad(limit);
  }

  /// What the optimizer remembers, for files: "hidden.weight.velocity", and for each parameter the
  /// number of its updates, "hidden.weight.step".  Written back into another optimizer of the same
  /// rule and options for the same model, they let it go on bit for bit.  Options are not among
  /// them.
  /// \throws FileError for parameters of other types than float and double.
  std::vector<NamedArray> named_arrays() {
    std::vector<NamedArray> arrays;
    for (const auto& entry : entries_) entry->append_arrays(arrays);
    return arrays;
  }

 private:
  static constexpr std::size_t memories = Rule::memory_names.size();

  /// A parameter of any scalar type.
  struct Entry {
    std::string name;
    Options options;
    double rate_factor = 1;  // of its learning rate to that of the optimizer
    std::int64_t count = 0;  // of updates

    Entry(std::string text, const Options& o) : name(std::move(text)), options(o) {}
    virtual ~Entry() = default;
    virtual const void* data() const = 0;
    virtual const Shape& shape() const = 0;
    virtual void reserve() = 0;
    virtual void step() = 0;
    virtual void zero_grad() = 0;
    virtual double grad_squares() = 0;
    virtual double grad_squares(double unit) = 0;
    virtual double largest_grad() = 0;
    virtual void scale_grad(double factor) = 0;
    virtual void clamp_grad(double limit) = 0;
    virtual void append_arrays(std::vector<NamedArray>& arrays) = 0;
  };

  template <class T>
  class EntryOf final : public Entry {
   public:
    EntryOf(gradtape::detail::ParameterState<T>& state, const std::string& text, const Options& o)
        : Entry(text, o), state_(state) {
      reserve();
    }

    const void* data() const override { return state_.value.get(); }
    const Shape& shape() const override { return state_.shape; }
    void zero_grad() override { state_.clear_gradient(); }
    double grad_squares() override { return detail::squares(state_); }
    double grad_squares(double unit) override { return detail::squares(state_, unit); }
    double largest_grad() override { return detail::largest(state_); }
    void scale_grad(double factor) override { detail::scale(state_, factor); }
    void clamp_grad(double limit) override { detail::clamp(state_, limit); }

    /// Gets those memories that the options ask for and that are not there yet.
    void reserve() override {
      const Index size = state_.shape.size();
      for (std::size_t k = 0; k < memories; ++k) {
        if (!Rule::has_memory(this->options, k)) {
          memory_[k] = {};
        } else if (memory_[k].get() == nullptr) {
          memory_[k] = gradtape::detail::TensorMemory<T>(size);
          std::uninitialized_fill_n(memory_[k].get(), size, T(0));
        }
      }
    }

    void step() override {
      if (!state_.has_grad()) return;
      if (this->count < 0) {
        gradtape::detail::fail<DomainError>(Rule::name, ": the number of updates of \"", this->name,
                                            "\" is ", this->count);
      }
      const Update update(this->options, ++this->count);
      if (Rule::touched_only(this->options)) {
        detail::for_each_range(state_, [&](Index first, Index n) { apply(update, first, n); });
      } else {
        state_.complete_gradient();
        apply(update, 0, state_.shape.size());
      }
      state_.clear_gradient();
    }

    void append_arrays(std::vector<NamedArray>& arrays) override {
      using gradtape::detail::dotted;
      if constexpr (std::same_as<T, float> || std::same_as<T, double>) {
        for (std::size_t k = 0; k < memories; ++k) {
          if (memory_[k].get() == nullptr) continue;
          arrays.push_back(named_array(dotted(this->name, Rule::memory_names[k]), state_.shape,
                                       memory_[k].get()));
        }
        arrays.push_back(named_array(dotted(this->name, "step"), Shape(), &this->count));
      } else {
        gradtape::detail::fail<FileError>(Rule::name, ": what is remembered of ", this->name,
                                          " is neither float nor double, and no file has it");
      }
    }

   private:
    using Update = typename Rule::template Update<T>;

    void apply(const Update& update, Index first, Index size) {
      detail::Elements<T, memories> elements{
          state_.value.get() + first, state_.gradient_memory() + first, {}};
      for (std::size_t k = 0; k < memories; ++k) {
        if (memory_[k].get() != nullptr) elements.memory[k] = memory_[k].get() + first;
      }
      detail::apply(update, static_cast<T>(Rule::penalty(this->options)), elements, size);
    }

    gradtape::detail::ParameterState<T>& state_;
    std::array<gradtape::detail::TensorMemory<T>, memories> memory_;
  };

  template <class Edit>
  void change(Entry& entry, Edit& edit) {
    Options options = entry.options;
    edit(options);
    Rule::check(options);
    if (options.learning_rate != entry.options.learning_rate) {
      if (entry.options.learning_rate == 0) {
        gradtape::detail::fail<DomainError>(
            Rule::name, ": group: learning_rate of ", entry.name,
            " is 0: there is no ratio that it could keep to another one");
      }
      entry.rate_factor *= options.learning_rate / entry.options.learning_rate;
    }
    entry.options = options;
    entry.reserve();
  }

  double grad_norm() const {
    double sum = 0;
    for (const auto& entry : entries_) sum += entry->grad_squares();
    if (sum > 1e-30 && std::isfinite(sum)) return std::sqrt(sum);

    // some squares may be out of range, though the numbers themselves are not
    double largest = 0;
    for (const auto& entry : entries_) {
      const double x = entry->largest_grad();
      if (!std::isfinite(x)) {
        gradtape::detail::fail<DomainError>(Rule::name, ": clip_grad_norm: the gradient of \"",
                                            entry->name, "\" has an element that is not finite");
      }
      largest = std::max(largest, x);
    }
    if (largest == 0) return 0;
    sum = 0;
    for (const auto& entry : entries_) sum += entry->grad_squares(largest);
    return largest * std::sqrt(sum);
  }

  Options options_;
  std::vector<std::unique_ptr<Entry>> entries_;
};

}  // namespace gradtape::optim
