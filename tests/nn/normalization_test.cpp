// Layers of nested scalars: what they record can be differentiated again.

#include "gradtape/nn/normalization.hpp"

#include "catch.hpp"
#include "gradtape/nn/batch_norm.hpp"
#include "gradtape/nn/dropout.hpp"
#include "gradtape/nn/layer_norm.hpp"
#include "gradtape/nn/pooling.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/shape_ops.hpp"
#include "ops/second_derivatives.hpp"

using namespace gradtape;
using numeric::check_second_derivatives;

namespace {

/// A layer for what x is of, alive as long as the recordings that it takes part in.
template <template <class> class Layer, class X, class... Options>
auto& layer_for(const X&, const Options&... options) {
  using T = typename X::Scalar;
  static Layer<T> layer(4, options...);
  layer.gain.value().setConstant(T(3));
  layer.bias.value().setConstant(T(0.5));
  layer.gain.zero_grad();
  layer.bias.zero_grad();
  return layer;
}

}  // namespace

TEST_CASE("second derivatives of normalised columns and rows") {
  check_second_derivatives([](const auto& x) {
    const Tensor y = layer_for<nn::LayerNorm>(x, 0.1)(x);
    return sum(square(y) * y);
  });
  check_second_derivatives([](const auto& x) {
    auto& layer = layer_for<nn::BatchNorm>(x, nn::BatchNormOptions{.momentum = 0, .epsilon = 0.1});
    const Tensor y = layer.train(x), z = layer(x);
    return sum(square(y) * y) + sum(square(z) * y);
  });
}

TEST_CASE("second derivatives through dropout and pooling") {
  check_second_derivatives([](const auto& x) {
    Random random(1);
    return sum(square(dropout(square(x), 0.3, random)));
  });
  check_second_derivatives([](const auto& x) {
    const std::vector<int> lengths{2, 1, 0};
    const Tensor texts = reshape(square(x), {2, 2, 3});
    return sum(square(mean_pooling(texts, lengths) + max_pooling(texts, lengths)) *
               last_pooling(texts, lengths));
  });
}
