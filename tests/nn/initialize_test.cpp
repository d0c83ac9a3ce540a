#include "gradtape/nn/initialize.hpp"

#include "catch.hpp"

using namespace gradtape;
namespace initialize = gradtape::nn::initialize;

namespace {

/// Standard deviation about 0.
double deviation(const Parameter<double>& w) {
  return std::sqrt(w.value().squaredNorm() / static_cast<double>(w.size()));
}

}  // namespace

TEST_CASE("initialize: numbers") {
  Parameter<float> w(Shape{2, 3});
  initialize::constant(w, 0.25f);
  CHECK((w.value().array() == 0.25f).all());
  initialize::zeros(w);
  CHECK((w.value().array() == 0.0f).all());
}

TEST_CASE("initialize: in column-major order, the numbers of the generator") {
  Parameter<float> w(Shape{2, 3});
  Random random(1), same(1);
  initialize::uniform(w, random, -2, 3);
  for (Index i = 0; i < 6; ++i) CHECK(w.data()[i] == static_cast<float>(same.uniform(-2, 3)));
  initialize::normal(w, random, 1, 2);
  for (Index i = 0; i < 6; ++i) CHECK(w.data()[i] == static_cast<float>(same.normal(1, 2)));
}

TEST_CASE("initialize: deviations of Kaiming and Glorot") {
  // fan_in 200, fan_out 50.  The estimate from 10000 numbers is off by 0.7 % (normal) or 0.45 %
  // (uniform) in standard deviation.
  Parameter<double> w(Shape{50, 200});
  Random random(5);
  initialize::kaiming_normal(w, random);
  CHECK(deviation(w) == Approx(std::sqrt(2.0 / 200)).epsilon(0.025));
  initialize::kaiming_normal(w, random, nn::gain::tanh);
  CHECK(deviation(w) == Approx(5.0 / 3 / std::sqrt(200.0)).epsilon(0.025));
  initialize::kaiming_uniform(w, random);
  CHECK(deviation(w) == Approx(std::sqrt(2.0 / 200)).epsilon(0.02));
  CHECK(w.value().cwiseAbs().maxCoeff() <= std::sqrt(6.0 / 200));
  CHECK(w.value().cwiseAbs().maxCoeff() > 0.99 * std::sqrt(6.0 / 200));
  initialize::xavier_normal(w, random);
  CHECK(deviation(w) == Approx(std::sqrt(2.0 / 250)).epsilon(0.025));
  initialize::xavier_uniform(w, random, 3);
  CHECK(deviation(w) == Approx(3 * std::sqrt(2.0 / 250)).epsilon(0.02));
  CHECK(w.value().cwiseAbs().maxCoeff() <= 3 * std::sqrt(6.0 / 250));
}

TEST_CASE("initialize: orthogonal rows or columns, whichever are fewer") {
  Random random(5);
  const auto check = [&](Index rows, Index columns, double gain) {
    Parameter<double> w(Shape{rows, columns});
    initialize::orthogonal(w, random, gain);
    const Eigen::MatrixXd m = w.value();
    const Eigen::MatrixXd products =
        rows < columns ? Eigen::MatrixXd(m * m.transpose()) : Eigen::MatrixXd(m.transpose() * m);
    const Eigen::MatrixXd expected =
        gain * gain * Eigen::MatrixXd::Identity(products.rows(), products.cols());
    CHECK((products - expected).cwiseAbs().maxCoeff() <= 2e-15 * gain * gain);
  };
  check(1, 1, 1);
  check(40, 40, 1);
  check(7, 30, 1);
  check(30, 7, 3);
  check(5, 1, 2);
}

TEST_CASE("initialize: an orthogonal matrix prefers no direction") {
  // of a 3 by 3 rotation or reflection: the mean of each element 0, of its square 1/3
  Random random(5);
  Parameter<double> w(Shape{3, 3});
  Eigen::Matrix3d mean = Eigen::Matrix3d::Zero(), square = Eigen::Matrix3d::Zero();
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    initialize::orthogonal(w, random);
    mean += w.value() / n;
    square += w.value().cwiseAbs2() / n;
  }
  // deviations of the estimates: sqrt(1/3 / n) = 0.0041, sqrt((1/5 - 1/9) / n) = 0.0021
  CHECK(mean.cwiseAbs().maxCoeff() < 0.02);
  CHECK((square.array() - 1.0 / 3).abs().maxCoeff() < 0.01);
}

// An independent computation, by classical Gram-Schmidt in 50 digits, from the normal numbers that
// the generator gives (printed with 17 digits):
//
//     import mpmath as mp
//     mp.mp.dps = 50
//     q = []
//     for v in (numbers[0:3], numbers[3:6]):
//       v = [mp.mpf(x) for x in v]
//       v = [x - sum(mp.fdot(u, v) * u[i] for u in q) for i, x in enumerate(v)]
//       q.append([x / mp.sqrt(mp.fdot(v, v)) for x in v])
TEST_CASE("initialize: an orthogonal matrix from the numbers of the generator") {
  Random random(1);
  Parameter<double> w(Shape{3, 2});
  initialize::orthogonal(w, random);
  const double expected[] = {-0.36776514416392886, -0.87139117556589618, -0.32469403733972413,
                             0.86455012072422954,  -0.44899245250657976, 0.22574070600546747};
  for (Index i = 0; i < 6; ++i) CHECK(w.data()[i] == Approx(expected[i]).epsilon(1e-15));
  Parameter<float> narrow(Shape{2, 3});
  Random same(1);
  initialize::orthogonal(narrow, same);
  for (Index i = 0; i < 3; ++i) CHECK(narrow.value()(1, i) == static_cast<float>(w.value()(i, 1)));
}

TEST_CASE("initialize: empty parameters") {
  Parameter<double> w(Shape{0, 0});
  Random random(5);
  initialize::kaiming_normal(w, random);
  initialize::xavier_uniform(w, random);
  initialize::orthogonal(w, random);
  CHECK(w.size() == 0);
  Parameter<double> tall(Shape{3, 0});
  initialize::orthogonal(tall, random);
  CHECK(tall.size() == 0);
}

TEST_CASE("initialize: what is not finite is refused by name, and nothing changed") {
  using namespace initialize;
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Parameter<double> w(Shape{2, 2});
    Random random(1);
    const auto refused = [](auto&& call, const std::string& name) {
      CHECK_THROWS_WITH(call(), Catch::Matchers::StartsWith("initialize: " + name + " is "));
    };
    refused([&] { uniform(w, random, bad, 1); }, "low");
    refused([&] { uniform(w, random, 0, bad); }, "high");
    refused([&] { normal(w, random, bad, 1); }, "mean");
    refused([&] { normal(w, random, 0, bad); }, "deviation");
    refused([&] { kaiming_normal(w, random, bad); }, "gain");
    refused([&] { kaiming_uniform(w, random, bad); }, "gain");
    refused([&] { xavier_normal(w, random, bad); }, "gain");
    refused([&] { xavier_uniform(w, random, bad); }, "gain");
    refused([&] { orthogonal(w, random, bad); }, "gain");
    CHECK(w.value().isZero(0));
  }
}
