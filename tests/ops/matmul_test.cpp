#include "gradtape/ops/matmul.hpp"

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "ops/numeric.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

/// An m by n matrix of small integers, so that products are exact.
template <class T = double>
Matrix<T> integers(Index m, Index n, int seed) {
  return Matrix<T>::NullaryExpr(m, n, [=](Index i, Index j) {
    return T((seed + 7 * int(i) + 5 * int(j) + int(i * j)) % 9 - 4);
  });
}

/// The definition of the product, by three loops.
template <class T>
Matrix<T> product(const Matrix<T>& a, const Matrix<T>& b) {
  Matrix<T> c(a.rows(), b.cols());
  for (Index i = 0; i < c.rows(); ++i) {
    for (Index j = 0; j < c.cols(); ++j) {
      c(i, j) = T(0);
      for (Index k = 0; k < a.cols(); ++k) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

template <class T>
void check_sizes() {
  for (const auto& [m, k, n] : {std::array{3, 4, 2},
                                {3, 4, 1},
                                {1, 4, 3},
                                {3, 1, 4},
                                {1, 5, 1},
                                {5, 1, 1},
                                {1, 1, 5},
                                {1, 1, 1},
                                {9, 12, 10},
                                {40, 30, 20},
                                {2, 0, 3},
                                {0, 3, 2},
                                {2, 3, 0}}) {
    INFO(m << " " << k << " " << n);
    const Matrix<T> a = integers<T>(m, k, 1), b = integers<T>(k, n, 2), seed = integers<T>(m, n, 3);
    const Matrix<T> at = a.transpose(), bt = b.transpose();
    for (const int form : {0, 1, 2, 3}) {
      Tape<T> tape;
      const Tensor x = tape.variable((form & 1) != 0 ? at : a);
      const Tensor z = tape.variable((form & 2) != 0 ? bt : b);
      const Tensor y = form == 0   ? matmul(x, z)
                       : form == 1 ? matmul(transpose(x), z)
                       : form == 2 ? matmul(x, transpose(z))
                                   : matmul(transpose(x), transpose(z));
      REQUIRE(y.shape() == Shape{m, n});
      CHECK(y.value() == product<T>(a, b));
      tape.backward(y, seed);
      const Matrix<T> a_bar = product<T>(seed, bt), b_bar = product<T>(at, seed);
      if ((form & 1) != 0) CHECK(x.grad() == a_bar.transpose());
      if ((form & 1) == 0) CHECK(x.grad() == a_bar);
      if ((form & 2) != 0) CHECK(z.grad() == b_bar.transpose());
      if ((form & 2) == 0) CHECK(z.grad() == b_bar);
    }
  }
}

}  // namespace

TEST_CASE("matmul: values and gradients against the definition, plain and transposed", "[matmul]") {
  check_sizes<double>();
  check_sizes<float>();
}

TEST_CASE("matmul: derivatives against finite differences", "[matmul]") {
  using X = std::vector<Tensor<double>>;
  numeric::check({{2, 3}, {3, 4}}, [](const X& x) { return matmul(x[0], x[1]); });
  numeric::check({{2, 3}, {3}}, [](const X& x) { return matmul(x[0], x[1]); });
  numeric::check({{3, 2}, {3}}, [](const X& x) { return matmul(transpose(x[0]), x[1]); });
  numeric::check({{3, 3}}, [](const X& x) { return matmul(x[0], x[0]); });
  numeric::check({{3, 2}}, [](const X& x) { return matmul(transpose(x[0]), x[0]); });
  numeric::check({{2, 3}, {4, 3}}, [](const X& x) { return matmul(x[0] * 2.0, transpose(x[1])); });
  numeric::check({{5}, {5}}, [](const X& x) { return dot(x[0], x[1]); });
  numeric::check({{2, 3}}, [](const X& x) { return dot(x[0], x[0]); });
  numeric::check({{3}, {4}}, [](const X& x) { return outer(x[0], x[1]); });
  numeric::check({{3}}, [](const X& x) { return outer(x[0], x[0]); });
  numeric::check({{2, 3, 2}}, [](const X& x) { return Tensor<double>(transpose(x[0])); });
}

TEST_CASE("matmul: batches against finite differences", "[matmul]") {
  using X = std::vector<Tensor<double>>;
  const auto plain = [](const X& x) { return matmul(x[0], x[1]); };
  const auto left = [](const X& x) { return matmul(transpose(x[0]), x[1]); };
  const auto right = [](const X& x) { return matmul(x[0], transpose(x[1])); };
  numeric::check({{2, 3, 2}, {3, 2, 2}}, plain);
  numeric::check({{2, 3}, {3, 2, 2}}, plain);
  numeric::check({{2, 3, 2}, {3, 2}}, plain);
  numeric::check({{2, 3, 2}, {3}}, plain);
  numeric::check({{2, 2, 1, 3}, {2, 1, 2, 1}}, plain);
  numeric::check({{2, 2, 2, 2}, {2, 1, 2, 2}}, plain);
  numeric::check({{3, 2, 2}, {3, 2, 2}}, left);
  numeric::check({{3, 2}, {3, 2, 2}}, left);
  numeric::check({{2, 3, 2}, {2, 3, 2}}, right);
  numeric::check({{2, 3}, {2, 3, 2}}, right);
  numeric::check({{2, 3, 2}, {2, 3}}, right);
}

TEST_CASE("matmul: each matrix of a batch is a product of its own", "[matmul]") {
  Tape<double> tape;
  const MatrixXd a = integers(2, 3 * 6, 1), b = integers(3, 4 * 2, 2);
  const Tensor x = tape.variable(Shape{2, 3, 2, 3}, Eigen::Map<const VectorXd>(a.data(), 36));
  const Tensor z = tape.variable(Shape{3, 4, 2}, Eigen::Map<const VectorXd>(b.data(), 24));
  const Tensor y = matmul(x, z);
  REQUIRE(y.shape() == Shape{2, 4, 2, 3});
  for (Index j = 0; j < 3; ++j) {
    for (Index i = 0; i < 2; ++i) {
      CHECK(y.value().middleCols(4 * (i + 2 * j), 4) ==
            product<double>(a.middleCols(3 * (i + 2 * j), 3), b.middleCols(4 * i, 4)));
    }
  }
  CHECK(matmul(x, tape.constant(VectorXd::Ones(3))).shape() == Shape{2, 1, 2, 3});
}

TEST_CASE("matmul: shapes of vectors", "[matmul]") {
  Tape<double> tape;
  const Tensor v = tape.variable(VectorXd{{1, 2, 3}}), w = tape.variable(VectorXd{{4, 5, 6}});
  const Tensor a = tape.variable(integers(2, 3, 0));
  CHECK(matmul(a, v).shape() == Shape{2});
  CHECK(matmul(transpose(v), w).shape() == Shape{1});
  CHECK(matmul(transpose(v), w).value()(0, 0) == 32);
  CHECK(matmul(v, transpose(w)).shape() == Shape{3, 3});
  CHECK(matmul(v, transpose(w)).value() == outer(v, w).value());
  CHECK(outer(v, w).value()(0, 2) == 6);
  CHECK(dot(v, w).value() == 32);
  CHECK(Tensor<double>(transpose(v)).shape() == Shape{1, 3});
}

TEST_CASE("transpose: is usable wherever a tensor is", "[matmul]") {
  Tape<double> tape;
  const MatrixXd a = integers(2, 3, 1);
  const Tensor x = tape.variable(a);
  const Tensor y = transpose(x);
  CHECK(y.value() == a.transpose());
  const Tensor sum = transpose(x) + 1.0;
  CHECK(sum.value() == (a.transpose().array() + 1).matrix());
  const Tensor both = transpose(x) * transpose(x);
  tape.backward(both, MatrixXd::Ones(3, 2));
  CHECK(x.grad() == 2 * a);
  CHECK(Tensor<double>(transpose(x * 3.0)).value() == 3 * a.transpose());
  CHECK(transpose(transpose(x)).value().data() == x.value().data());

  const std::size_t nodes = tape.node_count();
  (void)matmul(transpose(x), x);
  CHECK(tape.node_count() == nodes + 1);
}

TEST_CASE("matmul: parameters on either side, also transposed", "[matmul]") {
  Tape<double> tape;
  const MatrixXd w = integers(2, 3, 1), a = integers(3, 4, 2), seed = integers(2, 4, 5);
  Parameter<double> W(w, "W"), Wt(w.transpose().eval(), "Wt");
  const Tensor x = tape.constant(a);
  tape.backward(matmul(W, x), seed);
  CHECK(W.grad() == product<double>(seed, a.transpose()));
  tape.backward(matmul(transpose(Wt), x), seed);
  CHECK(Wt.grad() == product<double>(a, seed.transpose()));
  tape.backward(matmul(transpose(transpose(W)), x), seed);
  CHECK(W.grad() == 2 * product<double>(seed, a.transpose()));
  CHECK_THROWS_WITH(matmul(W, Wt), ContainsSubstring("matmul: no operand is on a tape"));
  CHECK_THROWS_WITH(matmul(x, W), ContainsSubstring("the first is [3, 4], W is [2, 3]"));
}

TEST_CASE("matmul: a handle may take the name of its operand", "[matmul]") {
  Tape<double> tape;
  const MatrixXd a{{1, 2}, {3, 4}};
  const Tensor x = tape.variable(a);
  Tensor A = x;
  A = matmul(A, A);
  A = matmul(A, A);
  CHECK(A.value() == a * a * a * a);
  tape.backward(A, MatrixXd{{1, 0}, {0, 1}});
  CHECK(x.grad() == 4 * (a * a * a).transpose());  // d tr(X^4) / dX
}

TEST_CASE("matmul: constants cost nothing backward", "[matmul]") {
  Tape<double> tape;
  const Tensor c = tape.constant(integers(3, 3, 1)), x = tape.variable(integers(3, 3, 2));
  CHECK(matmul(c, c).is_constant());
  CHECK(dot(c, c).is_constant());
  CHECK(outer(tape.constant(VectorXd::Ones(2)), tape.constant(VectorXd::Ones(2))).is_constant());
  const Tensor y = matmul(c, x);
  tape.backward(y, MatrixXd::Ones(3, 3));
  CHECK_THROWS_AS(c.grad(), TapeError);
}

TEST_CASE("matmul: errors name shapes and rule", "[matmul]") {
  Tape<double> tape, other;
  const Tensor w = tape.variable(integers(3, 4, 1), "W"), x = tape.variable(integers(5, 2, 1), "x");
  const Tensor plain = tape.variable(integers(3, 2, 1));
  CHECK_THROWS_WITH(matmul(w, x),
                    "matmul: W is [3, 4], x is [5, 2]: columns of the first (4) must "
                    "equal rows of the second (5)");
  CHECK_THROWS_WITH(matmul(transpose(x), plain),
                    "matmul: transpose of x is [2, 5], the second is [3, 2]: columns of the first "
                    "(5) must equal rows of the second (3)");
  const Tensor two = tape.full({2, 2, 2}, 1.0), three = tape.full({2, 2, 3}, 1.0);
  CHECK_THROWS_WITH(matmul(two, three), ContainsSubstring("batch sizes of dimension 2 (2 and 3)"));
  CHECK_THROWS_AS(matmul(w, x), ShapeError);
  CHECK_THROWS_WITH(dot(w, x),
                    "dot: the operands are [3, 4] and [5, 2]: they must have the same "
                    "shape");
  CHECK_THROWS_WITH(outer(w, x),
                    "outer: an operand is [3, 4]: both must be vectors, [m] or [m, 1]");
  CHECK_THROWS_AS(matmul(w, other.variable(integers(4, 2, 1))), TapeError);
}
