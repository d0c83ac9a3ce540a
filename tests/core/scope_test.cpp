#include <ctime>
#include <stdexcept>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/arithmetic.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("scope: forgets what was recorded in it, and no more") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Tensor t = tape.variable(Eigen::Vector3d(1, 2, 3));
  Var<double> inner;
  Tensor<double> inner_tensor;
  {
    const auto scope = tape.scope();
    inner = x * x;
    inner_tensor = t * 2.0;
    tape.backward(inner);
    CHECK(x.grad() == 6);
  }
  CHECK(tape.statement_count() == 1);
  CHECK(tape.node_count() == 1);
  CHECK_THROWS_WITH(inner.grad(), ContainsSubstring("scope"));
  CHECK_THROWS_WITH(inner_tensor.value(), ContainsSubstring("scope"));
  CHECK_THROWS_AS(Var(inner + x), TapeError);
  CHECK_THROWS_AS(Tensor(inner_tensor + t), TapeError);
  CHECK_THROWS_AS(Tensor(inner * t), TapeError);

  Var y = x * 7.0;
  tape.backward(y);
  CHECK(x.grad() == 7);
  CHECK(t.value()(1) == 2);
}

TEST_CASE("scope: the same again needs no more memory") {
  Tape<double> tape;
  const Tensor x = tape.variable(Eigen::VectorXd::Ones(1000));
  const auto use = [&] {
    const auto scope = tape.scope();
    CHECK(Tensor(x * x).size() == 1000);
  };
  use();
  const std::size_t bytes = tape.bytes();
  for (int i = 0; i < 100; ++i) use();
  CHECK(tape.bytes() == bytes);
}

TEST_CASE("scope: handles from outside stay good in nested scopes and afterwards") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Tensor t = tape.variable(Eigen::Vector3d(1, 2, 3));
  for (int i = 0; i < 3; ++i) {
    const auto outer = tape.scope();
    Var y = x * x;
    Tensor u = t * y;
    for (int j = 0; j < 3; ++j) {
      const auto inner = tape.scope();
      Var z = x * y;
      tape.backward(z);
      CHECK(x.grad() == 27);
      Tensor v = u * t;
      tape.backward(v, Eigen::Vector3d(1, 1, 1));
      CHECK(t.grad()(2) == 2 * 3 * 9);
      CHECK(x.grad() == (1 + 4 + 9) * 6);
    }
    CHECK(y.value() == 9);
    tape.backward(y);
    CHECK(x.grad() == 6);
  }
  Var y = x + x;
  tape.backward(y);
  CHECK(x.grad() == 2);
}

TEST_CASE("scope: a stale handle stays refused while others reach its place") {
  Tape<double> tape;
  Var x = tape.variable(1.0);
  std::vector<Var<double>> stale;
  std::vector<Tensor<double>> stale_tensors;
  for (int i = 0; i < 300; ++i) {
    const auto scope = tape.scope();
    stale.push_back(x * 2.0);
    stale_tensors.push_back(tape.full(Shape{2}, 1.0));
    if (i % 3 == 0) {
      const auto inner = tape.scope();
      Var y = x * 3.0;
      CHECK_NOTHROW(Var(stale.back() + y));
    }
    CHECK_NOTHROW(Var(stale.back() + x));
    for (std::size_t k = 0; k + 1 < stale.size(); k += 37) {
      CHECK_THROWS_AS(Var(stale[k] + x), TapeError);
      CHECK_THROWS_AS(stale_tensors[k].value(), TapeError);
    }
  }
  CHECK_NOTHROW(Var(x + x));
}

TEST_CASE("scope: what each handle survives, against a list of what was recorded") {
  // a walk over scopes; `alive` is what the definition of a scope says
  Tape<double> tape;
  struct Entry {
    Var<double> scalar;
    Tensor<double> tensor;
    bool alive;
  };
  std::vector<Entry> entries;
  const Var root = tape.variable(1.0);
  unsigned state = 1;
  const auto random = [&state] { return (state = state * 1664525u + 1013904223u) >> 24; };
  const auto walk = [&](auto&& self, int depth) -> void {
    const auto scope = tape.scope();
    const std::size_t begin = entries.size();
    for (int i = 0; i < 6; ++i) {
      if (random() % 2 == 0) {
        entries.push_back({root * 2.0, tape.full(Shape{1}, 1.0), true});
      } else if (depth < 5) {
        self(self, depth + 1);
      }
    }
    for (std::size_t k = 0; k < entries.size(); ++k) {
      bool scalar_good = true, tensor_good = true;
      try {
        (void)entries[k].scalar.tape();
      } catch (const TapeError&) {
        scalar_good = false;
      }
      try {
        (void)entries[k].tensor.value();
      } catch (const TapeError&) {
        tensor_good = false;
      }
      REQUIRE(scalar_good == entries[k].alive);
      REQUIRE(tensor_good == entries[k].alive);
    }
    for (std::size_t k = begin; k < entries.size(); ++k) entries[k].alive = false;
  };
  walk(walk, 0);
  CHECK(entries.size() > 100);
}

TEST_CASE("scope: rewinds when an exception passes") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  try {
    const auto scope = tape.scope();
    [[maybe_unused]] Var y = x * x;
    [[maybe_unused]] Tensor t = tape.full(Shape{4}, 1.0);
    throw std::runtime_error("in the middle");
  } catch (const std::runtime_error&) {
  }
  CHECK(tape.statement_count() == 1);
  CHECK(tape.node_count() == 0);
  Var y = x * x;
  tape.backward(y);
  CHECK(x.grad() == 6);
}

TEST_CASE("scope: clear() inside of a scope") {
  Tape<double> tape;
  Var outside = tape.variable(3.0);
  Tensor outside_tensor = tape.full(Shape{2}, 1.0);
  Var<double> x;
  {
    const auto scope = tape.scope();
    tape.clear();
    CHECK_THROWS_AS(Var(outside * 2.0), TapeError);
    x = tape.variable(5.0);
    Var y = x * x;
    [[maybe_unused]] Tensor t = tape.full(Shape{2}, 1.0);
    tape.backward(y);
    CHECK(x.grad() == 10);
  }
  CHECK_THROWS_AS(Var(outside * 2.0), TapeError);
  CHECK_THROWS_AS(outside_tensor.value(), TapeError);
  CHECK_NOTHROW(Var(x * 2.0));
}

TEST_CASE("scope: clear() forgets what a scope before it has kept") {
  Tape<double> tape;
  const Var x = tape.variable(3.0);
  {
    const auto scope = tape.scope();
    CHECK(Var(x * x).value() == 9);
  }
  CHECK(Var(x * 2.0).value() == 6);
  tape.clear();
  const Var z = tape.variable(5.0);  // where x stood
  CHECK_THROWS_AS(Var(x * z), TapeError);
  CHECK_THROWS_AS(tape.backward(x), TapeError);
}

TEST_CASE("scope: gradients of the outside last until the next backward") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Tensor t = tape.variable(Eigen::Vector2d(1, 2));
  {
    const auto scope = tape.scope();
    Tensor y = t * x;
    tape.backward(y, Eigen::Vector2d(1, 10));
  }
  CHECK(x.grad() == 21);
  CHECK(t.grad()(1) == 30);
  Var late = x * 2.0;
  Tensor late_tensor = t * 2.0;
  CHECK_THROWS_AS(late.grad(), TapeError);
  CHECK_THROWS_AS(late_tensor.grad(), TapeError);
}

TEST_CASE("scope: a name given in a scope to something outside ends with the scope") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2), "before");
  Var s = tape.variable(1.0, "scalar");
  {
    const auto scope = tape.scope();
    x.name("a name that is given inside");
    x.name("and another one");
    s.name("inside as well");
    CHECK_THROWS_WITH(x.grad(), ContainsSubstring("'and another one'"));
  }
  [[maybe_unused]] const Tensor other = tape.full(Shape{100}, 1.0);
  CHECK_THROWS_WITH(x.grad(), ContainsSubstring("'before'"));
  CHECK_THROWS_WITH(s.grad(), ContainsSubstring("'scalar'"));
}

TEST_CASE("scope: a hundred thousand rewindings along a growing recording") {
  const std::clock_t began = std::clock();
  Tape<double> tape;
  Var x = tape.variable(2.0), sum = x;
  for (int i = 0; i < 100000; ++i) {
    {
      const auto scope = tape.scope();
      [[maybe_unused]] Var y = x * x;
    }
    sum = sum + x;
  }
  tape.backward(sum);
  CHECK(x.grad() == 100001);
  // of the processor's time; a search through all rewindings for each handle would take minutes
  CHECK(std::clock() - began < 10 * CLOCKS_PER_SEC);
}

TEST_CASE("scope: the count of rewindings may pass 2^32") {
  Tape<double> tape;
  auto& recording = detail::Recording<double>::of(tape);
  recording.rewindings = 0xFFFFFFFEu;
  recording.now = detail::Place::at(0, 0xFFFFFFFEu);
  Var x = tape.variable(1.0);
  std::vector<Var<double>> stale;
  std::vector<Tensor<double>> stale_tensors;
  for (int i = 0; i < 5; ++i) {
    const auto scope = tape.scope();
    for (const Var<double>& y : stale) CHECK_THROWS_AS(Var(y * 2.0), TapeError);
    for (const Tensor<double>& y : stale_tensors) CHECK_THROWS_AS(y.value(), TapeError);
    stale.push_back(x * 2.0);
    stale_tensors.push_back(tape.full(Shape{2}, 1.0));
    CHECK_NOTHROW(Var(x * stale.back()));
    CHECK_NOTHROW(stale_tensors.back().value());
  }
  tape.backward(Var(x * x));
  CHECK(x.grad() == 2);
}
