#include "gradtape/diff/eigen.hpp"

#include <Eigen/Dense>
#include <cmath>
#include <sstream>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;
using V = Var<double>;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using MatrixXv = Eigen::Matrix<V, Eigen::Dynamic, Eigen::Dynamic>;
using VectorXv = Eigen::Matrix<V, Eigen::Dynamic, 1>;

namespace {

/// A matrix without pattern; its condition is good.
MatrixXd numbers(Index rows, Index columns, double seed) {
  MatrixXd m(rows, columns);
  for (Index i = 0; i < m.size(); ++i)
    m(i) = std::sin(seed + 1.7 * double(i) + 0.3 * double(i * i));
  for (Index i = 0; i < std::min(rows, columns); ++i) m(i, i) += 4;
  return m;
}

template <class M = MatrixXv>
M variables(Tape<double>& tape, const MatrixXd& m) {
  M x(m.rows(), m.cols());
  for (Index i = 0; i < m.size(); ++i) x(i) = tape.variable(m(i));
  return x;
}

template <class M>
MatrixXd gradient(const M& x) {
  MatrixXd g(x.rows(), x.cols());
  for (Index j = 0; j < x.cols(); ++j)
    for (Index i = 0; i < x.rows(); ++i) g(i, j) = x(i, j).grad();
  return g;
}

template <class M>
MatrixXd value(const M& x) {
  return x.unaryExpr([](const V& v) { return v.value(); });
}

void check_near(const MatrixXd& a, const MatrixXd& b) {
  REQUIRE(a.rows() == b.rows());
  REQUIRE(a.cols() == b.cols());
  CHECK((a - b).norm() <= 1e-11 * (1 + b.norm()));
}

/// sum C o X, the scalar product that turns matrix results into a loss with X_bar = C.
template <class M>
V weighted(const M& x, const MatrixXd& c) {
  return (c.cast<V>().cwiseProduct(x)).sum();
}

}  // namespace

TEST_CASE("eigen: products, small and large enough for blocks") {
  for (const Index n : {2, 3, 12, 25}) {
    Tape<double> tape;
    const MatrixXd a = numbers(n, n + 1, 1), b = numbers(n + 1, n, 2), c = numbers(n, n, 3);
    MatrixXv va = variables(tape, a), vb = variables(tape, b);
    MatrixXv y = va * vb;
    check_near(value(y), a * b);
    V loss = weighted(y, c);
    tape.backward(loss);
    check_near(gradient(va), c * b.transpose());
    check_near(gradient(vb), a.transpose() * c);

    MatrixXv z = va.transpose() * (va * vb) * vb.transpose();
    V square_loss = weighted(z, MatrixXd::Ones(n + 1, n + 1));
    const MatrixXd one = MatrixXd::Ones(n + 1, n + 1);
    tape.backward(square_loss);
    // f = tr(1^T A^T A B B^T):  A_bar = A (1 (B B^T)^T + (B B^T) 1^T)
    const MatrixXd bb = b * b.transpose();
    check_near(gradient(va), a * (bb * one.transpose() + one * bb.transpose()));
  }
}

TEST_CASE("eigen: matrix times vector, fixed sizes") {
  Tape<double> tape;
  const MatrixXd a = numbers(3, 3, 1), x = numbers(3, 1, 2), c = numbers(3, 1, 3);
  const auto va = variables<Eigen::Matrix<V, 3, 3>>(tape, a);
  const auto vx = variables<Eigen::Matrix<V, 3, 1>>(tape, x);
  const Eigen::Matrix<V, 3, 1> y = va * vx;
  V loss = weighted(y, c);
  tape.backward(loss);
  check_near(gradient(va), c * x.transpose());
  check_near(gradient(vx), a.transpose() * c);
  const Eigen::Matrix<V, 3, 3> outer = vx * vx.transpose();
  V sum = weighted(outer, a);
  tape.backward(sum);
  check_near(gradient(vx), (a + a.transpose()) * x);
}

TEST_CASE("eigen: sums, norms, scalar products") {
  Tape<double> tape;
  const MatrixXd a = numbers(4, 3, 1), b = numbers(4, 3, 2);
  MatrixXv va = variables(tape, a), vb = variables(tape, b);
  const auto gradient_of = [&](const V& y) {
    tape.backward(y);
    return gradient(va);
  };
  check_near(gradient_of(va.sum()), MatrixXd::Ones(4, 3));
  check_near(gradient_of(va.mean()), MatrixXd::Constant(4, 3, 1.0 / 12));
  check_near(gradient_of(va.squaredNorm()), 2 * a);
  check_near(gradient_of(va.norm()), a / a.norm());
  check_near(gradient_of(va.trace()), MatrixXd::Identity(4, 3));
  check_near(gradient_of(va.prod()), a.prod() * a.cwiseInverse());
  check_near(gradient_of(va.cwiseProduct(vb).sum()), b);
  check_near(gradient_of(va.cwiseQuotient(vb).sum()), b.cwiseInverse());
  check_near(gradient_of((va - vb).squaredNorm()), 2 * (a - b));
  check_near(gradient_of(va.cwiseAbs().sum()), a.cwiseSign());
  check_near(gradient_of(va.array().exp().sum()), a.array().exp());
  check_near(gradient_of(va.array().square().sum()), 2 * a);
  check_near(gradient_of(V(va.col(0).dot(vb.col(1)))),
             (MatrixXd(4, 3) << b.col(1), MatrixXd::Zero(4, 2)).finished());
  CHECK(va.maxCoeff().value() == a.maxCoeff());
  CHECK(V(va.lpNorm<1>()).value() == Approx(a.lpNorm<1>()));
}

TEST_CASE("eigen: numbers and plain matrices beside matrices of variables") {
  Tape<double> tape;
  const MatrixXd a = numbers(3, 3, 1), d = numbers(3, 3, 2);
  MatrixXv va = variables(tape, a);
  V s = tape.variable(3.0);
  MatrixXv y = 2.0 * va + va * 2.0 - va / 4.0 + d - va.cwiseQuotient(d) + s * va + va * s;
  y += d;
  y *= 2.0;
  check_near(value(y), 2 * (4 * a - a / 4 + 2 * d - a.cwiseQuotient(d) + 6 * a));
  V loss = y.sum();
  tape.backward(loss);
  check_near(gradient(va), 2 * (MatrixXd::Constant(3, 3, 9.75) - d.cwiseInverse()));
  CHECK(s.grad() == Approx(4 * a.sum()));

  MatrixXv z = d.cast<V>() * va + va * d.cast<V>();
  V product = z.sum();
  tape.backward(product);
  const MatrixXd one = MatrixXd::Ones(3, 3);
  check_near(gradient(va), d.transpose() * one + one * d.transpose());
}

TEST_CASE("eigen: determinant") {
  for (const Index n : {2, 3, 4, 6, 11}) {
    Tape<double> tape;
    const MatrixXd a = numbers(n, n, 1);
    MatrixXv va = variables(tape, a);
    V y = va.determinant();
    CHECK(y.value() == Approx(a.determinant()).epsilon(1e-12));
    tape.backward(y);
    check_near(gradient(va) / a.determinant(), a.inverse().transpose());
  }
  Tape<double> tape;
  const MatrixXd a = numbers(3, 3, 1);
  const auto va = variables<Eigen::Matrix<V, 3, 3>>(tape, a);
  V y = va.determinant();
  tape.backward(y);
  check_near(gradient(va), a.determinant() * a.inverse().transpose());
}

TEST_CASE("eigen: inverse") {
  for (const Index n : {3, 11}) {
    Tape<double> tape;
    const MatrixXd a = numbers(n, n, 1), c = numbers(n, n, 2);
    MatrixXv va = variables(tape, a);
    V y = weighted(MatrixXv(va.inverse()), c);
    tape.backward(y);
    const MatrixXd inverse = a.inverse().transpose();
    check_near(gradient(va), -inverse * c * inverse);
  }
}

// x = A^-1 b with x_bar = c:  b_bar = A^-T c,  A_bar = -b_bar x^T

TEST_CASE("eigen: solution by LU") {
  for (const Index n : {3, 12}) {
    Tape<double> tape;
    const MatrixXd a = numbers(n, n, 1), b = numbers(n, 2, 2), c = numbers(n, 2, 3);
    MatrixXv va = variables(tape, a), vb = variables(tape, b);
    MatrixXv x = va.partialPivLu().solve(vb);
    const MatrixXd solution = a.partialPivLu().solve(b);
    check_near(value(x), solution);
    V y = weighted(x, c);
    tape.backward(y);
    const MatrixXd b_bar = a.transpose().partialPivLu().solve(c);
    check_near(gradient(vb), b_bar);
    check_near(gradient(va), -b_bar * solution.transpose());
    V full = weighted(MatrixXv(va.fullPivLu().solve(vb)), c);
    tape.backward(full);
    check_near(gradient(va), -b_bar * solution.transpose());
  }
}

TEST_CASE("eigen: solution and logarithm of the determinant by LLT") {
  for (const Index n : {3, 20}) {
    Tape<double> tape;
    const MatrixXd m = numbers(n, n, 1), a = m * m.transpose();
    const MatrixXd b = numbers(n, 1, 2), c = numbers(n, 1, 3);
    MatrixXv va = variables(tape, a), vb = variables(tape, b);
    const Eigen::LLT<MatrixXv> llt(va);
    REQUIRE(llt.info() == Eigen::Success);
    MatrixXv x = llt.solve(vb);
    V y = weighted(x, c);
    tape.backward(y);
    // the upper triangle is not read: its share is the lower one's
    const auto fold = [](const MatrixXd& g) {
      MatrixXd folded = (g + g.transpose()).triangularView<Eigen::Lower>();
      folded.diagonal() = g.diagonal();
      return folded;
    };
    const MatrixXd b_bar = a.llt().solve(c), solution = a.llt().solve(b);
    check_near(gradient(vb), b_bar);
    check_near(gradient(va), fold(-b_bar * solution.transpose()));

    V log_determinant = 2.0 * V(MatrixXv(llt.matrixL()).diagonal().array().log().sum());
    CHECK(log_determinant.value() == Approx(std::log(a.determinant())));
    tape.backward(log_determinant);
    check_near(gradient(va), fold(a.inverse()));
  }
}

// x minimises |A x - b|, x_bar = c, with w = (A^T A)^-1 c:  b_bar = A w,
// A_bar = (b - A x) w^T - A w x^T

TEST_CASE("eigen: least squares by QR") {
  Tape<double> tape;
  const MatrixXd a = numbers(12, 4, 1), b = numbers(12, 1, 2), c = numbers(4, 1, 3);
  MatrixXv va = variables(tape, a), vb = variables(tape, b);
  const MatrixXd solution = a.householderQr().solve(b), w = (a.transpose() * a).inverse() * c;
  const MatrixXd a_bar = (b - a * solution) * w.transpose() - a * w * solution.transpose();
  V y = weighted(MatrixXv(va.householderQr().solve(vb)), c);
  tape.backward(y);
  check_near(gradient(vb), a * w);
  check_near(gradient(va), a_bar);
  V z = weighted(MatrixXv(va.colPivHouseholderQr().solve(vb)), c);
  tape.backward(z);
  check_near(gradient(va), a_bar);
}

TEST_CASE("eigen: duals give the same derivatives forward") {
  using D = Dual<double>;
  const MatrixXd a = numbers(5, 5, 1), direction = numbers(5, 5, 2);
  Eigen::Matrix<D, Eigen::Dynamic, Eigen::Dynamic> da(5, 5);
  for (Index i = 0; i < 25; ++i) da(i) = D(a(i), direction(i));
  CHECK(da.determinant().tangent() ==
        Approx(a.determinant() * (a.inverse() * direction).trace()).epsilon(1e-11));
  const D norm = (da * da).norm();
  const MatrixXd aa = a * a;
  CHECK(norm.tangent() ==
        Approx((aa.array() * (a * direction + direction * a).array()).sum() / aa.norm()));
  const Eigen::Matrix<D, Eigen::Dynamic, Eigen::Dynamic> mixed = 2.0 * da + a;
  CHECK(mixed(1, 1).tangent() == 2 * direction(1, 1));
}

TEST_CASE("eigen: second derivatives through a decomposition") {
  // d2 log det(A + t B) / dt2 = -tr((A + t B)^-1 B (A + t B)^-1 B)
  const MatrixXd a = numbers(4, 4, 1), b = numbers(4, 4, 2);
  Tape<Dual<double>> tape;
  using S = Var<Dual<double>>;
  S t = tape.variable(Dual<double>(0.3, 1.0));
  Eigen::Matrix<S, Eigen::Dynamic, Eigen::Dynamic> m(4, 4);
  for (Index j = 0; j < 4; ++j)
    for (Index i = 0; i < 4; ++i) m(i, j) = a(i, j) + t * b(i, j);
  S y = log(S(m.determinant()));
  tape.backward(y);
  const MatrixXd q = (a + 0.3 * b).inverse() * b;
  CHECK(t.grad().value() == Approx(q.trace()).epsilon(1e-12));
  CHECK(t.grad().tangent() == Approx(-(q * q).trace()).epsilon(1e-12));
}

TEST_CASE("eigen: limits, classification, streaming, comparison") {
  static_assert(std::numeric_limits<V>::is_specialized);
  CHECK(std::numeric_limits<V>::digits10 == std::numeric_limits<double>::digits10);
  CHECK(Eigen::NumTraits<V>::epsilon().value() == std::numeric_limits<double>::epsilon());
  CHECK(Eigen::NumTraits<V>::highest().value() == std::numeric_limits<double>::max());
  Tape<double> tape;
  V x = tape.variable(1.0), bad = tape.variable(std::nan(""));
  CHECK(isfinite(x));
  CHECK(isfinite(2.0 * x));
  CHECK(isnan(bad));
  CHECK_FALSE(isinf(x));
  CHECK(isinf(x / 0.0));
  CHECK((isnormal(x) && !isnormal(0 * x) && signbit(-x) && !signbit(x)));
  CHECK((ilogb(9 * x) == 3 && lround(2.5 * x) == 3 && llround(-2.5 * x) == -3));
  CHECK((lrint(2.5 * x) == 2 && llrint(3.5 * x) == 4 && lround(Dual<double>(0.5, 1)) == 1));
  MatrixXv m = variables(tape, numbers(2, 2, 1));
  CHECK(m.allFinite());
  CHECK_FALSE((m * bad).allFinite());
  CHECK(m.isApprox(m));
  CHECK_FALSE(m.isApprox(2.0 * m));
  std::ostringstream text;
  text << Eigen::Matrix<V, 1, 2>(V(1.0), x + 1.0);
  CHECK(text.str() == "1 2");
}
