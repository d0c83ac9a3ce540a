#pragma once
/// \file
/// L-BFGS, for small problems whose loss is computed on all data: steps along -H g, where the
/// inverse Hessian H is what the last changes of the parameters and of the gradient say of it.
/// Sources: Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization;
/// Nocedal and Wright (2006), Numerical optimization, algorithm 7.4 (two-loop recursion).

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "../nn/module.hpp"
#include "line_search.hpp"
#include "options.hpp"

namespace gradtape::optim {

/// Options of `Lbfgs`.
struct LbfgsOptions {
  int max_iterations = 20;           ///< in one call of `step`
  int history = 10;                  ///< changes that H is made of
  double tolerance_gradient = 1e-7;  ///< of the largest |element|
  double tolerance_change = 1e-9;    ///< of the largest |change| of a parameter, relative to the
                                     ///< largest |parameter| if that is above 1
};

/// Why a call of `step` has ended.
enum class LbfgsStop {
  gradient,     ///< the gradient is below its tolerance: a minimum, in general
  change,       ///< the last change was
  line_search,  ///< no point on the line is lower, but for rounding
  iterations,   ///< there were enough
};

/// What a call of `step` came to.
struct LbfgsResult {
  double loss;      ///< at the parameters as they are now
  int iterations;   ///< line searches, those that found nothing among them
  int evaluations;  ///< calls of the closure
  LbfgsStop stop;   ///< what ended it
};

/// L-BFGS, computing with numbers of type Real; `Lbfgs` is the one to use.
/// \snippet reference/training_test.cpp lbfgs
/// Computes in double precision also where parameters are float.  The model may be moved, but must
/// outlive the optimizer; a parameter that takes no part in the loss keeps its value.
///
/// A template so that programs pay for compiling it only where they use it.
template <class Real>
class LbfgsOf {
 public:
  /// For all parameters of a model, or for one parameter.
  /// \throws DomainError for options outside of their range.
  template <class Model>
  explicit LbfgsOf(Model& model, const LbfgsOptions& options = {}) : options_(options) {
    detail::check_option(name, "max_iterations", options.max_iterations);
    detail::check_option(name, "history", options.history);
    detail::check_option(name, "tolerance_gradient", options.tolerance_gradient);
    detail::check_option(name, "tolerance_change", options.tolerance_change);
    Index size = 0;
    for_each_distinct_parameter(model, [&](const std::string&, auto& parameter) {
      using T = typename std::remove_cvref_t<decltype(parameter)>::Scalar;
      auto& state = gradtape::detail::ParameterHandle<T>::state(parameter);
      entries_.push_back(std::make_unique<EntryOf<T>>(state));
      precision_ = std::max(precision_, static_cast<double>(std::numeric_limits<T>::epsilon()));
      size += parameter.size();
    });
    for (Vector* v : {&here_.x, &here_.gradient, &tried_.x, &tried_.gradient, &direction_})
      v->setZero(size);
    weights_.setZero(options.history);
    steps_.setZero(size, options.history);
    changes_.setZero(size, options.history);
  }

  /// Lowers the loss, with at most `max_iterations` line searches.  The closure computes the loss
  /// and by `backward` its gradients, and returns the loss; gradients are cleared before it is
  /// called, and at the end.  If it throws, the parameters are those of the best point so far.
  /// \throws DomainError if the loss or the gradient is not finite at the beginning.  Points later
  ///         on at which they are not count as too far away.
  template <class Closure>
  LbfgsResult step(Closure&& closure) {
    if (count_ < 0) gradtape::detail::fail<DomainError>(name, ": the count of changes is ", count_);
    LbfgsResult result{0, 0, 0, LbfgsStop::iterations};
    read(here_.x);
    try {
      evaluate(here_, closure, result);
      check_start();
      while (proceeds(result)) search(closure, result);
    } catch (...) {
      finish();
      throw;
    }
    finish();
    result.loss = here_.loss;
    return result;
  }

  /// Forgets what H is made of: for another loss.
  void reset() { count_ = 0; }

  /// What the optimizer remembers, for files, "lbfgs.steps" and others: written back into another
  /// optimizer with the same options for the same model, they let it go on bit for bit.
  std::vector<NamedArray> named_arrays() {
    const Shape shape{steps_.rows(), steps_.cols()};
    return {named_array("lbfgs.steps", shape, steps_.data()),
            named_array("lbfgs.gradient_changes", shape, changes_.data()),
            named_array("lbfgs.count", Shape(), &count_)};
  }

 private:
  using Vector = Eigen::VectorX<Real>;
  using Matrix = Eigen::MatrixX<Real>;
  static constexpr const char* name = "Lbfgs";
  static constexpr int trials = 25;  // in a line search

  struct Point {
    Vector x, gradient;
    double loss = 0;
  };

  /// A parameter of any scalar type.
  struct Entry {
    virtual ~Entry() = default;
    virtual double* read(double* x) const = 0;  // they return the end of its part of x
    virtual const double* write(const double* x) = 0;
    virtual double* read_gradient(double* gradient) = 0;
    virtual void zero_grad() = 0;
  };

  template <class T>
  class EntryOf final : public Entry {
   public:
    explicit EntryOf(gradtape::detail::ParameterState<T>& state) : state_(state) {}
    double* read(double* x) const override { return copy(state_.value.get(), x); }
    const double* write(const double* x) override {
      const double* const end = x + state_.shape.size();
      std::transform(x, end, state_.value.get(), [](double v) { return static_cast<T>(v); });
      return end;
    }
    double* read_gradient(double* gradient) override {
      return copy(state_.complete_gradient(), gradient);
    }
    void zero_grad() override { state_.clear_gradient(); }

   private:
    double* copy(const T* from, double* to) const {
      return std::transform(from, from + state_.shape.size(), to,
                            [](T v) { return static_cast<double>(v); });
    }

    gradtape::detail::ParameterState<T>& state_;
  };

  void read(Vector& x) const {
    double* to = x.data();
    for (const auto& entry : entries_) to = entry->read(to);
  }
  void write(const Vector& x) {
    const double* from = x.data();
    for (const auto& entry : entries_) from = entry->write(from);
  }
  void zero_grad() {
    for (const auto& entry : entries_) entry->zero_grad();
  }

  void finish() {
    write(here_.x);
    zero_grad();
  }

  void check_start() const {
    if (std::isfinite(here_.loss) && here_.gradient.allFinite()) return;
    gradtape::detail::fail<DomainError>(
        name, ": at the beginning of a step the loss is ", here_.loss,
        std::isfinite(here_.loss) ? ", but its gradient is not finite" : ": it must be finite");
  }

  template <class Closure>
  void evaluate(Point& point, Closure& closure, LbfgsResult& result) {
    zero_grad();
    point.loss = static_cast<double>(closure());
    ++result.evaluations;
    double* to = point.gradient.data();
    for (const auto& entry : entries_) to = entry->read_gradient(to);
  }

  bool proceeds(LbfgsResult& result) const {
    if (here_.gradient.template lpNorm<Eigen::Infinity>() <= options_.tolerance_gradient)
      result.stop = LbfgsStop::gradient;
    return result.stop == LbfgsStop::iterations && result.iterations < options_.max_iterations;
  }

  /// One iteration: a line search, and what follows from it.
  template <class Closure>
  void search(Closure& closure, LbfgsResult& result) {
    find_direction();
    double slope = here_.gradient.dot(direction_);
    if (!(slope < 0)) {
      reset();
      find_direction();
      slope = here_.gradient.dot(direction_);
    }
    const auto try_step = [&](double step) {
      tried_.x = here_.x + step * direction_;
      write(tried_.x);
      read(tried_.x);
      evaluate(tried_, closure, result);
      return detail::LinePoint{step, tried_.loss, tried_.gradient.dot(direction_)};
    };
    const double noise = 4 * precision_ * std::abs(here_.loss);
    const double guess = count_ > 0 ? 1 : std::min(1.0, 1 / here_.gradient.template lpNorm<1>());
    double tried = 0;
    const auto found = detail::WolfeSearch({0, here_.loss, slope}, noise)(
        [&](double step) { return try_step(tried = step); }, guess, trials);
    ++result.iterations;
    if (found.step == 0) {
      if (count_ == 0) result.stop = LbfgsStop::line_search;
      reset();
      return;
    }
    if (found.step != tried) try_step(found.step);
    remember();
    std::swap(here_, tried_);
    const double change = (here_.x - tried_.x).template lpNorm<Eigen::Infinity>();
    const double size = std::max(1.0, here_.x.template lpNorm<Eigen::Infinity>());
    if (change <= options_.tolerance_change * size) result.stop = LbfgsStop::change;
  }

  /// Column of the change that is `age` changes old; 0 is the last one.
  Index column(Index age) const { return (count_ - 1 - age) % options_.history; }

  /// The change from here to the tried point, unless it says nothing of H.
  void remember() {
    const auto s = tried_.x - here_.x, y = tried_.gradient - here_.gradient;
    if (options_.history == 0 || !(s.dot(y) > 1e-10 * s.norm() * y.norm())) return;
    steps_.col(column(-1)) = s;
    changes_.col(column(-1)) = y;
    ++count_;
  }

  /// direction = -H gradient, by the two-loop recursion.
  void find_direction() {
    const Index n = std::min<Index>(count_, options_.history);
    direction_ = -here_.gradient;
    for (Index age = 0; age < n; ++age) {
      const auto s = steps_.col(column(age)), y = changes_.col(column(age));
      weights_[age] = s.dot(direction_) / s.dot(y);
      direction_ -= weights_[age] * y;
    }
    if (n > 0) {
      const auto s = steps_.col(column(0)), y = changes_.col(column(0));
      direction_ *= s.dot(y) / y.squaredNorm();
    }
    for (Index age = n; age-- > 0;) {
      const auto s = steps_.col(column(age)), y = changes_.col(column(age));
      direction_ += (weights_[age] - y.dot(direction_) / s.dot(y)) * s;
    }
  }

  LbfgsOptions options_;
  std::vector<std::unique_ptr<Entry>> entries_;
  double precision_ = 0;  // of the least precise parameter
  Point here_, tried_;
  Vector direction_, weights_;
  Matrix steps_, changes_;  // of the parameters and of the gradient, a column each
  std::int64_t count_ = 0;  // of changes since the beginning; the last are in columns
};

/// In double precision.
using Lbfgs = LbfgsOf<double>;

}  // namespace gradtape::optim
