// One tape a thread needs no lock; parameters may be read by many; large products may be shared out
// to threads.  Also run under ThreadSanitizer.  For a long run: GRADTAPE_THREAD_SECONDS=60.

#include "gradtape/parallel/threads.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/linear.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;

namespace {

constexpr int thread_count = 8;

/// f(i) on each of the threads at once.
template <class F>
void run(F&& f) {
  std::vector<std::thread> running;
  for (int i = 0; i < thread_count; ++i)
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
  std::vector<double> scalar(thread_count), trained(thread_count);
  run([&](std::size_t i) {
    do {
      scalar[i] = scalar_job(0.1 * static_cast<double>(i));
      trained[i] = training_job(static_cast<unsigned>(i + 1));
    } while (Clock::now() < end);
  });
  for (std::size_t i = 0; i < thread_count; ++i) {
    CHECK(scalar[i] == scalar_job(0.1 * static_cast<double>(i)));
    CHECK(trained[i] == training_job(static_cast<unsigned>(i + 1)));
  }
}

// Shared out by rows and by columns: each has its part of the bias, or all of it.
TEST_CASE("threads: a layer with a bias") {
  const Eigen::MatrixXd w = Eigen::MatrixXd::Random(610, 170), x = Eigen::MatrixXd::Random(170, 90);
  const Eigen::VectorXd b = Eigen::VectorXd::Random(610), c = Eigen::VectorXd::Random(90);
  const Threads threads(3);
  Tape<double> tape;
  const Tensor by_rows = linear(tape.constant(w), tape.constant(x), tape.constant(b)),
               by_columns = linear(tape.constant(Eigen::MatrixXd(x.transpose())),
                                   tape.constant(Eigen::MatrixXd(w.transpose())), tape.constant(c));
  CHECK(by_rows.value().isApprox((w * x).colwise() + b, 1e-14));
  CHECK(by_columns.value().isApprox((x.transpose() * w.transpose()).colwise() + c, 1e-14));
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
  std::vector<double> results(thread_count);
  run([&](std::size_t i) { results[i] = infer(static_cast<double>(i)); });
  for (std::size_t i = 0; i < thread_count; ++i) CHECK(results[i] == infer(static_cast<double>(i)));
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

namespace {

/// The largest error of c = a b at some elements, each a sum of products.
double error(const Eigen::MatrixXd& c, const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  double most = 0;
  for (Index at = 0; at < c.size(); at += 1 + at % 37) {
    const Index i = at % c.rows(), j = at / c.rows();
    double sum = 0;
    for (Index p = 0; p < a.cols(); ++p) sum += a(i, p) * b(p, j);
    most = std::max(most, std::abs(c(i, j) - sum));
  }
  return most;
}

Eigen::MatrixXd wave(Index rows, Index columns) {
  return Eigen::MatrixXd::NullaryExpr(
      rows, columns, [](Index i, Index j) { return std::sin(0.7 * double(i) + 0.3 * double(j)); });
}

/// Counts how often it is asked to share something out, and does so.
struct CountingWorkers : detail::Workers {
  detail::Workers* helpers = detail::workers;
  int runs = 0;

  CountingWorkers() { detail::workers = this; }
  ~CountingWorkers() { detail::workers = helpers; }
  int count() const override { return helpers->count(); }
  void run(int parts, void (*part)(void*, int), void* data) override {
    ++runs;
    helpers->run(parts, part, data);
  }
};

}  // namespace

TEST_CASE("threads: large products are shared out, and are the same") {
  const auto [m, k, n] = GENERATE(table<Index, Index, Index>({{1000, 80, 110}, {110, 80, 1000}}));
  const bool transposes_a = GENERATE(false, true), transposes_b = GENERATE(false, true);
  const Eigen::MatrixXd a = wave(m, k), b = wave(k, n), seed = wave(m, n);
  Threads threads(3);
  CountingWorkers counting;
  Tape<double> tape;
  const Tensor x = tape.variable(transposes_a ? Eigen::MatrixXd(a.transpose()) : a),
               z = tape.variable(transposes_b ? Eigen::MatrixXd(b.transpose()) : b);
  const auto multiplied = [](const auto& left, const auto& right) -> Tensor<double> {
    return matmul(left, right);
  };
  const auto by_x = [&](const auto& right) {
    return transposes_a ? multiplied(transpose(x), right) : multiplied(x, right);
  };
  const Tensor y = transposes_b ? by_x(transpose(z)) : by_x(z);
  tape.backward(y, seed);
  CHECK(counting.runs == 3);
  const auto gradient = [](const Tensor<double>& of, bool transposes) -> Eigen::MatrixXd {
    if (transposes) return of.grad().transpose();
    return of.grad();
  };
  CHECK(error(y.value(), a, b) <= 1e-10);
  CHECK(error(gradient(x, transposes_a), seed, b.transpose()) <= 1e-10);
  CHECK(error(gradient(z, transposes_b), a.transpose(), seed) <= 1e-10);
}

TEST_CASE("threads: small products stay on their thread") {
  Threads threads(2);
  CountingWorkers counting;
  Tape<double> tape;
  const Tensor x = tape.variable(wave(100, 100));
  CHECK(error(matmul(x, x).value(), x.value(), x.value()) <= 1e-10);
  CHECK(counting.runs == 0);
}

TEST_CASE("threads: each part runs once, and its exception arrives") {
  Threads threads(4);
  std::vector<int> runs(20);
  auto count = [&](int i) { ++runs[static_cast<std::size_t>(i)]; };
  for (int round = 1; round <= 200; ++round) {
    detail::workers->run(
        20, [](void* f, int i) { (*static_cast<decltype(count)*>(f))(i); }, &count);
    CHECK(runs == std::vector<int>(20, round));
  }
  for (int thrower : {0, 19}) {
    CHECK_THROWS_WITH(detail::workers->run(
                          20,
                          [](void* which, int i) {
                            if (i == *static_cast<int*>(which)) throw TapeError("thrown by a part");
                          },
                          &thrower),
                      "thrown by a part");
  }
}

TEST_CASE("threads: parts run at the same time on different threads") {
  Threads threads(3);
  std::mutex mutex;
  std::condition_variable all_here;
  int here = 0;
  auto meet = [&](int) {
    std::unique_lock lock(mutex);
    ++here;
    all_here.notify_all();
    all_here.wait(lock, [&] { return here == 3; });
  };
  detail::workers->run(
      3, [](void* f, int i) { (*static_cast<decltype(meet)*>(f))(i); }, &meet);
  CHECK(here == 3);
}

TEST_CASE("threads: they help until they end, and then those from before do") {
  CHECK(detail::workers == nullptr);
  {
    //! [threads]
    Threads threads(2);  // until the end of the block, products of this thread may use two
    //! [threads]
    detail::Workers* const outer = detail::workers;
    CHECK(outer->count() == 2);
    {
      Threads more(3);
      CHECK(detail::workers->count() == 3);
      Threads none(1);
      CHECK(detail::workers == nullptr);
    }
    CHECK(detail::workers == outer);
    bool are_elsewhere = true;
    std::thread([&] { are_elsewhere = detail::workers != nullptr; }).join();
    CHECK(!are_elsewhere);
  }
  CHECK(detail::workers == nullptr);
  CHECK_THROWS_WITH(Threads(0),
                    "Threads: a count of 0: the present thread counts as well, so that "
                    "it is at least 1");
}

TEST_CASE("threads: those that end in the wrong place end the program, and say why") {
  const auto last_words = [](auto&& f) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGABRT, SIG_DFL);
      dup2(ends[1], STDERR_FILENO);
      f();
      _exit(0);
    }
    REQUIRE(child > 0);
    close(ends[1]);
    std::string text;
    for (char c; read(ends[0], &c, 1) == 1;) text += c;
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? text : "nothing";
  };
  const std::string expected = "gradtape: Threads must end on the thread that made them";
  CHECK_THAT(last_words([] {
               std::optional<Threads> threads(std::in_place, 1);
               std::thread([&] { threads.reset(); }).join();
             }),
             Catch::Matchers::StartsWith(expected));
  CHECK_THAT(last_words([] {
               std::optional<Threads> first(std::in_place, 2), second(std::in_place, 2);
               first.reset();
             }),
             Catch::Matchers::StartsWith(expected));
}
