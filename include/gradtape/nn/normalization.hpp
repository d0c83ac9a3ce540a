#pragma once
/// \file
/// What normalising layers share (layer_norm.hpp, batch_norm.hpp): each takes mean and variance of
/// some elements, and brings these to mean 0 and variance 1, then to learned ones.
///
///     h_i = (x_i - mean) s,    s = 1 / sqrt(variance + epsilon),    y_i = gain h_i + bias
///
/// With g_i = gain y_bar_i, and means over the same elements,
///
///     x_bar_i += s (g_i - mean(g) - h_i mean(g h)),
///     gain_bar += y_bar_i h_i,   bias_bar += y_bar_i

#include "../core/record.hpp"
#include "../ops/arithmetic.hpp"
#include "../ops/functions.hpp"
#include "../ops/gather.hpp"

namespace gradtape::detail {

/// Column k of a matrix.
template <class T>
auto norm_column(T* data, Index rows, Index k) {
  using Array = Eigen::Array<std::remove_const_t<T>, Eigen::Dynamic, 1>;
  using Column = std::conditional_t<std::is_const_v<T>, const Array, Array>;
  return Eigen::Map<Column>(data + k * rows, rows);
}

/// s; 0 where nothing varies and epsilon is 0, so that the result is the bias, with derivative 0.
template <class T>
T inverse_deviation(const T& variance, double epsilon) {
  using std::sqrt;
  const T sum(variance + T(epsilon));
  return sum == T(0) ? T(0) : T(T(1) / T(sqrt(sum)));
}

/// \throws DomainError unless 0 <= epsilon < inf.
inline void check_epsilon(const char* operation, double epsilon) {
  if (!(epsilon >= 0 && std::isfinite(epsilon))) {
    fail<DomainError>(operation, ": an epsilon of ", epsilon,
                      ": it must be finite and not negative");
  }
}

/// \throws ShapeError unless gain and bias have a number for each row of x.
template <class T>
void check_norm(const char* operation, const Tensor<T>& x, const Tensor<T>& gain,
                const Tensor<T>& bias) {
  for (const Tensor<T>& w : {gain, bias}) {
    if (w.rows() == x.rows() && w.columns() == 1) continue;
    fail<ShapeError>(operation, ": ", title(x, "x"), " is ", to_string(x.shape()), ", ",
                     title(w, "a factor"), " is ", to_string(w.shape()),
                     ": it must have a number for each row of the first (", x.rows(), ")");
  }
}

/// A contribution to a gradient: the first assigns, later ones add.
template <class To, class Share>
void contribute(bool first, To&& to, const Share& share) {
  if (first) {
    to = share;
  } else {
    to += share;
  }
}

}  // namespace gradtape::detail
