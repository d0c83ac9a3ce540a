#include "gradtape/core/parameter.hpp"

#include <new>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;

static_assert(!std::is_copy_constructible_v<Parameter<double>>);
static_assert(std::is_nothrow_move_constructible_v<Parameter<double>>);

TEST_CASE("parameter: of a shape it is zero, of a matrix a copy") {
  const Parameter<double> zero(Shape{3, 2}, "w");
  CHECK(zero.value() == MatrixXd::Zero(3, 2));
  CHECK(zero.name() == "w");
  MatrixXd m = MatrixXd::Random(2, 3);
  Parameter<float> w(m);
  CHECK(w.value() == m.cast<float>());
  CHECK(w.shape() == Shape{2, 3});
  CHECK(Parameter<double>(VectorXd(m.col(0))).shape() == Shape{2});
  Parameter deduced(m, "m");
  static_assert(std::is_same_v<decltype(deduced), Parameter<double>>);
  Parameter<double> empty(Shape{0, 3});
  CHECK(empty.size() == 0);
}

TEST_CASE("parameter: more elements than memory has addresses") {
  CHECK_THROWS_AS(Parameter<double>(Shape{Index{1} << 61}), std::bad_alloc);
}

TEST_CASE("parameter: an empty one is refused") {
  Tape<double> tape;
  Parameter<double> nothing;
  CHECK_THROWS_WITH(nothing.shape(), ContainsSubstring("default-constructed or moved from"));
  CHECK_THROWS_AS(nothing.value(), TapeError);
  CHECK_THROWS_AS(tape.parameter(nothing), TapeError);
  Parameter<double> w(Shape{2});
  Parameter<double> other = std::move(w);
  CHECK_THROWS_AS(w.grad(), TapeError);
  CHECK(other.size() == 2);
}

TEST_CASE("parameter: gradients add up over calls until they are cleared") {
  Parameter<double> w(VectorXd::Constant(5, 2.0));
  Tape<double> tape;
  CHECK_FALSE(w.has_grad());
  CHECK(w.grad() == VectorXd::Zero(5));
  CHECK_FALSE(w.has_grad());
  for (int step = 1; step <= 3; ++step) {
    const auto scope = tape.scope();
    Tensor x = tape.constant(VectorXd::Constant(5, 3.0));
    Tensor y = x * w;
    tape.backward(y, VectorXd::Ones(5));
    CHECK(w.has_grad());
    CHECK(w.grad() == VectorXd::Constant(5, 3.0 * step));
    tape.backward(y, VectorXd::Ones(5));
    tape.backward(y, VectorXd::Constant(5, -1.0));
  }
  w.zero_grad();
  CHECK_FALSE(w.has_grad());
  CHECK(w.grad() == VectorXd::Zero(5));
  Tensor y = tape.parameter(w) * 7.0;
  tape.backward(y, VectorXd::Ones(5));
  CHECK(w.grad() == VectorXd::Constant(5, 7.0));
}

TEST_CASE("parameter: its value is read in place") {
  Parameter<double> w(Shape{2});
  Tape<double> tape;
  Tensor t = tape.parameter(w);
  w.value() << 3, 4;
  CHECK(t.value() == Eigen::Vector2d(3, 4));
  CHECK(t.data() == w.data());
  Tensor y = t * t;
  CHECK(y.value() == Eigen::Vector2d(9, 16));
}

TEST_CASE("parameter: moved while a tape refers to it") {
  std::vector<Parameter<double>> parameters;
  parameters.emplace_back(VectorXd::Constant(3, 2.0), "w");
  Tape<double> tape;
  Tensor y = tape.parameter(parameters[0]) * 5.0;
  for (int i = 0; i < 100; ++i) parameters.emplace_back(Shape{1});
  Parameter<double> moved = std::move(parameters[0]);
  parameters.clear();
  tape.backward(y, VectorXd::Ones(3));
  CHECK(moved.grad() == VectorXd::Constant(3, 5.0));
}

TEST_CASE("parameter: used several times, in one formula, in two nodes, broadcast and not") {
  Parameter<double> w(VectorXd::LinSpaced(40, 1, 2));
  Tape<double> tape;
  Tensor x = tape.constant(VectorXd::Constant(40, 3.0));
  Tensor y = w * w * x;
  Tensor z = w + tape.parameter(w) * x + 0.0 * y;
  Tensor sum = y + z;
  tape.backward(sum, VectorXd::Ones(40));
  const VectorXd expected = 6 * w.value().array() + 4;
  CHECK((w.grad() - expected).norm() < 1e-12);

  w.zero_grad();
  Tensor matrix = tape.constant(MatrixXd::Ones(40, 3));
  Tensor both = (matrix * w) * (x * w);
  tape.backward(both, MatrixXd::Ones(40, 3));
  CHECK((w.grad().array() - 3 * 2 * 3 * w.value().array()).matrix().norm() < 1e-12);
}

TEST_CASE("parameter: in a product and in a formula") {
  Parameter<double> w(MatrixXd::Constant(2, 2, 1.0));
  Tape<double> tape;
  Tensor x = tape.constant((MatrixXd(2, 2) << 1, 2, 3, 4).finished());
  Tensor y = matmul(w, x) + w;
  tape.backward(y, MatrixXd::Ones(2, 2));
  CHECK(w.grad() == (MatrixXd(2, 2) << 4, 8, 4, 8).finished());
}

TEST_CASE("parameter: a formula of parameters alone has no tape") {
  Parameter<double> w(Shape{2}), b(Shape{2});
  CHECK_THROWS_WITH(Tensor(w * b),
                    ContainsSubstring("multiply") && ContainsSubstring("tape.parameter(w)"));
  CHECK_THROWS_WITH(Tensor(2.0 * w + Var<double>(1.0)), ContainsSubstring("tape.parameter(w)"));
  CHECK_THROWS_WITH(matmul(w, b),
                    ContainsSubstring("matmul") && ContainsSubstring("tape.parameter(w)"));
  Tape<double> tape;
  Var s = tape.variable(2.0);
  Tensor y = s * w;  // a scalar brings its tape
  tape.backward(y, VectorXd::Ones(2));
  CHECK(w.grad() == VectorXd::Constant(2, 2.0));
}

TEST_CASE("parameter: the gradient of its tensor is its own") {
  Parameter<double> w(VectorXd::Ones(2));
  Tape<double> tape;
  Tensor t = tape.parameter(w);
  CHECK(t.grad() == VectorXd::Zero(2));
  tape.backward(t, Eigen::Vector2d(1, 2));
  CHECK(t.grad() == Eigen::Vector2d(1, 2));
  CHECK(w.grad() == Eigen::Vector2d(1, 2));
}

TEST_CASE("parameter: no_grad takes it as a constant") {
  Parameter<double> w(VectorXd::Ones(2));
  Tape<double> tape;
  Tensor x = tape.variable(VectorXd::Ones(2));
  {
    const auto guard = tape.no_grad();
    CHECK(tape.parameter(w).is_constant());
    Tensor y = w * x;
    CHECK(y.is_constant());
    CHECK_THROWS_AS(tape.backward(y, VectorXd::Ones(2)), TapeError);
  }
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("parameter: names in error texts, also after a change of the name") {
  Parameter<double> w(Shape{3, 4}, "the first name of this parameter");
  Tape<double> tape;
  Tensor t = tape.parameter(w);
  w.set_name("w");
  Tensor x = tape.full(Shape{5, 2}, 1.0);
  CHECK_THROWS_WITH(matmul(t, x), ContainsSubstring("w is [3, 4]") && ContainsSubstring("[5, 2]"));
  CHECK_THROWS_WITH(matmul(w, x), ContainsSubstring("w is [3, 4]") && ContainsSubstring("[5, 2]"));
}
