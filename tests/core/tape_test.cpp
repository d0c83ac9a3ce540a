#include "gradtape/core/tape.hpp"

#include <limits>
#include <optional>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("tape: the lecture's graph, every named value has a gradient") {
  Tape<double> tape;
  Var a = tape.variable(3.0, "a"), b = tape.variable(1.0, "b"), c = tape.variable(-2.0, "c");
  Var d = 2.0 * b;
  Var e = a + d;
  Var L = c * e;
  tape.backward(L);
  CHECK(L.value() == -10);
  CHECK(L.grad() == 1);
  CHECK(e.grad() == -2);
  CHECK(d.grad() == -2);
  CHECK(a.grad() == -2);
  CHECK(b.grad() == -4);
  CHECK(c.grad() == 5);
}

TEST_CASE("tape: a result used not at all, once and twice") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var unused = x * 5.0;
  Var once = x * 2.0;
  Var twice = x * x;
  Var y = once + twice * twice;
  tape.backward(y);
  CHECK(unused.grad() == 0);
  CHECK(once.grad() == 1);
  CHECK(twice.grad() == 18);
  CHECK(x.grad() == 2 + 4 * 27);
}

TEST_CASE("tape: a node used a hundred times") {
  Tape<double> tape;
  Var x = tape.variable(2.0);
  Var y = x * x;
  Var<double> sum = 0.0;
  for (int i = 0; i < 100; ++i) sum += y;
  tape.backward(sum);
  CHECK(y.grad() == 100);
  CHECK(x.grad() == 400);
}

TEST_CASE("tape: gradients are fresh at each backward") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = x * x;
  Var z = 5.0 * x;
  for (int i = 0; i < 3; ++i) {
    tape.backward(y);
    CHECK(x.grad() == 6);
    CHECK(z.grad() == 0);
    tape.backward(z);
    CHECK(x.grad() == 5);
    CHECK(y.grad() == 0);
  }
  tape.backward(x);
  CHECK(x.grad() == 1);
  CHECK(y.grad() == 0);
}

TEST_CASE("tape: seeds scale") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = x * x;
  tape.backward(y, -2.0);
  CHECK(x.grad() == -12);
  CHECK(y.grad() == -2);
  tape.backward(y, 0.0);
  CHECK(x.grad() == 0);
}

TEST_CASE("tape: backward from the middle leaves what came later at zero") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = x * x;
  Var later = y * y;
  tape.backward(y);
  CHECK(x.grad() == 6);
  CHECK(later.grad() == 0);
}

TEST_CASE("tape: backward refuses what has no derivatives") {
  Tape<double> tape, other;
  Var x = tape.variable(3.0);
  const Var<double> c = 2.0;
  CHECK_THROWS_WITH(tape.backward(c),
                    ContainsSubstring("backward") && ContainsSubstring("constant"));
  CHECK_THROWS_AS(tape.backward(tape.constant(1.0)), TapeError);
  CHECK_THROWS_AS(tape.backward(detach(x)), TapeError);
  CHECK_THROWS_AS(tape.backward(c * c + 1.0), TapeError);
  CHECK_THROWS_AS(tape.backward(Var<double>()), TapeError);
  CHECK_THROWS_WITH(other.backward(x), ContainsSubstring("another tape"));
}

TEST_CASE("tape: grad() says why there is none") {
  Tape<double> tape;
  Var x = tape.variable(3.0, "x");
  CHECK_THROWS_WITH(x.grad(), ContainsSubstring("'x'") && ContainsSubstring("backward"));
  Var y = x * x;
  tape.backward(y);
  Var after = x * 2.0;
  CHECK_THROWS_AS(after.grad(), TapeError);
  CHECK_THROWS_WITH(after.grad(), ContainsSubstring("scalar #3"));
  CHECK(x.grad() == 6);
  CHECK_THROWS_WITH(Var<double>(1.0).grad(), ContainsSubstring("constant"));
  CHECK_THROWS_AS(tape.constant(1.0).grad(), TapeError);
  CHECK_THROWS_AS(detach(x).grad(), TapeError);
}

TEST_CASE("tape: handles from before clear() are refused") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var y = x * x;
  tape.backward(y);
  tape.clear();
  CHECK_THROWS_WITH(y.grad(), ContainsSubstring("clear()"));
  CHECK_THROWS_AS(tape.backward(y), TapeError);
  CHECK_THROWS_AS(Var(x * 2.0), TapeError);
  CHECK_THROWS_AS(x.name("x"), TapeError);
  CHECK_THROWS_AS(x.tape(), TapeError);
  CHECK(x.value() == 3);

  // also once the new recording has come as far as the old one
  Var u = tape.variable(1.0);
  Var v = u + u;
  CHECK_THROWS_AS(y.grad(), TapeError);
  CHECK_THROWS_AS(Var(u + x), TapeError);
  CHECK_THROWS_AS(Var(x + u), TapeError);
  tape.backward(v);
  CHECK_THROWS_AS(y.grad(), TapeError);
  CHECK(u.grad() == 2);
  CHECK(tape.statement_count() == 2);
}

TEST_CASE("tape: gradients do not outlive clear()") {
  Tape<double> tape;
  {
    Var x = tape.variable(1.0);
    tape.backward(Var(x * 5.0));
  }
  tape.clear();
  Var x = tape.variable(2.0);
  CHECK_THROWS_AS(x.grad(), TapeError);
  tape.backward(Var(x * x));
  CHECK(x.grad() == 4);
}

TEST_CASE("tape: two tapes mixed are refused, in either order") {
  Tape<double> first, second;
  Var a = first.variable(1.0), b = second.variable(2.0);
  CHECK_THROWS_WITH(Var(a * b), ContainsSubstring("another tape"));
  CHECK_THROWS_AS(Var(b * a), TapeError);
  CHECK_THROWS_AS(Var(2.0 * a + (1.0 - b)), TapeError);
  Var c = a;
  CHECK_THROWS_AS(c += b, TapeError);
  CHECK(c.value() == 1);
  // neither has recorded anything of it
  CHECK(first.statement_count() == 1);
  CHECK(second.statement_count() == 1);
  // a value without its dependence may cross
  Var d = a * detach(b);
  first.backward(d);
  CHECK(a.grad() == 2);
}

TEST_CASE("tape: two tapes side by side") {
  Tape<double> first, second;
  Var a = first.variable(3.0), b = second.variable(5.0);
  Var y = a * a, z = b * b * b;
  first.backward(y);
  second.backward(z);
  CHECK(a.grad() == 6);
  CHECK(b.grad() == 75);
}

TEST_CASE("tape: no_grad records nothing") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  {
    const auto guard = tape.no_grad();
    Var y = x * x;
    CHECK(y.value() == 9);
    CHECK(y.is_constant());
    Var v = tape.variable(1.0);
    CHECK(v.is_constant());
    {
      const auto inner = tape.no_grad();
      CHECK(Var(x + 1.0).is_constant());
    }
    CHECK(Var(x + 1.0).is_constant());
    CHECK(tape.statement_count() == 1);
  }
  Var y = x * x;
  CHECK_FALSE(y.is_constant());
  tape.backward(y);
  CHECK(x.grad() == 6);
}

TEST_CASE("tape: no_grad still refuses foreign and stale handles") {
  Tape<double> tape, other;
  Var x = tape.variable(3.0), old = other.variable(1.0);
  const auto guard = tape.no_grad();
  CHECK_THROWS_AS(Var(x * old), TapeError);
  tape.clear();
  CHECK_THROWS_AS(Var(x * 2.0), TapeError);
}

TEST_CASE("tape: no_grad ends with its block when an exception passes") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  try {
    const auto guard = tape.no_grad();
    throw 1;
  } catch (int) {
  }
  CHECK_FALSE(Var(x * 2.0).is_constant());
}

TEST_CASE("tape: an infinite derivative times an adjoint of zero is zero") {
  const double infinity = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  Var x = tape.variable(2.0);
  Var unused = infinity * x;
  Var cancelled = infinity * x;
  Var y = 3.0 * x + 0.0 * (cancelled - cancelled);
  tape.backward(y);
  CHECK(std::isnan(y.value()));
  CHECK(unused.grad() == 0);
  CHECK(cancelled.grad() == 0);
  CHECK(x.grad() == 3);
}

TEST_CASE("tape: zero times a pole is zero, in one formula as in two") {
  Tape<double> tape;
  Var x = tape.variable(0.0), c = tape.variable(0.0);
  Var root = sqrt(x);
  Var named = c * root;
  tape.backward(named);
  CHECK(x.grad() == 0);
  Var formula = c * sqrt(x) + 2.0 * x;
  tape.backward(formula);
  CHECK(x.grad() == 2);
  CHECK(c.grad() == 0);
  Var quotient = c * (c / (x * x)) + c;
  tape.backward(quotient);
  CHECK(x.grad() == 0);
  Tensor tensor = tape.variable(Eigen::Vector3d(0, 4, 0));
  Tensor product = Tensor(tape.constant(Eigen::Vector3d(0, 3, 2))) * sqrt(tensor);
  tape.backward(product, Eigen::Vector3d(1, 1, 0));
  CHECK(tensor.grad() == Eigen::Vector3d(0, 0.75, 0));
}

TEST_CASE("tape: a scalar that stands several times in a formula") {
  Tape<double> tape;
  Var x = tape.variable(3.0), y = tape.variable(2.0);
  Var f = x * x * y - y * (x + y) / x + x;  // x^2 y - y - y^2 / x + x
  tape.backward(f);
  CHECK(f.value() == Approx(18 - 2 - 4.0 / 3 + 3));
  CHECK(x.grad() == Approx(2 * 3 * 2 + 4.0 / 9 + 1));
  CHECK(y.grad() == Approx(9 - 1 - 4.0 / 3));
  Var copy = x;  // the same scalar, where a compiler cannot know it
  Var<double>* const other = tape.statement_count() > 1 ? &copy : &y;
  Var square = x * *other;
  tape.backward(square);
  CHECK(x.grad() == 6);
}

TEST_CASE("tape: chains through the first and through other operands") {
  Tape<double> tape;
  Var x = tape.variable(2.0), unused = tape.variable(7.0);
  Var a = x * 3.0;
  Var b = 5.0 * x + a;  // the statement before is the second operand
  Var c = b * a;        // and here the first, while the other is used again
  Var d = c - c * x;
  tape.backward(d);
  // d = 24 x^2 (1 - x)
  CHECK(d.value() == 24 * 4 * (1 - 2));
  CHECK(x.grad() == 48 * 2 - 72 * 4);
  CHECK(c.grad() == -1);
  CHECK(b.grad() == -6);
  CHECK(unused.grad() == 0);
}

TEST_CASE("tape: gradients of many scalars at once") {
  Tape<double> tape, other;
  const std::vector<double> values{1, 2, 3};
  std::vector<Var<double>> x(3);
  std::vector<double> gradient(3);
  tape.variables(values, x);
  CHECK_THROWS_WITH(tape.gradients(x, gradient), ContainsSubstring("has no gradient yet"));
  Var y = x[0] * x[1] * x[2];
  tape.backward(y);
  tape.gradients(x, gradient);
  CHECK(gradient == std::vector<double>{6, 3, 2});
  const std::vector<Var<double>> mixed{y, x[1], x[1]};
  tape.gradients(mixed, gradient);
  CHECK(gradient == std::vector<double>{1, 3, 3});
  tape.gradients(std::vector<Var<double>>(), std::span<double>());
  {
    const auto scope = tape.scope();
    y *= 2;
  }
  y = x[0] * x[0] * x[1] * x[2];
  tape.backward(y);
  tape.gradients(x, gradient);  // of handles from before the end of a scope
  CHECK(gradient == std::vector<double>{12, 3, 2});
  {
    const auto guard = other.no_grad();
    std::vector<Var<double>> constants(3);
    other.variables(values, constants);
    CHECK(constants[2].is_constant());
    CHECK(constants[2].value() == 3);
  }
  CHECK_THROWS_WITH(tape.variables(std::span(values).first(2), x),
                    "variables: 2 values for 3 scalars");
  CHECK_THROWS_WITH(tape.gradients(x, std::span(gradient).first(2)),
                    "gradients: 3 scalars, 2 values");
  CHECK_THROWS_WITH(other.gradients(x, gradient), ContainsSubstring("another tape"));
  x[1] = 5;
  CHECK_THROWS_WITH(tape.gradients(x, gradient), ContainsSubstring("a constant"));
  x[1] = y;
  std::vector<Var<double>> late(3);
  tape.variables(values, late);
  CHECK_THROWS_WITH(tape.gradients(late, gradient), ContainsSubstring("has no gradient yet"));
  tape.clear();
  CHECK_THROWS_WITH(tape.gradients(x, gradient), ContainsSubstring("is from before a clear()"));
}

// small recordings have ways of their own
TEST_CASE("tape: variables and gradients of any number of scalars, on tapes new and used") {
  Tape<double> used;
  for (std::size_t n = 0; n < 40; ++n) {
    CAPTURE(n);
    std::vector<double> values(n), gradient(n, -1);
    for (std::size_t i = 0; i < n; ++i) values[i] = 1 + double(i);
    std::vector<Var<double>> x(n);
    Tape<double> fresh;
    for (Tape<double>* tape : {&fresh, &used}) {
      tape->clear();
      tape->variables(values, x);
      REQUIRE(tape->statement_count() == n);
      if (n % 2 == 1) tape->variable(0.25);  // so that there are even numbers of statements, too
      Var<double> sum = tape->variable(0.5);
      for (std::size_t i = 0; i < n; ++i) sum += x[i] * x[i] * double(n);
      tape->backward(sum, 2.0);
      tape->gradients(x, gradient);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(x[i].value() == values[i]);
        CHECK(gradient[i] == 4 * values[i] * double(n));
        CHECK(x[i].grad() == gradient[i]);
      }
      CHECK(sum.grad() == 2);
      // of the last but one only; the others are fresh zeros
      if (n < 2) continue;
      tape->backward(x[n - 2]);
      CHECK(x[n - 2].grad() == 1);
      CHECK(x[n - 1].grad() == 0);
      CHECK(sum.grad() == 0);
    }
  }
}

TEST_CASE("tape: NaN passes on") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Tape<double> tape;
  Var x = tape.variable(2.0);
  Var y = x * x;
  tape.backward(y, nan);
  CHECK(std::isnan(y.grad()));
  CHECK(std::isnan(x.grad()));
  Var z = x * nan;
  CHECK(std::isnan(z.value()));
  tape.backward(z);
  CHECK(std::isnan(x.grad()));
}

TEST_CASE("tape: names in error texts") {
  Tape<double> tape;
  Var x = tape.variable(1.0);
  Var y = x * 2.0;
  y.name("first");
  y.name("second");
  CHECK_THROWS_WITH(y.grad(), ContainsSubstring("'second'"));
  CHECK_THROWS_AS(Var<double>(1.0).name("c"), TapeError);
}

TEST_CASE("tape: float, long double") {
  Tape<float> single;
  Var x = single.variable(3.0f);
  Var y = x * x * 2.0 + 1;
  static_assert(std::is_same_v<decltype(y), Var<float>>);
  single.backward(y);
  CHECK(x.grad() == 12.0f);

  Tape<long double> extended;
  Var u = extended.variable(1.0L);
  Var v = u / 3;
  static_assert(std::is_same_v<decltype(v), Var<long double>>);
  extended.backward(v);
  CHECK(u.grad() == 1.0L / 3);
}
