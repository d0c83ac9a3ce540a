#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "catch.hpp"
#include "elementwise_table.hpp"

namespace {

using namespace gradtape;
using elementwise::Bound;
using elementwise::for_each_operation;
using elementwise::Operation;

// A case of the reference table elementwise_oracle.inc.
struct Row {
  const char* name;
  int arity;
  double argument[3];
  double value;
  double slope[3];
};

std::span<const Row> rows() {
  constexpr double inf = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double any = 0x1.5a5a5a5a5a5a5p+333;  // not a result of any row
  static const Row table[] = {
#include "elementwise_oracle.inc"
  };
  return table;
}
constexpr double undetermined = 0x1.5a5a5a5a5a5a5p+333;

// A value and its derivatives.
using Result = std::array<double, 4>;

std::map<std::string, std::vector<Row>> rows_by_name() {
  std::map<std::string, std::vector<Row>> y;
  for (const Row& row : rows()) y[row.name].push_back(row);
  return y;
}

Result expected(const Row& row) { return {row.value, row.slope[0], row.slope[1], row.slope[2]}; }

// Why a result of type T is wrong; empty if it is right.
template <class T>
std::string fault(const Operation& operation, const Row& row, const Result& result,
                  const Result& expectation) {
  const Bound& bound = operation.bound;
  for (int i = 0; i <= operation.arity; ++i) {
    const double exact = expectation[std::size_t(i)], got = result[std::size_t(i)];
    const T want = static_cast<T>(exact);
    if (exact == undetermined) continue;
    if (std::isnan(want) && std::isnan(got)) continue;
    if (std::isinf(want) && got == double(want)) continue;
    double error = std::numeric_limits<double>::infinity(), allowed = 0;
    if (std::isfinite(want) && std::isfinite(got)) {
      const T size = std::max(std::abs(want), std::numeric_limits<T>::min());
      const double ulp = std::ldexp(1.0, std::ilogb(size) + 1 - std::numeric_limits<T>::digits);
      const double x = bound.per_square > 0 ? row.argument[0] : 0;
      error = std::abs(got - exact);
      allowed = (i == 0 ? bound.value : bound.slope) * ulp + bound.per_square * x * x * ulp +
                (i == 0 ? bound.value_near_0 : bound.slope_near_0) *
                    double(std::numeric_limits<T>::epsilon()) +
                bound.tiny * double(std::numeric_limits<T>::min());
    } else if (i > 0 && bound.overflows && std::isinf(got) && std::isinf(result[0])) {
      continue;
    }
    // Eigen 5 gives up a little of floats' precision
    if (EIGEN_MAJOR_VERSION >= 5 && std::is_same_v<T, float>) allowed *= 1.3;
    if (error <= allowed) continue;
    std::ostringstream text;
    text.precision(17);
    text << (i == 0 ? "value" : "derivative ") << (i == 0 ? "" : std::to_string(i)) << " at (";
    for (int k = 0; k < operation.arity; ++k) text << (k == 0 ? "" : ", ") << row.argument[k];
    text << ") is " << got << ", should be " << exact << "; the error is " << error / allowed
         << " times the bound";
    return text.str();
  }
  return {};
}

// Of one operation all that is wrong.
template <class T>
void check(const Operation& operation, const std::vector<Row>& cases,
           const std::vector<Result>& results, const std::vector<Result>& expectations) {
  for (std::size_t k = 0; k < cases.size(); ++k) {
    const std::string text = fault<T>(operation, cases[k], results[k], expectations[k]);
    INFO(operation.name << ": " << text);
    CHECK(text.empty());
  }
}

template <class T>
Result run(const Operation& operation, Var<T> (*f)(const Var<T>*), const Row& row) {
  Tape<T> tape;
  Var<T> x[3];
  for (int i = 0; i < operation.arity; ++i) x[i] = tape.variable(static_cast<T>(row.argument[i]));
  const Var<T> y = f(x);
  tape.backward(y);
  Result result{double(y.value())};
  for (int i = 0; i < operation.arity; ++i) result[std::size_t(i) + 1] = double(x[i].grad());
  return result;
}

template <class T>
std::vector<Result> run(const Operation& operation, Tensor<T> (*f)(const Tensor<T>*),
                        const std::vector<Row>& cases) {
  const Index n = Index(cases.size());
  Tape<T> tape;
  std::vector<Tensor<T>> x;
  Eigen::Matrix<T, Eigen::Dynamic, 1> column(n);
  for (int i = 0; i < operation.arity; ++i) {
    for (Index k = 0; k < n; ++k) column(k) = static_cast<T>(cases[std::size_t(k)].argument[i]);
    x.push_back(tape.variable(column));
  }
  const Tensor<T> y = f(x.data());
  bool is_differentiable = true;
  try {
    tape.backward(y, Eigen::Matrix<T, Eigen::Dynamic, 1>::Ones(n));
  } catch (const TapeError&) {  // a constant, such as floor(x)
    is_differentiable = false;
  }
  std::vector<Result> results;
  for (Index k = 0; k < n; ++k) {
    results.push_back({double(y.value()(k))});
    for (int i = 0; i < operation.arity; ++i) {
      const auto& operand = x[std::size_t(i)];
      results.back()[std::size_t(i) + 1] = is_differentiable ? double(operand.grad()(k)) : 0;
    }
  }
  return results;
}

// Every case in a full tile, in a tail, and beside every kind of neighbour.
template <class T>
void check_tensors(const Operation& operation, Tensor<T> (*f)(const Tensor<T>*),
                   const std::vector<Row>& cases, const std::vector<Result>& expectations) {
  check<T>(operation, cases, run(operation, f, cases), expectations);
  const std::vector<Row> reversed(cases.rbegin(), cases.rend());
  const std::vector<Result> reversed_expectations(expectations.rbegin(), expectations.rend());
  check<T>(operation, reversed, run(operation, f, reversed), reversed_expectations);
  for (std::size_t k = 0; k < cases.size(); ++k) {
    const std::vector<Row> copies(std::size_t(detail::tile_width<T>) + 3, cases[k]);
    const std::vector<Result> same(copies.size(), expectations[k]);
    check<T>(operation, copies, run(operation, f, copies), same);
  }
}

}  // namespace

TEST_CASE("elementwise: every operation has reference values, and every row its operation") {
  auto cases = rows_by_name();
  for_each_operation([&](const Operation& operation) {
    const std::string name = operation.name;
    INFO(name);
    // elementwise_second.inc has these
    if (name == "trigamma" || name == "leaky_relu_by" || name == "elu_by") return;
    CHECK(cases.count(name) == 1);
    for (const Row& row : cases[operation.name]) CHECK(row.arity == operation.arity);
    cases.erase(operation.name);
  });
  for (const auto& [name, list] : cases) FAIL_CHECK(name << " is in no table");
}

TEST_CASE("elementwise: scalars against the reference values") {
  auto cases = rows_by_name();
  for_each_operation([&](const Operation& operation) {
    const auto& list = cases[operation.name];
    std::vector<Result> results, expectations;
    for (const Row& row : list) {
      results.push_back(run(operation, operation.of_doubles, row));
      expectations.push_back(expected(row));
    }
    check<double>(operation, list, results, expectations);
  });
}

TEST_CASE("elementwise: tensors against the reference values") {
  auto cases = rows_by_name();
  for_each_operation([&](const Operation& operation) {
    const auto& list = cases[operation.name];
    std::vector<Result> expectations;
    for (const Row& row : list) expectations.push_back(expected(row));
    check_tensors(operation, operation.of_double_tensors, list, expectations);
  });
}

// Where a float has the argument exactly, the reference value is the expectation; at the float next
// to any other argument it is what scalars of double give, which the cases above check.
TEST_CASE("elementwise: floats against the reference values") {
  auto cases = rows_by_name();
  for_each_operation([&](const Operation& operation) {
    std::vector<Row> list;
    std::vector<Result> results, expectations;
    for (Row row : cases[operation.name]) {
      bool is_exact = true;
      for (double& x : row.argument) {
        const double rounded = double(static_cast<float>(x));
        is_exact = is_exact && (rounded == x || std::isnan(x));
        x = rounded;
      }
      list.push_back(row);
      results.push_back(run(operation, operation.of_floats, row));
      expectations.push_back(is_exact ? expected(row) : run(operation, operation.of_doubles, row));
    }
    check<float>(operation, list, results, expectations);
    check_tensors(operation, operation.of_float_tensors, list, expectations);
  });
}

namespace {

// Second derivatives of an operation by a tape on a tape.
std::array<double, 9> second_derivatives(const Operation& operation, const double* at) {
  std::array<double, 9> y{};
  Tape<double> inner;
  Tape<Var<double>> outer;
  Var<double> x[3];
  Var<Var<double>> outer_x[3];
  for (int i = 0; i < operation.arity; ++i) {
    x[i] = inner.variable(at[i]);
    outer_x[i] = outer.variable(x[i]);
  }
  outer.backward(operation.nested(outer_x));
  for (int i = 0; i < operation.arity; ++i) {
    const Var<double> slope = outer_x[i].grad();
    if (slope.is_constant()) continue;
    inner.backward(slope);
    for (int j = 0; j < operation.arity; ++j) y[std::size_t(3 * i + j)] = x[j].grad();
  }
  return y;
}

// Points away from the kinks and jumps of all operations.
constexpr double inner_points[] = {-2.3, -1.2, -0.64, -0.13, 0.17, 0.58, 1.31, 2.7, 4.2};

template <class F>
void for_each_inner_point(const Operation& operation, F&& f) {
  Row row{operation.name, operation.arity, {}, 0, {}};
  for (const double a : inner_points) {
    for (const double b : {-1.7, 0.41, 2.2}) {
      for (const double c : {0.83, 3.4}) {
        row.argument[0] = a;
        row.argument[1] = b;
        row.argument[2] = c;
        f(row);
        if (operation.arity < 3) break;
      }
      if (operation.arity < 2) break;
    }
  }
}

}  // namespace

// The first derivatives, which the reference values check, by a difference of fourth order.
TEST_CASE("elementwise: second derivatives by a tape on a tape") {
  for_each_operation([](const Operation& operation) {
    for_each_inner_point(operation, [&](const Row& row) {
      if (!std::isfinite(run(operation, operation.of_doubles, row)[0])) return;
      const auto second = second_derivatives(operation, row.argument);
      for (int j = 0; j < operation.arity; ++j) {
        const double h = 1e-3;
        Result at[4];
        for (int k = 0; k < 4; ++k) {
          Row moved = row;
          moved.argument[j] += h * (k < 2 ? k - 2 : k - 1);
          at[k] = run(operation, operation.of_doubles, moved);
        }
        for (int i = 0; i < operation.arity; ++i) {
          const std::size_t s = std::size_t(i) + 1;
          const double difference = (8 * (at[2][s] - at[1][s]) - (at[3][s] - at[0][s])) / (12 * h);
          INFO(operation.name << " at " << row.argument[0] << ", " << row.argument[1] << ", "
                              << row.argument[2] << ", to " << i << " and " << j);
          if (std::isnan(difference)) continue;
          CHECK(second[std::size_t(3 * i + j)] == Approx(difference).epsilon(2e-7).margin(1e-8));
        }
      }
    });
  });
}

// A direction's derivative is that combination of the partial derivatives.
TEST_CASE("elementwise: forward mode") {
  const double direction[] = {0.75, -1.5, 2};
  for_each_operation([&](const Operation& operation) {
    for_each_inner_point(operation, [&](const Row& row) {
      const Result reverse = run(operation, operation.of_doubles, row);
      if (!std::isfinite(reverse[0])) return;
      Dual<double> x[3];
      double expectation = 0;
      for (int i = 0; i < operation.arity; ++i) {
        x[i] = Dual<double>(row.argument[i], direction[i]);
        expectation += reverse[std::size_t(i) + 1] * direction[i];
      }
      const Dual<double> y = operation.forward(x);
      INFO(operation.name << " at " << row.argument[0] << ", " << row.argument[1]);
      CHECK(y.value() == reverse[0]);
      if (!std::isnan(expectation))
        CHECK(y.tangent() == Approx(expectation).epsilon(1e-14).margin(1e-300));
    });
  });
}
