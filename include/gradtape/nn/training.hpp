#pragma once
/// \file
/// Training and evaluation.  Where a layer does not do the same in both, the call says which:
///
///     layer(x)            evaluation
///     layer(x, random)    training: what is left to chance comes from `random`
///
/// A model of a user's own that holds such layers has these two calls as well, or one of them.

#include <type_traits>

#include "../core/kinds.hpp"
#include "../core/random.hpp"

namespace gradtape::nn {

/// A layer in training: layer(x, random), or layer(x) where that is all there is.
template <class Layer, TensorEntity X>
auto train(Layer& layer, const X& x, Random& random) {
  if constexpr (std::is_invocable_v<Layer&, const X&, Random&>) {
    return layer(x, random);
  } else {
    return layer(x);
  }
}

}  // namespace gradtape::nn
