// Finite differences, extrapolated, the witness of the tests of operations on tensors.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <functional>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/ops/arithmetic.hpp"

namespace numeric {

using gradtape::Index;
using gradtape::Shape;
using gradtape::Tape;
using gradtape::Tensor;
using gradtape::Var;
using Vector = Eigen::VectorXd;

/// Numbers without pattern in [-1, 1], the same everywhere.
inline Vector numbers(Index n, double seed) {
  return Vector::NullaryExpr(n,
                             [seed](Index i) { return std::sin(seed + 12.9898 * double(i + 1)); });
}

inline double weighted(const Tensor<double>& y) {
  return Eigen::Map<const Vector>(y.data(), y.size()).dot(numbers(y.size(), 0.7));
}
inline double weighted(const Var<double>& y) { return y.value(); }

/// The weighted sum of a result as a scalar, recorded by hand.
inline Var<double> weigh(const Tensor<double>& y) {
  return gradtape::record("weigh", {y}, weighted(y), [y](double bar) {
    adjoint(y) += bar * Eigen::Map<const Eigen::MatrixXd>(numbers(y.size(), 0.7).eval().data(),
                                                          y.rows(), y.columns());
  });
}
inline Var<double> weigh(const Var<double>& y) { return y; }

/// df/dx by Ridders' extrapolation of central differences; f(x) is a number.
inline Vector gradient(const std::function<double(const Vector&)>& f, Vector x) {
  Vector result(x.size());
  for (Index k = 0; k < x.size(); ++k) {
    const double here = x[k];
    const auto along = [&](double moved) {
      x[k] = moved;
      return f(x);
    };
    result[k] = gradtape::detail::ridders_derivative(along, here, 1e-2).first;
    x[k] = here;
  }
  return result;
}

/// Checks the derivatives of f(tensors of the given shapes), a tensor or a scalar, once with its
/// contribution to the gradients being the first of a sweep, which assigns, and once the second,
/// which adds.
template <class F>
void check(const std::vector<Shape>& shapes, F&& f, double seed = 0.3) {
  std::vector<Vector> inputs;
  for (const Shape& shape : shapes) inputs.push_back(numbers(shape.size(), seed += 1));

  Tape<double> tape;
  std::vector<Tensor<double>> x;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    x.push_back(tape.variable(shapes[i], inputs[i]));
  }
  const auto flat = [](const auto& map) {
    return Eigen::Map<const Vector>(map.data(), map.size());
  };
  const Var<double> y = weigh(f(x));
  std::vector<Vector> first;
  tape.backward(y);
  for (const auto& t : x) first.push_back(flat(t.grad()));

  Var<double> both = y;  // what is recorded behind f is swept before it
  for (const auto& t : x) {
    both += gradtape::record("half", {t}, 0.0, [t](double y_bar) {
      adjoint(t) += Eigen::MatrixXd::Constant(t.rows(), t.columns(), 0.5 * y_bar);
    });
  }
  tape.backward(both);

  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Vector expected = gradient(
        [&](const Vector& at) {
          Tape<double> other;
          std::vector<Tensor<double>> z;
          for (std::size_t j = 0; j < inputs.size(); ++j) {
            z.push_back(other.constant(shapes[j], j == i ? at : inputs[j]));
          }
          return weighted(f(z));
        },
        inputs[i]);
    const Vector second = flat(x[i].grad());
    for (Index k = 0; k < expected.size(); ++k) {
      INFO("operand " << i << ", element " << k);
      CHECK(first[i][k] == Approx(expected[k]).epsilon(1e-9).margin(1e-9));
      CHECK(second[k] == Approx(expected[k] + 0.5).epsilon(1e-9).margin(1e-9));
    }
  }
}

using Tensors = std::vector<Tensor<double>>;

// One instantiation of the check for all: it is what takes time to compile.
inline void check_scalar(const std::vector<Shape>& shapes,
                         const std::function<Var<double>(const Tensors&)>& f) {
  check(shapes, f);
}
inline void check_tensor(const std::vector<Shape>& shapes,
                         const std::function<Tensor<double>(const Tensors&)>& f) {
  check(shapes, f);
}

template <class A, class B>
void check_close(const A& a, const B& b, double epsilon) {
  REQUIRE(a.rows() == b.rows());
  REQUIRE(a.cols() == b.cols());
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i) {
      INFO("element " << i << ", " << j);
      CHECK(double(a(i, j)) == Approx(double(b(i, j))).epsilon(epsilon).margin(epsilon * 1e-3));
    }
  }
}

}  // namespace numeric
