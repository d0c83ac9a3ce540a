#pragma once
/// \file
/// A residual connection: what is learned is the difference to the identity, so that deep stacks of
/// layers pass gradients on.  Source: He et al. (2016), Deep residual learning for image
/// recognition, CVPR.

#include <utility>

#include "../ops/arithmetic.hpp"
#include "../ops/gather.hpp"
#include "module.hpp"
#include "training.hpp"

namespace gradtape::nn {

/// A residual connection.  y = x + f(x),  x_bar += y_bar + f'(x)^T y_bar
/// where f is any layer whose result is of the shape of x.
template <class F>
struct Residual {
  F body;  ///< f; files find its parameters as "body.weight" and so on

  /// Moves the layer in.
  explicit Residual(F f) : body(std::move(f)) {}

  /// Evaluation, an expression.  \throws ShapeError if the shapes of x and f(x) differ.
  template <TensorEntity X>
  auto operator()(const X& x) const {
    const auto a = gradtape::detail::as_tensor("residual", x);
    return sum(a, body(a));
  }
  /// Training: with body(x, random) if it has this call.
  template <TensorEntity X>
  auto operator()(const X& x, Random& random) {
    const auto a = gradtape::detail::as_tensor("residual", x);
    return sum(a, nn::train(body, a, random));
  }

  void members(auto&& member) {
    if constexpr (gradtape::detail::HasMembers<F>) member("body", body);
  }

 private:
  template <class T>
  static auto sum(const Tensor<T>& x, const std::type_identity_t<Tensor<T>>& y) {
    if (x.shape() != y.shape()) {
      gradtape::detail::fail<ShapeError>("residual: ", gradtape::detail::title(x, "x"), " is ",
                                         to_string(x.shape()), ", f(x) is ", to_string(y.shape()),
                                         ": they must have the same shape");
    }
    return x + y;
  }
};

}  // namespace gradtape::nn
