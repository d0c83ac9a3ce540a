#include "gradtape/ops/functions.hpp"

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/activations.hpp"
#include "gradtape/ops/trigonometry.hpp"

using namespace gradtape;

TEST_CASE("pow: scalars, numbers and integers in any mixture") {
  using std::pow;
  Tape<double> tape;
  const Var<double> x = tape.variable(3.0), n = tape.variable(2.0);
  const Var<double> y = pow(x, 2) + pow(2, x) + pow(2.0, x) + pow(x, n) + pow(x, 2.0f);
  CHECK(y.value() == 9 + 8 + 8 + 9 + 9);
  tape.backward(y);
  CHECK(x.grad() == Approx(6 + 16 * std::log(2.0) + 6 + 6).epsilon(1e-15));
  CHECK(n.grad() == Approx(9 * std::log(3.0)).epsilon(1e-15));
}

TEST_CASE("pow: the derivative of an exponent that is a number is not computed") {
  Tape<double> tape;
  const Tensor<double> x = tape.variable(Eigen::Vector3d(-2, 0, 3));
  const Tensor<double> y = pow(x, 3), root = pow(x, 0.5), one = pow(x, 1);
  CHECK(y.value() == Eigen::Vector3d(-8, 0, 27));
  tape.backward(y, Eigen::Vector3d(1, 1, 1));
  CHECK(x.grad() == Eigen::Vector3d(12, 0, 27));
  CHECK(std::isnan(root.value()(0)));
  tape.backward(one, Eigen::Vector3d(1, 1, 1));
  CHECK(x.grad() == Eigen::Vector3d(1, 1, 1));
}

TEST_CASE("ldexp: exponents beyond those of the number type") {
  constexpr int most = std::numeric_limits<int>::max(), least = std::numeric_limits<int>::min();
  constexpr double inf = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  const Var tiny = tape.variable(0x1p-1070), huge = tape.variable(0x1.8p+1000);
  CHECK(Var(ldexp(tiny, 2090)).value() == 0x1p+1020);
  CHECK(Var(ldexp(huge, -2070)).value() == 0x1.8p-1070);
  CHECK(Var(ldexp(huge, -2076)).value() == 0);
  CHECK(Var(ldexp(huge, most)).value() == inf);
  CHECK(Var(ldexp(-tiny, most)).value() == -inf);
  CHECK(Var(ldexp(huge, least)).value() == 0);
  const Var y = ldexp(huge, -1050);
  tape.backward(y);
  CHECK(huge.grad() == 0x1p-1050);

  Tape<float> floats;
  const Tensor x = floats.variable(Eigen::Vector3f(0x1p-149f, 0x1p+127f, -1));
  const Tensor z = ldexp(x, most), w = scalbn(x, least), u = ldexp(x, 10);
  CHECK(z.value() == Eigen::Vector3f(float(inf), float(inf), -float(inf)));
  CHECK(w.value() == Eigen::Vector3f(0, 0, 0));
  CHECK(u.value() == Eigen::Vector3f(0x1p-139f, float(inf), -1024));
  floats.backward(u, Eigen::Vector3f(1, 2, 3));
  CHECK(x.grad() == Eigen::Vector3f(1024, 2048, 3072));

  Tape<long double> wide;
  const Var v = wide.variable(std::numeric_limits<long double>::denorm_min());
  CHECK(Var(ldexp(v, most)).value() == std::numeric_limits<long double>::infinity());
}

TEST_CASE("functions: long double keeps its digits") {
  Tape<long double> tape;
  const auto slope = [&](auto&& f, long double at) {
    const Var<long double> x = tape.variable(at);
    tape.backward(Var<long double>(f(x)));
    return x.grad();
  };
  const auto is = [](long double a, long double b) {
    return std::abs(a - b) <= 8 * std::numeric_limits<long double>::epsilon() * std::abs(b);
  };
  const long double x = 0.7L;
  CHECK(is(slope([](auto& v) { return tanh(v); }, x), 1 / (std::cosh(x) * std::cosh(x))));
  CHECK(is(slope([](auto& v) { return erf(v); }, x),
           2 / std::sqrt(std::acos(-1.0L)) * std::exp(-x * x)));
  CHECK(is(slope([](auto& v) { return log10(v); }, x), 1 / (x * std::log(10.0L))));
  CHECK(is(slope([](auto& v) { return exp2(v); }, x), std::log(2.0L) * std::exp2(x)));
  CHECK(is(slope([](auto& v) { return asin(v); }, x), 1 / std::sqrt(1 - x * x)));
  CHECK(is(slope([](auto& v) { return softplus(v); }, -50.0L), std::exp(-50.0L)));
  Tensor<long double> t = tape.variable(Eigen::Matrix<long double, 2, 1>(x, -x));
  Tensor<long double> y = sigmoid(t);
  CHECK(is(y.value()(0), 1 / (1 + std::exp(-x))));
}
