#include "gradtape/ops/linear.hpp"

#include "catch.hpp"
#include "gradtape/core/random.hpp"
#include "gradtape/ops/arithmetic.hpp"

using namespace gradtape;

namespace {

template <class T>
Eigen::Matrix<T, -1, -1> draw(Index rows, Index columns, Random& random) {
  return Eigen::Matrix<T, -1, -1>::NullaryExpr(
      rows, columns, [&] { return static_cast<T>(random.uniform(-1, 1)); });
}

}  // namespace

// The formulas by Eigen in long double: sizes below, at and above what fills vector registers, and
// those for which another kernel is taken.
TEMPLATE_TEST_CASE("linear: values and gradients by their formulas", "", float, double) {
  using T = TestType;
  Random random(1);
  const Index sizes[][3] = {
      {1, 1, 1},    {3, 2, 1},   {16, 2, 5},  {24, 3, 4}, {25, 64, 9}, {27, 65, 7},  {31, 30, 33},
      {48, 7, 130}, {5, 70, 40}, {2, 300, 3}, {70, 1, 6}, {40, 90, 4}, {33, 80, 64}, {0, 2, 3},
      {2, 0, 3},    {2, 3, 0},   {1, 7, 1},   {1, 50, 1}, {1, 70, 1},  {33, 3, 1},   {16, 40, 1}};
  for (const auto& [m, k, n] : sizes) {
    CAPTURE(m, k, n);
    const auto w = draw<T>(m, k, random), x = draw<T>(k, n, random), seed = draw<T>(m, n, random);
    const Eigen::Matrix<T, -1, 1> b = draw<T>(m, 1, random);
    const auto wide = [](const auto& a) { return a.template cast<long double>().eval(); };
    const auto near = [&](const auto& result, const auto& expected, Index terms) {
      const auto difference = (wide(result) - expected).cwiseAbs().eval();
      const long double bound = 4 * (long double)(terms + 1) * std::numeric_limits<T>::epsilon();
      return (difference.array() <= bound).all();
    };

    Tape<T> tape;
    Parameter<T> weight(w), bias(b);
    for (Parameter<T>* parameter : {&weight, &bias}) {  // what gradients find in their memory
      parameter->grad().setConstant(7);
      parameter->zero_grad();
    }
    const Tensor<T> input = tape.variable(x), y = linear(weight, input, bias);
    CHECK(near(y.value(), (wide(w) * wide(x)).colwise() + wide(b), k));
    for (int round = 1; round <= 2; ++round) {  // gradients of parameters add up
      tape.backward(y, seed);
      CHECK(near(weight.grad(), round * (wide(seed) * wide(x).transpose()), 2 * n));
      const auto ones = Eigen::Matrix<long double, -1, 1>::Ones(n);
      CHECK(near(bias.grad(), round * (wide(seed) * ones), 2 * n));
      CHECK(near(input.grad(), wide(w).transpose() * wide(seed), m));
    }
  }
}

TEST_CASE("linear: shapes") {
  Tape<double> tape;
  const Tensor w = tape.variable(Eigen::MatrixXd::Ones(2, 3)),
               b = tape.constant(Eigen::Vector2d(10, 20)), x = tape.full(Shape{3, 4, 5}, 1.0);
  CHECK(linear(w, tape.full(Shape{3}, 1.0), b).shape() == Shape{2});
  const Tensor y = linear(w, x * 2, b);
  CHECK(y.shape() == Shape{2, 4, 5});
  CHECK((y.value().row(0).array() == 16).all());
  CHECK((y.value().row(1).array() == 26).all());
  CHECK(linear(w, x, tape.full(Shape{2, 1}, 1.0)).shape() == Shape{2, 4, 5});
  // what needs no gradient gets none, the others have theirs
  tape.backward(y, Eigen::MatrixXd::Ones(2, 20));
  CHECK((w.grad().array() == 40).all());
}

TEST_CASE("linear: what does not fit") {
  using Catch::Matchers::ContainsSubstring;
  Tape<double> tape;
  const Tensor w = tape.constant(Eigen::MatrixXd::Ones(2, 3), "w"),
               x = tape.constant(Eigen::MatrixXd::Ones(3, 4), "x"),
               b = tape.constant(Eigen::Vector2d(1, 1), "b");
  CHECK_THROWS_WITH(linear(w, b, b), ContainsSubstring("w is [2, 3], b is [2]") &&
                                         ContainsSubstring("columns of the weight (3)"));
  CHECK_THROWS_WITH(linear(w, x, tape.constant(Eigen::Vector3d(1, 1, 1), "c")),
                    ContainsSubstring("c is [3]") && ContainsSubstring("weight's rows (2)"));
  CHECK_THROWS_AS(linear(w, x, tape.full(Shape{2, 4}, 1.0)), ShapeError);
  CHECK_THROWS_AS(linear(w, x, tape.full(Shape{}, 1.0)), ShapeError);
  CHECK_THROWS_AS(linear(tape.full(Shape{2, 3, 2}, 1.0), x, b), ShapeError);
  Tape<double> other;
  CHECK_THROWS_AS(linear(w, x, other.constant(Eigen::Vector2d(1, 1))), TapeError);
}
