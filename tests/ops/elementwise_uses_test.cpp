// Every element-wise operation in every use and over every number type: as a part of a formula,
// among numbers, of one operand twice, its result used or not, with seeds, in a second sweep,
// under detach; in long double; second derivatives.

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "elementwise_table.hpp"
#include "gradtape/ops/shape_ops.hpp"

namespace {

using namespace gradtape;
using elementwise::for_each_operation;
using elementwise::Operation;

// A case of the reference table elementwise_second.inc.
struct Row {
  const char* name;
  int arity;
  double argument[3];
  long double value, slope[3], second[9];
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
#include "elementwise_second.inc"
  };
  return table;
}

// f(operation, its rows).
template <class F>
void for_each_case(F&& f) {
  for_each_operation([&](const Operation& operation) {
    for (const Row& row : rows()) {
      if (operation.name != std::string(row.name)) continue;
      INFO(operation.name << "(" << row.argument[0] << ", " << row.argument[1] << ", "
                          << row.argument[2] << ")");
      f(operation, row);
    }
  });
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// What the uses need of scalars and tensors alike.

Var<double> variable(Tape<double>& tape, double x, const Var<double>&) { return tape.variable(x); }
Tensor<double> variable(Tape<double>& tape, double x, const Tensor<double>&) {
  return tape.variable(Eigen::VectorXd::Constant(3, x));
}
double number(double x) { return x; }
double number(const auto& map) {
  CHECK(same(map(0), map(2)));
  return map(0);
}
// Whether the result depends on a variable.
template <class T>
bool sweep(Tape<T>& tape, const Var<T>& y, const std::type_identity_t<T>& seed = T(1)) {
  if (y.is_constant()) return false;
  tape.backward(y, seed);
  return true;
}
template <class T>
bool sweep(Tape<T>& tape, const Tensor<T>& y, const std::type_identity_t<T>& seed = T(1)) {
  try {
    tape.backward(y, Eigen::Matrix<T, 3, 1>::Constant(seed));
  } catch (const TapeError&) {  // a constant
    return false;
  }
  return true;
}

// X is what the operands are: handles of scalars or tensors.
template <class X>
class Uses {
 public:
  Uses(const Operation& operation, X (*f)(const X*), const Row& row)
      : arity_(std::size_t(operation.arity)), f_(f), row_(row) {
    for (std::size_t i = 0; i < arity_; ++i) x_[i] = variable(tape_, row.argument[i], X());
    const X y = f_(x_);
    is_differentiable_ = sweep(tape_, y);
    value_ = number(y.value());
    for (std::size_t i = 0; i < arity_ && is_differentiable_; ++i) slope_[i] = number(x_[i].grad());
  }

  void check() {
    check_reference();
    if (!is_differentiable_) return;
    check_sweeps();
    check_uses_of_the_result();
    check_one_operand_everywhere();
    check_detach();
  }

 private:
  // What is fine to a part in 1e12 here is what elementwise_test.cpp bounds in units of the last
  // place.
  void check_reference() {
    CHECK(value_ == Approx(double(row_.value)).epsilon(1e-12).margin(1e-13));
    for (std::size_t i = 0; i < arity_; ++i)
      CHECK(slope_[i] == Approx(double(row_.slope[i])).epsilon(1e-12).margin(1e-13));
  }

  void expect(double factor) {
    for (std::size_t i = 0; i < arity_; ++i) {
      INFO("operand " << i);
      CHECK(number(x_[i].grad()) == factor * slope_[i]);
    }
  }

  void check_sweeps() {
    const X y = f_(x_);
    sweep(tape_, y, -0.5);
    expect(-0.5);
    sweep(tape_, y);
    expect(1);
    sweep(tape_, y);
    expect(1);
  }

  void check_uses_of_the_result() {
    [[maybe_unused]] const X unused = f_(x_);
    const X once = f_(x_), twice = f_(x_);
    X others = x_[0] * 0;
    for (std::size_t i = 0; i < arity_; ++i) others = others + x_[i];
    sweep(tape_, others);
    for (std::size_t i = 0; i < arity_; ++i) CHECK(number(x_[i].grad()) == 1);
    const X of_once = 2 * once;
    sweep(tape_, of_once);
    expect(2);
    const X half = 0.5 * twice, of_twice = half - 4 * twice;
    sweep(tape_, of_twice);
    expect(-3.5);
  }

  // f(x, x) by the slopes of f(x, z) at z = x
  void check_one_operand_everywhere() {
    X apart[3], together[3];
    const X x = variable(tape_, row_.argument[0], X());
    for (std::size_t i = 0; i < arity_; ++i) {
      apart[i] = variable(tape_, row_.argument[0], X());
      together[i] = x;
    }
    const X y = f_(apart), z = f_(together);
    sweep(tape_, y);
    double sum = 0;
    for (std::size_t i = 0; i < arity_; ++i) sum += number(apart[i].grad());
    sweep(tape_, z);
    CHECK(same(number(y.value()), number(z.value())));
    if (std::isfinite(sum)) CHECK(number(x.grad()) == Approx(sum).epsilon(1e-15).margin(1e-300));
    const X from_both = f_(x_) * 1 + f_(x_);
    sweep(tape_, from_both);
    expect(2);
  }

  void check_detach() {
    const X stopped = detach(f_(x_));
    CHECK_FALSE(sweep(tape_, stopped));
    CHECK(number(stopped.value()) == value_);
    for (std::size_t i = 0; i < arity_; ++i) {
      X operands[3] = {x_[0], x_[1], x_[2]};
      operands[i] = detach(x_[i]);
      X y = f_(operands);
      CHECK(number(y.value()) == value_);
      y = y + 0 * x_[i];
      sweep(tape_, y);
      for (std::size_t k = 0; k < arity_; ++k)
        CHECK(number(x_[k].grad()) == (k == i ? 0 : slope_[k]));
    }
  }

  std::size_t arity_;
  X (*f_)(const X*);
  const Row& row_;
  Tape<double> tape_;
  X x_[3];
  bool is_differentiable_ = false;
  double value_ = 0, slope_[3]{};
};

// Of value and slopes in long double: a few of its rounding errors.
long double long_bound(const Operation& operation, const Row& row, int i) {
  const auto& bound = operation.bound;
  const long double x = bound.per_square > 0 ? row.argument[0] : 0;
  const long double size = std::abs(i < 0 ? row.value : row.slope[i]);
  const long double near_0 = i < 0 ? bound.value_near_0 : bound.slope_near_0;
  return ((8 + bound.per_square * x * x) * size + 4 * near_0) *
         std::numeric_limits<long double>::epsilon();
}

void check_long_double(const Operation& operation, const Row& row, long double value,
                       const long double* slope) {
  CHECK(std::abs(value - row.value) <= long_bound(operation, row, -1));
  for (int i = 0; i < operation.arity; ++i) {
    INFO("slope " << i << " is " << slope[i] << ", should be " << row.slope[i]);
    CHECK(std::abs(slope[i] - row.slope[i]) <= long_bound(operation, row, i));
  }
}

void check_second(double second, long double expected) {
  CHECK(second == Approx(double(expected)).epsilon(1e-12).margin(1e-13));
}

}  // namespace

TEST_CASE("elementwise: every operation has ordinary points with second derivatives") {
  for_each_operation([](const Operation& operation) {
    int count = 0;
    for (const Row& row : rows()) count += operation.name == std::string(row.name) ? 1 : 0;
    INFO(operation.name);
    CHECK(count >= 3);
  });
}

TEST_CASE("elementwise: uses of scalars") {
  for_each_case([](const Operation& operation, const Row& row) {
    Uses<Var<double>>(operation, operation.of_doubles, row).check();
    Uses<Var<double>>(operation, operation.of_formulas, row).check();
  });
}

TEST_CASE("elementwise: uses of tensors") {
  for_each_case([](const Operation& operation, const Row& row) {
    Uses<Tensor<double>>(operation, operation.of_double_tensors, row).check();
    Uses<Tensor<double>>(operation, operation.of_tensor_formulas, row).check();
  });
}

TEST_CASE("elementwise: among numbers") {
  for_each_case([](const Operation& operation, const Row& row) {
    for (int i = 0; i < operation.arity && operation.arity > 1; ++i) {
      INFO("operand " << i);
      Tape<double> tape;
      const Var x = tape.variable(row.argument[i]);
      const Var y = operation.among_numbers[i](x, row.argument);
      const double slope = sweep(tape, y) ? x.grad() : 0;
      CHECK(y.value() == Approx(double(row.value)).epsilon(1e-12).margin(1e-13));
      CHECK(slope == Approx(double(row.slope[i])).epsilon(1e-12).margin(1e-13));
      const Tensor u = tape.variable(Eigen::VectorXd::Constant(3, row.argument[i]));
      const Tensor v = operation.tensor_among_numbers[i](u, row.argument);
      const double tensor_slope = sweep(tape, v) ? number(u.grad()) : 0;
      CHECK(number(v.value()) == Approx(double(row.value)).epsilon(1e-12).margin(1e-13));
      CHECK(tensor_slope == Approx(double(row.slope[i])).epsilon(1e-12).margin(1e-13));
    }
  });
}

TEST_CASE("elementwise: the functions' other names") {
  Tape<double> tape;
  const Var a = tape.variable(-1.5), b = tape.variable(0.75);
  int n = 7;
  Var<double> whole;
  struct OtherName {
    const char* name;
    Var<double> result, expected;
  };
  const OtherName other_names[] = {{"fabs", fabs(a), abs(a)},
                                   {"fmax", fmax(a, b), max(a, b)},
                                   {"fmin", fmin(a, b), min(a, b)},
                                   {"nearbyint", nearbyint(a) * b, rint(a) * b},
                                   {"scalbn", scalbn(a, 5), ldexp(a, 5)},
                                   {"frexp", frexp(a, &n), 0.5 * a},
                                   {"modf", modf(a, &whole), a + 1}};
  for (const auto& [name, result, expected] : other_names) {
    INFO(name);
    CHECK(result.value() == expected.value());
    tape.backward(result);
    const double slopes[] = {a.grad(), b.grad()};
    CHECK(std::abs(slopes[0]) + std::abs(slopes[1]) >= 0.5);
    tape.backward(expected);
    CHECK(slopes[0] == a.grad());
    CHECK(slopes[1] == b.grad());
  }
  CHECK(n == 1);
  CHECK(whole.value() == -1);
  tape.backward(whole + 2 * a);
  CHECK(a.grad() == 2);
}

TEST_CASE("elementwise: long double to its own last places") {
  using Vector = Eigen::Matrix<long double, 3, 1>;
  for_each_case([](const Operation& operation, const Row& row) {
    Tape<long double> tape;
    Var<long double> x[3];
    Tensor<long double> t[3];
    for (int i = 0; i < operation.arity; ++i) {
      x[i] = tape.variable(row.argument[i]);
      t[i] = tape.variable(Vector::Constant(row.argument[i]).eval());
    }
    long double slope[3]{}, tensor_slope[3]{};
    const Var y = operation.of_long_doubles(x);
    const Tensor u = operation.of_long_double_tensors(t);
    const bool varies = sweep(tape, y);
    for (int i = 0; i < operation.arity && varies; ++i) slope[i] = x[i].grad();
    const bool tensor_varies = sweep(tape, u);
    for (int i = 0; i < operation.arity && tensor_varies; ++i) tensor_slope[i] = t[i].grad()(2);
    check_long_double(operation, row, y.value(), slope);
    check_long_double(operation, row, u.value()(2), tensor_slope);
  });
}

TEST_CASE("elementwise: second derivatives by duals on a tape") {
  for_each_case([](const Operation& operation, const Row& row) {
    using D = Dual<double>;
    for (int j = 0; j < operation.arity; ++j) {
      Tape<D> tape;
      Var<D> x[3];
      Tensor<D> t[3];
      for (int i = 0; i < operation.arity; ++i) {
        const D at(row.argument[i], i == j ? 1 : 0);
        x[i] = tape.variable(at);
        t[i] = tape.variable(Eigen::Matrix<D, 3, 1>::Constant(at).eval());
      }
      const Var y = operation.of_duals(x);
      const Tensor u = operation.of_dual_tensors(t);
      CHECK(y.value().tangent() == Approx(double(row.slope[j])).epsilon(1e-12).margin(1e-13));
      CHECK(u.value()(2).tangent() == Approx(double(row.slope[j])).epsilon(1e-12).margin(1e-13));
      const bool varies = sweep(tape, y);
      for (int i = 0; i < operation.arity; ++i)
        check_second(varies ? x[i].grad().tangent() : 0, row.second[3 * i + j]);
      const bool tensor_varies = sweep(tape, u);
      for (int i = 0; i < operation.arity; ++i)
        check_second(tensor_varies ? t[i].grad()(2).tangent() : 0, row.second[3 * i + j]);
    }
  });
}

TEST_CASE("elementwise: second derivatives by a tape on a tape against reference values") {
  for_each_case([](const Operation& operation, const Row& row) {
    Tape<double> inner;
    Tape<Var<double>> outer;
    Var<double> x[3];
    Var<Var<double>> outer_x[3];
    Tensor<Var<double>> t[3];
    for (int i = 0; i < operation.arity; ++i) {
      x[i] = inner.variable(row.argument[i]);
      outer_x[i] = outer.variable(x[i]);
      t[i] = outer.variable(Eigen::Matrix<Var<double>, 3, 1>::Constant(x[i]).eval());
    }
    const Var y = operation.nested(outer_x);
    CHECK(y.value().value() == Approx(double(row.value)).epsilon(1e-12).margin(1e-13));
    const Tensor u = operation.nested_tensors(t);
    CHECK(u.value()(2).value() == Approx(double(row.value)).epsilon(1e-12).margin(1e-13));
    const auto check_slope = [&](const Var<double>& slope, int i) {
      CHECK(slope.value() == Approx(double(row.slope[i])).epsilon(1e-12).margin(1e-13));
      const bool varies = sweep(inner, slope);
      for (int j = 0; j < operation.arity; ++j)
        check_second(varies ? x[j].grad() : 0, row.second[3 * i + j]);
    };
    for (const bool of_tensors : {false, true}) {
      const bool depends = of_tensors ? sweep(outer, u) : sweep(outer, y);
      for (int i = 0; i < operation.arity && depends; ++i)
        check_slope(of_tensors ? Var<double>(t[i].grad()(2)) : outer_x[i].grad(), i);
    }
  });
}
