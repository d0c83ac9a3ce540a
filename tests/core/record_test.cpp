#include "gradtape/core/record.hpp"

#include <memory>
#include <stdexcept>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

// Operations as a user writes them.

//! [record]
/// Row sums.  y = X 1,   X_bar += y_bar 1^T           X (m,n) -> y (m)
template <class T>
Tensor<T> row_sums(const Tensor<T>& x) {
  return record(
      "row_sums", Shape{x.rows()}, {x}, [&](MatrixMap<T> y) { y = x.value().rowwise().sum(); },
      [x](const Tensor<T>& y) { adjoint(x) += y.grad().replicate(1, x.columns()); });
}
//! [record]

template <class T>
Var<T> dot_product(const Tensor<T>& a, const Tensor<T>& b) {
  return record("dot_product", {a, b}, a.value().cwiseProduct(b.value()).sum(),
                [a, b](const T& y_bar) {
                  adjoint(a) += y_bar * b.value();
                  adjoint(b) += y_bar * a.value();
                });
}

/// y = x; its backward function throws when told to.
Tensor<double> fragile(const Tensor<double>& x, const bool& throws) {
  return record(
      "fragile", x.shape(), {x}, [&](MatrixMap<double> y) { y = x.value(); },
      [x, &throws](const Tensor<double>& y) {
        if (throws) throw std::runtime_error("backward");
        adjoint(x) += y.grad();
      });
}

}  // namespace

TEST_CASE("record: a tensor operation") {
  Tape<double> tape;
  Tensor x = tape.variable(MatrixXd(MatrixXd::Random(3, 4)));
  Tensor y = row_sums(x);
  CHECK((y.value() - x.value().rowwise().sum()).norm() < 1e-15);
  Tensor z = y * y + row_sums(x);
  CHECK(row_sums(tape.constant(Eigen::Matrix2d{{0.5, -1}, {2, 0.25}})).value() ==
        Eigen::Vector2d(-0.5, 2.25));
  tape.backward(z, Eigen::Vector3d(1, 10, 100));
  for (int j = 0; j < 4; ++j) {
    CHECK(x.grad()(0, j) == Approx(2 * y.value()(0) + 1));
    CHECK(x.grad()(2, j) == Approx(100 * (2 * y.value()(2) + 1)));
  }
}

TEST_CASE("record: a scalar operation, between tensors and scalars") {
  Tape<double> tape;
  Var s = tape.variable(2.0);
  Tensor a = tape.variable(Eigen::Vector3d(1, 2, 3)), b = tape.constant(Eigen::Vector3d(4, 5, 6));
  Var early = s * s;
  Var d = dot_product(Tensor(a * early), b);  // 4 a . b
  Var y = d * s + dot_product(a, a);
  tape.backward(y);
  CHECK(y.value() == 32 * 8 + 14);
  CHECK(s.grad() == 3 * 4 * 32);
  CHECK(d.grad() == 2);
  CHECK(a.grad() == Eigen::Vector3d(8 * 4 + 2, 8 * 5 + 4, 8 * 6 + 6));
  CHECK_THROWS_AS(b.grad(), TapeError);
}

TEST_CASE("record: the same operand twice") {
  Tape<double> tape;
  Tensor a = tape.variable(Eigen::Vector3d(1, 2, 3));
  Var y = dot_product(a, a);
  tape.backward(y, 0.5);
  CHECK(a.grad() == Eigen::Vector3d(1, 2, 3));
}

TEST_CASE("record: of constants the result is constant and no backward function is kept") {
  Tape<double> tape;
  const auto witness = std::make_shared<int>(1);
  Tensor c = tape.constant(Eigen::Vector2d(1, 2));
  Tensor y = record(
      "keep", Shape{2}, {c}, [](MatrixMap<double> out) { out.setZero(); },
      [witness](const Tensor<double>&) {});
  CHECK(y.is_constant());
  CHECK(witness.use_count() == 1);
  Var d = dot_product(c, c);
  CHECK(d.value() == 5);
  CHECK(d.is_constant());
  Tensor x = tape.variable(Eigen::Vector2d(1, 2));
  const auto guard = tape.no_grad();
  CHECK(dot_product(x, x).is_constant());
  CHECK(row_sums(x).is_constant());
  CHECK(tape.statement_count() == 0);
}

TEST_CASE("record: what backward functions hold is destroyed once, with the recording") {
  const auto witness = std::make_shared<int>(1);
  {
    Tape<double> tape;
    Tensor x = tape.variable(Eigen::Vector2d(1, 2));
    const auto keep = [&] {
      return record(
          "keep", x.shape(), {x}, [](MatrixMap<double> out) { out.setZero(); },
          [witness, x](const Tensor<double>& y) { adjoint(x) += *witness * y.grad(); });
    };
    Tensor y = keep();
    CHECK(witness.use_count() == 2);
    {
      const auto scope = tape.scope();
      for (int i = 0; i < 50; ++i) keep();
      CHECK(witness.use_count() == 52);
    }
    CHECK(witness.use_count() == 2);
    tape.backward(y, Eigen::Vector2d(3, 4));
    CHECK(x.grad() == Eigen::Vector2d(3, 4));
    tape.clear();
    CHECK(witness.use_count() == 1);
    x = tape.variable(Eigen::Vector2d(1, 2));
    keep();
    CHECK(witness.use_count() == 2);
  }
  CHECK(witness.use_count() == 1);
}

TEST_CASE("record: an exception in a forward function leaves the tape usable") {
  const auto witness = std::make_shared<int>(1);
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2));
  const auto failing = [&] {
    return record(
        "failing", x.shape(), {x}, [](MatrixMap<double>) { throw std::runtime_error("forward"); },
        [witness](const Tensor<double>&) {});
  };
  for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(failing(), std::runtime_error);
  CHECK(witness.use_count() == 1);
  Tensor y = x * x;
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(x.grad() == Eigen::Vector2d(2, 4));
}

TEST_CASE("record: an exception in a backward function: no gradients, and the tape is usable") {
  bool throws = false;
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2));
  Var s = tape.variable(2.0);
  Tensor y = fragile(x * s, throws) * 3.0;
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(s.grad() == 9);
  throws = true;
  CHECK_THROWS_WITH(tape.backward(y, Eigen::Vector2d(1, 1)), "backward");
  CHECK_THROWS_AS(x.grad(), TapeError);
  CHECK_THROWS_AS(y.grad(), TapeError);
  CHECK_THROWS_AS(s.grad(), TapeError);
  throws = false;
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(x.grad() == Eigen::Vector2d(6, 6));
  CHECK(s.grad() == 9);
}

TEST_CASE("record: operands of several tapes, stale and empty ones are refused by name") {
  Tape<double> tape, other;
  Tensor a = tape.variable(Eigen::Vector2d(1, 2)), b = other.variable(Eigen::Vector2d(1, 2));
  CHECK_THROWS_WITH(dot_product(a, b),
                    ContainsSubstring("dot_product") && ContainsSubstring("two tapes"));
  CHECK_THROWS_AS(record(
                      "none", Shape{2}, {Tensor<double>()}, [](MatrixMap<double>) {},
                      [](const Tensor<double>&) {}),
                  TapeError);
  CHECK_THROWS_WITH(
      record<double>(
          "none", Shape{2}, {}, [](MatrixMap<double>) {}, [](const Tensor<double>&) {}),
      ContainsSubstring("none") && ContainsSubstring("operand"));
  Tensor stale = a;
  tape.clear();
  CHECK_THROWS_AS(
      record(
          "stale", Shape{2}, {stale}, [](MatrixMap<double>) {}, [](const Tensor<double>&) {}),
      TapeError);
}

TEST_CASE("record: the backward function of a scalar runs only where an adjoint arrives") {
  Tape<double> tape;
  const Tensor x = tape.variable(VectorXd::Ones(3));
  int runs = 0;
  const Var<double> f = record("count", {x}, 1.0, [&runs](double) { ++runs; });
  const Var<double> other = dot_product(x, x);
  tape.backward(other);
  CHECK(runs == 0);
  const Var<double> none = 0.0 * f + other;
  tape.backward(none);
  CHECK(runs == 0);
  tape.backward(f);
  CHECK(runs == 1);
}

TEST_CASE("record: an operation that contributes to a part of an adjoint") {
  Tape<double> tape;
  Tensor x = tape.variable(VectorXd::LinSpaced(4, 1, 4));
  const auto pick = [&](Index i) {
    return record("pick", {x}, x.value()(i),
                  [x, i](const double& y_bar) { adjoint(x).accumulator()(i) += y_bar; });
  };
  Var y = pick(1) * pick(3) + pick(1);
  tape.backward(y);
  CHECK(x.grad() == Eigen::Vector4d(0, 5, 0, 2));
  tape.backward(y);
  CHECK(x.grad() == Eigen::Vector4d(0, 5, 0, 2));
}

TEST_CASE("record: an operand without gradient costs no backward work") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2)), c = tape.constant(Eigen::Vector2d(1, 2));
  int evaluated = 0;
  Tensor y = record(
      "counting", Shape{2}, {x, c}, [&](MatrixMap<double> out) { out = x.value() + c.value(); },
      [x, c, &evaluated](const Tensor<double>& out) {
        const auto counting = out.grad().unaryExpr([&evaluated](double v) {
          ++evaluated;
          return v;
        });
        adjoint(c) += counting;
        CHECK_FALSE(adjoint(c).is_needed());
        CHECK(evaluated == 0);
        adjoint(x) += counting;
      });
  tape.backward(y, Eigen::Vector2d(3, 4));
  CHECK(evaluated == 2);
  CHECK(x.grad() == Eigen::Vector2d(3, 4));
}

TEST_CASE("record: workspace lives as long as the recording") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(3, 4));
  double* const saved = tape.workspace(2);
  saved[0] = 5;
  Tensor y = record(
      "saving", Shape{2}, {x}, [&](MatrixMap<double> out) { out.setConstant(saved[0]); },
      [x, saved](const Tensor<double>& out) { adjoint(x) += saved[0] * out.grad(); });
  for (int i = 0; i < 20; ++i) tape.full(Shape{100, 100}, 7.0);
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(x.grad() == Eigen::Vector2d(5, 5));
}
