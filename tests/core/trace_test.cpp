#include "gradtape/core/trace.hpp"

#include <limits>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/diff/dual.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::Vector2d;
using Eigen::VectorXd;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Value and gradients of f at (x, y), traced or not.
template <class F>
std::array<double, 3> differentiate(F&& f, double at_x, double at_y, bool traced) {
  Tape<double> tape;
  tape.trace(traced);
  const Var x = tape.variable(at_x), y = tape.variable(at_y);
  const Var z = f(x, y);
  tape.backward(z);
  return {z.value(), x.grad(), y.grad()};
}

/// The same for tensors, one below the other, with a seed of 1, 2, 3...
template <class F>
VectorXd differentiate_tensors(F&& f, bool traced) {
  Tape<double> tape;
  tape.trace(traced);
  MatrixXd at_x(3, 2);
  at_x << 0.5, 2, 1.5, 0.25, 3, 1;
  const Tensor x = tape.variable(at_x);
  const Tensor y = tape.variable(VectorXd(Eigen::Vector3d(0.5, 1, 2)));
  const Var s = tape.variable(0.75);
  const Tensor z = f(x, y, s);
  tape.backward(z, MatrixXd::NullaryExpr(z.rows(), z.columns(), [](Index i, Index j) {
                  return static_cast<double>(1 + i + 3 * j);
                }));
  VectorXd all(z.size() + x.size() + y.size() + 1);
  all << z.value().reshaped(), x.grad().reshaped(), y.grad().reshaped(), s.grad();
  return all;
}

}  // namespace

TEST_CASE("trace: every scalar operation is a statement of its own") {
  Tape<double> tape;
  const Var x = tape.variable(3.0);
  Var y = 2.0 * x + x * x;
  CHECK(tape.statement_count() == 2);
  tape.trace(true);
  y = 2.0 * x + x * x;  // 2, 2 x, x x, and the sum
  CHECK(tape.statement_count() == 6);
  CHECK(y.value() == 15);
  tape.backward(y);
  CHECK(x.grad() == 8);
  tape.trace(false);
  y = 2.0 * x + x * x;
  CHECK(tape.statement_count() == 7);
  tape.backward(y);
  CHECK(x.grad() == 8);
}

TEST_CASE("trace: every tensor operation is a node of its own") {
  Tape<double> tape;
  const Tensor x = tape.variable(Vector2d(1, 2));
  Tensor y = 2.0 * x + x * x;
  CHECK(tape.node_count() == 2);
  tape.trace(true);
  y = 2.0 * x + x * x;
  CHECK(tape.node_count() == 5);
  CHECK(y.value() == Vector2d(3, 8));
  tape.backward(y, Vector2d(1, 1));
  CHECK(x.grad() == Vector2d(4, 6));
  tape.trace(false);
  y = 2.0 * x + x * x;
  CHECK(tape.node_count() == 6);
}

TEST_CASE("trace: scalars have the values and gradients of the untraced") {
  const auto check = [](auto&& f, double x, double y) {
    const auto plain = differentiate(f, x, y, false), traced = differentiate(f, x, y, true);
    for (std::size_t i = 0; i < 3; ++i) CHECK(traced[i] == Approx(plain[i]).epsilon(1e-14));
  };
  const auto smooth = [](auto x, auto y) { return sin(x * y) / (2.0 + exp(-x)) - pow(y, 3); };
  check(smooth, 0.3, 1.7);
  CHECK(differentiate(smooth, 0.0, 1.0, true)[1] == Approx(1.0 / 3).epsilon(1e-15));
  const auto branches = [](auto x, auto y) { return where(x > y, x * x, 3.0 * y); };
  check(branches, 2, 1);
  check(branches, 1, 2);
  check([](auto x, auto y) { return max(x, y) * min(2.0 * x, y) + clamp(x, -1.0, y); }, 2, 2);
  check([](auto x, auto y) { return where(x > 0, sqrt(y), x) + 1; }, 0, 0);  // sqrt'(0) not taken
  check([](auto x, auto y) { return Var<double>(2) * x - Var<double>(3) / y; }, 1, 4);
  check([](auto x, auto y) { return pow(x, Var<double>(3)) + y; }, -2, 1);  // no d/d exponent
  check([](auto x, auto y) { return (Var<double>(2) * Var<double>(3)) * x * y; }, 1, 4);
}

TEST_CASE("trace: tensors have the values and gradients of the untraced") {
  const auto check = [](auto&& f) {
    CHECK(differentiate_tensors(f, true).isApprox(differentiate_tensors(f, false), 1e-14));
  };
  check([](auto x, auto y, auto s) { return max(x, y) * s - exp(-x) / y; });
  check([](auto x, auto y, auto s) { return where(x > y, log(x) * s, x * 2.0); });
}

TEST_CASE("trace: the first value that is not finite is named") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(-1.0, "x"), zero = tape.variable(0.0);
  const auto log_of_x = [&] { return Var(1.0 + log(x) * 2.0); };
  CHECK_THROWS_AS(log_of_x(), DomainError);
  CHECK_THROWS_WITH(log_of_x(), "trace: log('x' = -1) is NaN");
  CHECK_THROWS_WITH(Var(x / zero), "trace: divide('x' = -1, scalar #2 = 0) is -inf");
  CHECK_THROWS_WITH(Var(x / 0), "trace: divide('x' = -1, 0) is -inf");
  CHECK_THROWS_WITH(Var(pow(10.0 * x, Var<double>(400))), ContainsSubstring("= -10, 400) is inf"));
  // where a NaN came in is where it is named
  const Var nan = tape.variable(std::numeric_limits<double>::quiet_NaN(), "input");
  CHECK_THROWS_WITH(Var(nan + 1.0), "trace: add('input' = NaN, 1) is NaN");
  tape.trace(false);
  CHECK(std::isnan(Var(log(x)).value()));
}

TEST_CASE("trace: a refused operation leaves nothing on the tape") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(-1.0, "x");
  CHECK_THROWS_AS(Var(log(x)), DomainError);
  CHECK(tape.statement_count() == 1);
  const Var y = x * x;
  tape.backward(y);
  CHECK(x.grad() == -2);
}

TEST_CASE("trace: infinite constants are no error, what they lead to is") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(2.0, "x");
  const Var y = max(x, -infinity);
  tape.backward(y);
  CHECK(x.grad() == 1);
  CHECK_THROWS_WITH(Var(x - infinity), "trace: subtract('x' = 2, inf) is -inf");
}

TEST_CASE("trace: the element that is not finite is named") {
  Tape<double> tape;
  tape.trace(true);
  MatrixXd values(2, 3);
  values << 1, 2, 3, 4, 5, -6;
  const Tensor x = tape.variable(values, "x");
  const Tensor column = tape.variable(Vector2d(1, 0), "column");
  CHECK_THROWS_AS(Tensor(1.0 + log(x)), DomainError);
  CHECK_THROWS_WITH(Tensor(1.0 + log(x)),
                    "trace: log('x' (variable, [2, 3]) = -6) is NaN at element [1, 2]");
  CHECK_THROWS_WITH(Tensor(x / column),
                    "trace: divide('x' (variable, [2, 3]) = 4, 'column' (variable, [2]) = 0) is "
                    "inf at element [1, 0]");
  const Var s = tape.variable(0.0, "s");
  CHECK_THROWS_WITH(Tensor(x / s),
                    "trace: divide('x' (variable, [2, 3]) = 1, 's' = 0) is inf at element [0, 0]");
  CHECK_THROWS_WITH(Tensor(x / 0.0),
                    "trace: divide('x' (variable, [2, 3]) = 1, 0) is inf at element [0, 0]");
  const Tensor scalar = tape.variable(Shape{}, std::array{-1.0}, "r");
  CHECK_THROWS_WITH(Tensor(log(scalar)), "trace: log('r' (variable, []) = -1) is NaN");
}

TEST_CASE("trace: operations that are not element-wise are looked at, too") {
  Tape<double> tape;
  const Tensor big = tape.variable(MatrixXd::Constant(2, 2, 1e200), "big");
  tape.trace(true);
  CHECK_THROWS_WITH(matmul(big, big),
                    "trace: matmul('big' (variable, [2, 2]), 'big' (variable, [2, 2])) is inf at "
                    "element [0, 0]");
  const Tensor huge = tape.variable(VectorXd::Constant(2, 1e308), "huge");
  CHECK_THROWS_WITH(sum(huge), "trace: sum('huge' (variable, [2])) is inf");
}

TEST_CASE("trace: the first gradient that is not finite is named") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(0.0, "x");  // a leaf before all else: nothing is swept below it
  const Var y = sqrt(x);
  y.name("y");
  const Var z = 3.0 * y;
  CHECK_THROWS_AS(tape.backward(z), DomainError);
  CHECK_THROWS_WITH(tape.backward(z),
                    "trace: the gradient of 'x' is inf after the backward step of 'y' = sqrt('x' "
                    "= 0), whose gradient is 3 and whose derivative is inf");
  CHECK_THROWS_AS(x.grad(), TapeError);  // no gradients of a sweep that stopped
  const Var w = x + 1.0;
  tape.backward(w);
  CHECK(x.grad() == 1);
  tape.trace(false);
  tape.backward(z);
  CHECK(x.grad() == infinity);
}

TEST_CASE("trace: formulas from before tracing are looked at in the sweep") {
  Tape<double> tape;
  const Var x = tape.variable(0.0, "x");
  const Var y = 3.0 * sqrt(x);
  tape.trace(true);
  CHECK_THROWS_WITH(tape.backward(y),
                    "trace: the gradient of 'x' is inf after the backward step of scalar #2 = "
                    "formula('x'), whose gradient is 1 and whose derivative is inf");
}

TEST_CASE("trace: gradients of tensors") {
  Tape<double> tape;
  tape.trace(true);
  const Tensor x = tape.variable(Eigen::Vector3d(1, 0, 4), "x");
  const Tensor y = 2.0 * sqrt(x);
  CHECK_THROWS_WITH(tape.backward(y, Eigen::Vector3d(1, 1, 1)),
                    "trace: the gradient of 'x' (variable, [3]) is inf at element [1], where it is "
                    "0, after the backward step of sqrt('x' (variable, [3]))");
  tape.backward(y, Eigen::Vector3d(1, 0, 1));  // an adjoint of zero contributes zero
  CHECK(x.grad() == Eigen::Vector3d(1, 0, 0.5));

  Parameter<double> weight(Eigen::Vector2d(0, 1), "W");
  const Tensor root = sqrt(tape.parameter(weight));
  CHECK_THROWS_WITH(
      tape.backward(root, Vector2d(1, 1)),
      ContainsSubstring("the gradient of 'W' (parameter, [2]) is inf at element [0]"));
  // it is still there at the next pass, which is not what made it
  const Tensor twice = tape.parameter(weight) * 2.0;
  CHECK_THROWS_WITH(tape.backward(twice, Vector2d(1, 1)), ContainsSubstring("before the backward"));
  weight.zero_grad();
  tape.backward(twice, Vector2d(1, 1));
  CHECK(weight.grad() == Vector2d(2, 2));

  const Var s = tape.variable(0.0, "s");
  const Tensor scaled = tape.constant(Vector2d(1e300, 1e300)) * s;
  CHECK_THROWS_WITH(tape.backward(scaled, Vector2d(1e300, 0)),
                    ContainsSubstring("the gradient of 's' is inf, after the backward step of "
                                      "multiply(tensor #"));
}

TEST_CASE("trace: gradients of single columns") {
  Parameter<double> table(MatrixXd::Ones(2, 3), "E");
  Tape<double> tape;
  tape.trace(true);
  const Tensor columns = gather(tape.parameter(table), std::vector<int>{2, 0, 2});
  MatrixXd seed = MatrixXd::Ones(2, 3);
  tape.backward(columns, seed);
  CHECK(table.has_sparse_grad());
  table.zero_grad();
  seed(1, 0) = seed(1, 2) = 1e308;  // each is finite, their sum is not
  CHECK_THROWS_WITH(
      tape.backward(columns, seed),
      "trace: the gradient of 'E' (parameter, [2, 3]) is inf at element [1, 2], where "
      "it is 1, after the backward step of gather('E' (parameter, [2, 3]))");
  CHECK(table.has_sparse_grad());
}

TEST_CASE("trace: seeds") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(1.0, "x");
  const Var y = 2.0 * x;
  y.name("y");
  CHECK_THROWS_WITH(tape.backward(y, infinity),
                    "trace: the gradient of 'y' = 2 is inf, before the backward pass");
  const Tensor t = tape.variable(Vector2d(1, 1), "t");
  const Tensor u = t * 2.0;
  CHECK_THROWS_WITH(tape.backward(u, Vector2d(1, infinity)),
                    ContainsSubstring("is inf at element [1], where it is 2, before"));
}

TEST_CASE("trace: under no_grad values are looked at, and nothing is recorded") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(-1.0, "x");
  {
    const auto guard = tape.no_grad();
    const Var y = 2.0 * x * x + 1.0;
    CHECK(y.is_constant());
    CHECK(y.value() == 3);
    CHECK(tape.statement_count() == 1);
    CHECK_THROWS_WITH(Var(1.0 + log(x)), "trace: log('x' = -1) is NaN");
    const Tensor t = tape.constant(Vector2d(1, 2));
    const Tensor u = 2.0 * t + x;
    CHECK(u.is_constant());
    CHECK(tape.statement_count() == 1);
  }
  const Var y = 2.0 * x * x;
  CHECK(tape.statement_count() == 4);  // 2, 2 x, 2 x x
  tape.backward(y);
  CHECK(x.grad() == -4);
}

TEST_CASE("trace: the part of the recording is named") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(0.0, "x");
  const Tensor t = tape.variable(Vector2d(0, 1), "t");
  Var<double> y;
  Tensor<double> u;
  {
    const auto outer = tape.part("encoder");
    {
      const auto inner = tape.part("attention");
      y = sqrt(x);
      CHECK_THROWS_WITH(Var(log(x)), "trace: log('x' = 0) is -inf, in part 'encoder/attention'");
    }
    CHECK_THROWS_WITH(Tensor(log(t)),
                      ContainsSubstring("is -inf at element [0], in part 'encoder'"));
    u = sqrt(t);
    const Tensor huge = tape.variable(VectorXd::Constant(2, 1e308));
    CHECK_THROWS_WITH(sum(huge), ContainsSubstring(" is inf, in part 'encoder'"));
  }
  CHECK_THROWS_WITH(Var(log(x)), "trace: log('x' = 0) is -inf");
  CHECK_THROWS_WITH(tape.backward(y),
                    ContainsSubstring("derivative is inf, in part 'encoder/attention'"));
  CHECK_THROWS_WITH(tape.backward(u, Vector2d(1, 1)),
                    ContainsSubstring("sqrt('t' (variable, [2])), in part 'encoder'"));
}

TEST_CASE("trace: scopes and clear") {
  Tape<double> tape;
  tape.trace(true);
  const Var x = tape.variable(2.0, "x");
  for (int i = 0; i < 3; ++i) {
    const auto scope = tape.scope();
    const Var y = x * x + 1.0;
    tape.backward(y);
    CHECK(x.grad() == 4);
    CHECK(tape.statement_count() == 4);
  }
  const Var root = sqrt(x - 2.0);  // stands where the sum stood
  CHECK_THROWS_WITH(tape.backward(root), ContainsSubstring(" = sqrt("));
  tape.clear();
  const Var z = tape.variable(5.0);
  const Var y = z * z;
  tape.backward(y);
  CHECK(z.grad() == 10);
}

namespace {

/// Records leaves, then operations, each until the tape has grown or as often as is said; how
/// often.
std::pair<int, int> fill(const Var<double>& x, int leaves, int operations) {
  Tape<double>& tape = x.tape();
  Var y = -x;
  const auto repeat = [&tape](int times, auto&& record) {
    const std::size_t bytes = tape.bytes();
    int i = 0;
    while (i < times) {
      record();
      if (tape.bytes() != bytes) break;
      ++i;
    }
    return i;
  };
  const int first = repeat(leaves, [&] { tape.variable(1.0); });
  return {first, repeat(operations, [&] { y = -x; })};
}

}  // namespace

// Constants have no operands, so that room for operands says nothing about room for them; what is
// written beyond the end is seen by the address sanitizer.
TEST_CASE("trace: constants find room on a full tape") {
  constexpr int many = 1 << 20;
  Tape<double> first, second, full;
  const int leaves = fill(first.variable(1.0), many, 0).first;
  const int operations = fill(second.variable(1.0), leaves, many).second;
  REQUIRE(leaves < many);
  REQUIRE(operations < many);
  const Var x = full.variable(1.0);
  fill(x, leaves, operations);
  full.trace(true);
  const auto e = 1.0 * (1.0 * (1.0 * (1.0 * (1.0 * (1.0 * (1.0 * (1.0 * x)))))));
  const Var y = 1.0 * (1.0 * (1.0 * (1.0 * (1.0 * (1.0 * (1.0 * (1.0 * e)))))));
  full.backward(y);
  CHECK(x.grad() == 1);
}

TEST_CASE("trace: nested scalars") {
  Tape<Var<double>> outer;
  Tape<double> inner;
  outer.trace(true);
  const Var<double> at = inner.variable(2.0);
  const Var<Var<double>> x = outer.variable(at, "x");
  const Var<Var<double>> y = x * x * x;
  outer.backward(y);
  const Var<double> first = x.grad();
  inner.backward(first);
  CHECK(first.value() == 12);
  CHECK(at.grad() == 12);  // (x^3)'' = 6 x
  CHECK_THROWS_WITH(Var<Var<double>>(log(-x)), ContainsSubstring("= -2) is NaN"));

  Tape<Dual<double>> duals;
  duals.trace(true);
  const Var<Dual<double>> u = duals.variable(Dual<double>(2.0, 1.0), "u");
  const Var<Dual<double>> v = u * u * u;
  duals.backward(v);
  CHECK(u.grad().value() == 12);
  CHECK(u.grad().tangent() == 12);
}
