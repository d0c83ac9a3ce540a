#pragma once
/// \file
/// Initial values of parameters.  A layer y = W x + b whose inputs have variance 1 gives outputs of
/// variance
///
///     var(y) = fan_in var(W)          fan_in: columns of W, fan_out: rows of W
///
/// so that W is drawn with a standard deviation of gain / sqrt(fan_in) where the forward pass shall
/// keep its scale (LeCun, Kaiming He), gain / sqrt((fan_in + fan_out) / 2) as a compromise with the
/// backward pass (Glorot).  The gain makes up for what the activation takes away.
///
/// Sources: Glorot and Bengio (2010), Understanding the difficulty of training deep feedforward
/// neural networks; He et al. (2015), Delving deep into rectifiers.

#include <cmath>
#include <numbers>

#include "../core/parameter.hpp"
#include "../core/random.hpp"

namespace gradtape::nn {

/// What a layer's weights are multiplied by, for the activation that follows it.
namespace gain {
inline constexpr double linear = 1;
inline constexpr double relu = std::numbers::sqrt2;  // half of the variance is lost
inline constexpr double tanh = 5.0 / 3;
}  // namespace gain

namespace initialize {

template <class T>
void constant(Parameter<T>& w, const T& value) {
  w.value().setConstant(value);
}

template <class T>
void zeros(Parameter<T>& w) {
  constant(w, T(0));
}

/// Uniform in [low, high).
template <class T>
void uniform(Parameter<T>& w, Random& random, double low, double high) {
  for (Index i = 0; i < w.size(); ++i) w.data()[i] = static_cast<T>(random.uniform(low, high));
}

template <class T>
void normal(Parameter<T>& w, Random& random, double mean, double deviation) {
  for (Index i = 0; i < w.size(); ++i) w.data()[i] = static_cast<T>(random.normal(mean, deviation));
}

namespace detail {

template <class T>
double kaiming_deviation(const Parameter<T>& w, double gain) {
  return gain / std::sqrt(static_cast<double>(std::max<Index>(w.shape().columns(), 1)));
}
template <class T>
double xavier_deviation(const Parameter<T>& w, double gain) {
  const Index fans = std::max<Index>(w.shape().columns() + w.shape().rows(), 1);
  return gain / std::sqrt(static_cast<double>(fans) / 2);
}

/// The uniform distribution of the same standard deviation.
template <class T>
void uniform_of_deviation(Parameter<T>& w, Random& random, double deviation) {
  const double bound = std::numbers::sqrt3 * deviation;
  uniform(w, random, -bound, bound);
}

}  // namespace detail

/// Standard deviation gain / sqrt(fan_in).
template <class T>
void kaiming_normal(Parameter<T>& w, Random& random, double gain = gain::relu) {
  normal(w, random, 0, detail::kaiming_deviation(w, gain));
}
template <class T>
void kaiming_uniform(Parameter<T>& w, Random& random, double gain = gain::relu) {
  detail::uniform_of_deviation(w, random, detail::kaiming_deviation(w, gain));
}

/// Standard deviation gain sqrt(2 / (fan_in + fan_out)).
template <class T>
void xavier_normal(Parameter<T>& w, Random& random, double gain = gain::linear) {
  normal(w, random, 0, detail::xavier_deviation(w, gain));
}
template <class T>
void xavier_uniform(Parameter<T>& w, Random& random, double gain = gain::linear) {
  detail::uniform_of_deviation(w, random, detail::xavier_deviation(w, gain));
}

}  // namespace initialize
}  // namespace gradtape::nn
