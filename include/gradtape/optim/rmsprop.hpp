#pragma once
/// \file
/// RMSProp: divides the gradient by a running root of its mean square.
/// Sources: Tieleman and Hinton (2012), Neural networks for machine learning, lecture 6.5; the
/// centred form: Graves (2013), Generating sequences with recurrent neural networks.

#include "optimizer.hpp"

namespace gradtape::optim {

/// Options of `RmsProp`.
struct RmsPropOptions {
  double learning_rate = 1e-2;  ///< about the step of an element whose gradients stay the same
  double smoothing = 0.99;      ///< share of the mean square that is kept, in [0, 1)
  double epsilon = 1e-8;        ///< keeps elements without gradients from dividing by 0
  double momentum = 0;          ///< share of the last velocity that is kept, in [0, 1)
  bool centered = false;        ///< divides by the deviation from the mean gradient instead
  double weight_decay = 0;      ///< strength of the penalty (weight_decay / 2) |w|^2
  bool lazy = false;            ///< only touched columns change
};

/// With g the gradient, w the parameter, s its mean square, a its mean, v the velocity (all 0 at
/// first, and not corrected for that):
///
///     g <- g + weight_decay w
///     s <- smoothing s + (1 - smoothing) g^2
///     a <- smoothing a + (1 - smoothing) g                     if centered, otherwise a = 0
///     v <- momentum v + g / (sqrt(s - a^2) + epsilon)
///     w <- w - learning_rate v
///
/// s - a^2 is at least 0, also where rounding would make it negative.
///
/// Columns that a row-sparse gradient does not touch have a gradient of 0: their s and a shrink,
/// their v goes on to move them.  With `lazy` neither happens, and weight decay waits for them to
/// be touched: for large vocabularies much less work, but another method.
struct RmsPropRule {
  using Options = RmsPropOptions;
  static constexpr std::string_view name = "RmsProp";
  static constexpr std::array<std::string_view, 3> memory_names{"mean_square", "mean", "velocity"};
  static bool has_memory(const Options& o, std::size_t k) {
    return k == 0 || (k == 1 && o.centered) || (k == 2 && o.momentum != 0);
  }
  static double penalty(const Options& o) { return o.weight_decay; }
  static bool touched_only(const Options& o) { return o.lazy; }

  static void check(const Options& o) {
    detail::check_option(name, "learning_rate", o.learning_rate);
    detail::check_option(name, "smoothing", o.smoothing, 1);
    detail::check_option(name, "epsilon", o.epsilon);
    detail::check_option(name, "momentum", o.momentum, 1);
    detail::check_option(name, "weight_decay", o.weight_decay);
  }

  template <class T>
  struct Update {
    T rate, smoothing, rest, epsilon, momentum;
    bool centered;

    Update(const Options& o, std::int64_t)
        : rate(static_cast<T>(o.learning_rate)),
          smoothing(static_cast<T>(o.smoothing)),
          rest(static_cast<T>(1 - o.smoothing)),
          epsilon(static_cast<T>(o.epsilon)),
          momentum(static_cast<T>(o.momentum)),
          centered(o.centered) {}

    template <class X>
    [[gnu::always_inline]] void operator()(X& w, const X& g, std::array<X, 3>& memory) const {
      using std::sqrt;
      auto& [s, a, v] = memory;
      s = smoothing * s + rest * g * g;
      X variance = s;
      if (centered) {
        a = smoothing * a + rest * g;
        variance = s - a * a;
        variance = gradtape::detail::select(variance < X(T(0)), X(T(0)), variance);
      }
      v = momentum * v + g / (sqrt(variance) + epsilon);
      w = w - rate * v;
    }
  };
};

/// See `RmsPropRule`.
/// \snippet reference/training_test.cpp rmsprop
using RmsProp = Optimizer<RmsPropRule>;

}  // namespace gradtape::optim
