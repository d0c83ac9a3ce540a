#pragma once
/// \file
/// The affine map of a layer, as one operation.
///
///     Y = W X + b 1^T         W_bar += Y_bar X^T,   X_bar += W^T Y_bar,   b_bar += Y_bar 1

#include "matmul.hpp"

namespace gradtape {

/// W x + b.                              W (m,k), b (m), x (k,..) -> y (m,..), a column a sample
/// The same as `matmul(W, x) + b`, for a matrix W: one pass over memory and one node less.
/// \throws ShapeError if W is not a matrix, its columns differ from the rows of x, or b is not a
/// vector of its rows.
template <TensorEntity W, TensorEntity X, TensorEntity B>
auto linear(const W& weight, const X& x, const B& bias) {
  using T = typename detail::Formula<W, X, B>::Scalar;
  auto& recording = detail::common_recording("linear", weight, x, bias);
  const Tensor<T> w = detail::on(recording, weight), in = detail::on(recording, x),
                  b = detail::on(recording, bias);
  const Shape &s = w.shape(), &from = in.shape();
  if (s.rank() > 2 || s[1] != from[0]) {
    detail::fail<ShapeError>("linear: ", detail::Factor<T>{w}.describe("the weight"), ", ",
                             detail::Factor<T>{in}.describe("x"), ": columns of the weight (", s[1],
                             ") must equal rows of x (", from[0], ")");
  }
  if (b.rows() != s[0] || b.columns() != 1) {
    detail::fail<ShapeError>("linear: ", detail::Factor<T>{b}.describe("the bias"), ", ",
                             detail::Factor<T>{w}.describe("the weight"),
                             ": the bias must be a vector of the weight's rows (", s[0], ")");
  }
  const Index m = s[0], k = s[1], n = from.columns();
  const Shape shape = from.with(0, m);
  return record(
      "linear", shape, {w, in, b},
      [&](MatrixMap<T> y) {
        detail::multiply<T>(y.data(), {w.data(), m, k}, {in.data(), k, n}, {true, b.data()});
      },
      [=](const Tensor<T>& y) {
        const detail::Matrix<T> y_bar{y.grad().data(), m, n};
        if (const Adjoint<T> w_bar = adjoint(w); w_bar.is_needed()) {
          const auto [data, first] = w_bar.target();
          detail::multiply<T>(data, y_bar, detail::Matrix<T>{in.data(), k, n}.transpose(), first);
        }
        if (const Adjoint<T> x_bar = adjoint(in); x_bar.is_needed()) {
          const auto [data, first] = x_bar.target();
          detail::multiply<T>(data, detail::Matrix<T>{w.data(), m, k}.transpose(), y_bar, first);
        }
        if (const Adjoint<T> b_bar = adjoint(b); b_bar.is_needed()) {
          const auto [data, first] = b_bar.target();
          if (m == 1) {
            const T sum = detail::ConstVectorMap<T>(y_bar.data, n).sum();
            data[0] = first ? sum : data[0] + sum;
          } else {
            detail::add_columns(data, y_bar.data, m, n, first);
          }
        }
      });
}

}  // namespace gradtape
