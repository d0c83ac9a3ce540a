#pragma once
/// \file
/// Stochastic gradient descent, with momentum.
/// Sources: Polyak (1964), Some methods of speeding up the convergence of iteration methods;
/// Nesterov's momentum in the form of Sutskever, Martens, Dahl and Hinton (2013), On the importance
/// of initialization and momentum in deep learning.

#include "optimizer.hpp"

namespace gradtape::optim {

/// Options of `Sgd`.
struct SgdOptions {
  double learning_rate = 1e-2;  ///< factor of the gradient, or of the velocity
  double momentum = 0;          ///< share of the last velocity that is kept, in [0, 1)
  bool nesterov = false;        ///< takes the gradient as if one step ahead; needs momentum
  double weight_decay = 0;      ///< strength of the penalty (weight_decay / 2) |w|^2
};

/// With g the gradient, w the parameter, v its velocity (0 at first):
///
///     g <- g + weight_decay w
///     v <- momentum v + g
///     w <- w - learning_rate v                      or, with nesterov,
///     w <- w - learning_rate (g + momentum v)
///
/// Without momentum and decay the columns that a row-sparse gradient does not touch are skipped,
/// which for them is the same.
struct SgdRule {
  using Options = SgdOptions;
  static constexpr std::string_view name = "Sgd";
  static constexpr std::array<std::string_view, 1> memory_names{"velocity"};
  static bool has_memory(const Options& o, std::size_t) { return o.momentum != 0; }
  static double penalty(const Options& o) { return o.weight_decay; }
  static bool touched_only(const Options& o) { return o.momentum == 0 && o.weight_decay == 0; }

  static void check(const Options& o) {
    detail::check_option(name, "learning_rate", o.learning_rate);
    detail::check_option(name, "momentum", o.momentum, 1);
    detail::check_option(name, "weight_decay", o.weight_decay);
    if (o.nesterov && o.momentum == 0)
      gradtape::detail::fail<DomainError>(name, ": nesterov needs a momentum above 0");
  }

  template <class T>
  struct Update {
    T rate, momentum;
    bool nesterov;

    Update(const Options& o, std::int64_t)
        : rate(static_cast<T>(o.learning_rate)),
          momentum(static_cast<T>(o.momentum)),
          nesterov(o.nesterov) {}

    template <class X>
    [[gnu::always_inline]] void operator()(X& w, const X& g, std::array<X, 1>& memory) const {
      if (momentum == T(0)) {
        w = w - rate * g;
        return;
      }
      X& v = memory[0];
      v = momentum * v + g;
      w = w - rate * (nesterov ? g + momentum * v : v);
    }
  };
};

/// See `SgdRule`.
/// \snippet reference/training_test.cpp sgd
using Sgd = Optimizer<SgdRule>;

}  // namespace gradtape::optim
