#include "gradtape/core/shape.hpp"

#include "catch.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("shape: sizes, rank, number of elements") {
  const Shape scalar;
  CHECK(scalar.rank() == 0);
  CHECK(scalar.size() == 1);
  CHECK(to_string(scalar) == "[]");

  const Shape x{2, 3, 4, 5};
  CHECK(x.rank() == 4);
  CHECK(x.size() == 120);
  CHECK(x.rows() == 2);
  CHECK(x.columns() == 60);
  CHECK(to_string(x) == "[2, 3, 4, 5]");

  const Shape vector{7};
  CHECK(vector[0] == 7);
  CHECK(vector[3] == 1);
  CHECK(vector.columns() == 1);
}

TEST_CASE("shape: the rank counts in a comparison") {
  CHECK(Shape{3} == Shape{3});
  CHECK_FALSE(Shape{3} == Shape{3, 1});
  CHECK_FALSE(Shape{3} == Shape{4});
}

TEST_CASE("shape: a size of zero") {
  CHECK(Shape{0}.size() == 0);
  CHECK(Shape{3, 0, 2}.size() == 0);
  CHECK(Shape{0, 3}.columns() == 3);
}

TEST_CASE("shape: too many and negative sizes are refused") {
  CHECK_THROWS_WITH((Shape{1, 2, 3, 4, 5}), ContainsSubstring("rank 5") && ContainsSubstring("4"));
  CHECK_THROWS_WITH((Shape{2, -3}),
                    ContainsSubstring("size -3") && ContainsSubstring("dimension 1"));
  CHECK_THROWS_AS((Shape{-1}), ShapeError);
}

TEST_CASE("shape: more elements than an index counts are refused") {
  const Index big = Index{1} << 32;
  CHECK_THROWS_AS((Shape{big, big}), ShapeError);
  CHECK_THROWS_WITH((Shape{big, big, 3}), ContainsSubstring("elements"));
  CHECK_THROWS_AS((Shape{0, big, big}), ShapeError);  // so many columns
  CHECK_THROWS_AS((Shape{big}.with(1, big)), ShapeError);
  CHECK(Shape{big, 0}.size() == 0);
}

TEST_CASE("shape: with another size or rank") {
  CHECK(Shape{2, 3}.with(0, 5) == Shape{5, 3});
  CHECK(Shape{2}.with(2, 4) == Shape{2, 1, 4});
  CHECK(Shape{2, 1}.with_rank(1) == Shape{2});
  CHECK(Shape{2}.with_rank(3) == Shape{2, 1, 1});
}

TEST_CASE("shape: dimensions counted from either end") {
  CHECK(detail::index_of("sum", Dim(0), 2) == 0);
  CHECK(detail::index_of("sum", Dim(-1), 2) == 1);
  CHECK(detail::index_of("sum", Dim(-2), 2) == 0);
  CHECK_THROWS_WITH(detail::index_of("sum", Dim(2), 2),
                    "sum: there is no dimension 2 in a tensor of rank 2");
  CHECK_THROWS_WITH(detail::index_of("sum", Dim(-3), 2), ContainsSubstring("-3"));
  CHECK_THROWS_AS(detail::index_of("sum", Dim(0), 0), ShapeError);
}

TEST_CASE("shape: broadcasting") {
  const auto both = [](const Shape& a, const Shape& b) {
    CHECK(detail::broadcast("add", a, b) == detail::broadcast("add", b, a));
    return detail::broadcast("add", a, b);
  };
  CHECK(both({}, {}) == Shape{});
  CHECK(both({}, {2, 3}) == Shape{2, 3});
  CHECK(both({2}, {2, 3}) == Shape{2, 3});
  CHECK(both({2, 1}, {2, 3}) == Shape{2, 3});
  CHECK(both({1, 3}, {2, 3}) == Shape{2, 3});
  CHECK(both({2, 1, 4}, {1, 3, 4}) == Shape{2, 3, 4});
  CHECK(both({2, 1}, {1, 3}) == Shape{2, 3});
  CHECK(both({2}, {2, 1, 1}) == Shape{2, 1, 1});
  CHECK(both({1}, {2, 3, 4, 5}) == Shape{2, 3, 4, 5});
  CHECK(both({1}, {0}) == Shape{0});
  CHECK(both({2, 0}, {2, 1}) == Shape{2, 0});
}

TEST_CASE("shape: what does not broadcast is refused with both shapes") {
  CHECK_THROWS_WITH(detail::broadcast("add", {2, 3}, {4}),
                    "add: [2, 3] and [4] do not broadcast: sizes of dimension 0 (2 and 4) must be "
                    "equal, or one of them 1");
  // features come first: a row of samples is not a vector
  CHECK_THROWS_AS(detail::broadcast("add", {2, 3}, {3}), ShapeError);
  CHECK_THROWS_AS(detail::broadcast("add", {0}, {2}), ShapeError);
  CHECK_THROWS_AS(detail::broadcast("add", {2, 3, 4}, {2, 3, 5}), ShapeError);
}

TEST_CASE("shape: usable at compile time") {
  static_assert(Shape{2, 3}.size() == 6);
  static_assert(Shape{2, 3}.with(1, 5) == Shape{2, 5});
}
