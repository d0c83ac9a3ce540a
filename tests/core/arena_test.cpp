#include "gradtape/core/arena.hpp"

#include <cstdint>
#include <cstring>
#include <vector>

#include "catch.hpp"

using gradtape::detail::Arena;
using gradtape::detail::Budget;
using gradtape::detail::tensor_alignment;

namespace {

bool is_aligned(const void* p, std::size_t alignment) {
  return reinterpret_cast<std::uintptr_t>(p) % alignment == 0;
}

}  // namespace

TEST_CASE("arena: addresses are aligned, stay, and do not overlap") {
  Budget budget;
  Arena arena(budget);
  std::vector<std::pair<unsigned char*, std::size_t>> pieces;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::size_t bytes = 1 + i * i % 5000;
    auto* const p = static_cast<unsigned char*>(arena.allocate(bytes, tensor_alignment));
    REQUIRE(is_aligned(p, tensor_alignment));
    std::memset(p, static_cast<int>(i % 251), bytes);
    pieces.emplace_back(p, bytes);
  }
  CHECK(arena.bytes() > (std::size_t{1} << 16));  // several blocks
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto [p, bytes] = pieces[i];
    CHECK(std::count(p, p + bytes, static_cast<unsigned char>(i % 251)) ==
          static_cast<std::ptrdiff_t>(bytes));
  }
}

TEST_CASE("arena: a block larger than any before") {
  Budget budget;
  Arena arena(budget);
  arena.allocate(8, 8);
  auto* const p = static_cast<unsigned char*>(arena.allocate(std::size_t{1} << 20, 64));
  std::memset(p, 1, std::size_t{1} << 20);
  CHECK(arena.bytes() >= (std::size_t{1} << 20));
}

TEST_CASE("arena: rewinding to the beginning joins the blocks, and the same again needs no more") {
  Budget budget;
  Arena arena(budget);
  const auto fill = [&arena] {
    for (int i = 0; i < 100; ++i) std::memset(arena.allocate(5000, 64), i, 5000);
  };
  fill();
  arena.rewind({});
  const std::size_t bytes = arena.bytes();
  for (int step = 0; step < 3; ++step) {
    const void* const first = arena.allocate(1, 64);
    fill();
    arena.rewind({});
    CHECK(arena.allocate(1, 64) == first);
    arena.rewind({});
  }
  CHECK(arena.bytes() == bytes);
}

TEST_CASE("arena: rewinding to a mark keeps what was before it") {
  Budget budget;
  Arena arena(budget);
  auto* const kept = arena.allocate<int>(1);
  *kept = 42;
  const Arena::Mark mark = arena.mark();
  for (int step = 0; step < 5; ++step) {
    for (int i = 0; i < 200; ++i) std::memset(arena.allocate(3000, 64), 0xff, 3000);
    arena.rewind(mark);
    CHECK(*kept == 42);
  }
  const std::size_t bytes = arena.bytes();
  for (int i = 0; i < 200; ++i) std::memset(arena.allocate(3000, 64), 0xff, 3000);
  CHECK(arena.bytes() == bytes);
}

TEST_CASE("arena: sizes that no memory holds") {
  Budget budget;
  Arena arena(budget);
  CHECK_THROWS_AS(arena.allocate<double>(std::size_t{1} << 62), std::bad_alloc);
  CHECK(arena.allocate<double>(10) != nullptr);
}

TEST_CASE("arena: joined blocks are as large as they had to be") {
  Budget budget;
  Arena arena(budget);
  for (int i = 0; i < 1000; ++i) arena.allocate(5000, 64);
  CHECK(arena.bytes() >= 5000000);
  arena.rewind({});
  CHECK(arena.bytes() >= 5000000);
  CHECK(arena.bytes() <= 5800000);

  // a third of each block was left over
  Arena other(budget);
  for (int i = 0; i < 8; ++i) other.allocate(45000, 64);
  other.rewind({});
  CHECK(other.bytes() >= 360000);
  CHECK(other.bytes() <= 410000);
  const std::size_t bytes = other.bytes();
  for (int i = 0; i < 8; ++i) other.allocate(45000, 64);
  other.rewind({});
  CHECK(other.bytes() == bytes);
}

TEST_CASE("budget: more than the limit is refused, and what is given back counts no more") {
  Budget budget;
  budget.limit = 1000;
  budget.take(600);
  CHECK_THROWS_AS(budget.take(401), gradtape::TapeError);
  CHECK_THROWS_AS(budget.take(SIZE_MAX), gradtape::TapeError);
  budget.take(400);
  budget.give_back(1);
  budget.take(1);
  CHECK_THROWS_AS(budget.take(1), gradtape::TapeError);
  budget.limit = 10;  // below what is held
  CHECK_THROWS_AS(budget.take(1), gradtape::TapeError);
}
