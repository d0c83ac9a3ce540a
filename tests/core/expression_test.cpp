#include "gradtape/core/expression.hpp"

#include <array>
#include <limits>
#include <utility>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

auto weighted(const Var<double>& x, double w) { return w * x * x + 1.0; }

template <class A>
auto affine_of(A&& a) {
  return 3.0 * std::forward<A>(a) + 1.0;
}

/// y = x^3, to show what a user's own operation needs.
struct Cube {
  static constexpr std::string_view name = "cube";
  template <class X>
  static X value(const X& x) {
    return x * x * x;
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 3.0 * x * x;
  }
};

/// y = a - b, with no derivative to b.
struct OnlyFirst {
  static constexpr std::string_view name = "only_first";
  template <class X>
  static X value(const X& a, const X& b) {
    return a - b;
  }
  template <class X>
  static X partial_a(const X&, const X&, const X&) {
    return X(1);
  }
};

}  // namespace

TEST_CASE("expression: what is named is a node, what is not is none") {
  Tape<double> tape;
  Var a = tape.variable(3.0), b = tape.variable(1.0), c = tape.variable(-2.0);
  CHECK(tape.statement_count() == 3);
  auto e = c * (a + 2.0 * b);
  CHECK(e.value() == -10);
  CHECK(tape.statement_count() == 3);
  Var y = e;
  CHECK(tape.statement_count() == 4);
  tape.backward(y);
  CHECK(a.grad() == -2);
  CHECK(b.grad() == -4);
  CHECK(c.grad() == 5);
  Var again = e;
  CHECK(tape.statement_count() == 5);
  Var sum = y + again;
  tape.backward(sum);
  CHECK(a.grad() == -4);
}

TEST_CASE("expression: it keeps what its operands were") {
  Tape<double> tape;
  Var x = tape.variable(3.0), y = tape.variable(5.0);
  const Var first_x = x;
  auto e = x * y;
  x = 100.0 * y;
  y = 7.0;
  Var z = e;
  CHECK(z.value() == 15);
  tape.backward(z);
  CHECK(first_x.grad() == 5);
  CHECK(x.grad() == 0);
}

TEST_CASE("expression: returned from functions, out of temporaries, copied") {
  Tape<double> tape;
  Var x = tape.variable(2.0);
  auto e = weighted(x, 5.0);
  auto f = affine_of(weighted(x, 5.0) * affine_of(Var<double>(4.0)));
  auto copy = e;
  const auto make = [&x] {
    Var local = x * x;
    const double factor = 10.0;
    return factor * local + Var<double>(1.0) * local;
  };
  auto g = make();
  auto&& plus = +(x * 3.0);
  std::array<double, 64> overwrite_the_stack{};
  overwrite_the_stack.fill(x.value());
  Var y = copy;
  tape.backward(y);
  CHECK(y.value() == 21);
  CHECK(x.grad() == 20);
  Var z = f;  // 3 (5 x^2 + 1) 13 + 1
  tape.backward(z);
  CHECK(z.value() == 3 * 21 * 13 + 1);
  CHECK(x.grad() == 3 * 13 * 20);
  Var u = g;  // 11 x^2
  tape.backward(u);
  CHECK(u.value() == 44);
  CHECK(x.grad() == 44);
  Var v = plus;
  tape.backward(v);
  CHECK(v.value() == 6);
  CHECK(x.grad() == 3);
  CHECK(overwrite_the_stack[63] == 2);
}

TEST_CASE("expression: the same operand several times") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = x * x;
  tape.backward(y);
  CHECK(x.grad() == 6);
  Var z = x / x + (x - x) + x * x * x;
  tape.backward(z);
  CHECK(z.value() == 28);
  CHECK(x.grad() == Approx(27));
}

TEST_CASE("expression: conditionals between a variable and an expression") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  for (const bool first : {true, false}) {
    Var y = first ? x : 2.0 * x;
    Var z = first ? 2.0 * x : x;
    tape.backward(y);
    CHECK(x.grad() == (first ? 1 : 2));
    tape.backward(z);
    CHECK(x.grad() == (first ? 2 : 1));
  }
}

TEST_CASE("expression: functions of the standard library's names") {
  using std::exp;
  using std::max;
  using std::min;
  using std::sqrt;
  Tape<double> tape;
  Var x = tape.variable(4.0);
  Var y = exp(x) + sqrt(x * x) + max(x, 2.0 * x) + min(x, 2.0) + exp(0.0) + max(1.0, 2.0);
  CHECK(y.value() == Approx(std::exp(4.0) + 4 + 8 + 2 + 1 + 2).epsilon(1e-14));
  tape.backward(y);
  CHECK(x.grad() == Approx(std::exp(4.0) + 1 + 2).epsilon(1e-14));
  Var z = max(x, x * 1.0);
  tape.backward(z);
  CHECK(x.grad() == 1);  // a tie: half of each
  Var a = tape.variable(1.0), b = tape.variable(2.0);
  Var larger = max(a, b);  // the standard library's own
  tape.backward(larger);
  CHECK(a.grad() == 0);
  CHECK(b.grad() == 1);
}

TEST_CASE("expression: two hundred operands in one statement") {
  Tape<double> tape;
  std::array<Var<double>, 8> x;
  for (std::size_t i = 0; i < 8; ++i) x[i] = tape.variable(double(i + 1));
  const auto eight = [&x](double w) {
    return w * x[0] + x[1] * x[2] + x[3] / x[4] - x[5] + x[6] * 2 + x[7];
  };
  const auto forty = [&](double w) { return eight(w) + eight(w) + eight(w) + eight(w) + eight(w); };
  const std::size_t before = tape.statement_count();
  Var y = forty(1) + forty(2) + forty(3) + forty(4) + forty(5);
  CHECK(tape.statement_count() == before + 1);
  tape.backward(y);
  CHECK(x[0].grad() == 5 * 15);
  CHECK(x[1].grad() == 25 * 3);
  CHECK(x[2].grad() == 25 * 2);
  CHECK(x[3].grad() == Approx(25 / 5.0));
  CHECK(x[4].grad() == Approx(-25 * 4 / 25.0));
  CHECK(x[5].grad() == -25);
  CHECK(x[6].grad() == 50);
  CHECK(x[7].grad() == 25);
}

TEST_CASE("expression: an operation of one's own, for numbers of every kind") {
  Tape<double> tape;
  Var x = tape.variable(2.0);
  Var y = elementwise<Cube>(x) + elementwise<Cube>(2.0 * x);
  CHECK(y.value() == 8 + 64);
  tape.backward(y);
  CHECK(x.grad() == 12 + 96);

  Tensor t = tape.variable(Eigen::VectorXd::LinSpaced(70, -1, 1));
  Tensor u = elementwise<Cube>(t);
  tape.backward(u, Eigen::VectorXd::Ones(70));
  for (int i = 0; i < 70; i += 23) {
    const double v = t.value()(i);
    CHECK(u.value()(i) == Approx(v * v * v));
    CHECK(t.grad()(i) == Approx(3 * v * v));
  }

  Var a = tape.variable(2.0), b = tape.variable(3.0);
  Var d = elementwise<OnlyFirst>(a, b);
  tape.backward(d);
  CHECK(a.grad() == 1);
  CHECK(b.grad() == 0);
}

// The branch that is not taken: sqrt(x) at 0 has an infinite derivative, log(x) at -1 a NaN value.

TEST_CASE("expression: the branch not taken contributes exactly 0, in one formula") {
  Tape<double> tape;
  Var zero = tape.variable(0.0), minus = tape.variable(-1.0), x = tape.variable(5.0);
  Var y = where(zero > 0, sqrt(zero), x) + where(minus < 0, x, log(minus)) +
          max(x, 1.0 * sqrt(zero)) + clamp(sqrt(zero), 1.0, x);
  CHECK(y.value() == 16);
  tape.backward(y);
  CHECK(zero.grad() == 0);
  CHECK(minus.grad() == 0);
  CHECK(x.grad() == 3);

  // all three operands of a branch not taken
  Var z = where(zero > 0, clamp(sqrt(minus), log(minus), 2.0 * x), x);
  tape.backward(z);
  CHECK(zero.grad() == 0);
  CHECK(minus.grad() == 0);
  CHECK(x.grad() == 1);
}

// A long formula is written in place, here over one whose slopes are all 1.
TEST_CASE("expression: the zeros of a branch not taken are written") {
  Tape<double> tape;
  const auto eight = [](const Var<double>& x) { return x + x + x + x + x + x + x + x; };
  Var before = tape.variable(5.0), ones = eight(before) + eight(before);
  tape.backward(ones);
  CHECK(before.grad() == 16);
  tape.clear();

  Var x = tape.variable(5.0), zero = tape.variable(0.0);  // x stands where `before` stood
  Var y = eight(x) + where(zero > 0, clamp(x, 1.0 * x, 2.0 * x) + clamp(1.0 * x, x, x), x) + zero;
  tape.backward(y);
  CHECK(x.grad() == 9);
}

TEST_CASE("expression: the branch not taken contributes exactly 0, across named nodes") {
  Tape<double> tape;
  Var zero = tape.variable(0.0), minus = tape.variable(-1.0), x = tape.variable(5.0);
  Var root = sqrt(zero);
  Var logarithm = log(minus);
  Var y = where(false, root, x) + where(true, x, logarithm) + max(root, x);
  tape.backward(y);
  CHECK(root.grad() == 0);
  CHECK(logarithm.grad() == 0);
  CHECK(zero.grad() == 0);
  CHECK(minus.grad() == 0);
  CHECK(x.grad() == 3);
}

TEST_CASE("expression: nor does it receive an infinite or NaN adjoint") {
  Tape<double> tape;
  Var a = tape.variable(0.0), b = tape.variable(1.0);
  Var chosen = where(true, a, b);
  Var root = sqrt(chosen);
  tape.backward(root);
  CHECK(a.grad() == infinity);
  CHECK(b.grad() == 0);
  Var constant = floor(b) + a;
  tape.backward(constant, infinity);
  CHECK(b.grad() == 0);
  Var fused = sqrt(where(true, a, b) + floor(b) - 1.0);
  tape.backward(fused);
  CHECK(a.grad() == infinity);
}

TEST_CASE("expression: the branch taken passes an infinite derivative on") {
  Tape<double> tape;
  Var zero = tape.variable(0.0), x = tape.variable(1.0);
  Var y = where(true, sqrt(zero), x);
  tape.backward(y);
  CHECK(zero.grad() == infinity);
  CHECK(x.grad() == 0);
}
