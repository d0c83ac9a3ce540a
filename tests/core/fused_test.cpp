#include "gradtape/core/fused.hpp"

#include "catch.hpp"
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

// y = exp(sin(x + b)) tanh(x):  dy/dx = y cos(x + b) + exp(sin(x + b)) (1 - tanh(x)^2).  What is
// costly in a formula is kept for the backward pass where it is small, else computed again: both
// sizes, columns that do not fill a tile, a bias, and a second sweep.
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
  check(0.0F, 1000, 300);  // too much to keep
  check(0.0, 10, 7);
  check(0.0, 133, 3);
}
