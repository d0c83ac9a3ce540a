#include "gradtape/core/fused.hpp"

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"

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
