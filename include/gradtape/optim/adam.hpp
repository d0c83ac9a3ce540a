#pragma once
/// \file
/// Adam, and AdamW, which decays weights apart from the gradient.
/// Sources: Kingma and Ba (2015), Adam: a method for stochastic optimization; Loshchilov and Hutter
/// (2019), Decoupled weight decay regularization; AMSGrad: Reddi, Kale and Kumar (2018), On the
/// convergence of Adam and beyond.

#include "optimizer.hpp"

namespace gradtape::optim {

/// Options of `Adam` and, decoupled, of `AdamW`.
template <bool decoupled>
struct AdamOptionsOf {
  double learning_rate = 1e-3;  ///< about the largest step of an element
  double beta1 = 0.9;           ///< share of the first moment that is kept, in [0, 1)
  double beta2 = 0.999;         ///< share of the second moment that is kept, in [0, 1)
  double epsilon = 1e-8;        ///< keeps elements without gradients from dividing by 0
  double weight_decay = decoupled ? 1e-2 : 0;  ///< see `AdamRule`: two different things
  bool amsgrad = false;                        ///< divides by the largest second moment so far
  bool lazy = false;                           ///< only touched columns change
};
/// Without decay.
using AdamOptions = AdamOptionsOf<false>;
/// With a decay of 0.01.
using AdamWOptions = AdamOptionsOf<true>;

/// With g the gradient, w the parameter, m and v its moments (0 at first), at its update number t:
///
///     g <- g + weight_decay w                                          Adam: a penalty |w|^2
///     w <- w - learning_rate weight_decay w                            AdamW: decoupled
///     m <- beta1 m + (1 - beta1) g
///     v <- beta2 v + (1 - beta2) g^2
///     w <- w - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// AMSGrad takes the largest v so far in the last line.
///
/// Columns that a row-sparse gradient does not touch have a gradient of 0: their moments shrink,
/// and go on to move them.  With `lazy` neither happens, and weight decay waits for them to be
/// touched: for large vocabularies much less work, but another method.  t counts the updates of the
/// whole parameter in both.
template <bool decoupled>
struct AdamRule {
  using Options = AdamOptionsOf<decoupled>;
  static constexpr std::string_view name = decoupled ? "AdamW" : "Adam";
  static constexpr std::array<std::string_view, 3> memory_names{"first_moment", "second_moment",
                                                                "largest_second_moment"};
  static bool has_memory(const Options& o, std::size_t k) { return k < 2 || o.amsgrad; }
  static double penalty(const Options& o) { return decoupled ? 0 : o.weight_decay; }
  static bool touched_only(const Options& o) { return o.lazy; }

  static void check(const Options& o) {
    detail::check_option(name, "learning_rate", o.learning_rate);
    detail::check_option(name, "beta1", o.beta1, 1);
    detail::check_option(name, "beta2", o.beta2, 1);
    detail::check_option(name, "epsilon", o.epsilon);
    detail::check_option(name, "weight_decay", o.weight_decay);
  }

  template <class T>
  struct Update {
    T keep, beta1, rest1, beta2, rest2, rate, scale, epsilon;
    bool amsgrad;

    Update(const Options& o, std::int64_t step)
        : keep(static_cast<T>(decoupled ? 1 - o.learning_rate * o.weight_decay : 1)),
          beta1(static_cast<T>(o.beta1)),
          rest1(static_cast<T>(1 - o.beta1)),
          beta2(static_cast<T>(o.beta2)),
          rest2(static_cast<T>(1 - o.beta2)),
          rate(static_cast<T>(o.learning_rate / correction(o.beta1, step))),
          scale(static_cast<T>(1 / std::sqrt(correction(o.beta2, step)))),
          epsilon(static_cast<T>(o.epsilon)),
          amsgrad(o.amsgrad) {}

    template <class X>
    [[gnu::always_inline]] void operator()(X& w, const X& g, std::array<X, 3>& memory) const {
      using std::sqrt;
      auto& [m, v, largest] = memory;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * g * g;
      X second = v;
      if (amsgrad) {
        largest = gradtape::detail::select(v < largest, largest, v);
        second = largest;
      }
      w = keep * w - rate * m / (scale * sqrt(second) + epsilon);
    }
  };

 private:
  /// Share of a moment that is gradients, not the zero at its beginning.
  static double correction(double beta, std::int64_t step) {
    return 1 - std::pow(beta, static_cast<double>(step));
  }
};

/// See `AdamRule`.
/// \snippet reference/training_test.cpp adam
using Adam = Optimizer<AdamRule<false>>;
/// See `AdamRule`.
/// \snippet reference/training_test.cpp adamw
using AdamW = Optimizer<AdamRule<true>>;

}  // namespace gradtape::optim
