#pragma once
/// \file
/// Initial values of parameters.  A layer y = W x + b whose inputs have variance 1 gives outputs of
/// variance
///
///     var(y) = fan_in var(W)          fan_in: columns of W, fan_out: rows of W
///
/// so that W is drawn with a standard deviation of gain / sqrt(fan_in) where the forward pass shall
/// keep its scale (LeCun, Kaiming He), gain / sqrt((fan_in + fan_out) / 2) as a compromise with the
/// backward pass (Glorot).  The gain makes up for what the activation takes away.  An orthogonal W
/// keeps the length of every input, however often it is applied: for recurrent layers.
///
/// Sources: Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward
/// neural networks; He et al. (2015), Delving deep into rectifiers; Saxe, McClelland and Ganguli
/// (2014), Exact solutions to the nonlinear dynamics of learning in deep linear neural networks.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "../core/parameter.hpp"
#include "../core/random.hpp"

namespace gradtape::nn {

/// What a layer's weights are multiplied by, for the activation that follows it.
namespace gain {
inline constexpr double linear = 1;                  ///< no activation, or a sigmoid
inline constexpr double relu = std::numbers::sqrt2;  ///< half of the variance is lost
inline constexpr double tanh = 5.0 / 3;              ///< a customary value, as in PyTorch
}  // namespace gain

/// All of these throw DomainError for bounds, means, deviations and gains that are not finite.
namespace initialize {

namespace detail {

inline void check_finite(const char* what, double value) {
  if (std::isfinite(value)) return;
  gradtape::detail::fail<DomainError>("initialize: ", what, " is ", value, ": it must be finite");
}

}  // namespace detail

/// All elements that value, whatever it is.
template <class T>
void constant(Parameter<T>& w, const T& value) {
  w.value().setConstant(value);
}

/// All elements 0, as parameters are without it.
template <class T>
void zeros(Parameter<T>& w) {
  constant(w, T(0));
}

/// Uniform in [low, high).
template <class T>
void uniform(Parameter<T>& w, Random& random, double low, double high) {
  detail::check_finite("low", low);
  detail::check_finite("high", high);
  for (Index i = 0; i < w.size(); ++i) w.data()[i] = static_cast<T>(random.uniform(low, high));
}

/// Normally distributed, each element by itself.
template <class T>
void normal(Parameter<T>& w, Random& random, double mean, double deviation) {
  detail::check_finite("mean", mean);
  detail::check_finite("deviation", deviation);
  for (Index i = 0; i < w.size(); ++i) w.data()[i] = static_cast<T>(random.normal(mean, deviation));
}

namespace detail {

template <class T>
double kaiming_deviation(const Parameter<T>& w, double gain) {
  check_finite("gain", gain);
  return gain / std::sqrt(static_cast<double>(std::max<Index>(w.shape().columns(), 1)));
}
template <class T>
double xavier_deviation(const Parameter<T>& w, double gain) {
  check_finite("gain", gain);
  const Index fans = std::max<Index>(w.shape().columns() + w.shape().rows(), 1);
  return gain / std::sqrt(static_cast<double>(fans) / 2);
}

/// The uniform distribution of the same standard deviation.
template <class T>
void uniform_of_deviation(Parameter<T>& w, Random& random, double deviation) {
  const double bound = std::numbers::sqrt3 * deviation;
  uniform(w, random, -bound, bound);
}

// Of fused multiply-adds, so that the numbers do not depend on where a compiler would fuse; four
// sums at a time, so that they do not wait for each other.
inline double dot(const double* x, const double* y, Index n) {
  double sum[4] = {};
  Index i = 0;
  for (; i + 4 <= n; i += 4) {
    for (Index l = 0; l < 4; ++l) sum[l] = std::fma(x[i + l], y[i + l], sum[l]);
  }
  for (; i < n; ++i) sum[0] = std::fma(x[i], y[i], sum[0]);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/// Random vectors of length n, one behind the other, orthogonal to each other and of length 1: by
/// the modified Gram-Schmidt process, twice, after which they are so to rounding (Giraud, Langou
/// and Rozloznik, 2005, The loss of orthogonality in the Gram-Schmidt orthogonalization process).
/// What they span is uniformly distributed, as normally distributed vectors have no direction.
inline std::vector<double> orthonormal_vectors(Index count, Index n, Random& random) {
  std::vector<double> q(static_cast<std::size_t>(count * n));
  for (Index k = 0; k < count; ++k) {
    double* const v = q.data() + k * n;
    for (double length = 0; length < 1e-6;) {  // or it was all but a combination of the others
      for (Index i = 0; i < n; ++i) v[i] = random.normal();
      for (int pass = 0; pass < 2; ++pass) {
        for (Index j = 0; j < k; ++j) {
          const double* const other = q.data() + j * n;
          const double along = dot(other, v, n);
          for (Index i = 0; i < n; ++i) v[i] = std::fma(-along, other[i], v[i]);
        }
      }
      length = std::sqrt(dot(v, v, n));
      for (Index i = 0; i < n; ++i) v[i] /= length;
    }
  }
  return q;
}

}  // namespace detail

/// Normally distributed with mean 0 and standard deviation gain / sqrt(fan_in).
template <class T>
void kaiming_normal(Parameter<T>& w, Random& random, double gain = gain::relu) {
  normal(w, random, 0, detail::kaiming_deviation(w, gain));
}
/// Uniform around 0 with the same standard deviation.
template <class T>
void kaiming_uniform(Parameter<T>& w, Random& random, double gain = gain::relu) {
  detail::uniform_of_deviation(w, random, detail::kaiming_deviation(w, gain));
}

/// Normally distributed with mean 0 and standard deviation gain sqrt(2 / (fan_in + fan_out)).
template <class T>
void xavier_normal(Parameter<T>& w, Random& random, double gain = gain::linear) {
  normal(w, random, 0, detail::xavier_deviation(w, gain));
}
/// Uniform around 0 with the same standard deviation.
template <class T>
void xavier_uniform(Parameter<T>& w, Random& random, double gain = gain::linear) {
  detail::uniform_of_deviation(w, random, detail::xavier_deviation(w, gain));
}

/// The rows or the columns, whichever are fewer, orthogonal to each other and of length gain.
template <class T>
void orthogonal(Parameter<T>& w, Random& random, double gain = gain::linear) {
  detail::check_finite("gain", gain);
  MatrixMap<T> matrix = w.value();
  const Index count = std::min(matrix.rows(), matrix.cols());
  const Index n = std::max(matrix.rows(), matrix.cols());
  const std::vector<double> q = detail::orthonormal_vectors(count, n, random);
  for (Index k = 0; k < count; ++k) {
    for (Index i = 0; i < n; ++i) {
      T& x = matrix.rows() >= matrix.cols() ? matrix(i, k) : matrix(k, i);
      x = static_cast<T>(gain * q[static_cast<std::size_t>(k * n + i)]);
    }
  }
}

}  // namespace initialize
}  // namespace gradtape::nn
