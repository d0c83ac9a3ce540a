#include "gradtape/diff/gradient_check.hpp"

#include <cmath>
#include <limits>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Tensors = std::vector<Tensor<double>>;

namespace {

/// y = x with a backward function of one's choice: backward(x, y).
template <class Backward>
Tensor<double> identity(const Tensor<double>& x, Backward&& backward) {
  return record(
      "identity", x.shape(), {x}, [&](MatrixMap<double> y) { y = x.value(); },
      [x, backward](const Tensor<double>& y) { backward(x, y); });
}

const MatrixXd a = (MatrixXd(2, 3) << 0.3, -1.2, 2.0, 0.7, 1.1, -0.4).finished();
const MatrixXd b = (MatrixXd(3, 2) << 1.3, 0.2, -2.0, -0.7, 0.1, 1.4).finished();

}  // namespace

TEST_CASE("gradient_check: a right gradient passes") {
  const auto f = [](Tape<double>&, const Tensors& x) { return sum(tanh(matmul(x[0], x[1]))); };
  const CheckReport report = check_gradients(f, {{"a", a}, {"b", b}});
  CHECK(report);
  CHECK(report.passed);
  CHECK(report.compared == 12);
  CHECK(report.relative_error < 1e-8);
  CHECK_THAT(report.text(), ContainsSubstring("passed (12 elements)"));
  CHECK_NOTHROW(report.require());
}

TEST_CASE("gradient_check: a derivative wrong by one part in a thousand is found and named") {
  const auto f = [](Tape<double>&, const Tensors& x) {
    Tensor wrong = identity(x[1], [](const Tensor<double>& in, const Tensor<double>& y) {
      MatrixXd g = y.grad();
      g(2, 1) *= 1.001;
      adjoint(in) += g;
    });
    return sum(square(matmul(x[0], wrong)));
  };
  const CheckReport report = check_gradients(f, {{"first", a}, {"second", b}});
  CHECK_FALSE(report);
  CHECK(report.input == "second");
  CHECK(report.row == 2);
  CHECK(report.column == 1);
  const double right = 2 * (a.transpose() * a * b)(2, 1);
  CHECK(report.difference == Approx(right).epsilon(1e-9));
  CHECK(report.gradient == Approx(1.001 * right).epsilon(1e-9));
  CHECK(report.relative_error == Approx(0.001).epsilon(0.01));
  CHECK_THAT(report.text(), ContainsSubstring("FAILED") && ContainsSubstring("second(2, 1)") &&
                                ContainsSubstring("relative error 0.00099"));
  CHECK_THROWS_AS(report.require(), DomainError);
  CHECK_THROWS_WITH(report.require(), ContainsSubstring("second(2, 1)"));
}

TEST_CASE("gradient_check: a wrong sign, a missing operand, a transposed gradient are found") {
  const MatrixXd square_matrix = a * b;
  const auto fails = [&](auto&& backward) {
    return !check_gradients(
        [&](Tape<double>&, const Tensors& x) { return sum(square(identity(x[0], backward))); },
        {{"x", square_matrix}});
  };
  using T = const Tensor<double>&;
  CHECK_FALSE(fails([](T x, T y) { adjoint(x) += y.grad(); }));
  CHECK(fails([](T x, T y) { adjoint(x) += -y.grad(); }));
  CHECK(fails([](T, T) {}));
  CHECK(fails([](T x, T y) { adjoint(x) += MatrixXd(y.grad().transpose()); }));
  CHECK(fails([](T x, T y) { adjoint(x) += y.grad() + MatrixXd::Constant(2, 2, 1e-5); }));
  CHECK(fails([](T x, T y) {
    adjoint(x) += y.grad();
    adjoint(x) += y.grad();
  }));
  // an operand that was forgotten altogether
  const CheckReport report = check_gradients(
      [](Tape<double>& tape, const Tensors& x) { return sum(x[0] * tape.constant(x[1].value())); },
      {{"x", square_matrix}, {"forgotten", square_matrix}});
  CHECK_FALSE(report);
  CHECK(report.input == "forgotten");
}

TEST_CASE("gradient_check: NaN fails, on either side") {
  using T = const Tensor<double>&;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const CheckReport gradient = check_gradients(
      [&](Tape<double>&, const Tensors& x) {
        return sum(identity(x[0], [nan](T in, T y) {
          MatrixXd g = y.grad();
          g(1, 0) = nan;
          adjoint(in) += g;
        }));
      },
      {{"x", a}});
  CHECK_FALSE(gradient);
  CHECK(gradient.row == 1);
  CHECK(gradient.column == 0);
  const CheckReport value =
      check_gradients([](Tape<double>&, const Tensors& x) { return sum(log(x[0])); }, {{"x", a}});
  CHECK_FALSE(value);  // negative elements
  const CheckReport infinite = check_gradients(
      [](Tape<double>&, const Tensors& x) { return sum(sqrt(x[0])); }, {{"x", VectorXd::Zero(1)}});
  CHECK_FALSE(infinite);
}

TEST_CASE("gradient_check: constants, zero derivatives, and nothing to compare pass") {
  const auto constant = [](Tape<double>&, const Tensors&) { return Var<double>(3.0); };
  CHECK(check_gradients(constant, {{"x", a}}));
  const auto unused = [](Tape<double>&, const Tensors& x) { return sum(square(x[0])); };
  CHECK(check_gradients(unused, {{"x", a}, {"unused", b}}));
  const auto minimum = [](Tape<double>&, const Tensors& x) { return sum(square(x[0] - 2.0)); };
  CHECK(check_gradients(minimum, {{"x", MatrixXd::Constant(2, 2, 2.0)}}));
  const CheckReport empty = check_gradients(minimum, {{"x", MatrixXd(0, 3)}});
  CHECK(empty);
  CHECK(empty.compared == 0);
  CHECK_THAT(empty.text(), ContainsSubstring("no elements"));
}

TEST_CASE("gradient_check: inputs and results of large and tiny scale") {
  for (const double scale : {1e-6, 1e-3, 1.0, 1e3, 1e6}) {
    INFO("scale " << scale);
    const VectorXd x = scale * Eigen::Vector3d(0.5, 1.0, 2.0);
    for (const double factor : {1e-6, 1.0, 1e6}) {
      INFO("factor " << factor);
      const auto f = [=](Tape<double>&, const Tensors& t) {
        return sum(factor * (log(t[0]) + scale / t[0] + square(t[0] / scale)));
      };
      const CheckReport report = check_gradients(f, {{"x", x}});
      INFO(report.text());
      CHECK(report);
      const auto g = [=](Tape<double>&, const Tensors& t) {
        Tensor wrong = identity(t[0], [](const Tensor<double>& in, const Tensor<double>& y) {
          adjoint(in) += 1.001 * y.grad();
        });
        return sum(factor * (log(wrong) + scale / wrong + square(wrong / scale)));
      };
      CHECK_FALSE(check_gradients(g, {{"x", x}}, {.absolute = 0}));
    }
  }
}

TEST_CASE("gradient_check: steep, oscillating and nearly kinked functions") {
  const auto passes = [](auto&& f, double at) {
    return check_gradients(f, {{"x", VectorXd::Constant(1, at)}}).passed;
  };
  CHECK(passes([](Tape<double>&, const Tensors& x) { return sum(exp(30.0 * x[0])); }, 1.0));
  CHECK(passes([](Tape<double>&, const Tensors& x) { return sum(sin(300.0 * x[0])); }, 1.0));
  CHECK(passes([](Tape<double>&, const Tensors& x) { return sum(relu(x[0])); }, 1e-3));
  CHECK(passes([](Tape<double>&, const Tensors& x) { return sum(relu(x[0])); }, -1e-3));
  CHECK(passes([](Tape<double>&, const Tensors& x) { return sum(x[0] + 1e4); }, 1.0));
}

TEST_CASE("gradient_check: the inputs are left as they were") {
  const std::vector<CheckedInput> inputs = {{"a", a}};
  check_gradients([](Tape<double>&, const Tensors& x) { return sum(square(x[0])); }, inputs);
  CHECK(inputs[0].value == a);
}

TEST_CASE("gradient_check: options of NaN are refused, as nothing would fail by them") {
  const double nan = std::nan("");
  const auto refused = [](const CheckOptions& options, const std::string& text) {
    const auto f = [](Tape<double>&, const Tensors& x) { return sum(x[0]); };
    CHECK_THROWS_WITH(check_gradients(f, {{"a", a}}, options), "check_gradients: " + text);
  };
  refused({.tolerance = nan}, "tolerance is nan: it must be at least 0");
  refused({.absolute = nan}, "absolute is nan: it must be at least 0");
  refused({.initial_step = nan}, "initial_step is nan: it must be above 0 and finite");
  refused({.initial_step = 0}, "initial_step is 0: it must be above 0 and finite");
}
