// Values are mpmath's (the script is in cross_entropy_test.cpp); derivatives are held against
// differences.

#include "gradtape/ops/softmax.hpp"

#include <limits>

#include "catch.hpp"
#include "numeric.hpp"

using namespace gradtape;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const Eigen::MatrixXd scores{{.5, 1.5, -2}, {-1.25, 0, 3}, {2, -.75, .5}, {.25, 1, -.125}};

template <class A, class B>
void check_close(const A& a, const B& b, double margin) {
  REQUIRE(a.size() == b.size());
  for (Index j = 0; j < a.cols(); ++j) {
    for (Index i = 0; i < a.rows(); ++i)
      CHECK(double(a(i, j)) == Approx(double(b(i, j))).margin(margin).epsilon(margin));
  }
}

}  // namespace

TEST_CASE("softmax and log_softmax of columns") {
  Eigen::MatrixXd p(4, 3), log_p(4, 3);
  p.reshaped() << 0.15541793615736202, 0.027007587648994319, 0.69653486581094851,
      0.12103961038269515, 0.51677982958829548, 0.11530916613751465, 0.054468193307818739,
      0.31344281096637114, 0.0059482571042047527, 0.88279962798937154, 0.072464606248685931,
      0.038787508657737778;
  log_p.reshaped() << -1.8616374284208396, -3.6116374284208396, -0.36163742842083964,
      -2.1116374284208396, -0.66013835670982592, -2.1601383567098259, -2.9101383567098259,
      -1.1601383567098259, -5.1246570259981815, -0.1246570259981815, -2.6246570259981815,
      -3.2496570259981815;
  Tape<double> tape;
  Tensor x = tape.variable(scores);
  check_close(softmax(x).value(), p, 1e-15);
  check_close(log_softmax(x).value(), log_p, 1e-15);

  Tape<float> single;
  Tensor y = single.variable(scores.cast<float>().eval());
  check_close(softmax(y).value(), p, 3e-7);
  check_close(log_softmax(y).value(), log_p, 3e-7);

  // along the rows, it is that of the transposed matrix
  Tensor t = tape.variable(scores.transpose().eval());
  check_close(softmax(t, Dim(1)).value(), p.transpose().eval(), 1e-15);
  check_close(log_softmax(t, Dim(-1)).value(), log_p.transpose().eval(), 1e-15);
}

TEST_CASE("derivatives of softmax and log_softmax") {
  for (const int d : {0, 1, 2, 3}) {
    INFO("dimension " << d);
    numeric::check({Shape{3, 2, 4, 2}}, [&](const auto& x) { return softmax(x[0], Dim(d)); });
    numeric::check({Shape{3, 2, 4, 2}}, [&](const auto& x) { return log_softmax(x[0], Dim(d)); });
  }
  // longer than a tile, and not a multiple of it
  numeric::check({Shape{37, 2}}, [](const auto& x) { return softmax(x[0] * 3.0); });
  numeric::check({Shape{37, 2}}, [](const auto& x) { return log_softmax(x[0] * 3.0); });
  numeric::check({Shape{5}}, [](const auto& x) { return softmax(x[0]); });
}

TEMPLATE_TEST_CASE("softmax of extreme scores", "", float, double, long double) {
  using T = TestType;
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  const T big = std::is_same_v<T, float> ? T(1e38) : T(1e308);
  const T far = std::is_same_v<T, long double> ? T(10000) : T(1000);  // exp(-2 far) is 0
  for (const Index rows : {2, 41}) {
    for (const Index at : {Index(0), rows - 1}) {
      for (const T size : {far, big}) {
        for (const T low : {T(-size), T(-inf)}) {
          INFO("rows " << rows << ", size " << size << ", low " << low);
          Tape<T> tape;
          Matrix z = Matrix::Constant(rows, 1, low);
          z(at, 0) = size;
          Tensor x = tape.variable(z);
          Tensor p = softmax(x), y = log_softmax(x);
          Matrix unit = Matrix::Zero(rows, 1);
          unit(at) = 1;
          CHECK(p.value() == unit);
          CHECK(y.value()(at) == 0);
          CHECK(y.value()(rows - 1 - at) == low - size);  // -inf where that is not representable
          tape.backward(p, Matrix::Constant(rows, 1, T(2)) + unit);
          CHECK(x.grad() == Matrix::Zero(rows, 1));
          tape.backward(y, Matrix::Ones(rows, 1));
          CHECK(x.grad() == (Matrix::Ones(rows, 1) - T(rows) * unit).eval());
        }
      }
    }
  }
}

TEST_CASE("scores of equal size share, however large") {
  for (const double size : {0.0, 1e308, -1e308, 1e-308}) {
    Tape<double> tape;
    Tensor x = tape.variable(Eigen::VectorXd::Constant(8, size));
    CHECK(softmax(x).value() == Eigen::VectorXd::Constant(8, 0.125));
    check_close(log_softmax(x).value(), Eigen::VectorXd::Constant(8, -2.0794415416798359282),
                1e-15);
  }
}

TEST_CASE("some scores of -inf leave the others as they are") {
  Tape<double> tape;
  Eigen::VectorXd z(4);
  z << -inf, 1, -inf, 1;
  Tensor x = tape.variable(z);
  Tensor p = softmax(x), y = log_softmax(x);
  CHECK(p.value() == Eigen::Vector4d(0, .5, 0, .5));
  CHECK(y.value()(0) == -inf);
  CHECK(y.value()(1) == Approx(-0.69314718055994530942).epsilon(1e-15));
  tape.backward(p, Eigen::Vector4d(5, 1, 7, 3));
  CHECK(x.grad() == Eigen::Vector4d(0, -.5, 0, .5));  // dot = 2
  tape.backward(y, Eigen::Vector4d(0, 1, 0, 2));
  CHECK(x.grad() == Eigen::Vector4d(0, -.5, 0, .5));
}

TEMPLATE_TEST_CASE("a column without softmax is NaN, and that column only", "", float, double) {
  using T = TestType;
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  for (const Index rows : {3, 41}) {
    for (Index at = 0; at < rows; ++at) {
      Matrix z = Matrix::Constant(rows, 4, T(1));
      z(at, 0) = std::numeric_limits<T>::quiet_NaN();
      z(at, 1) = T(inf);
      z.col(2).setConstant(-T(inf));
      Tape<T> tape;
      Tensor x = tape.variable(z);
      Tensor p = softmax(x), y = log_softmax(x);
      CHECK(p.value().leftCols(3).array().isNaN().all());
      CHECK(y.value().leftCols(3).array().isNaN().all());
      CHECK(p.value().col(3).sum() == Approx(1));
      CHECK(y.value().col(3).array().isFinite().all());
    }
  }
}

TEST_CASE("many long columns sum to one") {
  Tape<float> tape;
  const Eigen::MatrixXf z = Eigen::MatrixXf::NullaryExpr(
      3001, 5, [](Index i, Index j) { return std::sin(float(i * 7 + j)); });
  Tensor p = softmax(tape.variable(z));
  for (Index j = 0; j < 5; ++j) {
    CHECK(p.value().col(j).cast<double>().sum() == Approx(1).epsilon(1e-6));
    const double sum = z.col(j).cast<double>().array().exp().sum();
    CHECK(p.value()(1234, j) == Approx(std::exp(double(z(1234, j))) / sum).epsilon(1e-5));
  }
}

TEST_CASE("softmax of nothing, of one number and along no dimension") {
  Tape<double> tape;
  CHECK(softmax(tape.constant(Eigen::MatrixXd(0, 3))).shape() == Shape{0, 3});
  CHECK(log_softmax(tape.constant(Eigen::MatrixXd(3, 0))).shape() == Shape{3, 0});
  Tensor x = tape.variable(Eigen::MatrixXd(0, 3));
  tape.backward(softmax(x), Eigen::MatrixXd(0, 3));
  CHECK(x.grad().size() == 0);
  CHECK(softmax(tape.full(Shape{}, 3.0)).value()(0) == 1);
  CHECK_THROWS_MATCHES(
      softmax(x, Dim(2)), ShapeError,
      Catch::Matchers::Message("softmax: there is no dimension 2 in a tensor of rank 2"));
}
