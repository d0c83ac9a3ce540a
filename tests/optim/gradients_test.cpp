#include "gradtape/optim/gradients.hpp"

#include "catch.hpp"
#include "gradtape/diff/dual.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/optim/sgd.hpp"
#include "optim/push.hpp"

using namespace gradtape;
using Eigen::Vector2d;

// Clipping of gradients, through an optimizer.

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct Model {
  Parameter<double> a{Shape{2}}, table{Shape{1, 3}};
  Parameter<float> b{Shape{1}}, unused{Shape{2}};
  Parameter<double>* tied = &a;
  void members(auto&& member) {
    member("a", a);
    member("table", table);
    member("b", b);
    member("unused", unused);
    member("tied", tied);
  }
  /// Gradients a = (3, 4), b = 12, table = (0, 0, 84): norm 85.
  void push_gradients() {
    push(a, Vector2d(3, 4));
    push(b, Eigen::MatrixXf{{12}});
    Tape<double> tape;
    const Tensor y = gather(tape.parameter(table), {2, 2});
    tape.backward(y, Eigen::MatrixXd{{80, 4}});
  }
};

}  // namespace

TEST_CASE("clip by norm: all parameters together, each once") {
  Model model;
  optim::Sgd optimizer(model);
  CHECK(optimizer.clip_grad_norm(1) == 0);  // nothing has arrived
  CHECK_FALSE(model.a.has_grad());

  model.push_gradients();
  CHECK(optimizer.clip_grad_norm(infinity) == 85);
  CHECK(optimizer.clip_grad_norm(85) == 85);
  CHECK(model.a.grad() == Vector2d(3, 4));
  CHECK(optimizer.clip_grad_norm(42.5) == 85);
  CHECK(model.table.has_sparse_grad());
  CHECK(model.table.grad_column(2)(0) == 42);
  CHECK(model.a.grad() == Vector2d(1.5, 2));
  CHECK(model.b.grad()(0, 0) == 6);
  CHECK(optimizer.clip_grad_norm(42.5) == 42.5);
  CHECK_FALSE(model.unused.has_grad());

  optimizer.zero_grad();
  model.push_gradients();
  model.table.grad();  // whole
  CHECK(optimizer.clip_grad_norm(0) == 85);
  CHECK(model.a.grad().isZero(0));
  CHECK(model.table.grad().isZero(0));
  CHECK(optimizer.clip_grad_norm(0) == 0);
}

TEST_CASE("clip by norm: squares out of the range of numbers") {
  Parameter<double> w(Shape{2});
  Parameter<float> x(Shape{2});
  optim::Sgd of_w(w), of_x(x);
  const auto norm = [](auto& parameter, auto& optimizer, double a, double b) {
    using T = typename std::remove_cvref_t<decltype(parameter)>::Scalar;
    optimizer.zero_grad();
    push(parameter, Eigen::Vector2<T>(static_cast<T>(a), static_cast<T>(b)));
    return optimizer.clip_grad_norm(1e-320);
  };
  CHECK(norm(w, of_w, 3e200, 4e200) == Approx(5e200).epsilon(1e-14));
  CHECK(norm(w, of_w, 3e-200, 4e-200) == Approx(5e-200).epsilon(1e-14));
  CHECK(norm(w, of_w, 3e-310, 4e-310) == Approx(5e-310).epsilon(1e-12));
  CHECK(norm(x, of_x, 3e30, 4e30) == Approx(5e30).epsilon(1e-6));
  CHECK(norm(x, of_x, 3e-30, -4e-30) == Approx(5e-30).epsilon(1e-6));
  CHECK(norm(x, of_x, 0, 0) == 0);
}

TEST_CASE("clip by norm: many elements") {
  Parameter<float> w(Shape{100, 257});
  optim::Sgd optimizer(w);
  push(w, Eigen::MatrixXf::Constant(100, 257, 0.1f));
  const double norm = 0.1 * std::sqrt(25700.0);
  CHECK(optimizer.clip_grad_norm(1) == Approx(norm).epsilon(1e-6));
  CHECK((w.grad().array() - static_cast<float>(0.1 / norm)).abs().maxCoeff() < 1e-8f);
}

TEST_CASE("clip by norm: not finite") {
  for (const double bad : {not_a_number, infinity, -infinity}) {
    Model model;
    optim::Sgd optimizer(model);
    model.push_gradients();
    push(model.b, Eigen::MatrixXf{{static_cast<float>(bad)}});
    CHECK_THROWS_WITH(optimizer.clip_grad_norm(1),
                      "Sgd: clip_grad_norm: the gradient of \"b\" has an element that is not "
                      "finite");
    CHECK(model.a.grad() == Vector2d(3, 4));
    optimizer.zero_grad();
    CHECK(optimizer.clip_grad_norm(1) == 0);
  }
}

TEST_CASE("clip by value") {
  Model model;
  optim::Sgd optimizer(model);
  model.push_gradients();
  push(model.a, Vector2d(-13, -3.5));
  optimizer.clip_grad_value(5);
  CHECK(model.a.grad() == Vector2d(-5, 0.5));
  CHECK(model.b.grad()(0, 0) == 5);
  CHECK(model.table.has_sparse_grad());
  CHECK(model.table.grad_column(2)(0) == 5);
  push(model.a, Vector2d(not_a_number, -infinity));
  optimizer.clip_grad_value(infinity);
  CHECK(model.a.grad()(1) == -infinity);
  optimizer.clip_grad_value(2);
  CHECK(std::isnan(model.a.grad()(0)));
  CHECK(model.a.grad()(1) == -2);
  optimizer.clip_grad_value(0);
  CHECK(model.a.grad()(1) == 0);
}

TEST_CASE("clip: refused") {
  Model model;
  optim::Sgd optimizer(model);
  CHECK_THROWS_WITH(optimizer.clip_grad_norm(-1),
                    "Sgd: clip_grad_norm: the limit is -1: it must be at least 0");
  CHECK_THROWS_AS(optimizer.clip_grad_norm(not_a_number), DomainError);
  CHECK_THROWS_WITH(optimizer.clip_grad_value(-1),
                    "Sgd: clip_grad_value: the limit is -1: it must be at least 0");
  CHECK_THROWS_AS(optimizer.clip_grad_value(not_a_number), DomainError);

  Parameter<Dual<double>> w(Shape{1});
  optim::Sgd of_duals(w);
  CHECK_THROWS_WITH(of_duals.clip_grad_norm(1),
                    "clipping: gradients are clipped of real numbers only");
}
