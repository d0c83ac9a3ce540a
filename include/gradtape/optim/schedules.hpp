#pragma once
/// \file
/// Learning rates that change during training: functions of the number of steps done so far, and
/// `ReduceOnPlateau`, which follows a measured loss.
///
///     for (Index step = 0; step < steps; ++step) {
///       optimizer.learning_rate(optim::schedule::warmup_cosine(step, 100, steps, 1e-3));
///       ...
///     }
///
/// All of them throw DomainError for a negative step or number of steps, and for rates and factors
/// that are negative, infinite or NaN.
/// Sources: Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, for
/// the cosine; Smith and Topin (2019), Super-convergence, for one cycle.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "../core/named_array.hpp"
#include "options.hpp"

namespace gradtape::optim {
namespace schedule {

namespace detail {

inline void check(Index step, Index steps) {
  if (step >= 0 && steps >= 0) return;
  gradtape::detail::fail<DomainError>("schedule: step ", step, " of ", steps,
                                      ": neither may be negative");
}

inline void check_rate(const char* schedule, const char* option, double rate) {
  optim::detail::check_option(gradtape::detail::concat("schedule: ", schedule), option, rate);
}

/// Share of the way from `begin` to `end` that is done, in [0, 1]; 1 if there is no way.
inline double progress(double step, double begin, double end) {
  return end > begin ? std::clamp((step - begin) / (end - begin), 0.0, 1.0) : 1;
}
inline double progress(Index step, Index steps) {
  check(step, steps);
  return progress(static_cast<double>(step), 0, static_cast<double>(steps));
}

inline double half_cosine(double progress, double from, double to) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * progress)) / 2;
}

}  // namespace detail

/// The same rate in every step: where a schedule is asked for.
inline double constant(Index step, double rate) {
  detail::check(step, 0);
  detail::check_rate("constant", "rate", rate);
  return rate;
}

/// From one rate to another on a straight line, within `steps` steps; then it stays there.
inline double linear(Index step, Index steps, double from, double to) {
  detail::check_rate("linear", "from", from);
  detail::check_rate("linear", "to", to);
  return from + (to - from) * detail::progress(step, steps);
}

/// From one rate to another along half a cosine, within `steps` steps; then it stays there.
inline double cosine(Index step, Index steps, double from, double to = 0) {
  detail::check_rate("cosine", "from", from);
  detail::check_rate("cosine", "to", to);
  return detail::half_cosine(detail::progress(step, steps), from, to);
}

/// rate factor^k, after k times `every` steps.
/// \throws DomainError also for `every` of 0.
inline double step_decay(Index step, Index every, double rate, double factor = 0.1) {
  detail::check(step, 0);
  if (every < 1)
    gradtape::detail::fail<DomainError>("schedule: step_decay: every ", every,
                                        " steps: it must be at least 1");
  detail::check_rate("step_decay", "rate", rate);
  detail::check_rate("step_decay", "factor", factor);
  return rate * std::pow(factor, static_cast<double>(step / every));
}

/// rate / (steps + 1), 2 rate / (steps + 1), ... and from step number `steps` on the full rate:
/// neither a first step of rate 0 nor a full one within the warm-up.
inline double linear_warmup(Index step, Index steps, double rate) {
  detail::check_rate("linear_warmup", "rate", rate);
  return linear(step, steps, rate / (static_cast<double>(steps) + 1), rate);
}

/// Linear warm-up in the first `warmup` of all steps, then half a cosine down.
/// \snippet reference/training_test.cpp schedule
/// \throws DomainError also if the warm-up is not within all steps.
inline double warmup_cosine(Index step, Index warmup, Index steps, double rate, double to = 0) {
  detail::check(step, steps);
  if (warmup < 0 || warmup > steps)
    gradtape::detail::fail<DomainError>("schedule: a warm-up of ", warmup, " of ", steps, " steps");
  detail::check_rate("warmup_cosine", "rate", rate);
  detail::check_rate("warmup_cosine", "to", to);
  if (step < warmup) return linear_warmup(step, warmup, rate);
  return cosine(step - warmup, steps - warmup, rate, to);
}

/// Parameters of `one_cycle`.
struct OneCycle {
  double highest;           ///< rate
  double rising = 0.3;      ///< share of the steps in which it rises, in [0, 1)
  double first_ratio = 25;  ///< of the highest to the first rate
  double last_ratio = 1e4;  ///< of the first to the last rate
};

/// One cycle: along half a cosine up to the highest rate, and along another one down to the last,
/// which is that of step number steps - 1.
/// \throws DomainError also for a share outside of its range and ratios that are not positive.
inline double one_cycle(Index step, Index steps, const OneCycle& cycle) {
  detail::check(step, steps);
  detail::check_rate("one_cycle", "highest", cycle.highest);
  optim::detail::check_option("schedule: one_cycle", "rising", cycle.rising, 1);
  if (!(cycle.first_ratio > 0 && cycle.last_ratio > 0)) {
    gradtape::detail::fail<DomainError>("schedule: one_cycle: first_ratio is ", cycle.first_ratio,
                                        " and last_ratio ", cycle.last_ratio,
                                        ": they must be positive");
  }
  const auto now = static_cast<double>(step), end = static_cast<double>(steps) - 1;
  const double top = cycle.rising * static_cast<double>(steps) - 1;
  const double first = cycle.highest / cycle.first_ratio;
  if (now < top) return detail::half_cosine(now / top, first, cycle.highest);
  const double down = detail::progress(now, std::max(top, 0.0), end);
  return detail::half_cosine(down, cycle.highest, first / cycle.last_ratio);
}

}  // namespace schedule

/// Options of `ReduceOnPlateau`.
struct PlateauOptions {
  double factor = 0.1;      ///< of the new rate to the old one, in [0, 1)
  Index patience = 10;      ///< losses in a row without improvement that are let pass
  double threshold = 1e-4;  ///< an improvement is by more than this share of |best loss|
  Index cooldown = 0;       ///< losses after a change that are not judged
  double lowest = 0;        ///< rate
};

/// Reduces the learning rate whenever a measured loss, say of held-out data, has stopped to fall.
/// \snippet reference/training_test.cpp plateau
class ReduceOnPlateau {
 public:
  /// Begins with that rate.
  /// \throws DomainError for options outside of their range.
  explicit ReduceOnPlateau(double rate, const PlateauOptions& options = {})
      : options_(options), rate_(rate) {
    constexpr auto name = "ReduceOnPlateau";
    detail::check_option(name, "rate", rate);
    detail::check_option(name, "factor", options.factor, 1);
    detail::check_option(name, "patience", static_cast<double>(options.patience));
    detail::check_option(name, "threshold", options.threshold);
    detail::check_option(name, "cooldown", static_cast<double>(options.cooldown));
    detail::check_option(name, "lowest", options.lowest);
  }

  /// Takes the next loss and returns the rate from now on.  NaN is no improvement.
  double operator()(double loss) {
    if (loss < best_ - (std::isinf(best_) ? 0 : options_.threshold * std::abs(best_))) {
      best_ = loss;
      waited_ = 0;
    } else {
      ++waited_;
    }
    if (cooling_ > 0) {
      --cooling_;
      waited_ = 0;
    }
    if (waited_ > options_.patience) {
      rate_ = std::min(rate_, std::max(rate_ * options_.factor, options_.lowest));
      cooling_ = options_.cooldown;
      waited_ = 0;
    }
    return rate_;
  }

  double rate() const { return rate_; }       ///< from the last loss on
  double best_loss() const { return best_; }  ///< infinite before the first

  /// For files: with these it goes on as it would have.
  std::vector<NamedArray> named_arrays() {
    return {named_array("rate", Shape(), &rate_), named_array("best_loss", Shape(), &best_),
            named_array("waited", Shape(), &waited_), named_array("cooling", Shape(), &cooling_)};
  }

 private:
  PlateauOptions options_;
  double rate_, best_ = detail::infinity;
  std::int64_t waited_ = 0, cooling_ = 0;
};

}  // namespace gradtape::optim
