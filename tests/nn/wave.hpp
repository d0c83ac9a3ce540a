// Numbers that PyTorch made (1.13, in double), and the inputs it made them from.  Tensors there are
// indexed as here; `show` prints elements in column-major order.  The scripts in the tests begin
// with
//
//     import torch
//     torch.set_default_dtype(torch.float64)
//     def reverse(x): return x.permute(*range(x.dim() - 1, -1, -1))
//     def wave(a, *shape):
//       size = torch.tensor(shape).prod().item()
//       x = torch.sin(a + 0.7 * torch.arange(size, dtype=torch.float64)).reshape(shape[::-1])
//       return reverse(x).detach().requires_grad_()
//     def show(x): print(", ".join("%.17g" % v for v in reverse(x.detach()).flatten()))
#pragma once

#include <cmath>
#include <initializer_list>
#include <vector>

#include "gradtape/core/record.hpp"

namespace wave {

using namespace gradtape;

/// sin(a + 0.7 k) for element number k.
inline Eigen::VectorXd values(double a, Index size) {
  return Eigen::VectorXd::NullaryExpr(size, [a](Index k) { return std::sin(a + 0.7 * double(k)); });
}
inline Tensor<double> variable(Tape<double>& tape, double a, const Shape& shape,
                               std::string_view name = {}) {
  return tape.variable(shape, values(a, shape.size()), name);
}
inline Tensor<double> constant(Tape<double>& tape, double a, const Shape& shape) {
  return tape.constant(shape, values(a, shape.size()));
}
inline void fill(Parameter<double>& w, double a) {
  Eigen::Map<Eigen::VectorXd>(w.data(), w.size()) = values(a, w.size());
}

/// For `check_gradients` of a parameter: its value becomes that of x, its gradient is added to x's.
/// \return zero, which must be added to the loss.
inline Tensor<double> bind(Parameter<double>& w, const Tensor<double>& x) {
  w.value() = x.value();
  w.zero_grad();
  return record(
      "bind", Shape{1}, {x}, [](MatrixMap<double> y) { y.setZero(); },
      [x, &w](const Tensor<double>&) { adjoint(x) += w.grad(); });
}

/// The largest difference from what is expected, in column-major order; infinite for NaN.
inline double distance(const Eigen::MatrixXd& x, std::initializer_list<double> expected) {
  const Eigen::Map<const Eigen::VectorXd> all(x.data(), x.size());
  const Eigen::Map<const Eigen::VectorXd> right(expected.begin(), Index(expected.size()));
  if (x.size() != right.size() || !all.allFinite()) return std::numeric_limits<double>::infinity();
  return (all - right).cwiseAbs().maxCoeff();
}

}  // namespace wave
