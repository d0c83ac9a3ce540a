// Lookups are held against columns written out by hand; mixtures of sparse and dense contributions
// to a parameter against the sum of both, counted by hand.

#include "gradtape/ops/gather.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "catch.hpp"
#include "gradtape/diff/dual.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/reduce.hpp"
#include "numeric.hpp"

using namespace gradtape;
using Catch::Matchers::Equals;
using Eigen::MatrixXd;

namespace {

// E(i, j) = 10 i + j
MatrixXd table(Index d, Index v) {
  return MatrixXd::NullaryExpr(d, v, [](Index i, Index j) { return double(10 * i + j); });
}

std::vector<Index> sorted(std::span<const Index> columns) {
  std::vector<Index> result(columns.begin(), columns.end());
  std::sort(result.begin(), result.end());
  return result;
}

// One entry a column, so that a gradient reads as a count.
MatrixXd row(std::initializer_list<double> values) {
  MatrixXd result(1, Index(values.size()));
  std::copy(values.begin(), values.end(), result.data());
  return result;
}

}  // namespace

TEST_CASE("gather takes columns, whatever the indices come in") {
  Tape<double> tape;
  Tensor e = tape.variable(table(2, 4));
  MatrixXd expected(2, 3);
  expected << 3, 0, 3, 13, 10, 13;
  const auto check = [&](const auto& indices) {
    Tensor y = gather(e, indices);
    CHECK(y.shape() == Shape{2, 3});
    CHECK(y.value() == expected);
  };
  const std::vector<int> list{3, 0, 3};
  check(list);
  check(std::span<const int>(list));
  check(std::array<std::uint8_t, 3>{3, 0, 3});
  check(Eigen::Vector3i(3, 0, 3));
  check(Eigen::RowVector3i(3, 0, 3));
  check(Eigen::Matrix<std::int64_t, 2, 3>{{3, 0, 3}, {1, 1, 1}}.row(0));
  check(Eigen::Vector3i(2, -1, 2).array() + 1);
  const int plain[] = {3, 0, 3};
  check(plain);
  Tensor y = gather(e, {3, 0, 3});
  CHECK(y.value() == expected);
  Tensor none = gather(e, std::vector<int>{});
  CHECK(none.shape() == Shape{2, 0});
}

TEST_CASE("gather with a matrix of indices has the window as its second dimension") {
  Tape<double> tape;
  Tensor e = tape.variable(table(2, 4));
  const Eigen::Matrix<int, 3, 2> windows{{0, 1}, {1, 2}, {3, 3}};
  Tensor y = gather(e, windows);
  CHECK(y.shape() == Shape{2, 3, 2});
  MatrixXd expected(2, 6);
  expected << 0, 1, 3, 1, 2, 3, 10, 11, 13, 11, 12, 13;
  CHECK(y.value() == expected);

  Tensor stacked = gather_window(e, windows);
  CHECK(stacked.shape() == Shape{6, 2});
  MatrixXd below(6, 2);
  below << 0, 1, 10, 11, 1, 2, 11, 12, 3, 3, 13, 13;
  CHECK(stacked.value() == below);

  Tensor one = gather_window(e, {2, 0});
  CHECK(one.shape() == Shape{4});
  CHECK(one.value() == Eigen::Vector4d(2, 12, 0, 10));
  Tensor words = gather_window(e, Eigen::RowVector2i(2, 0));
  CHECK(words.shape() == Shape{2, 2});
}

TEST_CASE("repeated indices add in the gradient") {
  Tape<double> tape;
  Tensor e = tape.variable(table(2, 4));
  Tensor y = gather(e, {3, 0, 3});
  MatrixXd seed(2, 3), expected(2, 4);
  seed << 1, 2, 4, 8, 16, 32;
  expected << 2, 0, 0, 5, 16, 0, 0, 40;
  tape.backward(y, seed);
  CHECK(e.grad() == expected);

  const Eigen::Matrix<int, 2, 2> windows{{1, 0}, {1, 1}};
  numeric::check({Shape{3, 2}}, [&](const auto& x) { return gather(x[0], windows); });
  numeric::check({Shape{3, 2}}, [&](const auto& x) { return gather_window(x[0], windows); });
}

TEST_CASE("the padding is looked up, and gets no gradient") {
  Tape<double> tape;
  Tensor e = tape.variable(row({1, 2, 3}));
  Tensor y = gather(e, {2, 0, 0, 2}, Padding{0});
  CHECK(y.value() == row({3, 1, 1, 3}));
  tape.backward(y, row({1, 10, 100, 1000}));
  CHECK(e.grad() == row({0, 0, 1001}));
}

TEST_CASE("the indices are copied") {
  Tape<double> tape;
  Tensor e = tape.variable(row({1, 2, 3}));
  std::vector<int> indices{0, 1};
  Tensor y = gather(e, indices);
  indices = {2, 2};
  tape.backward(y, row({1, 1}));
  CHECK(e.grad() == row({1, 1, 0}));
}

TEST_CASE("gather refuses what is outside, and tells where") {
  Tape<double> tape;
  Tensor e = tape.variable(table(2, 4)).name("E");
  CHECK_THROWS_MATCHES(
      gather(e, {0, 1, 4}), ShapeError,
      Catch::Matchers::Message("gather: index 4 at position 2 is outside of the 4 columns of E"));
  const Eigen::Matrix2i windows{{0, 1}, {2, -1}};
  CHECK_THROWS_MATCHES(
      gather_window(tape.variable(table(2, 4)), windows), ShapeError,
      Catch::Matchers::Message("gather_window: index -1 at position (1, 1) is outside of the 4 "
                               "columns of the table"));
  CHECK_THROWS_AS(gather(e, std::vector<std::uint64_t>{~std::uint64_t{0}}), ShapeError);
  CHECK_THROWS_AS(gather(tape.variable(table(2, 0)), {0}), ShapeError);
  CHECK_THROWS_MATCHES(
      gather(tape.variable(Eigen::Vector2d(1, 2)).name("b"), {0}), ShapeError,
      Catch::Matchers::Message("gather: b is [2]: it must be a matrix, a column an entry"));
  CHECK_THROWS_AS(gather(Parameter<double>(table(2, 4)), {0}), TapeError);
}

TEST_CASE("a lookup touches only its columns of a parameter's gradient") {
  Parameter<double> e(row({1, 2, 3, 4, 5}));
  Tape<double> tape;
  // what the memory held before must not come back
  tape.backward(tape.parameter(e), row({9, 9, 9, 9, 9}));
  CHECK(e.has_grad());
  CHECK_FALSE(e.has_sparse_grad());
  CHECK(e.touched_columns().empty());
  e.zero_grad();
  CHECK_FALSE(e.has_grad());

  Tensor y = gather(tape.parameter(e), {3, 1, 3});
  tape.backward(y, row({1, 10, 100}));
  CHECK(e.has_grad());
  REQUIRE(e.has_sparse_grad());
  CHECK_THAT(sorted(e.touched_columns()), Equals(std::vector<Index>{1, 3}));
  CHECK(e.grad_column(3)(0) == 101);
  CHECK(e.grad_column(1)(0) == 10);

  SECTION("a second backward adds") {
    tape.backward(y, row({1, 10, 100}));
    CHECK(e.has_sparse_grad());
    CHECK(e.touched_columns().size() == 2);
    CHECK(e.grad() == row({0, 20, 0, 202, 0}));
  }
  SECTION("another lookup adds") {
    Tensor z = gather(tape.parameter(e), {0, 3});
    tape.backward(z, row({1000, 10000}));
    CHECK_THAT(sorted(e.touched_columns()), Equals(std::vector<Index>{0, 1, 3}));
    CHECK(e.grad() == row({1000, 10, 0, 10101, 0}));
  }
  SECTION("reading all of it makes it dense, and it stays right") {
    CHECK(e.grad() == row({0, 10, 0, 101, 0}));
    CHECK_FALSE(e.has_sparse_grad());
    CHECK(e.touched_columns().empty());
    CHECK(e.has_grad());
    tape.backward(y, row({1, 10, 100}));
    CHECK(e.grad() == row({0, 20, 0, 202, 0}));
  }
  SECTION("a tensor of it reads the same") {
    CHECK(tape.parameter(e).grad() == row({0, 10, 0, 101, 0}));
  }
  SECTION("clearing forgets the columns") {
    e.zero_grad();
    CHECK_FALSE(e.has_sparse_grad());
    CHECK(e.touched_columns().empty());
    CHECK(e.grad() == row({0, 0, 0, 0, 0}));
    tape.backward(gather(tape.parameter(e), {1}), row({7}));
    CHECK_THAT(sorted(e.touched_columns()), Equals(std::vector<Index>{1}));
    CHECK(e.grad() == row({0, 7, 0, 0, 0}));
  }
  SECTION("a dense backward afterwards") {
    tape.backward(tape.parameter(e), row({1, 1, 1, 1, 1}));
    CHECK_FALSE(e.has_sparse_grad());
    CHECK(e.touched_columns().empty());
    CHECK(e.grad() == row({1, 11, 1, 102, 1}));
  }
  SECTION("no index at all") {
    e.zero_grad();
    tape.backward(gather(tape.parameter(e), std::vector<int>{}), MatrixXd(1, 0));
    CHECK(e.touched_columns().empty());
    CHECK(e.grad() == row({0, 0, 0, 0, 0}));
  }
}

TEST_CASE("lookups and dense uses of one parameter add in one sweep, in any order") {
  Parameter<double> e(row({1, 2, 3}));
  Tape<double> tape;
  tape.backward(tape.parameter(e), row({9, 9, 9}));
  e.zero_grad();
  const auto lookup = [&] { return sum(gather(tape.parameter(e), {1, 1})); };
  const auto dense = [&] { return sum(Tensor(3.0 * tape.parameter(e))); };
  SECTION("the lookup is swept last") {
    Var a = lookup(), b = dense();
    tape.backward(Var(a + b));
    CHECK(e.grad() == row({3, 5, 3}));
  }
  SECTION("the lookup is swept first") {
    Var b = dense(), a = lookup();
    tape.backward(Var(a + b));
    CHECK(e.grad() == row({3, 5, 3}));
  }
  SECTION("between two lookups") {
    Var a = lookup(), b = dense(), c = lookup();
    tape.backward(Var(a + b + c));
    CHECK(e.grad() == row({3, 7, 3}));
  }
  SECTION("one tensor of it for both") {
    Tensor t = tape.parameter(e);
    Var a = sum(gather(t, {2})), b = sum(Tensor(t * t));
    tape.backward(Var(a + b));
    CHECK(e.grad() == row({2, 4, 7}));
    CHECK(t.grad() == e.grad());
  }
}

TEST_CASE("lookup without gradients, and of expressions") {
  Parameter<float> e(Eigen::MatrixXf::Constant(2, 3, 2.f));
  Tape<float> tape;
  {
    const auto no_grad = tape.no_grad();
    CHECK(gather(tape.parameter(e), {1}).is_constant());
  }
  CHECK(gather(tape.constant(Eigen::MatrixXf::Ones(2, 2)), {1}).is_constant());
  Tensor y = gather(tape.parameter(e) * 2.f, {1});
  tape.backward(y, Eigen::Vector2f(1, 3));
  CHECK(e.grad() == Eigen::Matrix<float, 2, 3>{{0, 2, 0}, {0, 6, 0}});
}

TEST_CASE("lookup of dual numbers") {
  Tape<Dual<double>> tape;
  Parameter<Dual<double>> e(Shape{1, 2});
  e.data()[0] = Dual<double>(3, 1);
  e.data()[1] = Dual<double>(5, 2);
  Tensor y = gather(tape.parameter(e), {1, 0, 1});
  Tensor z = y * y;  // e_1^2 + e_0^2 + e_1^2, gradient (2 e_0, 4 e_1)
  tape.backward(Var(sum(z)));
  CHECK(e.grad()(1).value() == 20);
  CHECK(e.grad()(1).tangent() == 8);
  CHECK(e.grad()(0).tangent() == 2);
}
