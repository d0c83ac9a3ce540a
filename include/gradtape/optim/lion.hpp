#pragma once
/// \file
/// Lion: every element moves by the learning rate, in the direction of a momentum's sign.
/// Source: Chen et al. (2023), Symbolic discovery of optimization algorithms, program 1.

#include "optimizer.hpp"

namespace gradtape::optim {

/// Options of `Lion`.
struct LionOptions {
  double learning_rate = 1e-4;  ///< 3 to 10 times smaller than for Adam
  double beta1 = 0.9;           ///< share of the momentum in the direction, in [0, 1)
  double beta2 = 0.99;          ///< share of the momentum that is kept, in [0, 1)
  double weight_decay = 0;      ///< decoupled; 3 to 10 times larger than for AdamW
};

/// With g the gradient, w the parameter, m its momentum (0 at first):
///
///     c <- beta1 m + (1 - beta1) g
///     w <- w - learning_rate (sign(c) + weight_decay w)             sign(0) = 0, sign(NaN) = NaN
///     m <- beta2 m + (1 - beta2) g
struct LionRule {
  using Options = LionOptions;
  static constexpr std::string_view name = "Lion";
  static constexpr std::array<std::string_view, 1> memory_names{"momentum"};
  static bool has_memory(const Options&, std::size_t) { return true; }
  static double penalty(const Options&) { return 0; }
  static bool touched_only(const Options&) { return false; }

  static void check(const Options& o) {
    detail::check_option(name, "learning_rate", o.learning_rate);
    detail::check_option(name, "beta1", o.beta1, 1);
    detail::check_option(name, "beta2", o.beta2, 1);
    detail::check_option(name, "weight_decay", o.weight_decay);
  }

  template <class T>
  struct Update {
    T rate, keep, beta1, rest1, beta2, rest2;

    Update(const Options& o, std::int64_t)
        : rate(static_cast<T>(o.learning_rate)),
          keep(static_cast<T>(1 - o.learning_rate * o.weight_decay)),
          beta1(static_cast<T>(o.beta1)),
          rest1(static_cast<T>(1 - o.beta1)),
          beta2(static_cast<T>(o.beta2)),
          rest2(static_cast<T>(1 - o.beta2)) {}

    template <class X>
    [[gnu::always_inline]] void operator()(X& w, const X& g, std::array<X, 1>& memory) const {
      X& m = memory[0];
      w = keep * w - rate * sign(beta1 * m + rest1 * g);
      m = beta2 * m + rest2 * g;
    }

   private:
    template <class X>
    [[gnu::always_inline]] static X sign(const X& c) {
      using gradtape::detail::select;
      return select(c > X(T(0)), X(T(1)), select(c < X(T(0)), X(T(-1)), c));
    }
  };
};

/// See `LionRule`.
/// \snippet reference/training_test.cpp lion
using Lion = Optimizer<LionRule>;

}  // namespace gradtape::optim
