#include "gradtape/core/var.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <sstream>
#include <type_traits>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;

// What must not compile is in tests/compile_fail.
static_assert(!std::is_convertible_v<Var<double>, double>);
static_assert(!std::is_constructible_v<double, Var<double>>);
static_assert(!std::is_convertible_v<Var<double>, bool>);
static_assert(std::is_convertible_v<double, Var<double>>);
static_assert(std::is_convertible_v<int, Var<double>>);
static_assert(std::is_convertible_v<int, Var<float>>);
static_assert(std::is_convertible_v<double, Var<float>>);
static_assert(!std::is_constructible_v<Var<float>, Var<double>>);
static_assert(std::is_trivially_copyable_v<Var<double>>);
static_assert(std::is_nothrow_default_constructible_v<Var<double>>);

TEST_CASE("var: without a tape it is a number") {
  Var<double> zero;
  CHECK(zero.value() == 0);
  CHECK(zero.is_constant());
  Var<double> c = 2.0;
  Var<double> d = c * c + 1 - zero;
  CHECK(d.value() == 5);
  CHECK(d.is_constant());
  Var<double> from_int = 3;
  CHECK(from_int.value() == 3);
  CHECK_THROWS_AS(c.tape(), TapeError);
}

TEST_CASE("var: constants on either side") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  const Var<double> c = 4.0, k = tape.constant(10.0);
  Var y = c * x + x * c + k * x - c / x;
  tape.backward(y);
  CHECK(x.grad() == Approx(18 + 4.0 / 9));
  CHECK_FALSE(y.is_constant());
}

TEST_CASE("var: a constant may become recorded, and recorded ones constant") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var<double> sum = 0.0;
  sum += x;
  CHECK_FALSE(sum.is_constant());
  tape.backward(sum);
  CHECK(x.grad() == 1);
  sum = 5.0;
  CHECK(sum.is_constant());
}

TEST_CASE("var: detach stops derivatives") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = x * detach(x) + detach(x * x);
  CHECK(y.value() == 18);
  tape.backward(y);
  CHECK(x.grad() == 3);
}

TEST_CASE("var: integers, floats and doubles mix with it") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = 2 * x + x / 4 - 1 + 2u * x + 0.5f * x + x * short{3} - 2L;
  CHECK(y.value() == 6 + 0.75 - 1 + 6 + 1.5 + 9 - 2);
  tape.backward(y);
  CHECK(x.grad() == 2 + 0.25 + 2 + 0.5 + 3);

  Tape<float> single;
  Var u = single.variable(3.0f);
  Var v = 2.0 * u + u / 4 + 1;
  static_assert(std::is_same_v<decltype(v), Var<float>>);
  single.backward(v);
  CHECK(u.grad() == 2.25f);
  Var<float> w = 0.1;
  CHECK(w.value() == 0.1f);
}

TEST_CASE("var: compound assignment") {
  Tape<double> tape;
  Var a = tape.variable(3.0), b = tape.variable(2.0);
  Var y = a;
  y += b;      // a + b
  y *= a;      // a^2 + a b
  y -= 2 * b;  // a^2 + a b - 2 b
  y /= b;      // a^2 / b + a - 2
  y += 1;
  y *= 2.0;
  CHECK(y.value() == 2 * (4.5 + 3 - 2 + 1));
  tape.backward(y);
  CHECK(a.grad() == 2 * (2 * 3 / 2.0 + 1));
  CHECK(b.grad() == 2 * (-9 / 4.0));
  CHECK(a.value() == 3);  // y was a copy
}

TEST_CASE("var: counting up and down") {
  Tape<double> tape;
  const Var x = tape.variable(3.0);
  Var y = x * x;
  const Var before = y++, after = ++y;
  CHECK(before.value() == 9);
  CHECK(after.value() == 11);
  const Var upper = y--, lower = --y;
  CHECK(upper.value() == 11);
  CHECK(lower.value() == 9);
  tape.backward(y * after);  // (x^2 + 2) x^2
  CHECK(x.grad() == (2 * 9 + 2) * 6);
  Var constant = 1.0;
  CHECK((++constant).is_constant());
  CHECK(constant.value() == 2);
}

TEST_CASE("var: assignment from a formula of itself") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var start = x;
  x = x * x;
  x = x * x;
  x *= x;
  CHECK(x.value() == 6561);
  tape.backward(x);
  CHECK(start.grad() == 8 * 2187);
}

TEST_CASE("var: comparisons look at values") {
  Tape<double> tape;
  Var a = tape.variable(1.0), b = tape.variable(2.0);
  static_assert(std::is_same_v<decltype(a < b), bool>);
  CHECK(a < b);
  CHECK(a <= b);
  CHECK(b > a);
  CHECK(b >= a);
  CHECK(a != b);
  CHECK_FALSE(a == b);
  CHECK(a == 1);
  CHECK(1 == a);
  CHECK(a == 1.0);
  CHECK(a != 2);
  CHECK(0 < a);
  CHECK(a > 0);
  CHECK(a + a == b);
  CHECK(2 * a <= b * 1.0);
  CHECK(a * 0.5 < 1);
  CHECK_FALSE(a < a);
  CHECK(tape.statement_count() == 2);

  Var nan = tape.variable(std::numeric_limits<double>::quiet_NaN());
  CHECK_FALSE(nan == nan);
  CHECK(nan != nan);
  CHECK_FALSE(nan < a);
  CHECK_FALSE(a >= nan);
}

TEST_CASE("var: streaming") {
  Tape<double> tape;
  Var x = tape.variable(1.5);
  std::ostringstream text;
  text << x << " " << 2.0 * x << " " << Var<double>(7);
  CHECK(text.str() == "1.5 3 7");
  std::wostringstream wide;
  wide << x;
  CHECK(wide.str() == L"1.5");
}

TEST_CASE("var: in containers and algorithms") {
  Tape<double> tape;
  std::vector<Var<double>> x(3);
  CHECK(x[2].is_constant());
  for (int i = 0; i < 3; ++i) x[static_cast<std::size_t>(i)] = tape.variable(i + 1.0);
  x.push_back(4.0 * x[0]);
  std::swap(x[0], x[1]);
  CHECK(x[0].value() == 2);
  std::reverse(x.begin(), x.end());
  CHECK(x[0].value() == 4);
  std::sort(x.begin(), x.end(), [](const auto& a, const auto& b) { return a < b; });
  Var<double> product = 1;
  for (const auto& element : x) product *= element;
  Var sum = std::accumulate(x.begin(), x.end(), Var<double>(0.0));
  const auto largest = std::max_element(x.begin(), x.end());
  CHECK(largest->value() == 4);
  tape.backward(product);  // x0 x1 x2 (4 x0)
  CHECK(x[0].grad() == 2 * 4 * 1 * 2 * 3);
  tape.backward(sum);
  CHECK(x[0].grad() == 5);
}

TEST_CASE("var: copies name the same node") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var copy = x;
  Var moved = std::move(copy);
  Var y = moved * x;
  tape.backward(y);
  CHECK(x.grad() == 6);
  CHECK(moved.grad() == 6);
}

namespace {

template <class S>
S newton_sqrt(const S& a) {
  S x = 1.0;
  for (int i = 0; i < 8; ++i) x = 0.5 * (x + a / x);
  return x;
}

template <class S>
S hinge(const S& x) {
  using std::abs;
  using std::exp;
  using std::max;
  using std::min;
  const S y = x > 0 ? x : 2.0 * x;
  return max(y, S(0.5) * x) + min(x, exp(x)) + abs(x);
}

// The functions of <cmath> that are seldom met, of numbers and of what stands for them.
template <class S>
S rare_functions(const S& x, const S& y) {
  using std::fdim;
  using std::fma;
  using std::frexp;
  using std::hypot;
  using std::ldexp;
  using std::modf;
  using std::nearbyint;
  using std::rint;
  using std::scalbn;
  using std::tgamma;
  S sum = fma(x, y, S(1)) + fdim(x, y) + hypot(x, y, S(2)) + ldexp(x, 3) + scalbn(y, -1);
  sum += tgamma(x + 1) * rint(10 * y) + nearbyint(y) * x;
  int exponent;
  S whole;
  sum += frexp(x * y, &exponent) + 2 * modf(5 * y - 1.5, &whole);
  return sum + exponent * whole;
}

template <class It>
auto polynomial(It first, It last, const typename std::iterator_traits<It>::value_type& x) {
  typename std::iterator_traits<It>::value_type y = 0;
  while (first != last) y = y * x + *first++;
  return y;
}

}  // namespace

TEST_CASE("var: generic numeric code") {
  Tape<double> tape;
  Var a = tape.variable(2.0);
  Var root = newton_sqrt(a);
  CHECK(root.value() == Approx(std::sqrt(2.0)).epsilon(1e-14));
  tape.backward(root);
  CHECK(a.grad() == Approx(0.5 / std::sqrt(2.0)).epsilon(1e-14));

  // x > 0: x + x + x;  x < 0: 0.5 x + x - x
  Var y = hinge(a);
  tape.backward(y);
  CHECK(y.value() == hinge(2.0));
  CHECK(a.grad() == 3);
  Var b = tape.variable(-2.0);
  Var z = hinge(b);
  tape.backward(z);
  CHECK(z.value() == hinge(-2.0));
  CHECK(b.grad() == Approx(0.5 + 1 - 1));

  std::vector<Var<double>> c{tape.variable(2.0), tape.variable(-1.0), tape.variable(5.0)};
  Var p = polynomial(c.begin(), c.end(), a);
  tape.backward(p);
  CHECK(p.value() == 11);
  CHECK(a.grad() == 7);
  CHECK(c[0].grad() == 4);
}

TEST_CASE("var: generic numeric code with seldom used functions") {
  Tape<double> tape;
  const Var x = tape.variable(3.0), y = tape.variable(1.8);
  const Var sum = rare_functions(x, y);
  const double root = std::sqrt(9 + 1.8 * 1.8 + 4);
  CHECK(sum.value() == rare_functions(3.0, 1.8));
  CHECK(sum.value() ==
        Approx((3 * 1.8 + 1) + 1.2 + root + 24 + 0.9 + 6 * 18 + 2 * 3 + 0.675 + 1 + 3 * 7)
            .epsilon(1e-14));  // 5.4 = 0.675 2^3,  7.5 = 7 + 0.5
  tape.backward(sum);
  // Gamma'(4) = 3! (1 + 1/2 + 1/3 - Euler's constant)
  const double gamma_slope = 6 * (11 / 6.0 - 0.57721566490153286061);
  CHECK(x.grad() == Approx(1.8 + 1 + 3 / root + 8 + 18 * gamma_slope + 2 + 1.8 / 8).epsilon(1e-14));
  CHECK(y.grad() == Approx(3 - 1 + 1.8 / root + 0.5 + 3.0 / 8 + 2 * 5).epsilon(1e-14));

  // numbers and formulas among the operands
  const Var mixed = fma(2, x * y, 1.0f) + hypot(x, 6, 2.0) + fdim(5, x) + fma(x, 2.0, y) +
                    hypot(2, x * 1, -y + 7.8) + tgamma(x) + ldexp(x * y, 1);
  CHECK(mixed.value() == Approx(11.8 + 7 + 2 + 7.8 + 7 + 2 + 10.8).epsilon(1e-14));
  tape.backward(mixed);
  const double slope = 2 * (1.5 - 0.57721566490153286061);
  CHECK(x.grad() == Approx(3.6 + 3 / 7.0 - 1 + 2 + 3 / 7.0 + slope + 3.6).epsilon(1e-14));
  CHECK(y.grad() == Approx(6 + 1 - 6 / 7.0 + 6).epsilon(1e-14));
}

TEST_CASE("var: parts of numbers that have none") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  int exponent = 5;
  Var<double> whole;
  const Var huge = tape.variable(-infinity), zero = tape.variable(0.0);
  CHECK(modf(huge, &whole).value() == 0);
  CHECK(whole.value() == -infinity);
  CHECK(Var(frexp(huge, &exponent)).value() == -infinity);
  CHECK(exponent == 0);
  exponent = 5;
  CHECK(Var(frexp(zero, &exponent)).value() == 0);
  CHECK(exponent == 0);
  CHECK(std::isnan(Var(frexp(0 * huge, &exponent)).value()));
  CHECK(std::isnan(modf(0 * huge, &whole).value()));
}
