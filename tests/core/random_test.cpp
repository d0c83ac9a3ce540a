#include "gradtape/core/random.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "catch.hpp"

using gradtape::Random;

// The fixed numbers come from a Python program that shares nothing with the header: MT19937-64 from
// its recurrence (checked against the 10000th number that the C++ standard names), `uniform(a, b)`
// with exact fractions and one rounding, and the published algorithms step by step.

TEST_CASE("random: the engine is the one of the standard") {
  Random random(5489);
  for (int i = 1; i < 10000; ++i) random.bits();
  CHECK(random.bits() == 9981545732273789042u);
}

TEST_CASE("random: uniform numbers, bit by bit") {
  Random random(42);
  for (const double u :
       {0x1.82a3befaddcbcp-1, 0x1.472f1f73724a0p-1, 0x1.81192cfe1cbcfp-1, 0x1.171621fc50d68p-3}) {
    CHECK(random.uniform() == u);
  }
  random = Random(42);
  for (const double u :
       {0x1.9dd2cb2afc794p-3, 0x1.3eb1cbebea100p-3, 0x1.9b5b7b302dfb2p-3, -0x1.74a9633918427p-5}) {
    CHECK(random.uniform(-0.1, 0.3) == u);
  }
}

TEST_CASE("random: an interval contains its lower end alone") {
  Random random(1);
  const double next = std::nextafter(1.0, 2.0);
  for (int i = 0; i < 100; ++i) CHECK(random.uniform(1.0, next) == 1.0);
  CHECK(random.uniform(3.0, 3.0) == 3.0);
}

TEST_CASE("random: normal numbers, bit by bit") {
  Random random(42);
  for (const double x : {-0x1.af6df0655c689p+0, 0x1.c8e7d9eeb4940p-2, 0x1.cde8baa8d4b7ap+0,
                         0x1.bce45e9dbe2b3p+1, 0x1.e0c2d8c93b7ecp-3, -0x1.048ea4c50962cp-3}) {
    CHECK(random.normal() == x);
  }
}

TEST_CASE("random: normal numbers have the normal distribution") {
  constexpr int n = 200000;
  Random random(7);
  std::vector<double> x(n);
  for (double& v : x) v = random.normal();
  double moment[5]{};
  for (const double v : x) {
    for (int k = 1; k <= 4; ++k) moment[k] += std::pow(v, k) / n;
  }
  // standard deviations of these estimates: 1, sqrt 2, sqrt 15, sqrt 96 over sqrt n
  CHECK(std::abs(moment[1]) < 4 * std::sqrt(1.0 / n));
  CHECK(std::abs(moment[2] - 1) < 4 * std::sqrt(2.0 / n));
  CHECK(std::abs(moment[3]) < 4 * std::sqrt(15.0 / n));
  CHECK(std::abs(moment[4] - 3) < 4 * std::sqrt(96.0 / n));

  // Kolmogorov and Smirnov: the distance exceeds 1.95 / sqrt n once in a thousand
  std::sort(x.begin(), x.end());
  double distance = 0;
  for (int i = 0; i < n; ++i) {
    const double p = 0.5 * std::erfc(-x[static_cast<std::size_t>(i)] / std::sqrt(2.0));
    distance = std::max({distance, std::abs(p - double(i) / n), std::abs(p - double(i + 1) / n)});
  }
  CHECK(distance < 1.95 / std::sqrt(double(n)));

  random = Random(42);
  Random same(42);
  CHECK(random.normal(3, 2) == std::fma(2.0, same.normal(), 3.0));
}

TEST_CASE("random: indices") {
  Random random(42);
  for (const int i : {6, 4, 0, 2, 1, 8, 6, 4, 0, 7}) CHECK(random.index(10) == i);

  // a quarter of all 64-bit numbers is refused here; without that low indices come up more often
  random = Random(42);
  for (const Eigen::Index i :
       {95102796975956694, 4870519549862412968, 39571969185577738, 2827313398146275669,
        3681422324597531680, 6878563960102566144, 5052085463162682550, 281698041229442401}) {
    CHECK(random.index(3 * (Eigen::Index(1) << 61)) == i);
  }
  for (int i = 0; i < 10; ++i) CHECK(random.index(1) == 0);
  CHECK_THROWS_WITH(random.index(0), "random: an index below 0: there is none");
  CHECK_THROWS_AS(random.index(-3), gradtape::DomainError);
}

TEST_CASE("random: choose by weights") {
  const std::vector<double> weights{0, 1, 0, 3, 4, 0};
  Random random(42), same(42);
  std::array<int, 6> count{};
  for (int i = 0; i < 8000; ++i) {
    const auto k = random.choose(weights);
    ++count[static_cast<std::size_t>(k)];
    const double u = 8 * same.uniform();
    CHECK(k == (u < 1 ? 1 : u < 4 ? 3 : 4));
  }
  CHECK(count[0] + count[2] + count[5] == 0);
  CHECK_THROWS_AS(random.choose(std::vector<double>{}), gradtape::DomainError);
  CHECK_THROWS_AS(random.choose(std::vector<double>{1, -1, 2}), gradtape::DomainError);
  CHECK_THROWS_AS(random.choose(std::vector<float>{0, NAN}), gradtape::DomainError);
  CHECK_THROWS_AS(random.choose(std::vector<double>{1, INFINITY}), gradtape::DomainError);
}

TEST_CASE("random: shuffle") {
  std::array<int, 10> x{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  Random random(42);
  random.shuffle(x);
  CHECK(x == std::array<int, 10>{1, 7, 9, 0, 3, 8, 4, 2, 5, 6});

  // all orders of three equally often: chi-squared with 5 degrees of freedom, above 20.5 once in a
  // thousand
  std::array<int, 27> count{};
  for (int i = 0; i < 60000; ++i) {
    std::array<int, 3> y{0, 1, 2};
    random.shuffle(y);
    ++count[static_cast<std::size_t>(9 * y[0] + 3 * y[1] + y[2])];
  }
  double chi = 0;
  for (const int i : {5, 7, 11, 15, 19, 21})
    chi += std::pow(count[static_cast<std::size_t>(i)] - 10000.0, 2) / 10000;
  CHECK(chi < 20.5);

  std::vector<int> none;
  random.shuffle(none);
  CHECK(none.empty());
}
