// Scalar code, as anybody writes it, on the tape and on a floor that does nothing but the
// unavoidable (floor_tape.hpp). The tape records anew at every evaluation and reuses its memory;
// all of its checks are on.
//
//     taskset -c 0 ./scalar_benchmark [figures.csv]

#include <gradtape/gradtape.hpp>

#include "floor_tape.hpp"
#include "harness.hpp"

namespace {

/// L = c (a + 2 b)
struct Tiny {
  const char* name = "tiny graph";
  std::size_t n = 3;
  double start(std::size_t i) const { return i == 0 ? 2.0 : i == 1 ? -3.0 : 10.0; }
  template <class T>
  T operator()(const T* x) const {
    return x[2] * (x[0] + 2.0 * x[1]);
  }
};

struct Product {
  const char* name;
  std::size_t n;
  double start(std::size_t i) const { return std::exp(0.01 * std::sin(1.0 + double(i))); }
  template <class T>
  T operator()(const T* x) const {
    T y = x[0];
    for (std::size_t i = 1; i < n; ++i) y *= x[i];
    return y;
  }
};

struct LogSumExp {
  const char* name = "log-sum-exp of 1000";
  std::size_t n = 1000;
  double start(std::size_t i) const { return std::sin(0.7 * double(i)); }
  template <class T>
  T operator()(const T* x) const {
    using std::exp, std::log;
    T sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += exp(x[i]);
    return log(sum);
  }
};

/// The sum of call prices; spot, strike, rate, volatility and time to expiry of each.
struct BlackScholes {
  const char* name = "1000 Black-Scholes prices";
  std::size_t n = 5000;
  double start(std::size_t i) const {
    const double wave = std::sin(0.37 * double(i));
    const double centre[] = {100, 100, 0.03, 0.25, 1.0}, spread[] = {10, 15, 0.01, 0.1, 0.5};
    return centre[i % 5] + spread[i % 5] * wave;
  }
  template <class T>
  static T normal_cdf(const T& x) {
    using std::erf;
    return 0.5 * (1.0 + erf(x * 0.70710678118654752));
  }
  template <class T>
  T operator()(const T* x) const {
    using std::exp, std::log, std::sqrt;
    T sum = 0.0;
    for (std::size_t i = 0; i < n; i += 5) {
      const T &spot = x[i], &strike = x[i + 1], &rate = x[i + 2], &volatility = x[i + 3],
              &time = x[i + 4];
      T deviation = volatility * sqrt(time);
      T d1 = (log(spot / strike) + (rate + 0.5 * volatility * volatility) * time) / deviation;
      T d2 = d1 - deviation;
      sum += spot * normal_cdf(d1) - strike * exp(-rate * time) * normal_cdf(d2);
    }
    return sum;
  }
};

/// u_t + u u_x = v u_xx by central differences and explicit steps; the sum of squares at the end.
struct Burgers {
  const char* name = "Burgers, 200 points 100 steps";
  std::size_t n = 200;
  double start(std::size_t i) const {
    return 0.5 + std::sin(6.283185307179586 * double(i) / 199.0);
  }
  template <class T>
  T operator()(const T* x) const {
    std::vector<T> u(x, x + n), next(n);
    for (int step = 0; step < 100; ++step) {
      next[0] = u[0];
      for (std::size_t i = 1; i + 1 < n; ++i) {
        next[i] =
            u[i] - 0.1 * u[i] * (u[i + 1] - u[i - 1]) + 0.2 * (u[i + 1] - 2.0 * u[i] + u[i - 1]);
      }
      next[n - 1] = u[n - 1];
      std::swap(u, next);
    }
    T sum = 0.0;
    for (const T& value : u) sum += value * value;
    return sum;
  }
};

/// One sample through 2-16-16-1 with tanh; squared error.
struct Network {
  const char* name = "network 2-16-16-1";
  std::size_t n = 337;
  double start(std::size_t i) const { return 0.5 * std::sin(3.7 * double(i) + 1); }
  template <class T>
  T operator()(const T* w) const {
    using std::tanh;
    const double in[] = {0.7, -1.2};
    const T *w1 = w, *b1 = w + 32, *w2 = w + 48, *b2 = w + 304, *w3 = w + 320, *b3 = w + 336;
    T h1[16], h2[16];
    for (int i = 0; i < 16; ++i) {
      T z = b1[i];
      for (int j = 0; j < 2; ++j) z += w1[2 * i + j] * in[j];
      h1[i] = tanh(z);
    }
    for (int i = 0; i < 16; ++i) {
      T z = b2[i];
      for (int j = 0; j < 16; ++j) z += w2[16 * i + j] * h1[j];
      h2[i] = tanh(z);
    }
    T out = b3[0];
    for (int j = 0; j < 16; ++j) out += w3[j] * h2[j];
    T error = out - 0.3;
    return error * error;
  }
};

template <class F>
bool run(const F& f, std::FILE* csv) {
  using gradtape::Var;
  std::vector<double> x(f.n), gradient(f.n), expected(f.n);
  for (std::size_t i = 0; i < f.n; ++i) x[i] = f.start(i);
  gradtape::Tape<double> tape;
  std::vector<Var<double>> variables(f.n);
  std::vector<floor_tape::Real> reals(f.n);
  const auto ours = [&] {
    tape.clear();
    tape.variables(x, variables);
    const Var<double> y = f(static_cast<const Var<double>*>(variables.data()));
    tape.backward(y);
    tape.gradients(variables, gradient);
  };
  const auto floor = [&] { floor_tape::gradient(f, x.data(), expected.data(), reals.data(), f.n); };
  ours();
  floor();
  for (std::size_t i = 0; i < f.n; ++i) {
    if (!(std::abs(gradient[i] - expected[i]) <= 1e-12 * (1 + std::abs(expected[i])))) {
      std::printf("%s: derivative %zu is %g, not %g\n", f.name, i, gradient[i], expected[i]);
      return false;
    }
  }
  benchmark::compare(f.name, ours, floor, csv);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  std::FILE* csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  benchmark::header("scalar gradient", "gradtape", "floor");
  bool right = run(Tiny(), csv);
  right = run(Product{"product of 100", 100}, csv) && right;
  right = run(Network(), csv) && right;
  right = run(LogSumExp(), csv) && right;
  right = run(BlackScholes(), csv) && right;
  right = run(Burgers(), csv) && right;
  right = run(Product{"product of 100000", 100000}, csv) && right;
  if (csv != nullptr) std::fclose(csv);
  return right ? 0 : 1;
}
