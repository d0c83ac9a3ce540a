// A tape on a tape: the gradient is recorded as well, and differentiates again.

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"

using namespace gradtape;
using V = Var<double>;

namespace {

/// f'(x) and f''(x).
template <class F>
std::pair<double, double> derivatives(F&& f, double at) {
  Tape<double> inner;
  Tape<V> outer;
  V x = inner.variable(at);
  Var u = outer.variable(x);
  Var y = f(u);
  outer.backward(y);
  V first = u.grad();
  if (first.is_constant()) return {first.value(), 0};
  inner.backward(first);
  return {first.value(), x.grad()};
}

/// f'''(x).
template <class F>
double third_derivative(F&& f, double at) {
  Tape<double> inner;
  Tape<V> middle;
  Tape<Var<V>> outer;
  V x = inner.variable(at);
  Var<V> u = middle.variable(x);
  Var<Var<V>> w = outer.variable(u);
  Var<Var<V>> y = f(w);
  outer.backward(y);
  Var<V> first = w.grad();
  middle.backward(first);
  V second = u.grad();
  inner.backward(second);
  return x.grad();
}

}  // namespace

TEST_CASE("nested: second derivatives against closed forms") {
  const double v = 0.7;
  const auto check = [&](auto&& f, double first, double second) {
    const auto [d1, d2] = derivatives(f, v);
    CHECK(d1 == Approx(first).epsilon(1e-13));
    CHECK(d2 == Approx(second).epsilon(1e-13));
  };
  check([](const auto& x) { return x * x * x; }, 3 * v * v, 6 * v);
  check([](const auto& x) { return 1.0 / x; }, -1 / (v * v), 2 / (v * v * v));
  check([](const auto& x) { return exp(2.0 * x); }, 2 * std::exp(2 * v), 4 * std::exp(2 * v));
  check([](const auto& x) { return sin(x) * x; }, std::cos(v) * v + std::sin(v),
        2 * std::cos(v) - std::sin(v) * v);
  check([](const auto& x) { return sqrt(x); }, 0.5 / std::sqrt(v), -0.25 * std::pow(v, -1.5));
  const double t = std::tanh(v);
  check([](const auto& x) { return tanh(x); }, 1 - t * t, -2 * t * (1 - t * t));
  check([](const auto& x) { return square(x) / (1 + x); }, (v * v + 2 * v) / ((1 + v) * (1 + v)),
        2 / std::pow(1 + v, 3));
  check([](const auto& x) { return 5 * x + 2; }, 5, 0);
  check([](const auto& x) { return abs(x * x) + max(x, 0.0) + where(x > 0, x * x, x); }, 4 * v + 1,
        4);
}

TEST_CASE("nested: where the first derivative is zero the second need not be") {
  const auto shifted = [](const auto& x) {
    Var y = x - 1.0;
    return Var<V>(y * y);
  };
  const auto [d1, d2] = derivatives(shifted, 1.0);
  CHECK(d1 == 0);
  CHECK(d2 == 2);
  const auto square_of_square = [](const auto& x) {
    Var y = x * x;
    return Var<V>(y * y);
  };
  CHECK(derivatives(square_of_square, 0.0) == std::pair(0.0, 0.0));
  CHECK(derivatives(square_of_square, 0.5).second == 12 * 0.25);
  CHECK(derivatives([](const auto& x) { return x * x; }, 0.0) == std::pair(0.0, 2.0));
}

TEST_CASE("nested: third derivatives, also where the first and second are zero") {
  const auto cube = [](const auto& x) {
    auto y = x;
    y = x * x;
    y = y * x;
    return y;
  };
  CHECK(third_derivative(cube, 0.0) == 6);
  CHECK(third_derivative(cube, 1.7) == Approx(6));
  const auto reciprocal_of = [](const auto& x) { return 1.0 / x; };
  CHECK(third_derivative(reciprocal_of, 2.0) == Approx(-6.0 / 16));
}

TEST_CASE("nested: the branch not taken contributes exactly 0 to both") {
  const auto select = [](const auto& x) { return where(x > 0, sqrt(x), x * x); };
  CHECK(derivatives(select, 0.0) == std::pair(0.0, 2.0));
  const auto named = [](const auto& x) {
    Var root = sqrt(x);
    Var y = where(x > 0, root, x * x);
    return y;
  };
  CHECK(derivatives(named, 0.0) == std::pair(0.0, 2.0));
  CHECK(derivatives([](const auto& x) { return relu(x) * relu(x); }, -1.0) == std::pair(0.0, 0.0));
  CHECK(derivatives([](const auto& x) { return relu(x) * relu(x); }, 3.0) == std::pair(6.0, 2.0));
  const auto both = [](const auto& x) { return max(sqrt(x), 3.0 * x * x + 1.0); };
  CHECK(derivatives(both, 0.0) == std::pair(0.0, 6.0));
}

TEST_CASE("nested: the whole Hessian of a function of three numbers") {
  // f = x^2 y + exp(y z):  H = [2y, 2x, 0; 2x, z^2 e, (1 + y z) e; 0, (1 + y z) e, y^2 e]
  const double at[3] = {1.5, -0.5, 0.8};
  Tape<double> inner;
  Tape<V> outer;
  std::vector<V> x;
  std::vector<Var<V>> u;
  for (const double a : at) {
    x.push_back(inner.variable(a));
    u.push_back(outer.variable(x.back()));
  }
  Var p = u[0] * u[0] * u[1];
  Var y = p + exp(u[1] * u[2]);
  outer.backward(y);
  const double e = std::exp(at[1] * at[2]), mixed = (1 + at[1] * at[2]) * e;
  const double h[3][3] = {{2 * at[1], 2 * at[0], 0},
                          {2 * at[0], at[2] * at[2] * e, mixed},
                          {0, mixed, at[1] * at[1] * e}};
  for (std::size_t i = 0; i < 3; ++i) {
    V g = u[i].grad();
    inner.backward(g);
    for (std::size_t j = 0; j < 3; ++j) CHECK(x[j].grad() == Approx(h[i][j]).margin(1e-13));
  }
}

TEST_CASE("nested: tensors of variables") {
  // f = sum_i seed_i (W x)_i^3
  Tape<double> inner;
  Tape<V> outer;
  Eigen::Matrix<V, Eigen::Dynamic, Eigen::Dynamic> w(2, 3);
  Eigen::Matrix<V, Eigen::Dynamic, 1> x(3);
  for (int i = 0; i < 6; ++i) w(i) = V(0.3 * i - 0.7);
  for (int i = 0; i < 3; ++i) x(i) = inner.variable(0.5 * i - 0.4);
  Tensor tw = outer.constant(w), tx = outer.variable(x);
  Tensor z = matmul(tw, tx);
  Tensor y = z * z * z;
  const Eigen::Vector2d seed(1, 2);
  outer.backward(y, seed.cast<V>());
  const auto value = [](const auto& m) {
    Eigen::MatrixXd result(m.rows(), m.cols());
    for (Index j = 0; j < m.cols(); ++j)
      for (Index i = 0; i < m.rows(); ++i) result(i, j) = m(i, j).value();
    return result;
  };
  const Eigen::MatrixXd wv = value(w);
  const Eigen::VectorXd zv = wv * value(x);
  const Eigen::VectorXd g = wv.transpose() * (3 * seed.array() * zv.array().square()).matrix();
  const Eigen::MatrixXd h =
      wv.transpose() * (6 * seed.array() * zv.array()).matrix().asDiagonal() * wv;
  const auto grad = tx.grad();
  for (int i = 0; i < 3; ++i) {
    CHECK(grad(i).value() == Approx(g(i)).epsilon(1e-13));
    V gi = grad(i);
    inner.backward(gi);
    for (int j = 0; j < 3; ++j) CHECK(x(j).grad() == Approx(h(i, j)).epsilon(1e-13));
  }
}

TEST_CASE("nested: broadcasting, scalars and selections among tensors of variables") {
  // f = sum_ij where(x_i > 0, s x_i^2, sqrt(x_i))
  Tape<double> inner;
  Tape<V> outer;
  Eigen::Matrix<V, Eigen::Dynamic, 1> x(3);
  const double at[3] = {0.5, 2.0, 0.0};
  for (int i = 0; i < 3; ++i) x(i) = inner.variable(at[i]);
  V s = inner.variable(3.0);
  Tensor tx = outer.variable(x);
  Var ts = outer.variable(s);
  Tensor y = where(tx >= 0.0, ts * tx * tx, sqrt(tx)) + outer.full(Shape{3, 4}, 0.0);
  outer.backward(y, Eigen::MatrixXd::Ones(3, 4));
  CHECK(ts.grad().value() == 4 * 4.25);
  for (int i = 0; i < 3; ++i) {
    V g = tx.grad()(i);
    CHECK(g.value() == 4 * 6 * at[i]);
    inner.backward(g);
    CHECK(x(i).grad() == 4 * 6);
    CHECK(s.grad() == 4 * 2 * at[i]);
  }
  V gs = ts.grad();
  inner.backward(gs);
  CHECK(x(1).grad() == 4 * 2 * 2.0);
  CHECK(s.grad() == 0);
}

TEST_CASE("nested: scopes of both tapes") {
  Tape<double> inner;
  Tape<V> outer;
  V x = inner.variable(2.0);
  for (int i = 0; i < 5; ++i) {
    const auto inner_scope = inner.scope();
    const auto outer_scope = outer.scope();
    Var u = outer.variable(x);
    Var y = u * u * u;
    outer.backward(y);
    V g = u.grad();
    inner.backward(g);
    CHECK(x.grad() == 12);
  }
  CHECK(inner.statement_count() == 1);
  CHECK(outer.statement_count() == 0);
}
