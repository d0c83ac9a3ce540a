#include "gradtape/data/split.hpp"

#include <limits>
#include <set>
#include <string>

#include "catch.hpp"

using namespace gradtape;
using Numbers = std::vector<Index>;

TEST_CASE("split: in order") {
  const data::Split ten = data::split(10);
  CHECK(ten.train == Numbers{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(ten.dev == Numbers{8});
  CHECK(ten.test == Numbers{9});
  const data::Split half = data::split(3, {.train = 0.5, .dev = 0});
  CHECK(half.train == Numbers{0, 1});
  CHECK(half.dev.empty());
  CHECK(half.test == Numbers{2});
  CHECK(data::split(4, {.train = 1, .dev = 0}).train.size() == 4);
  CHECK(data::split(0).train.empty());
}

TEST_CASE("split: every item in one part, also where shares do not add up exactly") {
  Random random(1);
  for (const Index n : {0, 1, 2, 3, 10, 99, 1000}) {
    for (const double train : {0.0, 0.1, 0.7, 0.8}) {
      const data::Split parts = data::split(n, random, {.train = train, .dev = 0.2});
      std::multiset<Index> seen(parts.train.begin(), parts.train.end());
      seen.insert(parts.dev.begin(), parts.dev.end());
      seen.insert(parts.test.begin(), parts.test.end());
      CHECK(std::ssize(seen) == n);
      CHECK(std::ssize(std::set<Index>(seen.begin(), seen.end())) == n);
      CHECK(std::abs(static_cast<double>(parts.train.size()) - train * static_cast<double>(n)) <=
            0.5);
      if (train == 0.8) CHECK(parts.test.empty());
    }
  }
}

TEST_CASE("split: the seed decides") {
  Random random(1), same(1), other(2);
  const data::Split parts = data::split(100, random);
  CHECK(parts.train == data::split(100, same).train);
  CHECK(parts.train != data::split(100, other).train);
  CHECK(parts.train != data::split(100).train);
}

TEST_CASE("folds: every item is tested once, and never trained on there") {
  Random random(1);
  for (const auto& [n, k] : {std::pair<Index, Index>(10, 5), {11, 4}, {2, 2}, {7, 7}}) {
    const std::vector<data::Split> folds = data::folds(n, k, random);
    CHECK(std::ssize(folds) == k);
    std::multiset<Index> tested;
    for (const data::Split& fold : folds) {
      CHECK(std::ssize(fold.test) >= n / k);
      CHECK(std::ssize(fold.test) <= (n + k - 1) / k);
      CHECK(fold.dev.empty());
      std::set<Index> all(fold.train.begin(), fold.train.end());
      CHECK(std::ssize(all) == n - std::ssize(fold.test));
      all.insert(fold.test.begin(), fold.test.end());
      CHECK(std::ssize(all) == n);
      tested.insert(fold.test.begin(), fold.test.end());
    }
    CHECK(std::ssize(tested) == n);
    CHECK(std::ssize(std::set<Index>(tested.begin(), tested.end())) == n);
  }
}

TEST_CASE("folds: the seed decides; errors") {
  Random random(1), same(1), other(2);
  const Numbers first = data::folds(100, 3, random)[0].test;
  CHECK(first == data::folds(100, 3, same)[0].test);
  CHECK(first != data::folds(100, 3, other)[0].test);
  CHECK_THROWS_WITH(data::folds(10, 1, random),
                    "folds: 1 of 10 items: there must be 2 at least, and an item in each");
  CHECK_THROWS_AS(data::folds(4, 5, random), DomainError);
}

TEST_CASE("split: items by their numbers") {
  const std::vector<std::string> items{"a", "b", "c"};
  CHECK(data::choose(items, Numbers{2, 0, 2}) == std::vector<std::string>{"c", "a", "c"});
  CHECK(data::choose(items, {}).empty());
  CHECK_THROWS_WITH(data::choose(items, Numbers{3}), "choose: number 3 of 3 items");
  CHECK_THROWS_AS(data::choose(items, Numbers{-1}), ShapeError);
}

TEST_CASE("split: errors") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(data::split(10, {.train = 0.8, .dev = 0.3}),
                    "split: shares of 0.8 and 0.3: they must not be negative, nor more "
                    "than 1 together");
  CHECK_THROWS_AS(data::split(10, {.train = -0.1}), DomainError);
  CHECK_THROWS_AS(data::split(10, {.train = nan}), DomainError);
  CHECK_THROWS_AS(data::split(10, {.train = 0.1, .dev = nan}), DomainError);
  CHECK_THROWS_AS(data::split(-1), DomainError);
}
