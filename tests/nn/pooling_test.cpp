#include "gradtape/nn/pooling.hpp"

#include <array>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/reduce.hpp"
#include "ops/numeric.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;

namespace {

constexpr double missing = std::numeric_limits<double>::quiet_NaN();

/// Three texts of two features and three steps: of two words, none, and three; NaN behind the end.
const std::vector<double> texts{
    1,       6,       3,       2,       missing, missing,  // words (1,6) (3,2)
    missing, missing, missing, missing, missing, missing,  // no words
    4,       -7,      4,       -5,      -2,      -5};      // (4,-7) (4,-5) (-2,-5)
const std::vector<int> lengths{2, 0, 3};

const MatrixXd seed = (MatrixXd(2, 3) << 12, 100, 24, 30, 200, 60).finished();

/// Gradients, with every text as the six numbers above.
std::vector<double> gradient(const Tensor<double>& x) {
  return {x.grad().data(), x.grad().data() + x.size()};
}

}  // namespace

TEST_CASE("mean_pooling: by hand") {
  Tape<double> tape;
  const Tensor x = tape.variable(Shape{2, 3, 3}, texts);
  const Tensor y = mean_pooling(x, lengths);
  CHECK(y.shape() == Shape{2, 3});
  const MatrixXd expected = (MatrixXd(2, 3) << 2, 0, 2, 4, 0, -17.0 / 3).finished();
  CHECK(y.value() == expected);
  tape.backward(y, seed);
  CHECK(gradient(x) ==
        std::vector<double>{6, 15, 6, 15, 0, 0, 0, 0, 0, 0, 0, 0, 8, 20, 8, 20, 8, 20});
}

TEST_CASE("max_pooling: by hand, at a tie the first word") {
  Tape<double> tape;
  const Tensor x = tape.variable(Shape{2, 3, 3}, texts);
  const Tensor y = max_pooling(x, lengths);
  const MatrixXd expected = (MatrixXd(2, 3) << 3, 0, 4, 6, 0, -5).finished();
  CHECK(y.value() == expected);
  tape.backward(y, seed);
  CHECK(gradient(x) ==
        std::vector<double>{0, 30, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 60, 0, 0});
}

TEST_CASE("max_pooling: a NaN within the text is the result, and its derivative NaN") {
  Tape<double> tape;
  const Tensor x = tape.variable(Shape{1, 4, 1}, std::vector<double>{1, missing, 5, missing});
  const Tensor y = max_pooling(x, {4});
  CHECK(std::isnan(y.value()(0)));
  tape.backward(y);
  CHECK(x.grad()(0) == 0);
  CHECK(std::isnan(x.grad()(1)));
  CHECK(x.grad()(2) == 0);
  CHECK(x.grad()(3) == 0);
  constexpr double inf = std::numeric_limits<double>::infinity();
  const Tensor low = tape.variable(Shape{1, 2, 1}, std::vector<double>{-inf, -inf});
  CHECK(Tensor(max_pooling(low, {2})).value()(0) == -inf);
}

TEST_CASE("last_pooling: by hand") {
  Tape<double> tape;
  const Tensor x = tape.variable(Shape{2, 3, 3}, texts);
  const Tensor y = last_pooling(x, lengths);
  const MatrixXd expected = (MatrixXd(2, 3) << 3, 0, -2, 2, 0, -5).finished();
  CHECK(y.value() == expected);
  tape.backward(y, seed);
  CHECK(gradient(x) ==
        std::vector<double>{0, 0, 12, 30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24, 60});
}

TEST_CASE("pooling: gradients against differences, as first and as later contributions") {
  const std::array<long, 4> all{5, 0, 1, 3};
  const std::vector<Shape> shapes{Shape{3, 5, 4}};
  numeric::check(shapes, [&](const auto& x) { return mean_pooling(x[0], all); });
  numeric::check(shapes, [&](const auto& x) { return max_pooling(x[0], all); });
  numeric::check(shapes, [&](const auto& x) { return last_pooling(x[0], all); });
}

TEST_CASE("pooling: no texts, no steps, no features, expressions, floats") {
  Tape<double> tape;
  const std::vector<int> none;
  const auto check_all = [&](const Tensor<double>& x, const std::vector<int>& counts) {
    for (const Tensor<double>& y :
         {mean_pooling(x, counts), max_pooling(x, counts), last_pooling(x, counts)}) {
      CHECK(y.shape() == Shape{x.shape()[0], x.shape()[2]});
      CHECK(y.value().isZero(0));
      tape.backward(y, MatrixXd::Ones(y.rows(), y.columns()));
      CHECK(x.grad().isZero(0));
    }
  };
  check_all(tape.variable(Shape{2, 3, 0}, std::vector<double>()), {});
  check_all(tape.variable(Shape{2, 0, 3}, std::vector<double>()), {0, 0, 0});
  check_all(tape.variable(Shape{0, 3, 2}, std::vector<double>()), {3, 1});
  check_all(tape.variable(Shape{1, 2, 1}, std::vector<double>{missing, missing}), {0});

  Tape<float> single;
  const Tensor x = single.variable(Shape{1, 3, 1}, std::vector<float>{1, 4, 9});
  const Eigen::VectorX<std::uint8_t> two = Eigen::VectorX<std::uint8_t>::Constant(1, 2);
  CHECK(Tensor(mean_pooling(x * 2, two)).value()(0) == 5);
  CHECK(Tensor(max_pooling(x * 2, two)).value()(0) == 8);
  CHECK(Tensor(last_pooling(-x, two)).value()(0) == -4);
}

TEST_CASE("pooling: what is refused") {
  Tape<double> tape;
  const Tensor x = tape.variable(Shape{2, 3, 3}, texts, "words");
  CHECK_THROWS_AS(mean_pooling(x, {1, 4, 2}), ShapeError);
  CHECK_THROWS_WITH(mean_pooling(x, {1, 4, 2}),
                    ContainsSubstring("mean_pooling: length 4 at position 1 is outside of 0 to 3, "
                                      "the steps of words"));
  CHECK_THROWS_WITH(max_pooling(x, {1, 2, -1}),
                    ContainsSubstring("max_pooling: length -1 at position 2"));
  CHECK_THROWS_WITH(last_pooling(x, {1, 2}),
                    ContainsSubstring("last_pooling: words is [2, 3, 3]: 2 lengths for its 3 "
                                      "texts"));
  CHECK_THROWS_WITH(mean_pooling(tape.variable(MatrixXd::Ones(2, 3)), {1, 1, 1}),
                    ContainsSubstring("mean_pooling: x is [2, 3]: it must have three dimensions"));
  CHECK_THROWS_AS(max_pooling(tape.variable(MatrixXd::Ones(2, 3)), {1, 1, 1}), ShapeError);
  CHECK_THROWS_AS(mean_pooling(x, std::vector<std::uint64_t>{~std::uint64_t{0}, 0, 0}), ShapeError);
}
