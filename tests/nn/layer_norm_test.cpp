#include "gradtape/nn/layer_norm.hpp"

#include <limits>

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/ops/reduce.hpp"
#include "nn/torch.hpp"
#include "ops/numeric.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using torch::close;
using torch::wave;

// PyTorch 1.13, with `show` and `wave` as in torch.hpp:
//
//     x = wave(1, 0.7, 4, 3).requires_grad_()
//     layer = torch.nn.LayerNorm(4, eps=1e-3)
//     layer.weight.data = wave(2, 0.9, 4, 1)[0]; layer.bias.data = wave(3, 1.1, 4, 1)[0]
//     y = layer(x)
//     y.backward(wave(0.5, 1.3, 4, 3))
//     show(y, x.grad, layer.weight.grad, layer.bias.grad)
TEST_CASE("layer_norm: values and gradients of PyTorch") {
  nn::LayerNorm<double> layer(4, 1e-3);
  layer.gain.value() = wave(2, 0.9, 4, 1);
  layer.bias.value() = wave(3, 1.1, 4, 1);
  Tape<double> tape;
  const Tensor x = tape.variable(wave(1, 0.7, 4, 3));
  const Tensor y = layer(x);
  tape.backward(y, wave(0.5, 1.3, 4, 3));
  CHECK(close(y.value(), {0.65169222438380636, -0.58499603064737993, -0.94733651482654224,
                          1.6576504887638901, 0.52108940480901034, -1.0845362389070561,
                          -0.44348095078997213, -1.3971783615577329, -1.2502105051868264,
                          -0.68114015289052465, -1.5659265338367425, 0.17529173373240028}));
  CHECK(close(x.grad(), {0.52451147762454964, 0.27660114170119288, -1.0895172573163416,
                         0.28840463799059846, -1.4547380137205832, 1.7147590783362794,
                         -1.3608576548201283, 1.1008365902044326, 0.044934114447273465,
                         1.3710724530181775, -0.69654328079186278, -0.71946328667358728}));
  CHECK(close(layer.gain.grad(),
              {1.5622155058375611, 0.01306199950133108, 0.25215762566948174, 1.1900976319049057}));
  CHECK(close(layer.bias.grad(),
              {-1.066696257299812, 1.2726049473601573, 1.7475369227412048, -0.33767678773717946}));
}

TEST_CASE("layer_norm: gradients against differences, as first and as later contributions") {
  const auto f = [](const auto& x) { return layer_norm(x[0], x[1], x[2], 0.1); };
  numeric::check({Shape{5, 2}, Shape{5}, Shape{5}}, f);
  numeric::check({Shape{3, 2, 2}, Shape{3}, Shape{3}}, f);
  numeric::check({Shape{4}, Shape{4, 1}, Shape{4}}, f);
  numeric::check({Shape{1, 3}, Shape{1}, Shape{1}}, f);
  numeric::check({Shape{4}}, [](const auto& x) { return layer_norm(x[0], x[0], x[0], 0.1); });
  check_gradients(
      [](Tape<double>&, const auto& x) { return sum(square(layer_norm(x[0], x[1], x[2]) - 1)); },
      {{"x", wave(1, 0.7, 6, 3)}, {"gain", wave(2, 1.3, 6, 1)}, {"bias", wave(3, 1.7, 6, 1)}})
      .require();
}

TEST_CASE("layer_norm: each column has mean 0 and variance 1, whatever its own") {
  const nn::LayerNorm<double> layer(50, 0);
  MatrixXd x = wave(1, 0.7, 50, 3);
  x.col(1).array() += 1e6;  // where the mean of a plain sum of squares has no digits left
  x.col(2) *= 1e100;
  Tape<double> tape;
  const Tensor y = layer(tape.constant(x));
  for (Index k = 0; k < 3; ++k) {
    CHECK(std::abs(y.value().col(k).mean()) < 1e-9);
    CHECK(y.value().col(k).squaredNorm() / 50 == Approx(1).epsilon(1e-9));
  }
}

TEST_CASE("layer_norm: a column of equal elements gives the bias, and a finite gradient") {
  const double epsilon = GENERATE(1e-5, 0.0);
  nn::LayerNorm<double> layer(3, epsilon);
  layer.bias.value() << 1, 2, 3;
  Tape<double> tape;
  // three times 0.1 is not 0.3 in binary, so that their mean by a plain sum is not 0.1
  const Tensor x = tape.variable(MatrixXd::Constant(3, 2, 0.1));
  const Tensor y = layer(x);
  CHECK(y.value() == layer.bias.value().replicate(1, 2));
  tape.backward(y, wave(1, 1, 3, 2));
  CHECK(x.grad().allFinite());
  CHECK(layer.gain.grad().isZero(0));
  // the projection of the seed: of zero sum, by 1 / sqrt(epsilon)
  const double scale = epsilon > 0 ? 1 / std::sqrt(epsilon) : 0;
  const MatrixXd seed = wave(1, 1, 3, 2);
  const MatrixXd expected = scale * (seed.rowwise() - seed.colwise().mean());
  CHECK((x.grad() - expected).cwiseAbs().maxCoeff() <= 1e-12 * scale);
}

TEST_CASE("layer_norm: one feature, no sample, no feature, an expression, floats") {
  Tape<double> tape;
  nn::LayerNorm<double> one(1);
  one.bias.value() << 7;
  const Tensor x = tape.variable(Eigen::RowVector3d(1, -20, 300));
  const Tensor y = one(x);
  CHECK(y.value() == Eigen::RowVector3d(7, 7, 7));
  tape.backward(y, Eigen::RowVector3d(1, 2, 3));
  CHECK(x.grad().isZero(0));
  CHECK(one.bias.grad()(0) == 6);

  const nn::LayerNorm<double> two(2), none(0);
  CHECK(Tensor(two(tape.variable(MatrixXd(2, 0)))).shape() == Shape{2, 0});
  const Tensor empty = none(tape.variable(MatrixXd(0, 2)));
  CHECK(empty.shape() == Shape{0, 2});
  tape.backward(empty, MatrixXd(0, 2));

  const Tensor sum = two(2 * tape.constant(Eigen::Vector2d(1, 2)) + 1);  // mean 4, deviation 1
  CHECK(sum.shape() == Shape{2});
  CHECK(sum.value()(0) == Approx(-1 / std::sqrt(1 + 1e-5)));

  Tape<float> single;
  nn::LayerNorm<float> narrow(2);
  const Tensor z = single.variable(Eigen::Vector2f(3, 5));
  const Tensor w = narrow(z);
  CHECK(w.value()(1) == Approx(1).epsilon(1e-5));
  single.backward(w, Eigen::Vector2f(1, 2));
  CHECK(narrow.gain.grad()(1) == Approx(2).epsilon(1e-5));
}

TEST_CASE("layer_norm: what is refused") {
  Tape<double> tape;
  const nn::LayerNorm<double> layer(3);
  const Tensor x = tape.constant(MatrixXd::Ones(4, 2), "words");
  CHECK_THROWS_AS(layer(x), ShapeError);
  CHECK_THROWS_WITH(layer(x),
                    ContainsSubstring("layer_norm: words is [4, 2], gain is [3]: it must have a "
                                      "number for each row of the first (4)"));
  CHECK_THROWS_WITH(layer_norm(x, tape.constant(Eigen::Vector4d::Ones()), layer.bias),
                    ContainsSubstring("bias is [3]"));
  CHECK_THROWS_AS(nn::LayerNorm<double>(3, -1e-5), DomainError);
  CHECK_THROWS_AS(nn::LayerNorm<double>(3, std::numeric_limits<double>::quiet_NaN()), DomainError);
  CHECK_THROWS_WITH(nn::LayerNorm<double>(3, -0.5),
                    ContainsSubstring("layer_norm: an epsilon of -0.5: it must be finite"));
  CHECK_THROWS_WITH(layer_norm(layer.gain, layer.gain, layer.bias),
                    ContainsSubstring("no operand is on a tape"));
}
