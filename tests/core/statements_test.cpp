// How many scalar statements there is room for, and what happens beyond.

#include "gradtape/core/statements.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "catch.hpp"

namespace {

using gradtape::TapeError;
using gradtape::detail::Budget;
using gradtape::detail::Statements;

template <class S>
void append(S& statements, std::size_t operands) {
  if (!statements.has_room(operands)) statements.make_room(operands);
  statements.append(operands, [&](double* partial, std::uint32_t* operand) {
    std::fill_n(partial, operands, 0.0);
    std::fill_n(operand, operands, 0u);
  });
}

template <class S>
void append_leaves(S& statements, std::size_t n) {
  if (!statements.has_room_for_leaves(n)) statements.make_room_for_leaves(n);
  if (n <= S::few) {
    statements.append_few_leaves(n);
  } else {
    statements.append_leaves(n);
  }
}

/// Whether each statement for which there seems to be room has its byte in the stream of counts.
template <class S>
bool counts_suffice(const S& statements, std::size_t operand_capacity) {
  std::size_t room = 0, leaves = 0;
  while (statements.has_room(room + 1)) ++room;
  while (statements.has_room_for_leaves(leaves + 1)) ++leaves;
  const std::size_t adjoints = S::few * sizeof(double),
                    counts = statements.bytes() - adjoints -
                             operand_capacity * (sizeof(double) + sizeof(std::uint32_t));
  return statements.size() + std::max(room, leaves) + S::few + 1 <= counts;
}

}  // namespace

// Rewinding over wide statements gives back many operands but few statements.
TEST_CASE("statements: the stream of counts follows that of the operands after a rewinding") {
  for (std::size_t leaves = 0; leaves < 6000; leaves += 7) {
    Budget budget;
    Statements<double> statements(budget);
    append_leaves(statements, 3000);
    statements.rewind({});
    append(statements, 1);
    append_leaves(statements, leaves);
    const auto mark = statements.mark();
    std::size_t widest = 0;
    for (int i = 0; i < 12; ++i) append(statements, 200);
    std::size_t capacity = statements.mark().operands;
    while (statements.has_room(widest + 1)) ++widest;
    capacity += widest;
    statements.rewind(mark);
    REQUIRE(counts_suffice(statements, capacity));
    for (int i = 0; i < 5000; ++i) append(statements, 1);
    CHECK(statements.size() == mark.statements + 5000);
  }
}

TEST_CASE("statements: as many as have a number, however they come, and not one more") {
  constexpr std::size_t most = 3000;
  std::mt19937 random(5);
  const auto below = [&](std::size_t n) { return random() % n; };
  for (int round = 0; round < 300; ++round) {
    Budget budget;
    Statements<double, most> statements(budget);
    std::vector<Statements<double, most>::Mark> marks;
    for (int step = 0; step < 400; ++step) {
      switch (below(16)) {
        case 0:
          if (marks.empty()) break;
          statements.rewind(marks.back());
          marks.pop_back();
          break;
        case 1:
          marks.push_back(statements.mark());
          break;
        case 2:
          if (below(4) != 0) break;
          statements.clear();
          marks.clear();
          break;
        case 3: {
          const std::size_t n = below(most / 4);
          if (n > most - statements.size()) {
            CHECK_THROWS_AS(append_leaves(statements, n), TapeError);
          } else {
            append_leaves(statements, n);
          }
          break;
        }
        case 4:
          if (statements.size() == most) {
            CHECK_THROWS_AS(append_leaves(statements, 1), TapeError);
          } else {
            append_leaves(statements, 1);
          }
          break;
        default: {
          const std::size_t operands = 1 + below(3) * below(100), repeats = below(100);
          for (std::size_t i = 0; i < repeats; ++i) {
            // so near to the end a wide statement may be refused as well: each operand might need one
            if (operands > most - statements.size()) {
              if (statements.size() == most)
                CHECK_THROWS_AS(append(statements, operands), TapeError);
              break;
            }
            append(statements, operands);
          }
        }
      }
      REQUIRE(statements.size() <= most);
    }
    statements.clear_adjoints();
    CHECK(statements.adjoint(statements.size()) == 0);
    statements.sweep(statements.mark(), 0);
  }
}

TEST_CASE("statements: room for more operands than there are numbers of statements") {
  Budget budget;
  Statements<double, 3000> statements(budget);
  for (int i = 0; i < 100; ++i) append(statements, 100);
  statements.clear();
  for (int i = 0; i < 3000; ++i) append(statements, 1);
  CHECK_THROWS_AS(append(statements, 1), TapeError);
  CHECK(statements.size() == 3000);
}

// a sweep over tensors alone has one adjoint, that of nobody
TEST_CASE("statements: memory for adjoints is of none or of all that are cleared in one go") {
  Budget budget;
  Statements<double> statements(budget);
  CHECK(statements.bytes() == 0);
  statements.clear_adjoints();
  CHECK(statements.bytes() == statements.few * sizeof(double));
  statements.clear_adjoints();
  CHECK(statements.adjoint(0) == 0);
}
