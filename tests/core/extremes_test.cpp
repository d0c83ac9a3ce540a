// For a long run: GRADTAPE_SCALARS=100000000.

#include <pthread.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/ops/arithmetic.hpp"

using namespace gradtape;

namespace {

/// Runs f on a thread with a stack of 256 KiB; no assertions in there.
void run_on_small_stack(std::function<void()> f) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  const auto start = [](void* task) -> void* {
    (*static_cast<std::function<void()>*>(task))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, start, &f) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

double seconds(const std::function<void()>& f) {
  const auto began = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

}  // namespace

TEST_CASE("extremes: a chain of a million scalars on a stack of 256 KiB") {
  double value = 0, grad = 0;
  run_on_small_stack([&] {
    Tape<double> tape;
    Var x = tape.variable(2.0);
    Var y = x;
    for (int i = 0; i < 1000000; ++i) y = y * 1.000001;
    tape.backward(y);
    value = y.value();
    grad = x.grad();
  });
  const double expected = std::exp(1e6 * std::log1p(1e-6));
  CHECK(value == Approx(2 * expected).epsilon(1e-9));
  CHECK(grad == Approx(expected).epsilon(1e-9));
}

TEST_CASE("extremes: a chain of a hundred thousand tensors on a stack of 256 KiB") {
  double grad = 0;
  std::size_t nodes = 0;
  const auto witness = std::make_shared<int>(1);
  run_on_small_stack([&] {
    Tape<double> tape;
    Tensor x = tape.variable(Eigen::Vector3d(1, 2, 3));
    Tensor y = x;
    for (int i = 0; i < 50000; ++i) {
      y = y * 1.00001;
      const Tensor z = y;  // a user's operation, whose function has a destructor to run
      y = record(
          "copy", z.shape(), {z}, [&](MatrixMap<double> out) { out = z.value(); },
          [z, witness](const Tensor<double>& out) { adjoint(z) += out.grad(); });
    }
    tape.backward(y, Eigen::Vector3d(1, 1, 1));
    grad = x.grad()(2);
    nodes = tape.node_count();
  });
  CHECK(nodes == 100001);
  CHECK(grad == Approx(std::exp(50000 * std::log1p(1e-5))).epsilon(1e-9));
  CHECK(witness.use_count() == 1);
}

TEST_CASE("extremes: fifty doublings have 2^50 paths and fifty nodes") {
  Tape<double> tape;
  Var x = tape.variable(1.0);
  Var y = x;
  for (int i = 0; i < 50; ++i) y = y + y;
  tape.backward(y);
  CHECK(x.grad() == std::ldexp(1.0, 50));
  CHECK(tape.statement_count() == 51);

  Tensor t = tape.variable(Eigen::Vector3d(1, 2, 3));
  Tensor u = t;
  for (int i = 0; i < 50; ++i) u = u + u;
  tape.backward(u, Eigen::Vector3d(1, 0, 2));
  CHECK(t.grad() == std::ldexp(1.0, 50) * Eigen::Vector3d(1, 0, 2));
  CHECK(tape.node_count() == 51);
}

TEST_CASE("extremes: ten million scalars, in time that grows with their number") {
  Tape<double> tape;
  const auto record_and_sweep = [&tape](long n) {
    const auto scope = tape.scope();
    Var x = tape.variable(1.0), y = tape.variable(0.0);
    for (long i = 0; i < n; ++i) y = x - y;
    tape.backward(y);
    if (y.grad() != 1 || x.grad() != static_cast<double>(n % 2))
      throw std::logic_error("wrong gradient");
  };
  const char* const setting = std::getenv("GRADTAPE_SCALARS");
  const long many = (setting != nullptr ? std::atol(setting) : 10000000) | 1, few = many / 10 | 1;
  record_and_sweep(many);  // the memory comes once
  const double time_of_few = seconds([&] { record_and_sweep(few); });
  const double time_of_many = seconds([&] { record_and_sweep(many); });
  CHECK(time_of_many < 60 * time_of_few + 1);
}

TEST_CASE("extremes: ten thousand tapes") {
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    Tape<double> tape;
    Var x = tape.variable(double(i));
    Tensor t = tape.full(Shape{3}, 1.0);
    Tensor u = t * x;
    tape.backward(u, Eigen::Vector3d(1, 1, 1));
    sum += x.grad();
  }
  CHECK(sum == 30000);
}

TEST_CASE("extremes: many tapes alive at once") {
  std::vector<std::unique_ptr<Tape<double>>> tapes;
  std::vector<Var<double>> x, y;
  for (int i = 0; i < 1000; ++i) {
    tapes.push_back(std::make_unique<Tape<double>>());
    x.push_back(tapes.back()->variable(double(i)));
    y.push_back(x.back() * x.back());
  }
  for (std::size_t i = 0; i < 1000; ++i) {
    tapes[i]->backward(y[i]);
    REQUIRE(x[i].grad() == 2.0 * double(i));
  }
  CHECK_THROWS_AS(Var(x[0] + x[999]), TapeError);
}

TEST_CASE("extremes: a loss that depends on a hundred thousand leaves and as many constants") {
  Tape<double> tape;
  std::vector<Var<double>> x;
  for (int i = 0; i < 100000; ++i) x.push_back(i % 2 == 0 ? tape.variable(1.0) : Var<double>(2.0));
  Var<double> sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * double(i);
  tape.backward(sum);
  for (std::size_t i = 0; i < x.size(); i += 9998) REQUIRE(x[i].grad() == double(i));
}
