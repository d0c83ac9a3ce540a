// Random programs on a tape against forward mode: the values, and the adjoint identity
//
//     <J v, w> = <v, J^T w>
//
// for one v and w each.  For a long run: GRADTAPE_RANDOM_PROGRAMS=100000, from another seed on:
// GRADTAPE_RANDOM_SEED=1000.  With float: compiled with -DGRADTAPE_RANDOM_REAL=float.
#include <cstdlib>

#include "catch.hpp"
#include "random/run.hpp"

using namespace gradtape;
using namespace program;

namespace {

struct Fault {
  std::uint64_t seed;
  Program program;  // shrunk
  std::string text;
};

/// The first program at fault, or none.
template <class F>
std::optional<Fault> search(std::uint64_t first, std::uint64_t count, F cube) {
  Tape<Real> tape;
  const auto run = [&](const Program& program) {
    try {
      return fault(tape, program, cube);
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
  };
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Program program = generate(Random(seed));
    tape.trace(seed % 4 == 0);  // a node for each operation, and a look at each value
    if (run(program).empty()) continue;
    program = shrunk(program, [&](const Program& smaller) { return !run(smaller).empty(); });
    return Fault{seed, program, run(program)};
  }
  return std::nullopt;
}

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("random programs: the tape agrees with forward mode") {
  const auto found =
      search(setting("GRADTAPE_RANDOM_SEED", 1), setting("GRADTAPE_RANDOM_PROGRAMS", 2000),
             [](const auto& x) { return elementwise<Cube<1000>>(x); });
  if (found)
    UNSCOPED_INFO("seed " << found->seed << ": " << found->text << "\n"
                          << to_string(found->program));
  CHECK_FALSE(found);
}

TEST_CASE("random programs: a derivative wrong by one part in a thousand is found, and shrunk") {
  constexpr int wrong = is_double ? 1001 : 1100;  // float hides a thousandth of what is small
  const auto found = search(1, 300, [](const auto& x) { return elementwise<Cube<wrong>>(x); });
  REQUIRE(found);
  REQUIRE(found->program.leaves.size() == 1);
  REQUIRE(found->program.steps.size() == 1);
  CHECK(found->program.steps[0].op == Op::cube);
}
