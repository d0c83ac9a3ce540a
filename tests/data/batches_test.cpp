#include "gradtape/data/batches.hpp"

#include <set>

#include "catch.hpp"

using gradtape::Index;
using gradtape::Random;
using gradtape::data::Batches;

namespace {

std::vector<std::vector<Index>> collected(const Batches& batches) {
  std::vector<std::vector<Index>> all;
  for (const std::span<const Index> batch : batches) all.emplace_back(batch.begin(), batch.end());
  return all;
}

}  // namespace

TEST_CASE("batches: in order, with a smaller last one") {
  CHECK(collected(Batches(7, 3)) == std::vector<std::vector<Index>>{{0, 1, 2}, {3, 4, 5}, {6}});
  CHECK(collected(Batches(6, 3)).size() == 2);
  CHECK(collected(Batches(2, 5)) == std::vector<std::vector<Index>>{{0, 1}});
  CHECK(Batches(7, 3).size() == 3);
}

TEST_CASE("batches: the smaller last one is left out if asked for") {
  const Batches batches(7, 3, {.drop_last = true});
  CHECK(collected(batches) == std::vector<std::vector<Index>>{{0, 1, 2}, {3, 4, 5}});
  CHECK(collected(Batches(6, 3, {.drop_last = true})).size() == 2);
}

TEST_CASE("batches: every sample once, in an order of the generator's") {
  Batches batches(100, 8);
  Random random(1), same(1);
  batches.shuffle(random);
  const auto first = collected(batches);
  std::set<Index> seen;
  for (const auto& batch : first) seen.insert(batch.begin(), batch.end());
  CHECK(seen.size() == 100);
  CHECK(first != collected(Batches(100, 8)));

  batches.shuffle(random);
  CHECK(collected(batches) != first);
  batches.shuffle(same);
  CHECK(collected(batches) == first);
}

TEST_CASE("batches: with some dropped, every sample has its turn over the epochs") {
  Batches batches(5, 2, {.drop_last = true});
  Random random(1);
  std::vector<int> counts(5);
  for (int epoch = 0; epoch < 1000; ++epoch) {
    batches.shuffle(random);
    for (const auto batch : batches) {
      for (const Index i : batch) ++counts[static_cast<std::size_t>(i)];
    }
  }
  for (const int c : counts) CHECK(std::abs(c - 800) < 4 * 13);  // binomial: deviation 12.6
}

TEST_CASE("batches: errors") {
  CHECK_THROWS_WITH(Batches(0, 3), "batches: of 3 from 0 samples: both numbers must be at least 1");
  CHECK_THROWS_AS(Batches(3, 0), gradtape::DomainError);
  CHECK_THROWS_WITH(Batches(2, 3, {.drop_last = true}),
                    "batches: the only one, of 2 samples, is smaller than 3, and would be dropped");
  CHECK_THROWS_WITH(Batches(7, 3)[3], "batches: number 3 of 3 batches");
  CHECK_THROWS_AS(Batches(7, 3)[-1], gradtape::ShapeError);
}
