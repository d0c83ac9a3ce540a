#pragma once
// What a statement tape costs at least: one global tape of fixed size, operands known at compile
// time, expressions that refer to their operands; no growth, no checks, no handles that could be
// wrong, no constants.  Not usable as a library: it is what the real one is measured against.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

namespace floor_tape {

constexpr std::size_t capacity = std::size_t{1} << 22;

struct Streams {
  std::unique_ptr<double[]> partial{new double[capacity]}, adjoint{new double[capacity]()};
  std::unique_ptr<std::uint32_t[]> operand{new std::uint32_t[capacity]};
  std::unique_ptr<std::uint8_t[]> count{new std::uint8_t[capacity]};
  double* p = partial.get();
  std::uint32_t* o = operand.get();
  std::uint8_t* c = count.get();
  std::size_t operands = 0, statements = 0;
};
inline Streams tape;

struct Number {
  static constexpr int leaves = 0;
  double v;
  template <int K>
  void push(double, double*, std::uint32_t*) const {}
};

struct Real {
  static constexpr int leaves = 1;
  double v = 0;
  std::uint32_t i = 0;

  Real() = default;
  Real(double x) : v(x) {}
  template <class E>
  requires(E::leaves > 0) [[gnu::always_inline]] Real(const E& e) { record(e); }
  template <class E>
  requires(E::leaves > 0) [[gnu::always_inline]] Real& operator=(const E& e) {
    record(e);
    return *this;
  }
  Real(const Real&) = default;
  Real& operator=(const Real&) = default;

  template <int K>
  [[gnu::always_inline]] void push(double w, double* partial, std::uint32_t* operand) const {
    partial[K] = w;
    operand[K] = i;
  }
  template <class E>
  [[gnu::always_inline]] void record(const E& e) {
    const std::size_t k = tape.operands, s = tape.statements + 1;
    e.template push<0>(1.0, tape.p + k, tape.o + k);
    tape.operands = k + E::leaves;
    tape.c[s] = static_cast<std::uint8_t>(E::leaves);
    tape.statements = s;
    v = e.v;
    i = static_cast<std::uint32_t>(s);
  }
};

template <class E>
using Held = std::conditional_t<std::is_same_v<E, Real>, const Real&, const E>;

template <class X>
concept Part = requires {
  X::leaves;
};

template <class F, class A>
struct Unary {
  static constexpr int leaves = A::leaves;
  Held<A> a;
  double v;
  [[gnu::always_inline]] explicit Unary(const A& x) : a(x), v(F::value(x.v)) {}
  template <int K>
  [[gnu::always_inline]] void push(double w, double* partial, std::uint32_t* operand) const {
    a.template push<K>(w * F::slope(a.v, v), partial, operand);
  }
};

template <class F, class A, class B>
struct Binary {
  static constexpr int leaves = A::leaves + B::leaves;
  Held<A> a;
  Held<B> b;
  double v;
  [[gnu::always_inline]] Binary(const A& x, const B& y) : a(x), b(y), v(F::value(x.v, y.v)) {}
  template <int K>
  [[gnu::always_inline]] void push(double w, double* partial, std::uint32_t* operand) const {
    a.template push<K>(w * F::slope_a(a.v, b.v, v), partial, operand);
    b.template push<K + A::leaves>(w * F::slope_b(a.v, b.v, v), partial, operand);
  }
};

struct Add {
  static double value(double a, double b) { return a + b; }
  static double slope_a(double, double, double) { return 1; }
  static double slope_b(double, double, double) { return 1; }
};
struct Subtract {
  static double value(double a, double b) { return a - b; }
  static double slope_a(double, double, double) { return 1; }
  static double slope_b(double, double, double) { return -1; }
};
struct Multiply {
  static double value(double a, double b) { return a * b; }
  static double slope_a(double, double b, double) { return b; }
  static double slope_b(double a, double, double) { return a; }
};
struct Divide {
  static double value(double a, double b) { return a / b; }
  static double slope_a(double, double b, double) { return 1 / b; }
  static double slope_b(double, double b, double y) { return -y / b; }
};
struct Negate {
  static double value(double x) { return -x; }
  static double slope(double, double) { return -1; }
};
struct Exp {
  static double value(double x) { return std::exp(x); }
  static double slope(double, double y) { return y; }
};
struct Log {
  static double value(double x) { return std::log(x); }
  static double slope(double x, double) { return 1 / x; }
};
struct Sqrt {
  static double value(double x) { return std::sqrt(x); }
  static double slope(double, double y) { return 0.5 / y; }
};
struct Tanh {
  static double value(double x) { return std::tanh(x); }
  static double slope(double, double y) { return 1 - y * y; }
};
struct Erf {
  static double value(double x) { return std::erf(x); }
  static double slope(double x, double) { return 1.1283791670955126 * std::exp(-x * x); }
};

template <class F, class A, class B>
[[gnu::always_inline]] inline auto binary(const A& a, const B& b) {
  if constexpr (std::is_arithmetic_v<A>) {
    return Binary<F, Number, B>(Number{double(a)}, b);
  } else if constexpr (std::is_arithmetic_v<B>) {
    return Binary<F, A, Number>(a, Number{double(b)});
  } else {
    return Binary<F, A, B>(a, b);
  }
}

template <class A, class B>
concept Parts = (Part<A> && (Part<B> || std::is_arithmetic_v<B>)) ||
                (Part<B> && std::is_arithmetic_v<A>);

template <class A, class B>
requires Parts<A, B>
[[gnu::always_inline]] inline auto operator+(const A& a, const B& b) { return binary<Add>(a, b); }
template <class A, class B>
requires Parts<A, B>
[[gnu::always_inline]] inline auto operator-(const A& a, const B& b) {
  return binary<Subtract>(a, b);
}
template <class A, class B>
requires Parts<A, B>
[[gnu::always_inline]] inline auto operator*(const A& a, const B& b) {
  return binary<Multiply>(a, b);
}
template <class A, class B>
requires Parts<A, B>
[[gnu::always_inline]] inline auto operator/(const A& a, const B& b) {
  return binary<Divide>(a, b);
}
template <Part A>
[[gnu::always_inline]] inline auto operator-(const A& a) {
  return Unary<Negate, A>(a);
}
template <Part A>
[[gnu::always_inline]] inline auto exp(const A& a) {
  return Unary<Exp, A>(a);
}
template <Part A>
[[gnu::always_inline]] inline auto log(const A& a) {
  return Unary<Log, A>(a);
}
template <Part A>
[[gnu::always_inline]] inline auto sqrt(const A& a) {
  return Unary<Sqrt, A>(a);
}
template <Part A>
[[gnu::always_inline]] inline auto tanh(const A& a) {
  return Unary<Tanh, A>(a);
}
template <Part A>
[[gnu::always_inline]] inline auto erf(const A& a) {
  return Unary<Erf, A>(a);
}
template <Part B>
[[gnu::always_inline]] inline Real& operator+=(Real& a, const B& b) {
  return a = a + b;
}
template <Part B>
[[gnu::always_inline]] inline Real& operator*=(Real& a, const B& b) {
  return a = a * b;
}

/// Value and gradient of f at x.
template <class F>
double gradient(const F& f, const double* x, double* g, Real* handles, std::size_t n) {
  tape.operands = 0;
  tape.statements = n;
  std::memset(tape.c, 0, n + 1);
  for (std::size_t i = 0; i < n; ++i) {
    handles[i].v = x[i];
    handles[i].i = static_cast<std::uint32_t>(i + 1);
  }
  const Real y = f(static_cast<const Real*>(handles));
  double* const __restrict adjoint = tape.adjoint.get();
  adjoint[y.i] = 1;
  const double* partial = tape.p + tape.operands;
  const std::uint32_t* operand = tape.o + tape.operands;
  for (std::size_t s = tape.statements; s > n; --s) {
    const double y_bar = adjoint[s];
    adjoint[s] = 0;
    const std::size_t count = tape.c[s];
    partial -= count;
    operand -= count;
    if (y_bar != 0) {
      for (std::size_t k = 0; k < count; ++k) adjoint[operand[k]] += partial[k] * y_bar;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    g[i] = adjoint[i + 1];
    adjoint[i + 1] = 0;
  }
  return y.v;
}

}  // namespace floor_tape
