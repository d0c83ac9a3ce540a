#include "gradtape/ops/statistics.hpp"

#include <limits>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "ops/numeric.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using X = std::vector<Tensor<double>>;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();

struct Result {
  double value;
  VectorXd gradient;
};

template <class F>
Result differentiate(const VectorXd& values, F&& reduction) {
  Tape<double> tape;
  const Tensor x = tape.variable(values);
  const Var y = reduction(x);
  tape.backward(y);
  return {y.value(), x.grad()};
}

}  // namespace

TEST_CASE("statistics: derivatives of all forms against finite differences", "[reduce]") {
  numeric::check({{3, 4}}, [](const X& x) { return logsumexp(x[0]); });
  numeric::check({{3, 4}}, [](const X& x) { return var(x[0]); });
  numeric::check({{3, 4}}, [](const X& x) { return stddev(x[0], Correction(0)); });
  numeric::check({{3, 4}}, [](const X& x) { return norm(x[0]); });
  for (const int d : {0, 1, 2}) {
    INFO("dimension " << d);
    numeric::check({{3, 4, 2}}, [d](const X& x) { return logsumexp(x[0], Dim(d)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return var(x[0], Dim(d)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return stddev(x[0], Dim(d), Correction(0)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return norm(x[0], Dim(d), keep_dims); });
  }
}

TEST_CASE("logsumexp: extremes", "[reduce]") {
  const auto lse = [](const auto& x) { return logsumexp(x); };
  const auto check = [&](const VectorXd& x, double value, const VectorXd& gradient) {
    const Result y = differentiate(x, lse);
    INFO(x.transpose());
    CHECK(y.value == value);
    CHECK(y.gradient == gradient);
  };
  check(VectorXd{{1e308, 1e308}}, 1e308, VectorXd{{0.5, 0.5}});
  check(VectorXd{{-1e308, -1e308}}, -1e308, VectorXd{{0.5, 0.5}});
  check(VectorXd{{1e308, -1e308}}, 1e308, VectorXd{{1, 0}});
  check(VectorXd{{-inf, 2}}, 2, VectorXd{{0, 1}});
  check(VectorXd{{-inf, -inf}}, -inf, VectorXd{{0, 0}});
  check(VectorXd{{3, inf}}, inf, VectorXd{{0, 1}});
  check(VectorXd{{inf, -inf, inf}}, inf, VectorXd{{0.5, 0, 0.5}});
  check(VectorXd{{1000}}, 1000, VectorXd{{1}});
  // log(1 + exp(-40)) and exp(-40) / (1 + exp(-40)) with mpmath at mp.dps = 80
  const Result small = differentiate(VectorXd{{0, -40}}, lse);
  CHECK(small.value == Approx(4.2483542552915889863e-18).epsilon(1e-15));
  CHECK(small.gradient[1] == Approx(4.24835425529158897728e-18).epsilon(1e-15));
  const Result bad = differentiate(VectorXd{{0, NaN}}, lse);
  CHECK(std::isnan(bad.value));
  CHECK(std::isnan(bad.gradient[1]));

  Tape<double> tape;
  const Tensor empty = tape.variable(MatrixXd(0, 2));
  CHECK(logsumexp(empty).value() == -inf);
  CHECK(logsumexp(empty, Dim(0)).value() == VectorXd{{-inf, -inf}});
  tape.backward(logsumexp(empty));
}

TEST_CASE("var and stddev: values, corrections, constant rows", "[reduce]") {
  Tape<double> tape;
  const Tensor x = tape.variable(VectorXd{{1, 2, 3, 6}});  // mean 3, squared distances 14
  CHECK(var(x).value() == Approx(14.0 / 3));
  CHECK(var(x, Correction(0)).value() == 3.5);
  CHECK(stddev(x).value() == Approx(std::sqrt(14.0 / 3)));
  CHECK(stddev(x, Correction(0)).value() == Approx(std::sqrt(3.5)));
  const Tensor rows = tape.variable(MatrixXd{{1, 3}, {5, 5}});
  CHECK(var(rows, Dim(1)).value() == VectorXd{{2, 0}});
  CHECK(var(rows, Dim(1), keep_dims).shape() == Shape{2, 1});
  CHECK(var(rows, Dim(1), keep_dims, Correction(0)).value() == VectorXd{{1, 0}});
  tape.backward(stddev(rows, Dim(1), Correction(0)), VectorXd{{1, 1}});
  CHECK(rows.grad() == MatrixXd{{-0.5, 0.5}, {0, 0}});
  // far from 0, where the mean square less the square of the mean has no digits left
  CHECK(var(tape.constant(VectorXd{{1e9, 1e9 + 1, 1e9 + 2}})).value() == 1);
  const Result large = differentiate(VectorXd{{1e300, -1e300}},
                                     [](const auto& t) { return stddev(t, Correction(0)); });
  CHECK(large.value == Approx(1e300));
  CHECK(large.gradient[0] == Approx(0.5));
}

TEST_CASE("var and stddev: too few elements", "[reduce]") {
  Tape<double> tape;
  const Tensor one = tape.variable(VectorXd{{3}}, "x");
  CHECK_THROWS_AS(var(one), DomainError);
  CHECK_THROWS_WITH(var(one),
                    "var: 'x' (variable, [1]): the number of elements (1) must be above "
                    "the correction (1)");
  CHECK_THROWS_WITH(stddev(one, Dim(0)), ContainsSubstring("stddev: 'x'"));
  CHECK(var(one, Correction(0)).value() == 0);
  CHECK_THROWS_AS(var(tape.variable(VectorXd(0)), Correction(0)), DomainError);
}

TEST_CASE("norm: zero, huge and tiny vectors", "[reduce]") {
  const auto n = [](const auto& x) { return norm(x); };
  for (const double scale : {1.0, 1e300, 1e-300, 1e-320, 1e154, 1e-160}) {
    INFO(scale);
    const Result y = differentiate(VectorXd{{3 * scale, -4 * scale}}, n);
    CHECK(y.value / scale == Approx(5).epsilon(scale < 1e-310 ? 1e-3 : 1e-15));
    CHECK(y.gradient[0] == Approx(0.6).epsilon(scale < 1e-310 ? 1e-3 : 1e-15));
    CHECK(y.gradient[1] == Approx(-0.8).epsilon(scale < 1e-310 ? 1e-3 : 1e-15));
  }
  const Result zero = differentiate(VectorXd{{0, 0}}, n);
  CHECK(zero.value == 0);
  CHECK(zero.gradient == VectorXd{{0, 0}});
  CHECK(differentiate(VectorXd{{1, -inf}}, n).value == inf);
  CHECK(std::isnan(differentiate(VectorXd{{1, NaN}}, n).value));
  Tape<double> tape;
  CHECK(norm(tape.variable(VectorXd(0))).value() == 0);
  CHECK(norm(tape.constant(VectorXd{{3, 4}})).is_constant());
}

TEST_CASE("statistics: float", "[reduce]") {
  Tape<float> tape;
  const Tensor x = tape.variable(Eigen::Vector2f(3e30f, 4e30f));
  const Var y = norm(x);
  CHECK(y.value() == Approx(5e30f));
  tape.backward(y);
  CHECK(x.grad()(1) == Approx(0.8f));
  CHECK(logsumexp(tape.constant(Eigen::Vector2f(-100, -100))).value() ==
        Approx(-100 + std::log(2.0f)));
}
