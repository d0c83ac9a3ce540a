// One tape a thread needs no lock; parameters may be read by many.  Also run under ThreadSanitizer.
// For a long run: GRADTAPE_THREAD_SECONDS=60.

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;

namespace {

constexpr int threads = 8;

/// f(i) on each of the threads at once.
template <class F>
void run(F&& f) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i)
    running.emplace_back([&f, i] { f(static_cast<std::size_t>(i)); });
  for (std::thread& thread : running) thread.join();
}

double scalar_job(double start) {
  Tape<double> tape;
  double x = start;
  for (int step = 0; step < 50; ++step) {
    const auto scope = tape.scope();
    Var v = tape.variable(x, "x");
    Var y = v;
    for (int i = 0; i < 200; ++i) y = tanh(y * 1.01 + 0.001 * v);
    tape.backward(y);
    x -= 0.1 * v.grad();
  }
  return x;
}

double training_job(unsigned seed) {
  Eigen::MatrixXd start(5, 4), inputs(4, 6);
  for (Index i = 0; i < start.size(); ++i) start(i) = 0.01 * static_cast<double>(i * seed % 17);
  for (Index i = 0; i < inputs.size(); ++i) inputs(i) = 0.1 * static_cast<double>(i * i % 7);
  Parameter<double> w(start, "w"), b(Shape{5}, "b");
  Tape<double> tape;
  for (int step = 0; step < 20; ++step) {
    const auto scope = tape.scope();
    Tensor h = tanh(matmul(w, tape.constant(inputs)) + b);
    Var loss = mean(square(h - 0.5));
    tape.backward(loss);
    w.value() -= 0.1 * w.grad();
    b.value() -= 0.1 * b.grad();
    w.zero_grad();
    b.zero_grad();
  }
  return w.value().sum() + b.value().sum();
}

}  // namespace

TEST_CASE("threads: a tape each gives what one thread gives") {
  using Clock = std::chrono::steady_clock;
  const char* const seconds = std::getenv("GRADTAPE_THREAD_SECONDS");
  const auto end = Clock::now() + std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 0);
  std::vector<double> scalar(threads), trained(threads);
  run([&](std::size_t i) {
    do {
      scalar[i] = scalar_job(0.1 * static_cast<double>(i));
      trained[i] = training_job(static_cast<unsigned>(i + 1));
    } while (Clock::now() < end);
  });
  for (std::size_t i = 0; i < threads; ++i) {
    CHECK(scalar[i] == scalar_job(0.1 * static_cast<double>(i)));
    CHECK(trained[i] == training_job(static_cast<unsigned>(i + 1)));
  }
}

TEST_CASE("threads: parameters are shared for inference") {
  Parameter<double> w(Eigen::MatrixXd(Eigen::MatrixXd::Random(5, 4)), "w"), b(Shape{5}, "b");
  const Eigen::MatrixXd inputs = Eigen::MatrixXd::Random(4, 6);
  const auto infer = [&](double scale) {
    Tape<double> tape;
    double sum_of_all = 0;
    for (int step = 0; step < 50; ++step) {
      const auto scope = tape.scope();
      const auto guard = tape.no_grad();
      Tensor h = tanh(matmul(w, tape.constant(scale * inputs)) + b);
      sum_of_all += sum(h).value();
    }
    return sum_of_all;
  };
  std::vector<double> results(threads);
  run([&](std::size_t i) { results[i] = infer(static_cast<double>(i)); });
  for (std::size_t i = 0; i < threads; ++i) CHECK(results[i] == infer(static_cast<double>(i)));
  CHECK_FALSE(w.has_grad());
}

TEST_CASE("threads: a recording handed from one thread to another") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Var<double> y;
  std::thread([&] { y = x * x; }).join();
  std::thread([&] { tape.backward(y); }).join();
  CHECK(x.grad() == 6);
}
