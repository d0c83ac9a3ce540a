#include "gradtape/core/fused.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/activations.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/trigonometry.hpp"

using namespace gradtape;

// A tensor of one element looks like a broadcast one in all dimensions, but its gradient is still
// assigned by the first contribution, also where memory of an earlier recording is used again.
TEST_CASE("fused: gradients of tensors of one element start anew in every recording") {
  Tape<double> tape;
  for (const double v : {3.0, 5.0, 7.0}) {
    auto scope = tape.scope();
    const Tensor x = tape.variable(Eigen::Matrix<double, 1, 1>(v));
    const Tensor y = x * x;
    const Tensor z = y + 4;
    tape.backward(z);
    CHECK(y.grad()(0) == 1);
    CHECK(x.grad()(0) == 2 * v);
  }
}

TEST_CASE("fused: a result without elements contributes zero to operands that have some") {
  const std::pair<Shape, Shape> cases[] = {
      {{3}, {3, 0}},  {{1}, {0}},   {{3}, {1, 0}},    {{}, {0}},           {{1, 3}, {0}},
      {{40}, {1, 0}}, {{}, {1, 0}}, {{3, 1}, {1, 0}}, {{3, 1, 2}, {1, 0}}, {{3, 3}, {1, 3, 0}}};
  for (const auto& [left, right] : cases) {
    INFO(to_string(left) << " and " << to_string(right));
    Tape<double> tape;
    {
      auto scope = tape.scope();
      tape.full(Shape{1000}, 7.0);  // which the gradients would show, were they not set
    }
    const Eigen::VectorXd ones = Eigen::VectorXd::Ones(left.size());
    const Tensor a = tape.variable(left, ones), b = tape.variable(right, Eigen::VectorXd());
    const Tensor y = (a + b) * b + 2 * a;
    REQUIRE(y.size() == 0);
    tape.backward(y, Eigen::MatrixXd(y.rows(), y.columns()));
    CHECK(a.grad().isZero(0));
    CHECK(a.value().isOnes(0));
    CHECK(b.grad().size() == 0);
  }
}

// A bias under short columns is spread out over several of them, in memory of the tape.
TEST_CASE("fused: sweeps give back the memory in which they spread operands out") {
  Tape<double> tape;
  const Tensor x = tape.variable(Eigen::MatrixXd::Ones(3, 500)),
               b = tape.variable(Eigen::VectorXd::Ones(3));
  const Tensor y = x * b;
  const Eigen::MatrixXd seed = Eigen::MatrixXd::Ones(3, 500);
  tape.backward(y, seed);
  const std::size_t bytes = tape.bytes();
  for (int i = 0; i < 300; ++i) tape.backward(y, seed);
  CHECK(tape.bytes() == bytes);
  CHECK(b.grad().isConstant(500, 0));
}

// y = exp(sin(x + b)) tanh(x):  dy/dx = y cos(x + b) + exp(sin(x + b)) (1 - tanh(x)^2).  What is
// costly in a formula is kept for the backward pass: columns that do not fill a tile, some taken
// together, a bias, and a second sweep.
TEST_CASE("fused: values kept for the backward pass are those of their element") {
  const auto check = [](auto number, Index rows, Index columns) {
    using T = decltype(number);
    using Array = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic>;
    CAPTURE(rows, columns, sizeof(T));
    Array x(rows, columns), bias(rows, 1);
    for (Index k = 0; k < x.size(); ++k) x(k) = T(std::sin(0.1 * double(k)));
    for (Index k = 0; k < rows; ++k) bias(k) = T(std::cos(0.3 * double(k)));
    Tape<T> tape;
    const Tensor<T> a = tape.variable(x), b = tape.variable(bias.matrix().col(0).eval());
    const Tensor<T> y = exp(sin(a + b)) * tanh(a);
    const Array sum = x + bias.col(0).replicate(1, columns);
    const Array e = sum.sin().exp(), through_bias = e * x.tanh() * sum.cos();
    const Array slope = through_bias + e * (1 - x.tanh().square());
    const T allowed = 64 * std::numeric_limits<T>::epsilon();
    for (int sweep = 0; sweep < 2; ++sweep) {
      tape.backward(y, Array::Ones(rows, columns));
      CHECK((a.grad().array() - slope).abs().maxCoeff() < allowed);
      CHECK((b.grad().array() - through_bias.rowwise().sum()).abs().maxCoeff() <
            allowed * T(columns));
    }
  };
  check(0.0F, 1, 1);
  check(0.0F, 10, 7);
  check(0.0F, 133, 3);
  check(0.0F, 40, 60);
  check(0.0, 10, 7);
  check(0.0, 133, 3);
  // so many that they are computed again: in pieces of a column, and many short columns together
  check(0.0F, 350003, 1);
  check(0.0F, 1300, 270);
  check(0.0F, 20, 17500);
  check(0.0, 250, 701);
}

TEST_CASE("fused: large tensors take no memory for what is costly in a formula") {
  constexpr Index size = 600000;
  const auto bytes = [](auto&& formula, double slope) {
    Tape<float> tape;
    const Tensor x = tape.variable(Eigen::VectorXf::Constant(size, 0.5f));
    Tensor y = formula(x);
    for (int i = 1; i < 8; ++i) y = formula(x);
    tape.backward(y, Eigen::VectorXf::Ones(size));
    CHECK(x.grad()(0) == Approx(slope).epsilon(1e-6));
    CHECK(x.grad().isConstant(x.grad()(0), 0));
    return tape.bytes();
  };
  const double e = std::exp(0.5), t = std::tanh(0.5), slope = e * t + e * (1 - t * t);
  const auto cheap = bytes([](const auto& x) { return x * x + x; }, 2);
  CHECK(bytes([](const auto& x) { return exp(x) * tanh(x); }, slope) <= cheap);
}

// The last tile of a column reaches into the next one.  There a slope may be infinite, and a gradient
// may already have contributions:  L = sum_ij s_ij ((sqrt(x_ij) + b_i) + (2 x_ij + b_i)).
TEST_CASE("fused: what a tile computes beyond the end of a column goes nowhere") {
  const auto check = [](auto number, Index rows) {
    using T = decltype(number);
    using Array = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic>;
    CAPTURE(rows, sizeof(T));
    const Index columns = 3;
    Array x(rows, columns), seed(rows, columns), b(rows, 1);
    for (Index k = 0; k < x.size(); ++k) x(k) = T(1 + k % 7), seed(k) = T(k % 5 - 2);
    for (Index k = 0; k < rows; ++k) b(k) = T(k % 3 - 1);
    for (Index j = 1; j < columns; ++j) {
      for (Index i = 0; i < rows && i < 40; i += 2) x(i, j) = seed(i, j) = 0;
    }
    Tape<T> tape;
    for (int recording = 0; recording < 2; ++recording) {
      const auto scope = tape.scope();
      const Tensor<T> a = tape.variable(x), c = tape.variable(b.matrix().col(0).eval());
      const Tensor<T> root = sqrt(a) + c, line = 2 * a + c, y = root + line;
      const Array expected = x.sqrt() + 2 * x + 2 * b.replicate(1, columns);
      CHECK(y.value().isApprox(expected.matrix()));
      tape.backward(y, seed);
      const Array slope = (seed == T(0)).select(T(0), seed * (T(0.5) / x.sqrt() + T(2)));
      CHECK(a.grad().isApprox(slope.matrix()));
      CHECK(c.grad().isApprox((2 * seed.rowwise().sum()).matrix()));
    }
  };
  for (const Index rows : {1, 15, 129, 150, 257}) check(1.0f, rows), check(1.0, rows);
}

// From a value near 1 the slopes 1 - tanh(x)^2 and s (1 - s) are not to be had.
TEMPLATE_TEST_CASE("fused: slopes of tanh and sigmoid within a formula, also far out", "", float,
                   double) {
  using T = TestType;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  std::vector<T> points{0};
  for (double x = 1e-3; x < 40; x *= 1.03) points.insert(points.end(), {T(x), T(-x)});
  for (const T x : {T(0.4999), T(0.5), T(0.50001)}) points.insert(points.end(), {x, T(-x)});
  const auto n = static_cast<Index>(points.size());
  const Vector x = Eigen::Map<const Vector>(points.data(), n), ones = Vector::Ones(n);
  Tape<T> tape;
  const Tensor a = tape.variable(ones), b = tape.variable(x), c = tape.variable(x);
  const Tensor y = a * tanh(b), z = a * sigmoid(c);
  tape.backward(y, ones);
  const Vector tanh_slope = b.grad();
  tape.backward(z, ones);
  const auto error = [](T result, long double expected) {
    return std::abs(result / expected - 1) / std::numeric_limits<T>::epsilon();
  };
  for (Index i = 0; i < n; ++i) {
    const long double v = x[i], e = std::exp(-std::abs(v)), r = 1 / std::cosh(v);
    INFO("x = " << x[i]);
    if (v != 0) CHECK(error(y.value()(i), std::tanh(v)) < 4);
    CHECK(error(tanh_slope[i], r * r) < 4);
    CHECK(error(z.value()(i), 1 / (1 + std::exp(-v))) < 4);
    CHECK(error(c.grad()(i), e / ((1 + e) * (1 + e))) < 4);
  }
}

TEST_CASE("fused: tanh and sigmoid within a formula at zeros, infinities and NaN") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  const Eigen::Vector4d x(-0.0, infinity, -infinity, std::nan(""));
  const Tensor b = tape.variable(x), y = -tanh(b), z = -sigmoid(b);
  CHECK(!std::signbit(y.value()(0)));
  CHECK(y.value().topRows(3) == Eigen::Vector3d(0, -1, 1));
  CHECK(z.value().topRows(3) == Eigen::Vector3d(-0.5, -1, 0));
  CHECK((std::isnan(y.value()(3)) && std::isnan(z.value()(3))));
  tape.backward(y, Eigen::Vector4d::Ones());
  CHECK(b.grad().topRows(3) == Eigen::Vector3d(-1, 0, 0));
  CHECK(std::isnan(b.grad()(3)));
  tape.backward(z, Eigen::Vector4d::Ones());
  CHECK(b.grad().topRows(3) == Eigen::Vector3d(-0.25, 0, 0));
  CHECK(std::isnan(b.grad()(3)));
}
