#pragma once
/// \file
/// Random numbers that are the same on every machine.  The C++ standard fixes the output of
/// `std::mt19937_64`, but not that of its distributions, and mathematical libraries differ in the
/// last bit of `log` and `cos`.  So everything here is made from the engine's bits with operations
/// that IEEE 754 rounds exactly: comparison, division, fused multiply-add.

#include <Eigen/Core>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <random>
#include <utility>

#include "error.hpp"

namespace gradtape {

/// A source of random numbers, always an explicit argument: equal seeds, equal numbers.  Copying it
/// copies its state.
class Random {
 public:
  /// Every seed is as good as any other, 0 included.
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 64 random bits.
  std::uint64_t bits() { return engine_(); }

  /// Uniform in [0, 1): the multiples of 2^-53.
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  /// Uniform in [low, high).
  double uniform(double low, double high) {
    // written out, as a compiler may fuse or not fuse low + (high - low) * u
    const double x = std::fma(high - low, uniform(), low);
    return x < high ? x : low;
  }

  /// Normally distributed with mean 0 and standard deviation 1.
  /// Source: Karney (2016), Sampling exactly from the normal distribution, ACM TOMS 42(1),
  /// algorithm N: the density of k + x, an integer and a uniform number, is
  ///     exp(-(k + x)^2 / 2) = exp(-k/2) exp(-k(k-1)/2) exp(-x(2k + x)/2),
  /// and each factor is the probability of an event that comparisons of uniform numbers decide.
  double normal() {
    for (;;) {
      std::int64_t k = 0;
      while (happens_with_exp_minus_half()) ++k;
      if (!all_of(k * (k - 1), [this] { return happens_with_exp_minus_half(); })) continue;
      const double x = uniform();
      const double share = (static_cast<double>(2 * k) + x) / static_cast<double>(2 * k + 2);
      if (!all_of(k + 1, [&] { return happens_with_exp_minus(x, share); })) continue;
      const double y = static_cast<double>(k) + x;
      return bits() >> 63 != 0 ? -y : y;
    }
  }

  /// Normally distributed.
  double normal(double mean, double deviation) { return std::fma(deviation, normal(), mean); }

  /// Uniform in 0 .. n-1, without bias.
  /// \throws DomainError unless n > 0.
  Eigen::Index index(Eigen::Index n) {
    if (n <= 0) detail::fail<DomainError>("random: an index below ", n, ": there is none");
    const auto count = static_cast<std::uint64_t>(n);
    const std::uint64_t surplus = (0 - count) % count;  // 2^64 mod n
    std::uint64_t x = bits();
    while (x < surplus) x = bits();
    return static_cast<Eigen::Index>(x % count);
  }

  /// One of 0 .. n-1, number i with a probability of weights[i] / sum.
  /// \throws DomainError unless the weights are not negative and their sum is positive and finite.
  template <class Weights>
  Eigen::Index choose(const Weights& weights) {
    const auto weight = std::begin(weights);
    const auto n = static_cast<Eigen::Index>(std::size(weights));
    double sum = 0;
    bool is_valid = true;
    for (Eigen::Index i = 0; i < n; ++i) {
      is_valid = is_valid && weight[i] >= 0;
      sum += static_cast<double>(weight[i]);
    }
    if (!is_valid || !(sum > 0) || !std::isfinite(sum)) {
      detail::fail<DomainError>("random: ", n, " weights of sum ", sum, ": ",
                                "none may be negative, and the sum must be positive and finite");
    }
    double rest = uniform() * sum;
    Eigen::Index last = 0;  // of those with a weight: where rounding uses up what is left
    for (Eigen::Index i = 0; i < n; ++i) {
      if (!(weight[i] > 0)) continue;
      last = i;
      if (rest < static_cast<double>(weight[i])) break;
      rest -= static_cast<double>(weight[i]);
    }
    return last;
  }

  /// Puts a sequence into random order, each equally likely (Fisher and Yates).
  template <class Range>
  void shuffle(Range&& range) {
    const auto first = std::begin(range);
    for (Eigen::Index i = static_cast<Eigen::Index>(std::size(range)); i > 1; --i) {
      using std::swap;
      swap(first[i - 1], first[index(i)]);
    }
  }

 private:
  // The events, after von Neumann: the longest run  bound > u_1 > u_2 > ..  of uniform numbers has
  // length n or more with probability bound^n / n!, so that its length is even with probability
  // exp(-bound).

  bool happens_with_exp_minus_half() {
    bool even = true;
    for (double last = 0.5, u = uniform(); u < last; last = u, u = uniform()) even = !even;
    return even;
  }

  /// With probability exp(-bound share): each step of the run also needs a number below share.
  bool happens_with_exp_minus(double bound, double share) {
    bool even = true;
    for (double last = bound, u = uniform(); u < last && uniform() < share; last = u, u = uniform())
      even = !even;
    return even;
  }

  template <class Event>
  static bool all_of(std::int64_t times, Event&& event) {
    for (; times > 0; --times) {
      if (!event()) return false;
    }
    return true;
  }

  std::mt19937_64 engine_;
};

}  // namespace gradtape
