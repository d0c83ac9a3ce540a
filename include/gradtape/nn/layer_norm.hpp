#pragma once
/// \file
/// Layer normalisation: every sample is brought to mean 0 and variance 1 over its features, then to
/// learned ones.  It does the same in training and evaluation, and whatever the batch.
///
/// Source: Ba, Kiros and Hinton (2016), Layer normalization, arXiv:1607.06450.

#include "module.hpp"
#include "normalization.hpp"

namespace gradtape {
namespace detail {

template <class T>
Tensor<T> record_layer_norm(const Tensor<T>& x, const Tensor<T>& gain, const Tensor<T>& bias,
                            double epsilon) {
  const Index m = x.rows(), n = m == 0 ? 0 : x.columns();
  T* const mean = x.tape().workspace(n);
  T* const scale = x.tape().workspace(n);
  return record(
      "layer_norm", x.shape(), {x, gain, bias},
      [&](MatrixMap<T> y) {
        const auto gains = norm_column(gain.data(), m, 0), biases = norm_column(bias.data(), m, 0);
        for (Index k = 0; k < n; ++k) {
          const auto from = norm_column(x.data(), m, k);
          auto to = norm_column(y.data(), m, k);
          // relative to an element of them, so that of equal ones it is exact
          mean[k] = T(from[0] + T(T((from - from[0]).sum()) / T(m)));
          to = from - mean[k];
          scale[k] = inverse_deviation(T(T(to.square().sum()) / T(m)), epsilon);
          to = to * scale[k] * gains + biases;
        }
      },
      [x, gain, bias, mean, scale, m, n](const Tensor<T>& y) {
        const bool to_x = adjoint(x).is_needed(), to_gain = adjoint(gain).is_needed(),
                   to_bias = adjoint(bias).is_needed();
        T* const gain_bar = to_gain ? adjoint(gain).accumulator().data() : nullptr;
        T* const bias_bar = to_bias ? adjoint(bias).accumulator().data() : nullptr;
        // after the others, which may be the same tensor
        const GradientTarget<T> x_bar = to_x ? adjoint(x).target() : GradientTarget<T>{};
        const auto gains = norm_column(gain.data(), m, 0);
        for (Index k = 0; k < n; ++k) {
          const auto y_bar = norm_column(y.grad().data(), m, k);
          const auto h = (norm_column(x.data(), m, k) - mean[k]) * scale[k];
          if (to_gain) norm_column(gain_bar, m, 0) += y_bar * h;
          if (to_bias) norm_column(bias_bar, m, 0) += y_bar;
          if (!to_x) continue;
          const auto g = gains * y_bar;
          const T mean_g(T(g.sum()) / T(m)), mean_gh(T((g * h).sum()) / T(m));
          contribute(x_bar.first, norm_column(x_bar.data, m, k),
                     scale[k] * (g - mean_g - h * mean_gh));
        }
      });
}

}  // namespace detail

/// Layer normalisation.                                          x (m,...), gain, bias (m)
///     y = gain (x - mean) / sqrt(variance + epsilon) + bias
/// with mean and variance (of the elements themselves, by m) of each column.  A column of equal
/// elements gives the bias, with derivative 0, also if epsilon is 0.  The gradient: see
/// normalization.hpp.
/// \throws ShapeError if gain or bias is no vector with a number for each row of x; DomainError
/// unless 0 <= epsilon < inf.
template <TensorEntity X, TensorEntity Gain, TensorEntity Bias>
auto layer_norm(const X& x, const Gain& gain, const Bias& bias, double epsilon = 1e-5) {
  using T = detail::scalar_of<X>;
  detail::check_epsilon("layer_norm", epsilon);
  detail::Recording<T>& recording = detail::common_recording("layer_norm", x, gain, bias);
  const Tensor<T> a = detail::on(recording, x), g = detail::on(recording, gain),
                  b = detail::on(recording, bias);
  detail::check_norm("layer_norm", a, g, b);
  return detail::record_layer_norm(a, g, b, epsilon);
}

namespace nn {

/// Columns of m features with mean and deviation of their own choice: see `layer_norm`.
template <class T>
struct LayerNorm {
  Parameter<T> gain;  ///< deviation of each feature (m)
  Parameter<T> bias;  ///< mean of each feature (m)
  double epsilon;     ///< added to the variance of a column

  /// Gain 1, bias 0.  \throws DomainError unless 0 <= epsilon < inf.
  explicit LayerNorm(Index features, double small = 1e-5)
      : gain(Shape{features}, "gain"), bias(Shape{features}, "bias"), epsilon(small) {
    gradtape::detail::check_epsilon("layer_norm", small);
    gain.value().setOnes();
  }

  /// Of the shape of x.
  /// \throws ShapeError unless x has that many features.
  template <TensorEntity X>
  auto operator()(const X& x) const {
    return layer_norm(x, gain, bias, epsilon);
  }

  void members(auto&& member) {
    member("gain", gain);
    member("bias", bias);
  }
};

}  // namespace nn
}  // namespace gradtape
