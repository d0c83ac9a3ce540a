#pragma once
/// \file
/// Batch normalisation: every feature is brought to mean 0 and variance 1 over the samples of a
/// batch, then to learned ones.  Evaluation takes mean and variance of past batches instead, so
/// that a sample's result does not depend on the others.
///
/// Source: Ioffe and Szegedy (2015), Batch normalization: accelerating deep network training by
/// reducing internal covariate shift, ICML.

#include "module.hpp"
#include "normalization.hpp"
#include "training.hpp"

namespace gradtape {
namespace detail {

/// \param mean, scale  what is subtracted from each row, and by what it is multiplied then.
template <class T>
Tensor<T> record_batch_norm(const Tensor<T>& x, const Tensor<T>& gain, const Tensor<T>& bias,
                            const T* mean, const T* scale) {
  const Index m = x.rows(), n = x.columns();
  T* const sums = x.tape().workspace(2 * m);
  return record(
      "batch_norm", x.shape(), {x, gain, bias},
      [&](MatrixMap<T> y) {
        const auto means = norm_column(mean, m, 0), scales = norm_column(scale, m, 0);
        const auto gains = norm_column(gain.data(), m, 0), biases = norm_column(bias.data(), m, 0);
        for (Index k = 0; k < n; ++k) {
          norm_column(y.data(), m, k) =
              (norm_column(x.data(), m, k) - means) * scales * gains + biases;
        }
      },
      [x, gain, bias, mean, scale, sums, m, n](const Tensor<T>& y) {
        const auto means = norm_column(mean, m, 0), scales = norm_column(scale, m, 0);
        const auto gains = norm_column(gain.data(), m, 0);
        auto sum = norm_column(sums, m, 0), sum_h = norm_column(sums, m, 1);
        sum.setZero();
        sum_h.setZero();
        for (Index k = 0; k < n; ++k) {
          const auto y_bar = norm_column(y.grad().data(), m, k);
          sum += y_bar;
          sum_h += y_bar * ((norm_column(x.data(), m, k) - means) * scales);
        }
        adjoint(bias) += sum;
        adjoint(gain) += sum_h;
        if (!adjoint(x).is_needed()) return;
        sum /= T(n);
        sum_h /= T(n);
        const GradientTarget<T> x_bar = adjoint(x).target();
        for (Index k = 0; k < n; ++k) {
          const auto h = (norm_column(x.data(), m, k) - means) * scales;
          contribute(x_bar.first, norm_column(x_bar.data, m, k),
                     scales * gains * (norm_column(y.grad().data(), m, k) - sum - h * sum_h));
        }
      });
}

}  // namespace detail

namespace nn {

/// Options of `BatchNorm`.
struct BatchNormOptions {
  double momentum = 0.1;  ///< share of a batch in the running mean and variance, in [0, 1]
  double epsilon = 1e-5;  ///< keeps features that hardly vary from being blown up
};

/// Batch normalisation.                                          x (m,...), gain, bias (m)
///     y = gain (x - mean) / sqrt(variance + epsilon) + bias
/// In training mean and variance (by n) are those of a feature in all n columns of x, and move the
/// running ones, the variance with its unbiased estimate (by n - 1):
///     running <- (1 - momentum) running + momentum batch
/// In evaluation they are the running ones.  A feature that is the same in all columns gives the
/// bias, with derivative 0.  See training.hpp for the two calls, normalization.hpp for the
/// gradient.
template <class T>
struct BatchNorm {
  Parameter<T> gain;           ///< deviation of each feature (m)
  Parameter<T> bias;           ///< mean of each feature (m)
  Buffer<T> running_mean;      ///< of past batches (m), for evaluation
  Buffer<T> running_variance;  ///< of past batches (m), for evaluation
  BatchNormOptions options;    ///< as given

  /// Gain 1, bias 0, running mean 0, running variance 1.
  /// \throws DomainError unless 0 <= momentum <= 1 and 0 <= epsilon < inf.
  explicit BatchNorm(Index features, const BatchNormOptions& chosen = {})
      : gain(Shape{features}, "gain"),
        bias(Shape{features}, "bias"),
        running_mean(Shape{features}),
        running_variance(Shape{features}),
        options(chosen) {
    gradtape::detail::check_epsilon("batch_norm", chosen.epsilon);
    if (!(chosen.momentum >= 0 && chosen.momentum <= 1)) {
      gradtape::detail::fail<DomainError>("batch_norm: a momentum of ", chosen.momentum,
                                          ": it must be in [0, 1]");
    }
    gain.value().setOnes();
    running_variance.value().setOnes();
  }

  /// Training: by the statistics of this batch, which move the running ones.
  /// \throws ShapeError unless x has that many features, and at least two columns.
  template <TensorEntity X>
  Tensor<T> train(const X& x) {
    const auto [a, g, b] = operands(x);
    const Index m = a.rows(), n = a.columns();
    if (n < 2) {
      gradtape::detail::fail<ShapeError>(
          "batch_norm: ", gradtape::detail::title(a, "x"), " is ", to_string(a.shape()),
          ": a batch to train on must have at least two columns, or nothing varies");
    }
    T* const mean = a.tape().workspace(m);
    T* const scale = a.tape().workspace(m);
    auto means = column(mean, m), scales = column(scale, m);
    const auto first = column(a.data(), m);
    // relative to the first column, so that of equal ones it is exact
    scales.setZero();
    for (Index k = 1; k < n; ++k) scales += column(a.data() + k * m, m) - first;
    means = first + scales / T(n);
    scales.setZero();
    for (Index k = 0; k < n; ++k) scales += (column(a.data() + k * m, m) - means).square();
    for (Index i = 0; i < m; ++i) {
      move(running_mean.data()[i], mean[i]);
      move(running_variance.data()[i], T(scale[i] / T(n - 1)));
      scale[i] = gradtape::detail::inverse_deviation(T(scale[i] / T(n)), options.epsilon);
    }
    return gradtape::detail::record_batch_norm(a, g, b, mean, scale);
  }
  /// As `train`: nothing is left to chance.
  template <TensorEntity X>
  Tensor<T> operator()(const X& x, Random&) {
    return train(x);
  }

  /// Evaluation: by the running statistics, an expression.
  /// \throws ShapeError unless x has that many features.
  template <TensorEntity X>
  auto operator()(const X& x) const {
    const auto [a, g, b] = operands(x);
    const auto mean = a.tape().constant(running_mean.value().col(0));
    const auto scale =
        a.tape().constant(running_variance.value().col(0).unaryExpr([this](const T& variance) {
          return gradtape::detail::inverse_deviation(variance, options.epsilon);
        }));
    return (a - mean) * (scale * g) + b;
  }

  void members(auto&& member) {
    member("gain", gain);
    member("bias", bias);
    member("running_mean", running_mean);
    member("running_variance", running_variance);
  }

 private:
  template <class U>
  static auto column(U* data, Index m) {
    return gradtape::detail::norm_column(data, m, 0);
  }

  template <class X>
  std::array<Tensor<T>, 3> operands(const X& x) const {
    const Tensor<T> a = gradtape::detail::as_tensor("batch_norm", x);
    const std::array<Tensor<T>, 3> all{a, a.tape().parameter(gain), a.tape().parameter(bias)};
    gradtape::detail::check_norm("batch_norm", all[0], all[1], all[2]);
    return all;
  }

  /// A running value keeps no derivative.
  void move(T& running, const T& batch) const {
    using gradtape::detail::primal;
    const auto share = static_cast<std::decay_t<decltype(primal(batch))>>(options.momentum);
    running = T((1 - share) * primal(running) + share * primal(batch));
  }
};

}  // namespace nn
}  // namespace gradtape
