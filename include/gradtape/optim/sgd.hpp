#pragma once
/// \file
/// Stochastic gradient descent.

#include "optimizer.hpp"

namespace gradtape::optim {

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0;      // share of the last velocity that is kept, in [0, 1)
  double weight_decay = 0;  // strength of the penalty (weight_decay / 2) |w|^2
};

/// With g the gradient, w the parameter, v its velocity (0 at first):
///
///     g <- g + weight_decay w
///     v <- momentum v + g
///     w <- w - learning_rate v
struct SgdRule {
  using Options = SgdOptions;
  static constexpr std::size_t memories = 1;
  static bool has_memory(const Options& options) { return options.momentum != 0; }
  static bool skips_zeros(const Options& options) {
    return options.momentum == 0 && options.weight_decay == 0;
  }

  template <class T>
  struct Update {
    T rate, momentum, decay;

    Update(const Options& options, long)
        : rate(static_cast<T>(options.learning_rate)),
          momentum(static_cast<T>(options.momentum)),
          decay(static_cast<T>(options.weight_decay)) {}

    void operator()(Piece<T> w, Piece<const T> g, Memory<T, memories> memory) const {
      Piece<T>& v = memory[0];
      if (v.size() > 0) {
        v = momentum * v + (g + decay * w);
        w -= rate * v;
      } else if (decay != T(0)) {
        w -= rate * (g + decay * w);
      } else {
        w -= rate * g;
      }
    }
  };
};

/// \code optim::Sgd optimizer(model, {.learning_rate = 0.1, .momentum = 0.9}); \endcode
using Sgd = Optimizer<SgdRule>;

}  // namespace gradtape::optim
