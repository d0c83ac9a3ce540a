#include "gradtape/diff/dual.hpp"

#include <cmath>
#include <sstream>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;
using D = Dual<double>;
using DD = Dual<D>;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double slope(const D& y) { return y.tangent(); }

/// Rosenbrock's function.
template <class S>
S rosenbrock(const std::vector<S>& x) {
  S sum = 0.0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const S a = 1.0 - x[i], b = x[i + 1] - x[i] * x[i];
    sum += a * a + 100.0 * b * b;
  }
  return sum;
}

/// Its Hessian times v, by hand.
std::vector<double> rosenbrock_hessian_times(const std::vector<double>& x,
                                             const std::vector<double>& v) {
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    y[i] += (2 - 400 * (x[i + 1] - 3 * x[i] * x[i])) * v[i] - 400 * x[i] * v[i + 1];
    y[i + 1] += -400 * x[i] * v[i] + 200 * v[i + 1];
  }
  return y;
}

}  // namespace

TEST_CASE("dual: a number is a constant") {
  const D c = 2.0, zero, i = 3;
  CHECK(c.tangent() == 0);
  CHECK(zero.value() == 0);
  CHECK(i.value() == 3);
  const D x(2.0, 1.0);
  CHECK(slope(x * 3 + 1) == 3);
  CHECK(slope(1 / x) == -0.25);
  CHECK(slope(2.0 - x) == -1);
  CHECK(slope(c * c) == 0);
}

TEST_CASE("dual: derivatives against closed forms") {
  const double v = 0.7;
  const D x(v, 2.0);  // along 2: all derivatives are doubled
  const auto check = [](const D& y, double value, double derivative) {
    CHECK(y.value() == Approx(value).epsilon(1e-14));
    CHECK(y.tangent() == Approx(2 * derivative).epsilon(1e-14));
  };
  check(x + x * x, v + v * v, 1 + 2 * v);
  check(-x / (1.0 + x), -v / (1 + v), -1 / ((1 + v) * (1 + v)));
  check(exp(x), std::exp(v), std::exp(v));
  check(sqrt(x), std::sqrt(v), 0.5 / std::sqrt(v));
  check(log(x), std::log(v), 1 / v);
  check(sin(x) * cos(x), std::sin(v) * std::cos(v), std::cos(2 * v));
  check(tanh(x), std::tanh(v), 1 - std::tanh(v) * std::tanh(v));
  check(pow(x, 3.0), v * v * v, 3 * v * v);
  check(pow(2.0, x), std::pow(2, v), std::log(2) * std::pow(2, v));
  check(hypot(x, 2.0), std::hypot(v, 2), v / std::hypot(v, 2));
  check(atan2(x, 1.0), std::atan(v), 1 / (1 + v * v));
  check(abs(-x), v, 1);
  check(max(x, 0.0) + min(x, 0.0) + clamp(x, 0, 1), 2 * v, 2);
  check(where(x > 0, x, 5.0 * x), v, 1);
  check(floor(x) + x, v, 1);
}

TEST_CASE("dual: compound assignment, comparison, streaming") {
  D x(2.0, 1.0);
  x *= x;
  x += 1.0;
  x -= D(0.0, 1.0);
  x /= 2;
  CHECK(x.value() == 2.5);
  CHECK(x.tangent() == 1.5);
  CHECK(x > 2);
  CHECK(x < D(3.0));
  CHECK(x == 2.5);
  CHECK(x != D(2.0, 1.5));
  std::ostringstream text;
  text << x;
  CHECK(text.str() == "2.5 + 1.5 e");
  const D before = x++, after = --x;
  CHECK((before == 2.5 && after == 2.5));
  CHECK((++x == 3.5 && x-- == 3.5 && x == 2.5));
  CHECK(x.tangent() == 1.5);
}

TEST_CASE("dual: parts of numbers") {
  int exponent = 0;
  D whole;
  const D x(-5.5, 3.0), fraction = modf(x, &whole), mantissa = frexp(x, &exponent);
  CHECK((whole == -5 && fraction == -0.5 && mantissa == -0.6875 && exponent == 3));
  CHECK(whole.tangent() == 0);
  CHECK(fraction.tangent() == 3);
  CHECK(mantissa.tangent() == 3.0 / 8);
}

TEST_CASE("dual: the branch not taken and tangents of zero contribute exactly 0") {
  const D zero(0.0, 1.0), x(3.0, 1.0), still(0.0);
  CHECK(slope(where(zero > 0, sqrt(zero), x)) == 1);
  CHECK(slope(max(x, sqrt(zero))) == 1);
  CHECK(slope(sqrt(still) + x) == 1);
  CHECK(slope(sqrt(zero)) == infinity);
}

TEST_CASE("dual: second derivatives by duals of duals") {
  const double v = 0.7;
  const DD x(D(v, 1.0), D(1.0, 0.0));
  const auto second = [](const DD& y) { return y.tangent().tangent(); };
  CHECK(second(x * x * x) == Approx(6 * v));
  CHECK(second(exp(2.0 * x)) == Approx(4 * std::exp(2 * v)).epsilon(1e-14));
  CHECK(second(1 / x) == Approx(2 / (v * v * v)).epsilon(1e-14));
  CHECK(second(log(x)) == Approx(-1 / (v * v)).epsilon(1e-14));
  CHECK(second(tanh(x)) ==
        Approx(-2 * std::tanh(v) * (1 - std::tanh(v) * std::tanh(v))).epsilon(1e-13));
  CHECK(second(pow(x, 2.5)) == Approx(2.5 * 1.5 * std::sqrt(v)).epsilon(1e-14));
  CHECK(second(where(x > 0, x * x, x)) == 2);
  // at points where the first derivative is zero
  const DD y = DD(D(1.0, 1.0), D(1.0, 0.0)) - 1.0;
  CHECK(second(y * y) == 2);
  CHECK(second((y * y) * (y * y)) == 0);
  CHECK((y * y * y).tangent().value() == 0);
}

TEST_CASE("dual: mixed second derivative") {
  // f = x^2 y^3, d2f/dxdy = 6 x y^2
  const DD x(D(2.0, 1.0), D(0.0, 0.0)), y(D(3.0, 0.0), D(1.0, 0.0));
  CHECK((x * x * y * y * y).tangent().tangent() == 6 * 2 * 9);
}

TEST_CASE("dual: on a tape, gradients with their directional derivatives") {
  const std::vector<double> at = {0.3, -1.2, 0.8, 2.0}, v = {1.0, -0.5, 0.25, 2.0};
  Tape<D> tape;
  std::vector<Var<D>> x;
  for (std::size_t i = 0; i < at.size(); ++i) x.push_back(tape.variable(D(at[i], v[i])));
  Var y = rosenbrock(x);
  tape.backward(y);
  const std::vector<double> expected = rosenbrock_hessian_times(at, v);
  for (std::size_t i = 0; i < at.size(); ++i)
    CHECK(x[i].grad().tangent() == Approx(expected[i]).epsilon(1e-12));
  CHECK(x[0].grad().value() == Approx(-2 * (1 - 0.3) - 400 * 0.3 * (-1.2 - 0.09)).epsilon(1e-12));
}

TEST_CASE("dual: tensors of duals") {
  Tape<D> tape;
  Eigen::Matrix<D, Eigen::Dynamic, 1> v(40);
  for (int i = 0; i < 40; ++i) v(i) = D(0.1 * i - 2, 1.0);
  Tensor x = tape.variable(v);
  Var s = tape.variable(D(2.0, 0.0));
  Tensor y = s * x * x * x + where(x > 0.0, exp(x), 0.0);
  tape.backward(y, Eigen::Matrix<D, Eigen::Dynamic, 1>::Constant(40, D(1.0)));
  D sum(0.0);
  for (int i = 0; i < 40; ++i) {
    const double u = v(i).value(), e = u > 0 ? std::exp(u) : 0;
    CHECK(x.grad()(i).value() == Approx(6 * u * u + e).margin(1e-13));
    CHECK(x.grad()(i).tangent() == Approx(12 * u + e).margin(1e-13));
    sum += D(u * u * u, 3 * u * u);
  }
  CHECK(s.grad().value() == Approx(sum.value()));
  CHECK(s.grad().tangent() == Approx(sum.tangent()));
}

TEST_CASE("dual: third derivatives by a tape of duals of duals") {
  Tape<DD> tape;
  Var x = tape.variable(DD(D(1.5, 1.0), D(1.0, 0.0)));
  Var y = x * x * x * x * x;
  tape.backward(y);
  CHECK(x.grad().value().value() == Approx(5 * std::pow(1.5, 4)));
  CHECK(x.grad().value().tangent() == Approx(20 * std::pow(1.5, 3)));
  CHECK(x.grad().tangent().tangent() == Approx(60 * std::pow(1.5, 2)));
  // at 0, where the first and the second are zero
  Var z = tape.variable(DD(D(0.0, 1.0), D(1.0, 0.0)));
  Var cube = z * z;
  cube = cube * z;
  tape.backward(cube);
  CHECK(z.grad().value().value() == 0);
  CHECK(z.grad().tangent().tangent() == 6);
}

TEST_CASE("dual: an adjoint whose value is zero and whose tangent is not") {
  Tape<D> tape;
  Var x = tape.variable(D(1.0, 1.0));
  Var y = x - 1.0;
  Var f = y * y;
  tape.backward(f);
  CHECK(y.grad().value() == 0);
  CHECK(x.grad().tangent() == 2);

  Eigen::Matrix<D, 2, 1> v(D(1.0, 1.0), D(1.0, 3.0));
  Tensor t = tape.variable(v);
  Tensor u = t - 1.0;
  Tensor g = u * u;
  tape.backward(g, Eigen::Matrix<D, 2, 1>::Constant(D(1.0)));
  CHECK(t.grad()(0).tangent() == 2);
  CHECK(t.grad()(1).tangent() == 6);
}
