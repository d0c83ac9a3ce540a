#include "gradtape/nn/batch_norm.hpp"

#include <limits>

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/ops/reduce.hpp"
#include "nn/torch.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using torch::close;
using torch::wave;

namespace {

nn::BatchNorm<double> example() {
  nn::BatchNorm<double> layer(3, {.momentum = 0.1, .epsilon = 1e-3});
  layer.gain.value() = wave(2, 0.9, 3, 1);
  layer.bias.value() = wave(3, 1.1, 3, 1);
  return layer;
}

}  // namespace

// PyTorch 1.13, with `show` and `wave` as in torch.hpp:
//
//     layer = torch.nn.BatchNorm1d(3, eps=1e-3, momentum=0.1)
//     layer.weight.data = wave(2, 0.9, 3, 1)[0]; layer.bias.data = wave(3, 1.1, 3, 1)[0]
//     for step in range(3):
//       x = wave(1 + step, 0.7, 3, 5).requires_grad_()
//       layer.zero_grad()
//       y = layer(x)
//       y.backward(wave(0.5, 1.3, 3, 5))
//     show(y, x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var)
//     layer.eval(); layer.zero_grad()
//     x = wave(1, 0.7, 3, 2).requires_grad_()
//     y = layer(x); y.backward(wave(0.5, 1.3, 3, 2))
//     show(y, x.grad, layer.weight.grad, layer.bias.grad)
TEST_CASE("batch_norm: three steps and an evaluation of PyTorch") {
  nn::BatchNorm<double> layer = example();
  Tape<double> tape;
  for (int step = 0; step < 2; ++step) layer.train(tape.constant(wave(1 + step, 0.7, 3, 5)));
  Random random(1);
  const Tensor x = tape.variable(wave(3, 0.7, 3, 5));
  const Tensor y = layer(x, random);  // the third step, with the call that all layers have
  tape.backward(y, wave(0.5, 1.3, 3, 5));
  CHECK(close(y.value(), {0.54554858508563586, -0.95059249285225822, -0.16536324238628258,
                          -0.90097707009729178, -0.92459436712008425, -1.2046272283047734,
                          1.4302580458783087, -0.34131860694525212, -1.667176121910273,
                          0.52295376664787774, -0.95624572354099535, -0.16088012174436164,
                          -0.89218328721519446, -0.91863436486346095, -1.2192265642550744}));
  CHECK(close(x.grad(),
              {0.38841791263169867, 0.35298309619466162, 0.44037398856721671, -0.31520456890748433,
               -0.24863560811065472, -0.71046396584404925, 0.2052923980107407, 0.035153858208887841,
               0.49321181396118186, -0.72794063315439872, 0.28390988759228375, -0.22212787336166767,
               0.44943489141944354, -0.42341123388517843, -0.00099396332268132117}));
  CHECK(close(layer.gain.grad(), {2.8665986517888813, -0.68853166387242148, -1.9916356004808877}));
  CHECK(close(layer.bias.grad(), {-0.31030540094985587, 0.05996035313856618, 0.34238404940681966}));
  CHECK(close(layer.running_mean.value(),
              {-6.5138845299163306e-05, -0.024095805078255591, -0.036793837675568201}));
  CHECK(close(layer.running_variance.value(),
              {0.89436527649223607, 0.88999293765325926, 0.88850747935491436}));

  layer.gain.zero_grad();
  layer.bias.zero_grad();
  const Tensor z = tape.variable(wave(1, 0.7, 3, 2));
  const Tensor e = std::as_const(layer)(z);
  tape.backward(e, wave(0.5, 1.3, 3, 2));
  CHECK(close(e.value(), {0.94980354399345501, -0.56081995493051195, -1.3455296858911556,
                          0.18114000588070572, -0.96725271889591491, -0.27315425314728398}));
  CHECK(close(z.grad(), {0.46070932533739656, 0.24683378910358111, -0.026975354902402857,
                         -0.9144526399817926, -0.13957809699794577, -0.4262184782408095}));
  CHECK(close(layer.gain.grad(), {0.38449512396890617, 1.3908618096417713, -0.62391252198527647}));
  CHECK(close(layer.bias.grad(), {-0.472176535285313, 0.42316208828055757, 0.69856726115207957}));
  CHECK(layer.running_mean.value()(0) == Approx(-6.5138845299163306e-05));
}

TEST_CASE("batch_norm: gradients against differences") {
  nn::BatchNorm<double> layer = example();
  const auto gradient_of = [&](auto&& call) {
    check_gradients([&](Tape<double>&, const auto& x) { return sum(square(call(x[0]) + x[0])); },
                    {{"x", wave(1, 0.7, 3, 4)}})
        .require();
  };
  gradient_of([&](const Tensor<double>& x) { return layer.train(x); });
  gradient_of([&](const Tensor<double>& x) { return layer(x); });
}

TEST_CASE("batch_norm: a batch of rank 3 counts all its columns") {
  nn::BatchNorm<double> flat = example(), deep = example();
  const MatrixXd x = wave(1, 0.7, 3, 6);
  Tape<double> tape;
  const Tensor y = flat.train(tape.constant(x));
  const Tensor z = deep.train(tape.constant(Shape{3, 2, 3}, std::span(x.data(), 18)));
  CHECK(z.shape() == Shape{3, 2, 3});
  CHECK(z.value() == y.value());
  CHECK(deep.running_variance.value() == flat.running_variance.value());
  const Tensor e = deep(tape.constant(Shape{3, 2, 3}, std::span(x.data(), 18)));
  CHECK(e.shape() == Shape{3, 2, 3});
}

TEST_CASE("batch_norm: a feature that does not vary gives the bias, and a finite gradient") {
  const double epsilon = GENERATE(1e-5, 0.0);
  nn::BatchNorm<double> layer(2, {.momentum = 1, .epsilon = epsilon});
  layer.bias.value() << 5, 6;
  MatrixXd x(2, 3);
  x << 0.1, 0.1, 0.1, 1, 2, 3;
  Tape<double> tape;
  const Tensor input = tape.variable(x);
  const Tensor y = layer.train(input);
  CHECK((y.value().row(0).array() == 5).all());
  CHECK(y.value()(1, 1) == 6);
  tape.backward(y, wave(1, 1, 2, 3));
  CHECK(input.grad().allFinite());
  // with momentum 1 the statistics of the last batch: unbiased, (1 + 0 + 1) / 2
  CHECK(layer.running_mean.value() == Eigen::Vector2d(0.1, 2));
  CHECK(layer.running_variance.value() == Eigen::Vector2d(0, 1));
  const Tensor e = layer(input);
  CHECK(e.value()(0, 0) == 5);
  CHECK(e.value()(1, 2) == Approx(7).epsilon(1e-5));
}

TEST_CASE("batch_norm: no sample, one feature, no feature, floats") {
  Tape<double> tape;
  nn::BatchNorm<double> layer(2), none(0);
  const Tensor empty = layer(tape.variable(MatrixXd(2, 0)));
  CHECK(empty.shape() == Shape{2, 0});
  CHECK(Tensor(none.train(tape.variable(MatrixXd(0, 3)))).shape() == Shape{0, 3});
  CHECK(Tensor(none(tape.variable(MatrixXd(0, 3)))).shape() == Shape{0, 3});

  nn::BatchNorm<float> one(1);
  Tape<float> single;
  const Tensor y = one.train(single.constant(Eigen::RowVector2f(3, 5)));
  CHECK(y.value()(1) == Approx(1).epsilon(1e-5));
  CHECK(one.running_mean.value()(0) == Approx(0.4f));
  CHECK(one.running_variance.value()(0) == Approx(0.9f + 0.1f * 2));
}

TEST_CASE("batch_norm: what is refused") {
  Tape<double> tape;
  nn::BatchNorm<double> layer(3);
  const Tensor one = tape.constant(MatrixXd::Ones(3, 1), "batch");
  CHECK_THROWS_AS(layer.train(one), ShapeError);
  CHECK_THROWS_WITH(layer.train(one), ContainsSubstring("batch_norm: batch is [3, 1]: a batch to "
                                                        "train on must have at least two columns"));
  CHECK_THROWS_AS(layer.train(tape.constant(MatrixXd(3, 0))), ShapeError);
  CHECK_THROWS_AS(layer.train(tape.constant(Eigen::Vector3d::Ones())), ShapeError);
  CHECK(layer.running_mean.value().isZero(0));
  CHECK_NOTHROW(Tensor(layer(one)));

  const Tensor wide = tape.constant(MatrixXd::Ones(4, 2));
  CHECK_THROWS_WITH(layer(wide), ContainsSubstring("batch_norm: x is [4, 2], gain is [3]"));
  CHECK_THROWS_AS(layer.train(wide), ShapeError);
  CHECK_THROWS_AS(nn::BatchNorm<double>(3, {.epsilon = -1}), DomainError);
  CHECK_THROWS_WITH(nn::BatchNorm<double>(3, {.momentum = 1.5}),
                    ContainsSubstring("batch_norm: a momentum of 1.5: it must be in [0, 1]"));
  CHECK_THROWS_AS(nn::BatchNorm<double>(3, {.momentum = std::numeric_limits<double>::quiet_NaN()}),
                  DomainError);
}

TEST_CASE("batch_norm: its parameters are trained, its running statistics kept in files") {
  nn::BatchNorm<double> layer(4);
  CHECK(parameter_count(layer) == 8);
  const std::vector<NamedArray> arrays = named_arrays(layer);
  REQUIRE(arrays.size() == 4);
  CHECK(arrays[2].name == "running_mean");
  CHECK(arrays[3].name == "running_variance");
  CHECK(layer.running_variance.value().isOnes(0));
}
