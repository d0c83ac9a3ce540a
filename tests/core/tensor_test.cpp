#include "gradtape/core/tensor.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Numbers without pattern in [-1, 1].
template <class T>
std::vector<T> numbers(Index n, unsigned seed) {
  std::vector<T> x;
  for (Index i = 0; i < n; ++i) {
    seed = seed * 1664525u + 1013904223u;
    x.push_back(static_cast<T>(static_cast<double>(seed >> 8) / (1 << 23) - 1));
  }
  return x;
}

/// a b + a holds for each element: y and both gradients against loops over all four dimensions.
template <class T>
void check_broadcast(const Shape& a_shape, const Shape& b_shape) {
  INFO("a is " << to_string(a_shape) << ", b is " << to_string(b_shape));
  const std::vector<T> a = numbers<T>(a_shape.size(), 1), b = numbers<T>(b_shape.size(), 2);
  Tape<T> tape;
  Tensor ta = tape.variable(a_shape, a), tb = tape.variable(b_shape, b);
  Tensor y = ta * tb + ta;
  const Shape shape = y.shape();
  for (int d = 0; d < 4; ++d) REQUIRE(shape[d] == (a_shape[d] == 1 ? b_shape[d] : a_shape[d]));
  REQUIRE(shape.rank() == std::max(a_shape.rank(), b_shape.rank()));
  const std::vector<T> seed = numbers<T>(shape.size(), 3);
  tape.backward(
      y, Eigen::Map<const Eigen::Matrix<T, -1, -1>>(seed.data(), shape.rows(), shape.columns()));

  std::vector<long double> a_bar(a.size()), b_bar(b.size());
  Index k = 0;
  for (Index l = 0; l < shape[3]; ++l) {
    for (Index m = 0; m < shape[2]; ++m) {
      for (Index j = 0; j < shape[1]; ++j) {
        for (Index i = 0; i < shape[0]; ++i, ++k) {
          const auto position = [&](const Shape& s) {
            const Index at[4] = {i, j, m, l};
            Index p = 0, stride = 1;
            for (int d = 0; d < 4; ++d) {
              if (s[d] != 1) p += at[d] * stride;
              stride *= s[d];
            }
            return static_cast<std::size_t>(p);
          };
          const std::size_t pa = position(a_shape), pb = position(b_shape);
          REQUIRE(static_cast<double>(y.data()[k]) ==
                  Approx(static_cast<double>(a[pa] * b[pb] + a[pa])).margin(1e-6));
          const long double y_bar = seed[static_cast<std::size_t>(k)];
          a_bar[pa] += y_bar * (b[pb] + 1);
          b_bar[pb] += y_bar * a[pa];
        }
      }
    }
  }
  const double margin = sizeof(T) == 4 ? 1e-4 : 1e-12;
  for (std::size_t i = 0; i < a.size(); ++i)
    REQUIRE(static_cast<double>(ta.grad().data()[i]) ==
            Approx(static_cast<double>(a_bar[i])).margin(margin));
  for (std::size_t i = 0; i < b.size(); ++i)
    REQUIRE(static_cast<double>(tb.grad().data()[i]) ==
            Approx(static_cast<double>(b_bar[i])).margin(margin));
}

}  // namespace

TEST_CASE("tensor: sizes around the width of a tile") {
  for (const Index n : {1, 2, 7, 15, 16, 17, 31, 32, 33, 64, 65, 100}) {
    check_broadcast<double>({n}, {n});
    check_broadcast<float>({n}, {n});
    check_broadcast<float>({n, 3}, {n});
    check_broadcast<double>({3, n}, {1, n});
  }
}

TEST_CASE("tensor: broadcasting in each position, rank 0 to 4") {
  const std::vector<std::pair<Shape, Shape>> cases = {
      {{}, {}},
      {{}, {5, 3}},
      {{1}, {5, 3}},
      {{5}, {5, 3}},
      {{5, 1}, {5, 3}},
      {{1, 3}, {5, 3}},
      {{5, 1}, {1, 3}},
      {{5}, {1, 3}},
      {{5, 1, 4}, {1, 3, 4}},
      {{5, 3, 1}, {1, 1, 4}},
      {{5, 3}, {5, 3, 4}},
      {{1, 1, 4}, {5, 3, 4}},
      {{1, 3, 1, 2}, {5, 1, 4, 2}},
      {{5, 3, 4, 2}, {1, 3, 4, 1}},
      {{5, 3, 4, 2}, {5, 3, 4, 2}},
      {{1, 1, 1, 2}, {5, 3, 4, 1}},
      {{40, 1, 3}, {40, 2, 1}},
      {{1, 1}, {1, 1, 1}},
  };
  for (const auto& [a, b] : cases) {
    check_broadcast<double>(a, b);
    check_broadcast<double>(b, a);
    check_broadcast<long double>(a, b);
  }
}

TEST_CASE("tensor: numbers, scalars and scalar expressions in a tensor formula") {
  Tape<double> tape;
  const VectorXd v = VectorXd::LinSpaced(70, -1, 2);
  Tensor x = tape.variable(v);
  Var s = tape.variable(3.0), t = tape.variable(5.0);
  const Var<double> c = 7.0;
  Tensor y = 2 * x * s + (s * t) * x - c + x / t + s;
  const VectorXd expected = (2 * 3 + 15 + 0.2) * v.array() - 7 + 3;
  CHECK((y.value() - expected).norm() < 1e-12);
  tape.backward(y, VectorXd::Ones(70));
  const double sum = v.sum();
  CHECK(x.grad()(69) == Approx(21.2));
  CHECK(s.grad() == Approx(2 * sum + 5 * sum + 70));
  CHECK(t.grad() == Approx(3 * sum - sum / 25));
  CHECK(tape.node_count() == 2);
}

TEST_CASE("tensor: shapes that do not fit are named") {
  Tape<double> tape;
  Tensor a = tape.full(Shape{2, 3}, 1.0), b = tape.full(Shape{4}, 1.0);
  CHECK_THROWS_WITH(Tensor(a + b),
                    "add: [2, 3] and [4] do not broadcast: sizes of dimension 0 "
                    "(2 and 4) must be equal, or one of them 1");
  CHECK_THROWS_AS(Tensor(b * (a + 1.0)), ShapeError);
  CHECK(tape.node_count() == 2);
}

TEST_CASE("tensor: empty tensors, also as the first thing on a tape") {
  for (const Shape& shape : {Shape{0}, Shape{0, 3}, Shape{3, 0}, Shape{2, 0, 4}}) {
    Tape<double> tape;
    Tensor x = tape.variable(shape, std::vector<double>());
    CHECK_FALSE(x.is_constant());
    Var s = tape.variable(2.0);
    Tensor row = tape.variable(Shape{1}, std::vector<double>{1.0});
    Tensor y = x * x + s * row;
    CHECK(y.shape() == shape);
    CHECK(y.value().size() == 0);
    tape.backward(y, MatrixXd(shape.rows(), shape.columns()));
    CHECK(x.grad().rows() == shape.rows());
    CHECK(x.grad().cols() == shape.columns());
    CHECK(s.grad() == 0);
    CHECK(row.grad()(0) == 0);
  }
}

TEST_CASE("tensor: from any Eigen object") {
  Tape<double> tape;
  MatrixXd m(3, 4);
  for (int i = 0; i < 12; ++i) m(i) = i;
  const auto holds = [&tape](const auto& x, const MatrixXd& expected) {
    Tensor variable = tape.variable(x), constant = tape.constant(x);
    CHECK(variable.value() == expected);
    CHECK(constant.value() == expected);
    CHECK(constant.is_constant());
    CHECK_FALSE(variable.is_constant());
  };
  holds(m, m);
  holds(Eigen::Matrix<double, 3, 4, Eigen::RowMajor>(m), m);
  holds(m.block(1, 1, 2, 3), m.block(1, 1, 2, 3));
  holds(m.transpose(), m.transpose());
  holds(m.array() + 1, MatrixXd(m.array() + 1));
  holds(m.row(1), m.row(1));
  holds(m * 2.0, m * 2.0);
  holds(Eigen::Map<MatrixXd, 0, Eigen::Stride<6, 2>>(m.data(), 2, 2, Eigen::Stride<6, 2>()),
        (MatrixXd(2, 2) << 0, 6, 2, 8).finished());
  holds(m.cast<int>(), m);
  holds(m.cast<float>(), m);
  holds((m.array() > 5).matrix(), (m.array() > 5).cast<double>().matrix());
  holds(Eigen::Matrix2d(m.topLeftCorner(2, 2)), m.topLeftCorner(2, 2));

  CHECK(tape.constant(m).shape() == Shape{3, 4});
  CHECK(tape.constant(m.col(0)).shape() == Shape{3});
  CHECK(tape.constant(m.row(0)).shape() == Shape{1, 4});
  CHECK(tape.constant(MatrixXd(m.col(0))).shape() == Shape{3, 1});
  // copied: what happens to m later is not seen
  Tensor x = tape.variable(m);
  m.setZero();
  CHECK(x.value()(2, 3) == 11);
}

TEST_CASE("tensor: from a range of elements, features first") {
  Tape<float> tape;
  Tensor x = tape.variable(Shape{2, 3}, std::vector<double>{1, 2, 3, 4, 5, 6}, "x");
  CHECK(x.value()(1, 0) == 2);
  CHECK(x.value()(0, 2) == 5);
  CHECK_THROWS_WITH(tape.variable(Shape{2, 3}, std::vector<int>{1, 2}),
                    "variable: shape [2, 3] has 6 elements, but 2 values were given");
  CHECK_THROWS_AS(tape.constant(Shape{}, std::vector<int>{}), ShapeError);
  Tensor scalar = tape.constant(Shape{}, std::vector<int>{7});
  CHECK(scalar.rank() == 0);
  CHECK(scalar.value()(0) == 7);
}

TEST_CASE("tensor: backward needs a seed of its shape") {
  Tape<double> tape, other;
  Tensor x = tape.variable(VectorXd::LinSpaced(6, 1, 6));
  Tensor y = x * x;
  CHECK_THROWS_WITH(tape.backward(y), ContainsSubstring("[6]") && ContainsSubstring("seed"));
  CHECK_THROWS_WITH(tape.backward(y, VectorXd::Ones(5)),
                    ContainsSubstring("[5, 1]") && ContainsSubstring("[6]"));
  CHECK_THROWS_AS(tape.backward(y, Eigen::RowVectorXd::Ones(6)), ShapeError);
  CHECK_THROWS_WITH(other.backward(y, VectorXd::Ones(6)), ContainsSubstring("another tape"));
  CHECK_THROWS_WITH(tape.backward(tape.full(Shape{1}, 1.0)), ContainsSubstring("constant"));
  CHECK_THROWS_AS(x.grad(), TapeError);

  tape.backward(y, VectorXd::LinSpaced(6, 0, 5));
  for (int i = 0; i < 6; ++i) CHECK(x.grad()(i) == 2 * i * (i + 1));

  Tensor cube = tape.variable(Shape{2, 3, 2}, std::vector<double>(12, 2.0));
  Tensor z = cube * cube;
  tape.backward(z, MatrixXd::Constant(2, 6, 0.5));
  CHECK(cube.grad() == MatrixXd::Constant(2, 6, 2.0));
  CHECK(x.grad() == VectorXd::Zero(6));

  Tensor one = tape.variable(Shape{1, 1, 1}, std::vector<double>{3.0});
  tape.backward(Tensor(one * one));
  CHECK(one.grad()(0) == 6);
}

TEST_CASE("tensor: gradients are fresh at each backward, and add up within one") {
  Tape<double> tape;
  Tensor x = tape.variable(VectorXd::LinSpaced(40, 0, 1));
  Tensor unused = x * 5.0;
  Tensor once = x * 2.0;
  Tensor y = once * once + once + x;
  for (int i = 0; i < 2; ++i) {
    tape.backward(y, VectorXd::Ones(40));
    CHECK(unused.grad().norm() == 0);
    CHECK((once.grad() - (4 * x.value().array() + 1).matrix()).norm() < 1e-12);
    CHECK((x.grad() - (8 * x.value().array() + 3).matrix()).norm() < 1e-12);
  }
  tape.backward(once, VectorXd::Ones(40));
  CHECK((x.grad().array() == 2).all());
  CHECK(y.grad().norm() == 0);
}

TEST_CASE("tensor: grad() says why there is none") {
  Tape<double> tape;
  Tensor x = tape.variable(VectorXd::Ones(2), "x"), c = tape.constant(VectorXd::Ones(2), "c");
  CHECK_THROWS_WITH(x.grad(), ContainsSubstring("'x'") && ContainsSubstring("backward"));
  Tensor y = x * c;
  tape.backward(y, VectorXd::Ones(2));
  CHECK_THROWS_WITH(c.grad(), ContainsSubstring("'c'") && ContainsSubstring("constant"));
  Tensor d = c * 2.0;
  CHECK(d.is_constant());
  CHECK_THROWS_AS(d.grad(), TapeError);
  Tensor after = x * 2.0;
  CHECK_THROWS_WITH(after.grad(), ContainsSubstring("multiply") && ContainsSubstring("backward"));
  Tensor<double> nothing;
  CHECK_THROWS_WITH(nothing.grad(), ContainsSubstring("empty tensor handle"));
  CHECK_THROWS_WITH(nothing.shape(), ContainsSubstring("empty tensor handle"));
  CHECK_THROWS_WITH(Tensor(nothing * x), ContainsSubstring("empty tensor handle"));
  CHECK_THROWS_WITH(Tensor(x * nothing), ContainsSubstring("empty tensor handle"));
}

TEST_CASE("tensor: handles of other tapes and from before clear() are refused") {
  Tape<double> tape, other;
  Tensor x = tape.variable(VectorXd::Ones(3)), foreign = other.variable(VectorXd::Ones(3));
  Var s = tape.variable(1.0), foreign_scalar = other.variable(1.0);
  CHECK_THROWS_WITH(Tensor(x * foreign), ContainsSubstring("another tape"));
  CHECK_THROWS_AS(Tensor(foreign * x), TapeError);
  CHECK_THROWS_AS(Tensor(x * foreign_scalar), TapeError);
  CHECK_THROWS_AS(Tensor(foreign_scalar * x), TapeError);
  CHECK_THROWS_AS(Tensor((s * foreign_scalar) * x), TapeError);
  CHECK_THROWS_AS(Tensor((2.0 * foreign_scalar) * x), TapeError);
  CHECK_THROWS_AS(Tensor(x * (2.0 * foreign_scalar)), TapeError);

  Tensor y = x * 2.0;
  tape.clear();
  CHECK_THROWS_WITH(x.value(), ContainsSubstring("clear()"));
  CHECK_THROWS_AS(Tensor(x * 2.0), TapeError);
  CHECK_THROWS_AS(tape.backward(y, VectorXd::Ones(3)), TapeError);
  Tensor fresh = tape.variable(VectorXd::Ones(3));
  CHECK_THROWS_AS(Tensor(fresh * x), TapeError);
  CHECK_THROWS_AS(Tensor(fresh * s), TapeError);
  CHECK_THROWS_AS(x.name("x"), TapeError);
  CHECK_NOTHROW(fresh.value());
}

TEST_CASE("tensor: no_grad records values without dependences") {
  Tape<double> tape;
  Tensor x = tape.variable(VectorXd::Ones(3));
  Var s = tape.variable(2.0);
  {
    const auto guard = tape.no_grad();
    Tensor y = x * s;
    CHECK(y.value()(0) == 2);
    CHECK(y.is_constant());
    CHECK(tape.variable(VectorXd::Ones(2)).is_constant());
    CHECK_THROWS_AS(tape.backward(y, VectorXd::Ones(3)), TapeError);
  }
  Tensor y = x * s;
  tape.backward(y, VectorXd::Ones(3));
  CHECK(s.grad() == 3);
}

TEST_CASE("tensor: assignment from a formula of itself") {
  Tape<double> tape;
  Tensor x = tape.variable(VectorXd::Constant(3, 2.0));
  const Tensor start = x;
  x = x * x;
  x = x * x + x;
  tape.backward(x, VectorXd::Ones(3));
  CHECK(start.grad()(1) == 4 * 8 + 2 * 2);
}

TEST_CASE("tensor: the branch not taken contributes exactly 0, in one formula") {
  Tape<double> tape;
  const VectorXd v = VectorXd::LinSpaced(41, -20, 20);  // 0 and negative numbers among them
  Tensor x = tape.variable(v), other = tape.variable(VectorXd::Ones(41));
  Tensor y = where(x > 0.0, sqrt(x) + log(x), other) + max(sqrt(x * 0.0), 1.0);
  tape.backward(y, VectorXd::Ones(41));
  for (int i = 0; i < 41; ++i) {
    const bool positive = v(i) > 0;
    CHECK(x.grad()(i) == Approx(positive ? 0.5 / std::sqrt(v(i)) + 1 / v(i) : 0));
    CHECK(other.grad()(i) == (positive ? 0 : 1));
  }
}

TEST_CASE("tensor: the branch not taken contributes exactly 0, across named nodes") {
  Tape<double> tape;
  const VectorXd v = VectorXd::LinSpaced(41, -20, 20);
  Tensor x = tape.variable(v);
  Tensor root = sqrt(x);
  Tensor logarithm = log(x);
  Tensor y = where(x > 0.0, root + logarithm, 3.0);
  tape.backward(y, VectorXd::Ones(41));
  for (int i = 0; i < 41; ++i)
    CHECK(x.grad()(i) == Approx(v(i) > 0 ? 0.5 / std::sqrt(v(i)) + 1 / v(i) : 0));
  CHECK(x.grad().allFinite());
}

TEST_CASE("tensor: nor does it receive an infinite adjoint; the branch taken does") {
  Tape<double> tape;
  Tensor a = tape.variable(VectorXd::Zero(3)), b = tape.variable(VectorXd::Ones(3));
  Tensor chosen = where(true, a, b);
  Tensor root = sqrt(chosen);
  tape.backward(root, VectorXd::Ones(3));
  CHECK(a.grad()(0) == infinity);
  CHECK(b.grad() == VectorXd::Zero(3));
  Tensor fused = sqrt(where(true, a, b));
  tape.backward(fused, VectorXd::Ones(3));
  CHECK(a.grad()(2) == infinity);
  CHECK(b.grad() == VectorXd::Zero(3));
}

TEST_CASE("tensor: NaN passes on, an adjoint of zero does not") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector3d(0, 0, 4));
  Tensor y = sqrt(x);
  tape.backward(y, Eigen::Vector3d(0, 1, std::nan("")));
  CHECK(x.grad()(0) == 0);
  CHECK(x.grad()(1) == infinity);
  CHECK(std::isnan(x.grad()(2)));
}

TEST_CASE("tensor: functions of the standard library's names") {
  using std::exp;
  using std::max;
  Tape<double> tape;
  Tensor a = tape.variable(Eigen::Vector2d(1, 2)), b = tape.variable(Eigen::Vector2d(2, 1));
  Tensor y = max(a, b) + exp(a);
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(y.value()(0) == Approx(2 + std::exp(1.0)).epsilon(1e-14));
  CHECK(a.grad()(0) == Approx(std::exp(1.0)).epsilon(1e-14));
  CHECK(a.grad()(1) == Approx(1 + std::exp(2.0)).epsilon(1e-14));
  CHECK(b.grad() == Eigen::Vector2d(1, 0));
}
