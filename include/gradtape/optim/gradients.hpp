#pragma once
/// \file
/// What optimizers do to the gradient of a parameter as a whole.  Of a row-sparse one (see
/// `Parameter::has_sparse_grad`) the columns without contributions are not looked at.

#include <algorithm>
#include <cmath>
#include <concepts>

#include "../core/parameter.hpp"

namespace gradtape::optim::detail {

using gradtape::detail::ParameterState;

/// Calls f(first, count) for ranges of elements that together are all that have contributions.
template <class T, class F>
void for_each_range(const ParameterState<T>& state, F f) {
  if (state.is_sparse()) {
    const Index rows = state.shape.rows();
    for (const Index column : state.touched()) f(column * rows, rows);
  } else if (state.has_grad()) {
    f(Index{0}, state.shape.size());
  }
}

/// Calls f for the same elements as arrays of at most 1024.
template <class T, class F>
void for_each_piece(ParameterState<T>& state, F f) {
  if constexpr (std::floating_point<T>) {
    T* const grad = state.gradient_memory();
    for_each_range(state, [&](Index first, Index count) {
      for (Index i = 0; i < count; i += 1024) {
        f(Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>(grad + first + i,
                                                         std::min(Index{1024}, count - i)));
      }
    });
  } else {
    gradtape::detail::fail<DomainError>("clipping: gradients are clipped of real numbers only");
  }
}

/// sum g_i^2.  Infinite where the square of an element exceeds the range of T; an element whose
/// square is below that range may count as 0.
template <class T>
double squares(ParameterState<T>& state) {
  double sum = 0;
  for_each_piece(state, [&](const auto& g) { sum += static_cast<double>(g.square().sum()); });
  return sum;
}

/// sum (g_i / unit)^2, slower.
template <class T>
double squares(ParameterState<T>& state, double unit) {
  double sum = 0;
  for_each_piece(state,
                 [&](const auto& g) { sum += (g.template cast<double>() / unit).square().sum(); });
  return sum;
}

/// max |g_i|; NaN if there is one.
template <class T>
double largest(ParameterState<T>& state) {
  double result = 0;
  for_each_piece(state, [&](const auto& g) {
    const auto x = static_cast<double>(g.abs().template maxCoeff<Eigen::PropagateNaN>());
    if (x > result || std::isnan(x)) result = x;
  });
  return result;
}

template <class T>
void scale(ParameterState<T>& state, double factor) {
  for_each_piece(state, [&](auto g) { g *= static_cast<T>(factor); });
}

/// Moves every element into [-limit, limit]; NaN stays NaN.
template <class T>
void clamp(ParameterState<T>& state, double limit) {
  const T bound = static_cast<T>(limit);
  for_each_piece(state, [&](auto g) {
    g = g.unaryExpr([bound](T x) { return std::clamp(x, -bound, bound); });
  });
}

}  // namespace gradtape::optim::detail
