#include "gradtape/ops/reduce.hpp"

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

/// Equal, where NaN equals NaN.
bool same(const MatrixXd& a, const MatrixXd& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         ((a.array() == b.array()) || (a.array() != a.array() && b.array() != b.array())).all();
}

/// The gradient of a reduction of all elements.
template <class F>
VectorXd gradient(const VectorXd& values, F&& reduction) {
  Tape<double> tape;
  const Tensor x = tape.variable(values);
  tape.backward(reduction(x));
  return x.grad();
}

}  // namespace

TEST_CASE("reductions: derivatives of all forms against finite differences", "[reduce]") {
  numeric::check({{3, 4}}, [](const X& x) { return sum(x[0]); });
  numeric::check({{3, 4}}, [](const X& x) { return mean(x[0]); });
  numeric::check({{3, 2}}, [](const X& x) { return prod(x[0]); });
  numeric::check({{3, 4}}, [](const X& x) { return max(x[0]); });
  numeric::check({{3, 4}}, [](const X& x) { return min(x[0]); });
  for (const int d : {0, 1, 2, -1}) {
    INFO("dimension " << d);
    numeric::check({{3, 4, 2}}, [d](const X& x) { return sum(x[0], Dim(d)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return mean(x[0], Dim(d)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return prod(x[0], Dim(d)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return max(x[0], Dim(d)); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return min(x[0], Dim(d), keep_dims); });
    numeric::check({{3, 4, 2}}, [d](const X& x) { return cumsum(x[0], Dim(d)); });
  }
  numeric::check({{3, 4}, {3, 4}}, [](const X& x) { return mean(square(x[0] - x[1])); });
  numeric::check({{3, 4}},
                 [](const X& x) { return Tensor<double>(x[0] * sum(x[0], Dim(0), keep_dims)); });
}

TEST_CASE("reductions: values and shapes along each dimension", "[reduce]") {
  Tape<double> tape;
  const Tensor x = tape.constant(MatrixXd{{1, 5, -2}, {4, 0, 3}});
  CHECK(sum(x).value() == 11);
  CHECK(mean(x).value() == 11.0 / 6);
  CHECK(prod(x).value() == 0);
  CHECK(max(x).value() == 5);
  CHECK(min(x).value() == -2);
  CHECK(sum(x, Dim(0)).shape() == Shape{3});
  CHECK(sum(x, Dim(1)).shape() == Shape{2});
  CHECK(sum(x, Dim(0), keep_dims).shape() == Shape{1, 3});
  CHECK(sum(x, Dim(-1), keep_dims).shape() == Shape{2, 1});
  CHECK(sum(x, Dim(0)).value() == VectorXd{{5, 5, 1}});
  CHECK(sum(x, Dim(1)).value() == VectorXd{{4, 7}});
  CHECK(mean(x, Dim(0)).value() == VectorXd{{2.5, 2.5, 0.5}});
  CHECK(mean(x, Dim(1)).value() == VectorXd{{4.0 / 3, 7.0 / 3}});
  CHECK(prod(x, Dim(1)).value() == VectorXd{{-10, 0}});
  CHECK(max(x, Dim(0)).value() == VectorXd{{4, 5, 3}});
  CHECK(min(x, Dim(1)).value() == VectorXd{{-2, 0}});
  CHECK(cumsum(x, Dim(0)).value() == MatrixXd{{1, 5, -2}, {5, 5, 1}});
  CHECK(cumsum(x, Dim(1)).value() == MatrixXd{{1, 6, 4}, {4, 4, 7}});
  const Tensor clipped = max(x, 0);  // a number, not a dimension
  CHECK(clipped.value() == MatrixXd{{1, 5, 0}, {4, 0, 3}});
  const Tensor batch = tape.full({2, 3, 4, 5}, 1.0);
  CHECK(sum(batch, Dim(2)).shape() == Shape{2, 3, 5});
  CHECK(sum(batch, Dim(2)).value()(0, 0) == 4);
  CHECK(sum(batch, Dim(-1), keep_dims).shape() == Shape{2, 3, 4, 1});
}

TEST_CASE("prod: exact with zeros", "[reduce]") {
  const auto p = [](const auto& x) { return prod(x); };
  CHECK(gradient(VectorXd{{0, 2, 3}}, p) == VectorXd{{6, 0, 0}});
  CHECK(gradient(VectorXd{{0, 0, 3}}, p) == VectorXd{{0, 0, 0}});
  CHECK(gradient(VectorXd{{2, 3, 4}}, p) == VectorXd{{12, 8, 6}});
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd{{0, 0, 1}, {2, 0, 5}, {3, 3, 7}});
  tape.backward(prod(x, Dim(0)), VectorXd{{1, 1, 1}});
  CHECK(x.grad() == MatrixXd{{6, 0, 35}, {0, 0, 7}, {0, 0, 5}});
}

TEST_CASE("max and min: ties, NaN and infinities", "[reduce]") {
  const auto largest = [](const auto& x) { return max(x); };
  const auto smallest = [](const auto& x) { return min(x); };
  CHECK(gradient(VectorXd{{1, 3, 3, 2}}, largest) == VectorXd{{0, 1, 0, 0}});
  CHECK(gradient(VectorXd{{3, 1, 1, 2}}, smallest) == VectorXd{{0, 1, 0, 0}});
  CHECK(gradient(VectorXd{{-inf, -inf}}, largest) == VectorXd{{1, 0}});
  CHECK(same(gradient(VectorXd{{1, NaN, 5, NaN}}, largest), VectorXd{{0, NaN, 0, 0}}));
  CHECK(same(gradient(VectorXd{{NaN, 1}}, smallest), VectorXd{{NaN, 0}}));
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd{{1, 2, NaN}, {1, 7, 4}});
  CHECK(same(max(x, Dim(0)).value(), VectorXd{{1, 7, NaN}}));
  CHECK(same(min(x, Dim(1)).value(), VectorXd{{NaN, 1}}));
  tape.backward(max(x, Dim(0)), VectorXd{{1, 1, 0}});
  CHECK(x.grad() == MatrixXd{{1, 0, 0}, {0, 1, 0}});
}

TEST_CASE("argmax and argmin: the first position, the first NaN", "[reduce]") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd{{1, 5, 2}, {4, 5, 2}});
  CHECK(argmax(x) == 2);
  CHECK(argmin(x) == 0);
  CHECK(argmax(x, Dim(0)) == Eigen::Matrix<Index, 3, 1>(1, 0, 0));
  CHECK(argmin(x, Dim(1)) == Eigen::Matrix<Index, 2, 1>(0, 2));
  CHECK(argmax(-x) == 0);
  CHECK(argmax(tape.constant(VectorXd{{1, NaN, 7, NaN}})) == 1);
}

TEST_CASE("reductions: empty tensors", "[reduce]") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd(0, 3), "x");
  CHECK(sum(x).value() == 0);
  CHECK(prod(x).value() == 1);
  tape.backward(sum(x));
  CHECK(x.grad().size() == 0);
  CHECK(sum(x, Dim(0)).value() == VectorXd{{0, 0, 0}});
  CHECK(prod(x, Dim(0)).value() == VectorXd{{1, 1, 1}});
  CHECK(sum(x, Dim(1)).shape() == Shape{0});
  CHECK(max(x, Dim(1)).shape() == Shape{0});
  CHECK(cumsum(x, Dim(0)).shape() == Shape{0, 3});
  CHECK_THROWS_AS(mean(x), DomainError);
  CHECK_THROWS_WITH(mean(x), "mean: 'x' (variable, [0, 3]) has no elements to reduce");
  CHECK_THROWS_WITH(mean(x, Dim(0)), ContainsSubstring("mean: 'x'"));
  CHECK_THROWS_WITH(max(x), ContainsSubstring("max: 'x'"));
  CHECK_THROWS_WITH(min(x, Dim(0)), ContainsSubstring("min: 'x'"));
  CHECK_THROWS_WITH(argmax(x), ContainsSubstring("argmax: 'x'"));
  CHECK_THROWS_WITH(argmin(x, Dim(0)), ContainsSubstring("argmin: 'x'"));
}

TEST_CASE("reductions: a dimension that is not there", "[reduce]") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd(2, 3).setOnes());
  CHECK_THROWS_AS(sum(x, Dim(2)), ShapeError);
  CHECK_THROWS_WITH(max(x, Dim(-3)), "max: there is no dimension -3 in a tensor of rank 2");
}

TEST_CASE("reductions: constants stay constants", "[reduce]") {
  Tape<double> tape;
  const Tensor c = tape.constant(MatrixXd{{1, 2}, {3, 4}});
  CHECK(sum(c).is_constant());
  CHECK(prod(c).is_constant());
  CHECK(max(c, Dim(0)).is_constant());
  const Tensor x = tape.variable(MatrixXd{{1, 2}, {3, 4}});
  const Var y = mean(x * c);
  tape.backward(y);
  CHECK(x.grad() == c.value() / 4);
}

TEST_CASE("sum: of many floats, with the error of log n additions", "[reduce]") {
  // a million times 0.1f, whose value is 0.100000001490116...; one running float sum gives
  // 100958.34
  Tape<float> tape;
  const Tensor x = tape.full({1000, 1000}, 0.1f);
  const double exact = 1e6 * double(0.1f);
  CHECK(std::abs(double(sum(x).value()) - exact) < 1e-6 * exact);
  CHECK(std::abs(double(mean(x).value()) - double(0.1f)) < 1e-6 * double(0.1f));
  const Tensor odd = tape.full({1000003}, 1.0f);
  CHECK(sum(odd).value() == 1000003.0f);
}

TEST_CASE("reductions: float and long double", "[reduce]") {
  Tape<long double> tape;
  const Tensor x = tape.variable(Eigen::Matrix<long double, 3, 1>(1, 2, 4));
  tape.backward(sum(cumsum(x, Dim(0))) + prod(x) + max(x) + mean(x));
  const long double third = 1.0L / 3;
  CHECK(x.grad()(0) == 3 + 8 + third);
  CHECK(x.grad()(1) == 2 + 4 + third);
  CHECK(x.grad()(2) == 1 + 2 + 1 + third);
}
