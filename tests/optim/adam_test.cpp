#include "gradtape/optim/adam.hpp"

#include "catch.hpp"
#include "gradtape/ops/gather.hpp"
#include "optim/push.hpp"

using namespace gradtape;

// The numbers come from this Python program, with 40 digits:
//
//   from decimal import Decimal as d, getcontext
//   getcontext().prec = 40
//   def adam(w, gs, lr, b1, b2, eps, wd=d(0)):
//       m = v = d(0)
//       for t, g in enumerate(gs, 1):
//           w -= lr*wd*w
//           m = b1*m + (1-b1)*g; v = b2*v + (1-b2)*g*g
//           w -= lr*(m/(1-b1**t))/((v/(1-b2**t)).sqrt() + eps)
//           print(w)
//   std = d('0.1'), d('0.9'), d('0.999'), d('1e-8')
//   adam(d(1), [d('0.5'), d('-0.25'), d(2)], *std)
//   adam(d(-2), [d(3), d(1), d(0)], *std)
//   adam(d(1), [d('0.5'), d('-0.25'), d(2)], d('0.01'), d('0.8'), d('0.99'), d('0.1'), d('0.5'))

TEST_CASE("adam: three steps") {
  Parameter<double> w(Eigen::Vector2d(1, -2));
  optim::Adam optimizer(w, {.learning_rate = 0.1});
  const double expected[3][2]{{0.90000000199999996000, -2.0999999996666666678},
                              {0.87336629870784616256, -2.1871063943494712565},
                              {0.80630153452915290187, -2.2544398898329874370}};
  const double g[3][2]{{0.5, 3}, {-0.25, 1}, {2, 0}};
  for (int t = 0; t < 3; ++t) {
    push(w, Eigen::Vector2d(g[t][0], g[t][1]));
    optimizer.step();
    optimizer.step();  // without a gradient: neither the value nor the count of steps changes
    for (int i = 0; i < 2; ++i) CHECK(w.value()(i) == Approx(expected[t][i]).epsilon(1e-14));
  }
}

TEST_CASE("adamw: every number, by hand") {
  Parameter<double> w(Eigen::Vector2d(1, 1));
  optim::AdamW optimizer(
      w, {.learning_rate = 0.01, .beta1 = 0.8, .beta2 = 0.99, .epsilon = 0.1, .weight_decay = 0.5});
  const double expected[3]{0.98666666666666666667, 0.98004877105988062254, 0.96848654500298689129};
  const double g[3]{0.5, -0.25, 2};
  for (int t = 0; t < 3; ++t) {
    push(w, Eigen::Vector2d(g[t], g[t]));
    optimizer.step();
    CHECK(w.value()(1) == Approx(expected[t]).epsilon(1e-14));
  }
}

TEST_CASE("adam: float") {
  Parameter<float> w(Eigen::Vector2f(1, -2));
  optim::Adam optimizer(w, {.learning_rate = 0.1f});
  push(w, Eigen::Vector2f(0.5f, 3));
  optimizer.step();
  push(w, Eigen::Vector2f(-0.25f, 1));
  optimizer.step();
  CHECK(w.value()(0) == Approx(0.873366299).epsilon(1e-6));
  CHECK(w.value()(1) == Approx(-2.187106394).epsilon(1e-6));
}

TEST_CASE("adam: a column that was not looked up still follows its moments") {
  // the second column has the gradients 3, 1, 0 of the second number above
  Parameter<double> table(Eigen::MatrixXd{{0, -2}});
  optim::Adam optimizer(table, {.learning_rate = 0.1});
  for (const double g : {3.0, 1.0}) {
    Tape<double> tape;
    const Tensor y = gather(tape.parameter(table), {1});
    tape.backward(y, Eigen::MatrixXd{{g}});
    optimizer.step();
  }
  CHECK(table.value()(0, 0) == 0);
  CHECK(table.value()(0, 1) == Approx(-2.1871063943494712565).epsilon(1e-14));
  Tape<double> tape;
  const Tensor y = gather(tape.parameter(table), {0});
  tape.backward(y, Eigen::MatrixXd{{1}});
  optimizer.step();
  CHECK(table.value()(0, 1) == Approx(-2.2544398898329874370).epsilon(1e-14));
}
