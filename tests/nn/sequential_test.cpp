#include "gradtape/nn/sequential.hpp"

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/nn/batch_norm.hpp"
#include "gradtape/nn/dropout.hpp"
#include "gradtape/nn/layer_norm.hpp"
#include "gradtape/nn/linear.hpp"
#include "gradtape/nn/residual.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/trigonometry.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;

namespace {

std::vector<std::string> names(auto& model) {
  std::vector<std::string> result;
  for (const NamedArray& array : named_arrays(model)) result.push_back(array.name);
  return result;
}

/// A layer of a user's own: its training call counts.
struct Counting {
  mutable int evaluated = 0;
  int trained = 0;
  Tensor<double> operator()(const Tensor<double>& x) const { return (++evaluated, x); }
  Tensor<double> operator()(const Tensor<double>& x, Random&) { return (++trained, x); }
};

struct Tanh {
  auto operator()(const auto& x) const { return tanh(x); }
};

struct Model {
  nn::Sequential<nn::Linear<double>, Tanh> body;
  explicit Model(Random& random) : body{nn::Linear<double>(2, 3, random), Tanh()} {}
  Tensor<double> operator()(const Tensor<double>& x) const { return body(x); }
  void members(auto&& member) { member("body", body); }
};

}  // namespace

TEST_CASE("sequential: layers and functions in order, one after another") {
  nn::Sequential model{[](const auto& x) { return x * 2; }, [](const auto& x) { return x + 1; },
                       [](const Tensor<double>& x) { return square(x); }};
  Tape<double> tape;
  const Tensor x = tape.variable(Eigen::Vector2d(1, 2));
  const Tensor y = model(x);
  CHECK(y.value() == Eigen::Vector2d(9, 25));
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(x.grad() == Eigen::Vector2d(2 * 3 * 2, 2 * 5 * 2));

  const nn::Sequential<> nothing;
  CHECK(nothing(x).data() == x.data());
}

TEST_CASE("sequential: the same as its layers by hand, with gradients and names") {
  Random random(1);
  nn::Sequential model{nn::Linear<double>(3, 4, random), [](const auto& z) { return tanh(z); },
                       nn::Dropout(0.5), nn::LayerNorm<double>(4),
                       nn::Linear<double>(4, 2, random)};
  CHECK(names(model) ==
        std::vector<std::string>{"0.weight", "0.bias", "3.gain", "3.bias", "4.weight", "4.bias"});
  CHECK(parameter_count(model) == 12 + 4 + 8 + 8 + 2);
  Random same(1);
  const nn::Linear<double> first(3, 4, same), second(4, 2, same);
  const nn::LayerNorm<double> norm(4);
  CHECK(std::get<4>(model.layers).weight.value() == second.weight.value());

  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd::Random(3, 5));
  const Tensor y = std::as_const(model)(x);
  const Tensor z = second(norm(tanh(first(x))));
  CHECK(y.value() == z.value());
  tape.backward(Var(sum(square(y)) + sum(z)));
  CHECK(std::get<0>(model.layers).weight.has_grad());

  Random chance(2), as_chance(2);
  const Tensor u = model(x, chance);
  const Tensor v = second(norm(dropout(tanh(first(x)), 0.5, as_chance)));
  CHECK(u.value() == v.value());
  CHECK(u.value() != y.value());

  check_gradients([&](Tape<double>&, const auto& in) { return sum(square(Tensor(model(in[0])))); },
                  {{"x", MatrixXd::Random(3, 2)}})
      .require();
}

TEST_CASE("sequential: the training call reaches every layer that has one, however deep") {
  nn::Sequential model{Counting(), nn::Residual{nn::Sequential{Counting(), nn::Dropout(0)}},
                       nn::BatchNorm<double>(2)};
  CHECK(names(model) ==
        std::vector<std::string>{"2.gain", "2.bias", "2.running_mean", "2.running_variance"});
  auto& inner = std::get<0>(std::get<1>(model.layers).body.layers);
  Random random(1);
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd::Random(2, 3));
  const Tensor y = model(x, random);
  CHECK(std::get<0>(model.layers).trained == 1);
  CHECK(inner.trained == 1);
  CHECK(inner.evaluated == 0);
  CHECK_FALSE(std::get<2>(model.layers).running_mean.value().isZero(0));
  CHECK(y.value().rowwise().sum().isZero(1e-12));  // normalised over the batch
}

TEST_CASE("sequential: in a user's own struct") {
  Random random(1);
  Model model(random);
  CHECK(names(model) == std::vector<std::string>{"body.0.weight", "body.0.bias"});
  Tape<double> tape;
  CHECK(model(tape.constant(Eigen::Vector2d(0, 0))).value().isZero(0));
}

TEST_CASE("residual: by hand") {
  Random random(1);
  nn::Residual layer{nn::Linear<double>(2, 2, random)};
  CHECK(names(layer) == std::vector<std::string>{"body.weight", "body.bias"});
  layer.body.weight.value() << 1, 2, 3, 4;
  layer.body.bias.value() << 10, 20;
  Tape<double> tape;
  const Tensor x = tape.variable(Eigen::Vector2d(1, -1));
  const Tensor y = layer(x);
  CHECK(y.value() == Eigen::Vector2d(1 + (1 - 2 + 10), -1 + (3 - 4 + 20)));
  tape.backward(y, Eigen::Vector2d(1, 5));
  CHECK(x.grad() == Eigen::Vector2d(1 + 1 + 15, 5 + 2 + 20));
  const Tensor z = layer(x * 1, random);
  CHECK(z.value() == y.value());
  check_gradients([&](Tape<double>&, const auto& in) { return sum(square(layer(in[0]))); },
                  {{"x", MatrixXd::Random(2, 3)}})
      .require();
}

TEST_CASE("residual: a function, no samples, a shape that differs") {
  Tape<double> tape;
  const nn::Residual twice{[](const auto& x) { return x * 1; }};
  CHECK(Tensor(twice(tape.constant(Eigen::Vector2d(1, 2)))).value() == Eigen::Vector2d(2, 4));
  CHECK(Tensor(twice(tape.constant(MatrixXd(2, 0)))).shape() == Shape{2, 0});
  const nn::Residual row{[](const auto& x) { return sum(x, Dim(0), keep_dims); }};
  const Tensor x = tape.constant(MatrixXd::Ones(3, 2), "h");
  CHECK_THROWS_AS(row(x), ShapeError);
  CHECK_THROWS_WITH(row(x), ContainsSubstring("residual: h is [3, 2], f(x) is [1, 2]: they must "
                                              "have the same shape"));
}
