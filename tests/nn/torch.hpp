// Numbers that PyTorch (1.13, in double) made, and the inputs it made them from.  A sample is a row
// there, a column here, so that the elements are in the same order in memory.  The scripts in the
// tests begin with
//
//     import torch
//     torch.set_default_dtype(torch.float64)
//     def show(*tensors):
//       for t in tensors: print(", ".join("%.17g" % v for v in t.detach().flatten().tolist()))
//     def wave(a, b, features, samples):
//       k = torch.arange(features * samples, dtype=torch.float64)
//       return torch.sin(a + b * k).reshape(samples, features)
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <initializer_list>

namespace torch {

/// sin(a + b k) for element number k.
inline Eigen::MatrixXd wave(double a, double b, Eigen::Index features, Eigen::Index samples) {
  Eigen::MatrixXd x(features, samples);
  for (Eigen::Index k = 0; k < x.size(); ++k) x.data()[k] = std::sin(a + b * double(k));
  return x;
}

/// Whether all elements, in column-major order, are as expected, to 1e-12.
inline bool close(const Eigen::MatrixXd& x, std::initializer_list<double> expected) {
  const Eigen::Map<const Eigen::VectorXd> all(x.data(), x.size());
  const Eigen::Map<const Eigen::VectorXd> right(expected.begin(), Eigen::Index(expected.size()));
  return x.size() == right.size() && ((all - right).array().abs() <= 1e-12).all();
}

}  // namespace torch
