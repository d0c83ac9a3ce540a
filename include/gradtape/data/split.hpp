#pragma once
/// \file
/// Data to learn from, to choose settings with, and to test with at the end.

#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "../core/random.hpp"
#include "../core/shape.hpp"

namespace gradtape::data {

/// The numbers of the items in each part.
struct Split {
  std::vector<Index> train;  ///< to learn from
  std::vector<Index> dev;    ///< to choose settings with
  std::vector<Index> test;   ///< to be looked at once, at the end
};

/// Shares of the whole; what they leave is the test part.
struct SplitOptions {
  double train = 0.8;  ///< in [0, 1]
  double dev = 0.1;    ///< in [0, 1 - train]
};

namespace detail {

inline Split cut(std::span<const Index> order, const SplitOptions& options) {
  const double train = options.train, dev = options.dev;
  if (!(train >= 0) || !(dev >= 0) || !(train + dev <= 1 + 1e-12)) {
    gradtape::detail::fail<DomainError>("split: shares of ", train, " and ", dev,
                                        ": they must not be negative, nor more than 1 together");
  }
  const auto n = static_cast<double>(order.size());
  const auto first = static_cast<std::ptrdiff_t>(std::llround(n * train));
  const auto second = static_cast<std::ptrdiff_t>(std::llround(n * std::min(train + dev, 1.0)));
  const auto begin = order.begin();
  return {{begin, begin + first}, {begin + first, begin + second}, {begin + second, order.end()}};
}

inline std::vector<Index> numbers_below(Index n) {
  if (n < 0) gradtape::detail::fail<DomainError>("split: ", n, " items");
  std::vector<Index> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

}  // namespace detail

/// Deals n items out at random, each into one part; the sizes of the parts are the nearest to their
/// shares.
/// \throws DomainError for shares that are negative, NaN, or more than the whole.
inline Split split(Index n, Random& random, const SplitOptions& options = {}) {
  std::vector<Index> order = detail::numbers_below(n);
  random.shuffle(order);
  return detail::cut(order, options);
}

/// The same in the order of the items: the first for training, the last for the test.
inline Split split(Index n, const SplitOptions& options = {}) {
  return detail::cut(detail::numbers_below(n), options);
}

/// Cross-validation: k ways to part n items, at random, so that each item is in the test part of
/// exactly one of them, and in the training part of the others.  The k test parts are of the same
/// size, or differ by one.
/// \throws DomainError unless 2 <= k <= n.
inline std::vector<Split> folds(Index n, Index k, Random& random) {
  if (k < 2 || k > n) {
    gradtape::detail::fail<DomainError>("folds: ", k, " of ", n,
                                        " items: there must be 2 at least, and an item in each");
  }
  std::vector<Index> order = detail::numbers_below(n);
  random.shuffle(order);
  std::vector<Split> result(static_cast<std::size_t>(k));
  for (Index i = 0; i < k; ++i) {
    const auto begin = order.begin() + n * i / k, end = order.begin() + n * (i + 1) / k;
    Split& fold = result[static_cast<std::size_t>(i)];
    fold.test.assign(begin, end);
    fold.train.assign(order.begin(), begin);
    fold.train.insert(fold.train.end(), end, order.end());
  }
  return result;
}

/// The items of these numbers.
/// \throws ShapeError for a number that is no item's.
template <class Item>
std::vector<Item> choose(const std::vector<Item>& items, std::span<const Index> numbers) {
  std::vector<Item> chosen;
  chosen.reserve(numbers.size());
  for (const Index i : numbers) {
    if (i < 0 || i >= std::ssize(items))
      gradtape::detail::fail<ShapeError>("choose: number ", i, " of ", items.size(), " items");
    chosen.push_back(items[static_cast<std::size_t>(i)]);
  }
  return chosen;
}

}  // namespace gradtape::data
