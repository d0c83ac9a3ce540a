// Every allocation of a piece of work fails once, the first, the second, and so on: std::bad_alloc
// comes out, what was there before is as it was, and the same work can be done again.  The linker
// puts this program's own allocation functions before the C library's (--wrap).

#include <cstdlib>
#include <memory>
#include <new>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/io/numpy.hpp"
#include "gradtape/nn/linear.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/trigonometry.hpp"
#include "gradtape/optim/adam.hpp"
#include "io/files.hpp"
#if __has_include(<nlohmann/json.hpp>)
#include "gradtape/io/safetensors.hpp"
#endif

namespace {

long left = -1;  // allocations that still succeed; negative: all do
bool is_refused() { return left >= 0 && left-- == 0; }

}  // namespace

extern "C" {
void* __real_malloc(std::size_t);
void* __real_realloc(void*, std::size_t);
void* __real_aligned_alloc(std::size_t, std::size_t);

void* __wrap_malloc(std::size_t bytes) { return is_refused() ? nullptr : __real_malloc(bytes); }
void* __wrap_realloc(void* p, std::size_t bytes) {
  return is_refused() ? nullptr : __real_realloc(p, bytes);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return is_refused() ? nullptr : __real_aligned_alloc(alignment, bytes);
}
}

void* operator new(std::size_t bytes) {
  if (void* const memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace gradtape;

namespace {

/// Calls round(try_work) until the work that it tries, `try_work(f)`, meets no failure; that
/// returns whether f ended without one.  Returns how many rounds met one.
template <class Round>
int fail_each_allocation(Round&& round) {
  for (int n = 0;; ++n) {
    bool is_reached = false;
    INFO("allocation " << n << " fails");
    round([&](auto&& f) {
      bool is_done = true;
      left = n;
      try {
        f();
      } catch (const std::bad_alloc&) {
        is_done = false;
      } catch (...) {
        left = -1;
        throw;
      }
      is_reached = left < 0;
      left = -1;
      return is_done;
    });
    if (!is_reached) return n;
  }
}

const auto live = std::make_shared<int>(0);  // counts the closures that hold a copy

/// Records a bit of everything, and returns the gradient of the first element of x.
double record_and_sweep(Tape<double>& tape, const Tensor<double>& x, const Var<double>& a) {
  const auto part = tape.part("a part with a long name, which is copied");
  Var s = a;
  for (int i = 0; i < 2000; ++i) s = s * 0.999 + 0.001 * a;
  Tensor w = tape.variable(Eigen::MatrixXd::Ones(40, 40), "a weight");
  Tensor y = tanh(matmul(w, x * s)) * x - 0.5 * s;
  const Tensor z = record(
      "copy", y.shape(), {y}, [&](MatrixMap<double> out) { out = y.value(); },
      [y, held = live](const Tensor<double>& out) { adjoint(y) += out.grad(); });
  for (int i = 0; i < 10; ++i) w = w + tape.full(Shape{40, 40}, 0.0);  // more blocks
  Var loss = sum(z) + mean(w);
  tape.backward(loss);
  return x.grad()(0, 0);
}

void check_recording(bool traced) {
  const auto with_tape = [&](auto&& f) {
    Tape<double> tape;
    tape.trace(traced);
    const Var a = tape.variable(0.75, "a");
    const Tensor x = tape.variable(Eigen::MatrixXd::Constant(40, 3, 0.1), "x");
    f(tape, x, a);
  };
  double expected = 0;
  with_tape([&](auto& tape, auto& x, auto& a) { expected = record_and_sweep(tape, x, a); });
  const int failures = fail_each_allocation([&](auto&& try_work) {
    with_tape([&](auto& tape, auto& x, auto& a) {
      const Var before = a * a;
      bool is_done;
      {
        const auto scope = tape.scope();
        is_done = try_work([&] { record_and_sweep(tape, x, a); });
      }
      CHECK(live.use_count() == 1);
      tape.backward(before);
      CHECK(a.grad() == 1.5);
      if (!is_done) CHECK(record_and_sweep(tape, x, a) == expected);
      tape.clear();
      CHECK(live.use_count() == 1);
      const Var b = tape.variable(0.75);
      const Tensor u = tape.variable(Eigen::MatrixXd::Constant(40, 3, 0.1));
      CHECK(record_and_sweep(tape, u, b) == expected);
    });
    CHECK(live.use_count() == 1);
  });
  CHECK(failures > 10);
}

}  // namespace

TEST_CASE("out of memory: a tape that could not record forgets it and goes on") {
  check_recording(false);
}

TEST_CASE("out of memory: a tape that traces goes on as well") { check_recording(true); }

TEST_CASE("out of memory: clear needs none") {
  fail_each_allocation([](auto&& try_work) {
    Tape<double> tape;
    double grad = 0;
    const bool is_done = try_work([&] {
      for (int round = 0; round < 2; ++round) {
        tape.clear();
        const Var x = tape.variable(3.0), y = x * x;
        tape.backward(y);
        grad = x.grad();
      }
    });
    tape.clear();
    CHECK((grad == 6 || !is_done));
  });
}

TEST_CASE("out of memory: an optimizer steps or does not") {
  const auto fill = [](nn::Linear<double>& layer) {
    Tape<double> tape;
    Var loss = sum(square(layer(tape.constant(Eigen::MatrixXd::Ones(3, 2)))));
    tape.backward(loss);
  };
  Random random(1);
  nn::Linear<double> stepped(3, 2, random);
  const Eigen::MatrixXd weight = stepped.weight.value();
  optim::Adam(stepped, {.learning_rate = 0.1}).step();
  CHECK(stepped.weight.value() == weight);
  fill(stepped);
  optim::Adam(stepped, {.learning_rate = 0.1}).step();
  fail_each_allocation([&](auto&& try_work) {
    Random again(1);
    nn::Linear<double> layer(3, 2, again);
    fill(layer);
    if (!try_work([&] { optim::Adam(layer, {.learning_rate = 0.1}).step(); })) {
      CHECK(layer.weight.value() == weight);
      optim::Adam(layer, {.learning_rate = 0.1}).step();
    }
    CHECK(layer.weight.value() == stepped.weight.value());
  });
}

TEST_CASE("out of memory: files and what they are read into stay whole") {
  const files::Directory directory;
  Eigen::MatrixXd x = Eigen::MatrixXd::Random(7, 5), old = Eigen::MatrixXd::Zero(7, 5);
  const std::string path = directory / "x";
  const auto check_saving = [&](auto&& save) {
    save(x);
    const std::string after = io::read_file(path);
    save(old);
    const std::string before = io::read_file(path);
    CHECK(fail_each_allocation([&](auto&& try_work) {
            io::write_file(path, before);
            const bool is_saved = try_work([&] { save(x); });
            CHECK(io::read_file(path) == (is_saved ? after : before));
            CHECK(directory.size() == 1);
          }) > 3);
  };
  const auto check_reading = [&](auto&& load) {
    CHECK(fail_each_allocation([&](auto&& try_work) {
            Eigen::MatrixXd to = old;
            const bool is_read = try_work([&] { load(to); });
            CHECK(to == (is_read ? x : old));
          }) > 3);
  };
#if __has_include(<nlohmann/json.hpp>)
  check_saving([&](auto& m) {
    io::save_safetensors(path, std::vector{io::named_array("x", m)},
                         {{"a text", "that needs memory of its own"}});
  });
  io::save_safetensors(path, std::vector{io::named_array("x", x)},
                       {{"a text", "that needs memory of its own"}});
  check_reading([&](auto& m) { io::load_safetensors(path, std::vector{io::named_array("x", m)}); });
#endif
  check_saving([&](auto& m) { io::save_npz(path, std::vector{io::named_array("x", m)}); });
  io::save_npz(path, std::vector{io::named_array("x", x)});
  check_reading([&](auto& m) { io::NpzFile(path).load(io::named_array("x", m)); });
}
