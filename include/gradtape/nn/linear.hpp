#pragma once
/// \file
/// A fully connected layer.

#include "../ops/linear.hpp"
#include "initialize.hpp"
#include "module.hpp"

namespace gradtape::nn {

/// A fully connected layer.  y = W x + b            x (k,n), W (m,k), b (m) -> y (m,n)
template <class T>
struct Linear {
  Parameter<T> weight;  ///< W (m,k)
  Parameter<T> bias;    ///< b (m)

  /// W from a normal distribution with deviation gain / sqrt(k) (see initialize.hpp), b zero.
  /// A gain well below 1 suits the last layer before a softmax: at first all classes are equally
  /// likely, and no step is spent on unlearning what chance preferred.
  Linear(Index inputs, Index outputs, Random& random, double gain = gain::linear)
      : weight(Shape{outputs, inputs}, "weight"), bias(Shape{outputs}, "bias") {
    initialize::kaiming_normal(weight, random, gain);
  }

  /// y (m,n) from x (k,n), or y (m) from x (k).
  /// \throws ShapeError if the columns of W differ from the rows of x.
  template <TensorEntity X>
  Tensor<T> operator()(const X& x) const {
    return linear(weight, x, bias);
  }

  void members(auto&& member) {
    member("weight", weight);
    member("bias", bias);
  }
};

}  // namespace gradtape::nn
