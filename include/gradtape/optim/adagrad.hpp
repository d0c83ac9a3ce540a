#pragma once
/// \file
/// Adagrad: a rate for each element, which falls with what its gradients have been so far.
/// Source: Duchi, Hazan and Singer (2011), Adaptive subgradient methods for online learning and
/// stochastic optimization.

#include "optimizer.hpp"

namespace gradtape::optim {

/// Options of `Adagrad`.
struct AdagradOptions {
  double learning_rate = 1e-2;  ///< about the size of the first step of an element
  double epsilon = 1e-10;       ///< keeps elements without gradients from dividing by 0
  double weight_decay = 0;      ///< strength of the penalty (weight_decay / 2) |w|^2
  bool lazy = false;            ///< only touched columns decay
};

/// With g the gradient, w the parameter, s the sum of its squared gradients (0 at first):
///
///     g <- g + weight_decay w
///     s <- s + g^2
///     w <- w - learning_rate g / (sqrt(s) + epsilon)
///
/// Without decay the columns that a row-sparse gradient does not touch are skipped, which for them
/// is the same.  With decay they would all shrink in each step; `lazy` skips them none the less.
struct AdagradRule {
  using Options = AdagradOptions;
  static constexpr std::string_view name = "Adagrad";
  static constexpr std::array<std::string_view, 1> memory_names{"squares"};
  static bool has_memory(const Options&, std::size_t) { return true; }
  static double penalty(const Options& o) { return o.weight_decay; }
  static bool touched_only(const Options& o) { return o.weight_decay == 0 || o.lazy; }

  static void check(const Options& o) {
    detail::check_option(name, "learning_rate", o.learning_rate);
    detail::check_option(name, "epsilon", o.epsilon);
    detail::check_option(name, "weight_decay", o.weight_decay);
  }

  template <class T>
  struct Update {
    T rate, epsilon;

    Update(const Options& o, std::int64_t)
        : rate(static_cast<T>(o.learning_rate)), epsilon(static_cast<T>(o.epsilon)) {}

    template <class X>
    [[gnu::always_inline]] void operator()(X& w, const X& g, std::array<X, 1>& memory) const {
      using std::sqrt;
      X& s = memory[0];
      s = s + g * g;
      w = w - rate * g / (sqrt(s) + epsilon);
    }
  };
};

/// See `AdagradRule`.
/// \snippet reference/training_test.cpp adagrad
using Adagrad = Optimizer<AdagradRule>;

}  // namespace gradtape::optim
