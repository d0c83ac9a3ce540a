#include "gradtape/text/windows.hpp"

#include <array>

#include "catch.hpp"

using gradtape::Random;
using namespace gradtape::text;

namespace {

using Ids = std::vector<Id>;

Ids input(const Windows& windows, gradtape::Index i) {
  const auto ids = windows.input(i);
  return Ids(ids.begin(), ids.end());
}

Windows two_texts() {
  Windows windows(3);
  windows.add(Ids{5, 6, 6, 2});
  windows.add(Ids{7});
  return windows;
}

}  // namespace

TEST_CASE("windows: boundaries before a text, its end as the last target") {
  const Windows windows = two_texts();
  const std::vector<std::pair<Ids, Id>> expected{{{0, 0, 0}, 5}, {{0, 0, 5}, 6}, {{0, 5, 6}, 6},
                                                 {{5, 6, 6}, 2}, {{6, 6, 2}, 0}, {{0, 0, 0}, 7},
                                                 {{0, 0, 7}, 0}};
  REQUIRE(windows.size() == 7);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(input(windows, static_cast<gradtape::Index>(i)) == expected[i].first);
    CHECK(windows.target(static_cast<gradtape::Index>(i)) == expected[i].second);
  }
}

TEST_CASE("windows: an empty text is its end alone") {
  Windows windows(2);
  windows.add(Ids{});
  REQUIRE(windows.size() == 1);
  CHECK(input(windows, 0) == Ids{0, 0});
  CHECK(windows.target(0) == 0);
}

TEST_CASE("windows: slices cover all, and the last is smaller") {
  const Windows windows = two_texts();
  Batch batch(3, 4);
  windows.slice(batch, 1);
  CHECK(batch.inputs().col(2) == Eigen::Matrix<Id, 3, 1>(5, 6, 6));
  CHECK(batch.targets() == Eigen::Matrix<Id, 4, 1>(6, 6, 2, 0));
  windows.slice(batch, 4);
  REQUIRE(batch.size() == 3);
  CHECK(batch.inputs().cols() == 3);
  CHECK(batch.inputs().col(0) == Eigen::Matrix<Id, 3, 1>(6, 6, 2));
  CHECK(batch.targets() == Eigen::Matrix<Id, 3, 1>(0, 7, 0));
  windows.slice(batch, 7);
  CHECK(batch.size() == 0);
  CHECK(batch.capacity() == 4);
  windows.slice(batch, 0);
  CHECK(batch.size() == 4);
}

TEST_CASE("windows: those of some numbers") {
  const Windows windows = two_texts();
  Batch batch(3, 4);
  const Id* const memory = batch.inputs().data();
  windows.choose(batch, std::array<gradtape::Index, 3>{6, 0, 6});
  CHECK(batch.inputs() == Eigen::Matrix<Id, 3, 3>{{0, 0, 0}, {0, 0, 0}, {7, 0, 7}});
  CHECK(batch.targets() == Eigen::Matrix<Id, 3, 1>(0, 5, 0));
  windows.choose(batch, std::array<gradtape::Index, 4>{3, 3, 3, 3});
  CHECK(batch.size() == 4);
  CHECK(batch.inputs().data() == memory);
  CHECK_THROWS_WITH(windows.choose(batch, std::array<gradtape::Index, 5>{}),
                    "windows: 5 windows for a batch of at most 4");
  CHECK_THROWS_WITH(windows.choose(batch, std::array<gradtape::Index, 1>{7}),
                    "windows: number 7 of 7 windows");
  Batch narrow(2, 4);
  CHECK_THROWS_WITH(windows.slice(narrow, 0), "windows: windows of 3 words for a batch of 2");
}

TEST_CASE("windows: samples are windows, all equally likely") {
  const Windows windows = two_texts();
  Random random(3), same(3);
  Batch batch(3, 2);
  std::array<int, 7> count{};
  for (int i = 0; i < 7000; ++i) {
    windows.sample(batch, random);
    for (int j = 0; j < 2; ++j) {
      const gradtape::Index k = same.index(7);
      ++count[static_cast<std::size_t>(k)];
      REQUIRE(Ids(batch.inputs().col(j).begin(), batch.inputs().col(j).end()) == input(windows, k));
      REQUIRE(batch.targets()(j) == windows.target(k));
    }
  }
  for (const int c : count) CHECK(std::abs(c - 2000) < 4 * 42);  // binomial: deviation 41.4
}

TEST_CASE("windows: errors") {
  CHECK_THROWS_WITH(Windows(0), "windows: a window of 0 words: it must have at least one");
  const Windows none(2);
  Batch batch(2, 1);
  Random random(1);
  CHECK_THROWS_AS(none.sample(batch, random), gradtape::DomainError);
  CHECK_THROWS_AS(none.slice(batch, -1), gradtape::ShapeError);
  CHECK_THROWS_AS(two_texts().input(7), gradtape::ShapeError);
  CHECK_THROWS_AS(two_texts().target(-1), gradtape::ShapeError);
}
