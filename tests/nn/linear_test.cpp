#include "gradtape/nn/linear.hpp"

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"

using namespace gradtape;

TEST_CASE("linear: by hand") {
  Random random(1);
  nn::Linear<double> layer(2, 3, random);
  CHECK(layer.weight.shape() == Shape{3, 2});
  CHECK(layer.bias.shape() == Shape{3});
  CHECK((layer.bias.value().array() == 0).all());
  layer.weight.value() << 1, 2, 3, 4, 5, 6;
  layer.bias.value() << 10, 20, 30;

  Tape<double> tape;
  Eigen::MatrixXd x(2, 2), seed(3, 2);
  x << 1, -1, 2, 0.5;
  seed << 1, 2, 0, -1, 3, 1;
  const Tensor input = tape.variable(x);
  const Tensor y = layer(input);
  // W x + b
  Eigen::MatrixXd expected(3, 2);
  expected << 15, 10, 31, 19, 47, 28;
  CHECK(y.value() == expected);

  tape.backward(y, seed);
  // seed x^T, the sums of the seed's rows, W^T seed
  Eigen::MatrixXd weight_bar(3, 2), bias_bar(3, 1), x_bar(2, 2);
  weight_bar << -1, 3, 1, -0.5, 2, 6.5;
  bias_bar << 3, -1, 4;
  x_bar << 16, 4, 20, 6;
  CHECK(layer.weight.grad() == weight_bar);
  CHECK(layer.bias.grad() == bias_bar);
  CHECK(input.grad() == x_bar);
}

TEST_CASE("linear: a single sample, and an expression as its input") {
  Random random(1);
  nn::Linear<float> layer(2, 1, random);
  layer.weight.value() << 2, 3;
  layer.bias.value() << 1;
  Tape<float> tape;
  const Tensor x = tape.constant(Eigen::Vector2f(1, 2));
  const Tensor y = layer(x * 2);
  CHECK(y.shape() == Shape{1});
  CHECK(y.value()(0) == 17);
}

TEST_CASE("linear: initial weights") {
  Random random(1);
  const nn::Linear<double> layer(400, 100, random, nn::gain::relu);
  const double variance = layer.weight.value().squaredNorm() / 40000;
  CHECK(variance == Approx(2.0 / 400).epsilon(0.03));  // deviation of the estimate: 0.7 %
}

TEST_CASE("linear: sizes that do not fit") {
  Random random(1);
  const nn::Linear<double> layer(2, 3, random);
  Tape<double> tape;
  const Tensor x = tape.constant(Eigen::MatrixXd::Ones(4, 5));
  CHECK_THROWS_AS(layer(x), ShapeError);
  CHECK_THROWS_WITH(layer(x), Catch::Matchers::ContainsSubstring("weight is [3, 2]"));
}
