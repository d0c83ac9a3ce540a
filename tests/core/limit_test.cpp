// A tape with a limit of bytes stops with an error instead of taking all memory there is.

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr std::size_t limit = 1000000;

}  // namespace

TEST_CASE("limit: scalars") {
  Tape<double> tape;
  tape.limit_bytes(limit);
  const auto record = [&tape](long n) {
    const Var x = tape.variable(0.5);
    Var y = x;
    for (long i = 0; i < n; ++i) y = x * y;
    return y;
  };
  for (int round = 0; round < 2; ++round) {
    tape.clear();
    const Var x = tape.variable(0.5), y = x * x;
    CHECK_THROWS_WITH(record(1000000), ContainsSubstring("its limit is 1000000") &&
                                           ContainsSubstring("limit_bytes"));
    CHECK(tape.bytes() <= limit);
    CHECK(tape.statement_count() > limit / 100);
    CHECK(y.value() == 0.25);
  }
  tape.clear();
  const Var x = tape.variable(3.0), y = x * x;
  tape.backward(y);
  CHECK(x.grad() == 6);

  tape.limit_bytes(100 * limit);
  CHECK_NOTHROW(record(1000000));
}

TEST_CASE("limit: tensors") {
  Tape<float> tape;
  tape.limit_bytes(limit);
  const Tensor x = tape.variable(Eigen::VectorXf::Ones(1000)), kept = x * x;
  CHECK_THROWS_AS(
      [&] {
        Tensor y = x;
        for (int i = 0; i < 1000; ++i) y = y + x;
      }(),
      TapeError);
  CHECK_THROWS_AS(tape.full(Shape{1000, 1000}, 1.0f), TapeError);
  CHECK(tape.bytes() <= limit);
  tape.backward(kept, Eigen::VectorXf::Ones(1000));
  CHECK((x.grad().array() == 2).all());
}

TEST_CASE("limit: a sweep that finds no memory leaves the last one as it was") {
  Tape<double> tape;
  const Var x = tape.variable(0.5);
  const Var y = x * x;
  tape.backward(y);
  Var z = y;
  for (int i = 0; i < 5000; ++i) z = z * x;  // the adjoints do not fit into their first piece
  tape.limit_bytes(tape.bytes());
  CHECK_THROWS_AS(tape.backward(z), TapeError);
  CHECK(x.grad() == 1);
  CHECK_THROWS_AS(z.grad(), TapeError);
  tape.limit_bytes(limit);
  tape.backward(z);
  CHECK(z.grad() == 1);
}

// The streams of a tape grow one after another, and the limit may come between any two of them:
// what did not grow must not be taken for room when the tape is used again.
TEST_CASE("limit: a tape is sound wherever in its growth the limit comes") {
  for (std::size_t bytes = 12000; bytes < 120000; bytes += 250) {
    Tape<double> tape;
    tape.limit_bytes(bytes);
    const auto record_until_full = [&tape] {
      const Var x = tape.variable(0.5);
      Var y = x;
      for (int i = 0; i < 100000; ++i) y = x * y;
    };
    for (int round = 0; round < 3; ++round) {
      CHECK_THROWS_AS(record_until_full(), TapeError);
      REQUIRE(tape.bytes() <= bytes);
      tape.clear();
    }
  }
}
