// Second derivatives as the tests of operations on nested scalars see them.
#pragma once

#include <vector>

#include "gradtape/diff/eigen.hpp"
#include "numeric.hpp"

namespace numeric {

/// Checks d/dx of the gradient of loss(x), x (4,3), along a direction v, by a dual number on a tape
/// and by a tape on a tape, against differences of the gradient itself.
template <class Loss>
void check_second_derivatives(Loss&& loss) {
  const Vector z = numbers(12, 1), v = numbers(12, 3);
  const auto gradient = [&](double step) {
    Tape<double> tape;
    Tensor x = tape.variable(Shape{4, 3}, (z + step * v).eval());
    tape.backward(Var<double>(loss(x)));
    return Vector(x.grad().reshaped());
  };
  const Vector expected =
      (8 * (gradient(1e-3) - gradient(-1e-3)) - (gradient(2e-3) - gradient(-2e-3))) / 12e-3;

  using gradtape::Dual;
  Tape<Dual<double>> tape;
  std::vector<Dual<double>> seeded;
  for (Index i = 0; i < 12; ++i) seeded.emplace_back(z(i), v(i));
  Tensor x = tape.variable(Shape{4, 3}, seeded);
  tape.backward(Var<Dual<double>>(loss(x)));
  Tape<double> inner;
  Tape<Var<double>> outer;
  std::vector<Var<double>> inputs;
  for (Index i = 0; i < 12; ++i) inputs.push_back(inner.variable(z(i)));
  Tensor y = outer.variable(Shape{4, 3}, inputs);
  outer.backward(Var<Var<double>>(loss(y)));
  Var<double> along(0.0);
  for (Index i = 0; i < 12; ++i) along += y.grad().data()[i] * v(i);
  inner.backward(along);
  for (Index i = 0; i < 12; ++i) {
    CHECK(x.grad().data()[i].tangent() == Approx(expected(i)).epsilon(1e-8).margin(1e-10));
    CHECK(inputs[std::size_t(i)].grad() == Approx(expected(i)).epsilon(1e-8).margin(1e-10));
  }
}

}  // namespace numeric
