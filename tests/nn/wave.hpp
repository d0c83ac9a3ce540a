// Tensors and parameters of numbers that PyTorch can compute as well (torch.hpp).  In the scripts
// of the tests that include this header tensors are indexed as here, and `show` prints elements in
// column-major order.  They begin with
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

#include "gradtape/core/record.hpp"
#include "torch.hpp"

namespace wave {

using namespace gradtape;

/// sin(a + 0.7 k) for element number k.
inline Eigen::VectorXd values(double a, Index size) { return torch::wave(a, 0.7, size, 1); }
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

}  // namespace wave
