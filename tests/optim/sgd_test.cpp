#include "gradtape/optim/sgd.hpp"

#include "catch.hpp"
#include "gradtape/ops/gather.hpp"
#include "optim/push.hpp"

using namespace gradtape;

namespace {

struct Weights {
  Parameter<double> w{Eigen::Vector2d(1, -2)}, unused{Eigen::Vector2d(5, 6)};
  void members(auto&& member) {
    member("w", w);
    member("unused", unused);
  }
};

struct Tied {
  Parameter<double> w{Eigen::Vector2d(1, -2)};
  Parameter<double>* again = &w;
  void members(auto&& member) {
    member("w", w);
    member("again", again);
  }
};

struct Mixed {
  Parameter<double> large{Shape{3000}};
  Parameter<float> small{Shape{2}};
  void members(auto&& member) {
    member("large", large);
    member("small", small);
  }
};

}  // namespace

TEST_CASE("sgd: plain steps, by hand") {
  Weights model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5});
  push(model.w, Eigen::Vector2d(2, 4));
  optimizer.step();
  CHECK(model.w.value() == Eigen::Vector2d(0, -4));
  CHECK_FALSE(model.w.has_grad());

  // without a gradient nothing moves
  optimizer.step();
  CHECK(model.w.value() == Eigen::Vector2d(0, -4));
  CHECK(model.unused.value() == Eigen::Vector2d(5, 6));

  // two contributions add up; the new rate counts
  push(model.w, Eigen::Vector2d(1, 2));
  push(model.w, Eigen::Vector2d(3, 2));
  optimizer.learning_rate(0.25);
  CHECK(optimizer.learning_rate() == 0.25);
  optimizer.step();
  CHECK(model.w.value() == Eigen::Vector2d(-1, -5));

  push(model.w, Eigen::Vector2d(1, 2));
  optimizer.zero_grad();
  optimizer.step();
  CHECK(model.w.value() == Eigen::Vector2d(-1, -5));
}

TEST_CASE("sgd: weight decay, by hand") {
  Weights model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5, .weight_decay = 0.25});
  push(model.w, Eigen::Vector2d(2, 4));
  optimizer.step();  // g + 0.25 w = 2.25, 3.5
  CHECK(model.w.value() == Eigen::Vector2d(-0.125, -3.75));
}

TEST_CASE("sgd: momentum and weight decay, two steps by hand") {
  Weights model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5, .momentum = 0.5, .weight_decay = 0.25});
  push(model.w, Eigen::Vector2d(2, 4));
  optimizer.step();  // v = 2.25, 3.5
  CHECK(model.w.value() == Eigen::Vector2d(-0.125, -3.75));
  push(model.w, Eigen::Vector2d(0, 1));
  optimizer.step();  // v = 1.125 - 0.03125, 1.75 + 1 - 0.9375
  CHECK(model.w.value() == Eigen::Vector2d(-0.125 - 0.546875, -3.75 - 0.90625));
  CHECK(model.unused.value() == Eigen::Vector2d(5, 6));
}

TEST_CASE("sgd: a shared parameter moves once") {
  Tied model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5});
  push(model.w, Eigen::Vector2d(2, 4));
  optimizer.step();
  CHECK(model.w.value() == Eigen::Vector2d(0, -4));
}

TEST_CASE("sgd: the model may move") {
  Weights model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5});
  Weights elsewhere = std::move(model);
  push(elsewhere.w, Eigen::Vector2d(2, 4));
  optimizer.step();
  CHECK(elsewhere.w.value() == Eigen::Vector2d(0, -4));
}

TEST_CASE("sgd: looked-up columns alone move, unless there is momentum or decay") {
  const auto step = [](const optim::SgdOptions& options) {
    Parameter<double> table(Eigen::MatrixXd{{1, 2, 3}, {4, 5, 6}});
    optim::Sgd optimizer(table, options);
    for (int i = 0; i < 2; ++i) {
      Tape<double> tape;
      const Tensor y = gather(tape.parameter(table), {2, 0, 2});
      tape.backward(y, Eigen::MatrixXd{{1, 2, 3}, {4, 5, 6}});  // gradient {2, 0, 4; 5, 0, 10}
      if (i == 0) CHECK(table.has_sparse_grad());
      optimizer.step();
    }
    return Eigen::MatrixXd(table.value());
  };
  CHECK(step({.learning_rate = 0.5}) == Eigen::MatrixXd{{-1, 2, -1}, {-1, 5, -4}});
  // w <- 0.75 w - 0.5 g, twice
  CHECK(step({.learning_rate = 0.5, .weight_decay = 0.5}) ==
        Eigen::MatrixXd{{-1.1875, 1.125, -1.8125}, {-2.125, 2.8125, -5.375}});
  // v = g, then 1.5 g
  CHECK(step({.learning_rate = 0.5, .momentum = 0.5}) ==
        Eigen::MatrixXd{{-1.5, 2, -2}, {-2.25, 5, -6.5}});
}

TEST_CASE("sgd: a parameter of several pieces, and one of float") {
  Mixed model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5, .momentum = 0.5});
  const Eigen::VectorXd g = Eigen::VectorXd::LinSpaced(3000, 0, 2999);
  push(model.large, g);
  optimizer.step();
  CHECK(model.large.value() == -0.5 * g);
  push(model.large, g);
  optimizer.step();
  CHECK(model.large.value() == -1.25 * g);
  CHECK(model.small.value() == Eigen::Vector2f(0, 0));
}

TEMPLATE_TEST_CASE("sgd: columns of any length", "", float, double) {
  using Vector = Eigen::Matrix<TestType, Eigen::Dynamic, 1>;
  for (Index rows = 1; rows < 70; ++rows) {
    const Vector g = Vector::LinSpaced(rows, 1, TestType(rows)), ones = Vector::Ones(rows);
    Parameter<TestType> column(ones), table(Shape{rows, 3});
    table.value().setOnes();
    optim::Sgd with_velocity(column, {.learning_rate = 0.5, .momentum = 0.5}),
        without(table, {.learning_rate = 0.5});
    for (int i = 0; i < 2; ++i) {
      Tape<TestType> tape;
      tape.backward(tape.parameter(column), g);
      with_velocity.step();
      tape.backward(gather(tape.parameter(table), {1}), g);
      without.step();
    }
    CHECK(column.value() == ones - TestType(1.25) * g);
    CHECK(table.value().col(0) == ones);
    CHECK(table.value().col(1) == ones - g);
    CHECK(table.value().col(2) == ones);
  }
}
