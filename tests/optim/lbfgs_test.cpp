#include "gradtape/optim/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "catch.hpp"
#include "gradtape/ops/functions.hpp"
#include "gradtape/ops/losses.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"
#include "optim/push.hpp"

using namespace gradtape;
using optim::Lbfgs;
using optim::LbfgsStop;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// (1 - a)^2 + 100 (b - a^2)^2, lowest at (1, 1).
template <class T>
double rosenbrock(Parameter<T>& w) {
  const T a = w.value()(0), b = w.value()(1), r = b - a * a;
  push(w, Eigen::Vector2<T>(2 * (a - 1) - 400 * a * r, 200 * r));
  return static_cast<double>((1 - a) * (1 - a) + 100 * r * r);
}

/// sum(c w^2 / 2 + w^4 / 12) + w0 w1 / 2
double convex(Parameter<double>& p) {
  const Eigen::Array3d w = p.value().array(), c(3, 1, 0.5);
  Eigen::Array3d g = c * w + w.cube() / 3;
  g(0) += w(1) / 2;
  g(1) += w(0) / 2;
  push(p, g.matrix());
  return (c * w.square() / 2 + w.square().square() / 12).sum() + w(0) * w(1) / 2;
}

struct Tied {
  Parameter<double> w{Eigen::Vector2d(-1.2, 1)}, unused{Eigen::Vector2d(5, 6)};
  Parameter<double>* again = &w;
  void members(auto&& member) {
    member("w", w);
    member("again", again);
    member("unused", unused);
  }
};

struct Logistic {
  Parameter<double> w{Shape{1, 2}}, b{Shape{1}};
  void members(auto&& member) {
    member("w", w);
    member("b", b);
  }
};

}  // namespace

TEST_CASE("lbfgs: Rosenbrock's valley") {
  Tied model;
  Lbfgs optimizer(model,
                  {.max_iterations = 100, .tolerance_gradient = 1e-11, .tolerance_change = 0});
  int calls = 0;
  const auto result = optimizer.step([&] {
    ++calls;
    return rosenbrock(model.w);
  });
  CHECK(std::abs(model.w.value()(0) - 1) < 1e-10);
  CHECK(std::abs(model.w.value()(1) - 1) < 1e-10);
  CHECK(result.loss < 1e-20);
  CHECK(result.stop == LbfgsStop::gradient);
  CHECK(result.evaluations == calls);
  CHECK(result.iterations < 45);
  CHECK(calls < 60);
  CHECK_FALSE(model.w.has_grad());
  CHECK(model.unused.value() == Eigen::Vector2d(5, 6));

  // from a minimum nothing moves
  const Eigen::VectorXd minimum = model.w.value();
  CHECK(optimizer.step([&] { return rosenbrock(model.w); }).iterations == 0);
  CHECK(model.w.value() == minimum);
}

TEST_CASE("lbfgs: a quadratic function") {
  // x^T A x / 2 - b^T x, lowest where A x = b, by hand at (1, -2)
  const Eigen::Matrix2d a{{4, 1}, {1, 3}};
  const Eigen::Vector2d b(2, -5);
  Parameter<double> w(Eigen::Vector2d(30, -100));
  Lbfgs optimizer(w, {.tolerance_gradient = 1e-12});
  const auto result = optimizer.step([&] {
    const Eigen::Vector2d x = w.value();
    push(w, a * x - b);
    return x.dot(a * x) / 2 - b.dot(x);
  });
  CHECK((w.value() - Eigen::Vector2d(1, -2)).norm() < 1e-11);
  CHECK(result.loss == Approx(-6).epsilon(1e-14));
  CHECK(result.iterations <= 10);
}

// By Newton's method in numpy:
//
//   x = np.array([[0.5,1.2],[1.5,-0.3],[-0.8,0.4],[2.0,1.0],[-1.0,-1.5],[0.3,-0.7],[1,2]]).T
//   y = np.array([1,1,0,1,0,1,0.]); X = np.vstack([x, np.ones(7)]); w = np.zeros(3)
//   for _ in range(50):
//     p = 1/(1+np.exp(-w@X)); g = X@(p-y)/7 + 0.01*w
//     w -= np.linalg.solve(X*(p*(1-p)/7)@X.T + 0.01*np.eye(3), g)
//   z = w@X; print(w, np.mean(np.logaddexp(0,z)-y*z)+0.005*w@w)
TEST_CASE("lbfgs: logistic regression on a tape") {
  const Eigen::MatrixXd x{{0.5, 1.5, -0.8, 2.0, -1.0, 0.3, 1},
                          {1.2, -0.3, 0.4, 1.0, -1.5, -0.7, 2}};
  const Eigen::MatrixXd y{{1, 1, 0, 1, 0, 1, 0}};
  Logistic model;
  Tape<double> tape;
  Lbfgs optimizer(model, {.max_iterations = 100, .tolerance_gradient = 1e-9});
  const auto result = optimizer.step([&] {
    const auto scope = tape.scope();
    Tensor w = tape.parameter(model.w), b = tape.parameter(model.b);
    Tensor z = matmul(w, tape.constant(x)) + b;
    Var loss = binary_cross_entropy_with_logits(z, y) + 0.005 * (sum(square(w)) + sum(square(b)));
    tape.backward(loss);
    return loss.value();
  });
  CHECK(result.loss == Approx(0.35529452985782695).epsilon(1e-14));
  CHECK(model.w.value()(0, 0) == Approx(2.7103220041975176).epsilon(1e-7));
  CHECK(model.w.value()(0, 1) == Approx(-1.2258320176773059).epsilon(1e-7));
  CHECK(model.b.value()(0) == Approx(-0.21270115366219469).epsilon(1e-7));
}

// By PyTorch, where its line search accepts the first trial in all of these iterations:
//
//   a = torch.tensor([3, 1, 0.5], dtype=torch.float64)
//   w = torch.tensor([1, -2, 0.5], dtype=torch.float64, requires_grad=True)
//   o = torch.optim.LBFGS([w], lr=1, max_iter=1, history_size=history, tolerance_grad=0,
//                         tolerance_change=0, line_search_fn='strong_wolfe')
//   def closure():
//     o.zero_grad(); l = (a*w*w/2 + w**4/12).sum() + w[0]*w[1]/2; l.backward(); return l
//   for i in range(10): o.step(closure); print(w)
TEST_CASE("lbfgs: the iterates of another implementation") {
  const double long_history[10][3]{
      {0.65644171779141103, -1.3865030674846626, 0.45705521472392641},
      {0.18718433076278135, -0.83649020964767085, 0.34714370716046083},
      {0.11936240323012171, -0.32940571038311839, 0.20707489125797512},
      {-0.038140568395925306, -0.074112536665593365, 0.071878807078445711},
      {0.0083673141380449581, 0.019083852653550587, 0.024269762550919394},
      {-0.0011659974898793751, 0.0065659149405871836, 0.022929979296665147},
      {-0.0021144982937632531, 0.0035903717452891826, 0.017398848393565789},
      {-0.0010522205405159681, -0.00041502377330179764, 0.0021754385537566066},
      {-3.4611602349920957e-05, -2.1933699625035824e-05, 5.1191613361957489e-06},
      {-6.8142838883850418e-07, -1.4772568450735702e-06, -3.2681841149158265e-06}};
  const double short_history[8][3]{
      {0.65644171779141103, -1.3865030674846626, 0.45705521472392641},
      {0.18718433076278135, -0.83649020964767085, 0.34714370716046083},
      {0.11936240323012171, -0.32940571038311839, 0.20707489125797512},
      {-0.045349555380445605, -0.074349353198211621, 0.065648631325472162},
      {0.022824628515166034, 0.04145519621800442, 0.0035297066885142114},
      {-0.00086034746482863828, 0.0051008116884824969, 0.017187998583507169},
      {-0.00080208017543598469, 0.0034292033510792954, 0.013713352573903251},
      {-0.00040253088664325714, 0.00053768704362053363, -0.00035011872262711609}};
  const auto check = [](const auto& expected, int history) {
    Parameter<double> w(Eigen::Vector3d(1, -2, 0.5));
    Lbfgs optimizer(w, {.max_iterations = 1, .history = history, .tolerance_gradient = 0});
    for (const auto& x : expected) {
      CHECK(optimizer.step([&] { return convex(w); }).evaluations == 2);
      CHECK((w.value() - Eigen::Vector3d(x[0], x[1], x[2])).norm() < 1e-12);
    }
  };
  check(long_history, 10);
  check(short_history, 2);
}

TEST_CASE("lbfgs: goes on bit for bit") {
  const auto step = [](Lbfgs& optimizer, Parameter<double>& w) {
    optimizer.step([&] { return convex(w); });
  };
  const optim::LbfgsOptions options{.max_iterations = 1, .history = 2, .tolerance_gradient = 0};
  Parameter<double> w(Eigen::Vector3d(1, -2, 0.5)), v(Shape{3});
  Lbfgs first(w, options), second(v, options);
  for (int i = 0; i < 3; ++i) step(first, w);
  v.value() = w.value();
  const auto from = first.named_arrays(), to = second.named_arrays();
  CHECK(from[0].name == "lbfgs.steps");
  CHECK(from[1].name == "lbfgs.gradient_changes");
  CHECK(from[2].name == "lbfgs.count");
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::memcpy(to[i].data, from[i].data, static_cast<std::size_t>(from[i].shape.size()) * 8);
  }
  for (int i = 0; i < 3; ++i) {
    step(first, w);
    step(second, v);
    CHECK(v.value() == w.value());
  }
  *static_cast<std::int64_t*>(to[2].data) = -1;
  CHECK_THROWS_WITH(step(second, v), "Lbfgs: the count of changes is -1");
  second.reset();
  CHECK_NOTHROW(step(second, v));
}

TEST_CASE("lbfgs: float parameters, to what rounding leaves") {
  Parameter<float> w(Eigen::Vector2f(-1.2f, 1));
  Lbfgs optimizer(w, {.max_iterations = 200});
  const auto result = optimizer.step([&] { return rosenbrock(w); });
  CHECK(result.stop != LbfgsStop::iterations);
  CHECK((w.value() - Eigen::Vector2f(1, 1)).norm() < 1e-3);
}

TEST_CASE("lbfgs: no parameters, no iterations, no history") {
  Parameter<double> nothing(Shape{0}), w(Eigen::Vector2d(-1.2, 1));
  CHECK(Lbfgs(nothing).step([] { return 3; }).stop == LbfgsStop::gradient);
  const auto none = Lbfgs(w, {.max_iterations = 0}).step([&] { return rosenbrock(w); });
  CHECK(none.stop == LbfgsStop::iterations);
  CHECK(none.evaluations == 1);
  CHECK(w.value() == Eigen::Vector2d(-1.2, 1));
  // steepest descent
  Lbfgs plain(w, {.history = 0});
  const auto result = plain.step([&] { return rosenbrock(w); });
  CHECK(result.iterations == 20);
  CHECK(result.loss < none.loss);
}

TEST_CASE("lbfgs: what is not finite") {
  Parameter<double> w(Eigen::MatrixXd{{100}});
  Lbfgs optimizer(w, {.max_iterations = 50, .tolerance_gradient = 1e-12});
  const auto loss = [&](double value, double gradient) {
    return optimizer.step([&] {
      push(w, Eigen::MatrixXd{{gradient}});
      return value;
    });
  };
  CHECK_THROWS_WITH(loss(infinity, 1),
                    "Lbfgs: at the beginning of a step the loss is inf: it must be finite");
  CHECK_THROWS_AS(loss(not_a_number, 1), DomainError);
  CHECK_THROWS_WITH(loss(1, infinity),
                    "Lbfgs: at the beginning of a step the loss is 1, but its gradient is "
                    "not finite");
  CHECK(w.value()(0, 0) == 100);
  CHECK_FALSE(w.has_grad());

  // x - log(x) / 20: the first step leads over the pole; lowest at 1 / 20
  w.value()(0, 0) = 0.5;
  bool beyond = false;
  const auto result = optimizer.step([&] {
    const double x = w.value()(0, 0);
    beyond = beyond || x < 0;
    push(w, Eigen::MatrixXd{{1 - 0.05 / x}});
    return x - 0.05 * std::log(x);
  });
  CHECK(beyond);
  CHECK(w.value()(0, 0) == Approx(0.05).epsilon(1e-9));
  CHECK(result.loss == Approx(0.05 - 0.05 * std::log(0.05)).epsilon(1e-14));

  // everything else is worse by infinity
  w.value()(0, 0) = 3;
  const auto stuck = optimizer.step([&] {
    push(w, Eigen::MatrixXd{{1}});
    return w.value()(0, 0) == 3 ? 0 : infinity;
  });
  CHECK(stuck.stop == LbfgsStop::line_search);
  CHECK(w.value()(0, 0) == 3);
}

TEST_CASE("lbfgs: a slope that underflows ends the search") {
  Parameter<double> w{Eigen::Vector2d(1, 2)};
  Lbfgs optimizer(w, {.tolerance_gradient = 0});
  const auto result = optimizer.step([&] {
    push(w, Eigen::Vector2d(1e-170, 0));
    return 1e-170 * w.value()(0);
  });
  CHECK(result.stop != LbfgsStop::iterations);
  CHECK(result.iterations == 1);
  CHECK(w.value() == Eigen::Vector2d(1, 2));
}

TEST_CASE("lbfgs: where what it remembers leads uphill, it begins anew") {
  Parameter<double> w(Eigen::Vector3d(1, -2, 0.5)), v(w.value());
  const optim::LbfgsOptions options{.max_iterations = 2, .tolerance_gradient = 0};
  Lbfgs fresh(w, options), misled(v, options);
  // H of a function that falls where its gradient points
  const auto arrays = misled.named_arrays();
  for (int i = 0; i < 3; ++i) {
    static_cast<double*>(arrays[0].data)[i] = 1;
    static_cast<double*>(arrays[1].data)[i] = -1;
  }
  *static_cast<std::int64_t*>(arrays[2].data) = 1;
  fresh.step([&] { return convex(w); });
  misled.step([&] { return convex(v); });
  CHECK(v.value() == w.value());
}

// The first point is beyond the minimum and too steep: the search ends in the minimum of the cubic
// through both ends, which for a quadratic function is its minimum if the slopes are right.
TEST_CASE("lbfgs: the search after it has begun anew starts from the slope there") {
  Parameter<double> w(Eigen::MatrixXd{{0.5}});
  Lbfgs optimizer(w, {.max_iterations = 1});
  const auto arrays = optimizer.named_arrays();
  *static_cast<double*>(arrays[0].data) = 1;
  *static_cast<double*>(arrays[1].data) = -1;
  *static_cast<std::int64_t*>(arrays[2].data) = 1;
  const auto result = optimizer.step([&] {
    const double x = w.value()(0, 0);
    push(w, Eigen::MatrixXd{{1.95 * x}});
    return 1.95 * x * x / 2;
  });
  CHECK(result.evaluations == 3);
  CHECK(std::abs(w.value()(0, 0)) < 1e-14);
}

// No point is flat enough: the search ends between both sides of the kink.
TEST_CASE("lbfgs: a search without end returns to its lowest point") {
  for (const double start : {0.7, 0.9, 1.1, 1.3, 1.7}) {
    Parameter<double> w(Eigen::MatrixXd{{start}});
    Lbfgs optimizer(w, {.max_iterations = 1});
    double lowest = start;
    const auto result = optimizer.step([&] {
      const double x = w.value()(0, 0);
      push(w, Eigen::MatrixXd{{x > 0 ? 1.0 : -3.0}});
      const double loss = x > 0 ? x : -3 * x;
      lowest = std::min(lowest, loss);
      return loss;
    });
    CHECK(lowest < 0.1);
    CHECK(result.loss == lowest);
    const double x = w.value()(0, 0);
    CHECK((x > 0 ? x : -3 * x) == lowest);
  }
}

TEST_CASE("lbfgs: changes of float parameters are those of the floats") {
  Parameter<float> w(Eigen::Vector2f(0.1f, 0.3f));
  Lbfgs optimizer(w, {.max_iterations = 1});
  optimizer.step([&] {
    push(w, Eigen::Vector2f(3 * w.value()(0), w.value()(1)));
    return 1.5 * std::pow(double(w.value()(0)), 2) + 0.5 * std::pow(double(w.value()(1)), 2);
  });
  const auto* const steps = static_cast<const double*>(optimizer.named_arrays()[0].data);
  CHECK(steps[0] == double(w.value()(0)) - double(0.1f));
  CHECK(steps[1] == double(w.value()(1)) - double(0.3f));
  CHECK(steps[0] != 0);
}

namespace {

/// How the search for the minimum of x^2 / 2 + 1024 ends, computed at every point but the first with
/// an error upwards of so many units in the last place, which hides that it falls.
template <class T>
LbfgsStop stop_with_error(double units) {
  const double unit = std::numeric_limits<T>::epsilon();
  Parameter<T> w(Eigen::MatrixX<T>{{static_cast<T>(1e-3 * std::sqrt(unit))}});
  Lbfgs optimizer(w, {.tolerance_gradient = 1e-30});
  int calls = 0;
  const auto result = optimizer.step([&] {
    push(w, Eigen::MatrixX<T>(w.value()));
    return calls++ == 0 ? 1024.0 : 1024.0 + 1024.0 * unit * units;
  });
  return result.stop;
}

}  // namespace

TEST_CASE("lbfgs: a loss may be wrong by four units in the last place, and no more") {
  CHECK(stop_with_error<float>(3.99) == LbfgsStop::gradient);
  CHECK(stop_with_error<float>(4.01) == LbfgsStop::line_search);
  CHECK(stop_with_error<double>(4) == LbfgsStop::gradient);
  CHECK(stop_with_error<double>(5) == LbfgsStop::line_search);
}

TEST_CASE("lbfgs: a change that is small beside the parameters ends the step") {
  const auto stop = [](double minimum, double tolerance) {
    Parameter<double> w(Eigen::MatrixXd{{minimum - 0.5}});
    Lbfgs optimizer(w, {.tolerance_gradient = 0, .tolerance_change = tolerance});
    return optimizer
        .step([&] {
          const double x = w.value()(0, 0) - minimum;
          push(w, Eigen::MatrixXd{{x + 1e-20}});  // nowhere zero
          return x * x / 2;
        })
        .stop;
  };
  CHECK(stop(1000.5, 0.5001 / 1000.5) == LbfgsStop::change);
  CHECK(stop(1000.5, 0.4999 / 1000.5) != LbfgsStop::change);
  CHECK(stop(0.5, 0.5001) == LbfgsStop::change);
  CHECK(stop(0.5, 0.4999) != LbfgsStop::change);
}

TEST_CASE("lbfgs: a closure that throws leaves the best point") {
  Parameter<double> w(Eigen::Vector2d(-1.2, 1));
  Lbfgs optimizer(w);
  int calls = 0;
  CHECK_THROWS_AS(optimizer.step([&] {
    if (++calls == 8) throw std::runtime_error("enough");
    return rosenbrock(w);
  }),
                  std::runtime_error);
  CHECK_FALSE(w.has_grad());
  const double loss = rosenbrock(w);
  CHECK(loss < 4.2);  // 24.2 at first
  w.zero_grad();
  CHECK(optimizer.step([&] { return rosenbrock(w); }).loss < loss);
}

TEST_CASE("lbfgs: options") {
  Parameter<double> w(Shape{2});
  CHECK_THROWS_WITH(Lbfgs(w, {.max_iterations = -1}),
                    "Lbfgs: max_iterations is -1: it must be at least 0 and finite");
  CHECK_THROWS_AS(Lbfgs(w, {.history = -1}), DomainError);
  CHECK_THROWS_AS(Lbfgs(w, {.tolerance_gradient = not_a_number}), DomainError);
  CHECK_THROWS_AS(Lbfgs(w, {.tolerance_change = -1}), DomainError);
}
