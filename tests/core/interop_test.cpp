#include "gradtape/core/interop.hpp"

#include <array>
#include <span>
#include <vector>

#include "catch.hpp"
#include "gradtape/diff/eigen.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;

TEST_CASE("interop: elements as scalars", "[interop]") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd{{1, 2, 3}, {4, 5, 6}});
  const Var a = x[3], b = x(0, 2), again = x[3];
  CHECK(a.value() == 5);
  CHECK(b.value() == 3);
  const Var y = a * b + again;  // dy/dx_11 = 3 + 1, dy/dx_02 = 5
  tape.backward(y);
  CHECK(a.grad() == 3);
  CHECK(x.grad() == MatrixXd{{0, 0, 5}, {0, 4, 0}});
  const Tensor one = tape.variable(VectorXd{{7}});
  const Var z = one.item() * one.item();
  tape.backward(z);
  CHECK(one.grad()(0, 0) == 14);
  CHECK(x.grad().isZero(0));
}

TEST_CASE("interop: there and back, in any order on one tape", "[interop]") {
  Tape<double> tape;
  const Var a = tape.variable(2.0), b = tape.variable(3.0);
  const Tensor x = stack({a, b, a});
  CHECK(x.shape() == Shape{3});
  const Tensor y = x * x;                           // 4, 9, 4
  const Var p = y[0] * y[1];                        // a^2 b^2
  const Tensor z = stack<double>({p, 2 * a, 1.0});  // p, 2a, 1
  const Var L = dot(z, z) + a;                      // a^4 b^4 + 4 a^2 + 1 + a
  CHECK(L.value() == 16 * 81 + 16 + 1 + 2);
  tape.backward(L);
  CHECK(a.grad() == 4 * 8 * 81 + 8 * 2 + 1);
  CHECK(b.grad() == 4 * 16 * 27);
  CHECK(p.grad() == 2 * 36);
}

TEST_CASE("interop: all elements at once, as one node", "[interop]") {
  Tape<double> tape;
  const MatrixXd values{{1, 2}, {3, 4}, {5, 6}};
  const Tensor x = tape.variable(values);
  const std::size_t nodes = tape.node_count();
  const auto s = scalars(x);
  CHECK(tape.node_count() == nodes + 1);
  REQUIRE(s.rows() == 3);
  REQUIRE(s.cols() == 2);
  const Var y = s(2, 1) * s(0, 0) + s(1, 0);  // the first scalar's adjoint is not the only one
  tape.backward(y);
  CHECK(x.grad() == MatrixXd{{6, 0}, {1, 0}, {0, 1}});
  const Var last = s(2, 1) * 2.0;
  tape.backward(last);
  CHECK(x.grad() == MatrixXd{{0, 0}, {0, 0}, {0, 2}});

  const Tensor back = stack((s * s.transpose()).eval());  // generic Eigen code on the scalars
  CHECK(back.value() == values * values.transpose());
  tape.backward(back, MatrixXd::Identity(3, 3));  // d tr(X X^T) / dX = 2 X
  CHECK(x.grad() == 2 * values);
}

TEST_CASE("interop: stack takes vectors, arrays, spans and matrices", "[interop]") {
  Tape<double> tape;
  const std::vector<Var<double>> v{tape.variable(1.0), tape.variable(2.0)};
  const std::array<Var<double>, 2> a{v[1], v[0]};
  CHECK(stack(v).value() == VectorXd{{1, 2}});
  CHECK(stack(a).value() == VectorXd{{2, 1}});
  CHECK(stack(std::span<const Var<double>>(v)).value() == VectorXd{{1, 2}});
  const Eigen::Vector2<Var<double>> e(v[0], v[1]);
  CHECK(stack(e).shape() == Shape{2});
  CHECK(stack(e.transpose()).shape() == Shape{1, 2});
}

TEST_CASE("interop: constants", "[interop]") {
  Tape<double> tape;
  const Tensor c = tape.constant(VectorXd{{1, 2}}), x = tape.variable(VectorXd{{3, 4}});
  CHECK(c[0].is_constant());
  CHECK(scalars(c)(1, 0).is_constant());
  const std::vector<Var<double>> numbers{1.0, 2.0};
  CHECK_THROWS_WITH(stack(numbers), ContainsSubstring("stack(tape, scalars)"));
  CHECK(stack(tape, numbers).is_constant());
  CHECK(stack(tape, {Var(1.0), Var(5.0)}).value() == VectorXd{{1, 5}});
  CHECK(stack<double>({1.0, x[0]}).value() == VectorXd{{1, 3}});
  {
    const auto off = tape.no_grad();
    CHECK(x[0].is_constant());
    CHECK(stack(tape, {tape.variable(2.0) + x[0], 1.0}).value() == VectorXd{{5, 1}});
    CHECK_THROWS_AS(stack({x[0], x[1]}), TapeError);
  }
}

TEST_CASE("interop: parameters", "[interop]") {
  Tape<double> tape;
  Parameter<double> w(VectorXd{{2, 3}});
  const Tensor t = tape.parameter(w);
  tape.backward(t[0] * t[1]);
  CHECK(w.grad() == VectorXd{{3, 2}});
}

TEST_CASE("interop: errors", "[interop]") {
  Tape<double> tape, other;
  const Tensor x = tape.variable(MatrixXd{{1, 2}, {3, 4}});
  CHECK_THROWS_WITH(x.item(), "item: the tensor is [2, 2]: it must have one element");
  CHECK_THROWS_WITH(x[4],
                    "element: there is no position 4 in a tensor of shape [2, 2], which has 4 "
                    "elements");
  CHECK_THROWS_AS(x[-1], ShapeError);
  CHECK_THROWS_WITH(x(2, 0),
                    "element: there is no element (2, 0) in a tensor of 2 rows and 2 columns");
  CHECK_THROWS_AS(x(0, 2), ShapeError);
  CHECK_THROWS_WITH(stack({tape.variable(1.0), other.variable(1.0)}),
                    "stack: a scalar of another tape");
  const Var a = tape.variable(1.0);
  tape.clear();
  CHECK_THROWS_AS(stack({a, a}), TapeError);
}
