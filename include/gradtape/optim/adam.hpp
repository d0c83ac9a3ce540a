#pragma once
/// \file
/// Adam, and AdamW where there is weight decay.
/// Sources: Kingma and Ba (2015), Adam: a method for stochastic optimization; Loshchilov and Hutter
/// (2019), Decoupled weight decay regularization.

#include <cmath>

#include "optimizer.hpp"

namespace gradtape::optim {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;    // share of the first moment that is kept
  double beta2 = 0.999;  // share of the second moment that is kept
  double epsilon = 1e-8;
  double weight_decay = 0;  // decoupled from the gradient: AdamW
};

/// With g the gradient, w the parameter, m and v its moments (0 at first), at its update number t:
///
///     w <- w - learning_rate weight_decay w
///     m <- beta1 m + (1 - beta1) g
///     v <- beta2 v + (1 - beta2) g^2
///     w <- w - learning_rate (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
struct AdamRule {
  using Options = AdamOptions;
  static constexpr std::size_t memories = 2;
  static bool has_memory(const Options&) { return true; }
  static bool skips_zeros(const Options&) { return false; }

  template <class T>
  struct Update {
    T keep, beta1, rest1, beta2, rest2, rate, scale, epsilon;

    Update(const Options& options, long step)
        : keep(static_cast<T>(1 - options.learning_rate * options.weight_decay)),
          beta1(static_cast<T>(options.beta1)),
          rest1(static_cast<T>(1 - options.beta1)),
          beta2(static_cast<T>(options.beta2)),
          rest2(static_cast<T>(1 - options.beta2)),
          rate(static_cast<T>(options.learning_rate / correction(options.beta1, step))),
          scale(static_cast<T>(1 / std::sqrt(correction(options.beta2, step)))),
          epsilon(static_cast<T>(options.epsilon)) {}

    void operator()(Piece<T> w, Piece<const T> g, Memory<T, memories> memory) const {
      auto& [m, v] = memory;
      m = beta1 * m + rest1 * g;
      v = beta2 * v + rest2 * g.square();
      w = keep * w - rate * m / (scale * v.sqrt() + epsilon);
    }
  };

 private:
  /// Share of a moment that is gradients, not the zero at its beginning.
  static double correction(double beta, long step) {
    return 1 - std::pow(beta, static_cast<double>(step));
  }
};

/// \code optim::Adam optimizer(model, {.learning_rate = 1e-2}); \endcode
using Adam = Optimizer<AdamRule>;

}  // namespace gradtape::optim
