#pragma once
/// \file
/// The error function, the gamma function's logarithm and its derivatives, the logistic function,
/// and logarithms in the forms that statistics needs, element by element.

#include "functions.hpp"

namespace gradtape {
namespace op {

/// y = erf x,  x_bar += y_bar 2 / sqrt(pi) exp(-x^2)
struct Erf {
  static constexpr std::string_view name = "erf";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::erf(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return number<X>(2 * detail::constants::inv_sqrtpi) * evaluate<Exp>(X(-(x * x)));
  }
};

/// y = 1 - erf x without the loss of the right tail,  x_bar -= y_bar 2 / sqrt(pi) exp(-x^2)
struct Erfc {
  static constexpr std::string_view name = "erfc";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::erfc(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return number<X>(-2 * detail::constants::inv_sqrtpi) * evaluate<Exp>(X(-(x * x)));
  }
};

/// ln |Gamma(x)|.  The standard library's function may write the global `signgam`: a data race of
/// threads.
template <class T>
T log_gamma(T x) {
  [[maybe_unused]] int sign = 0;
  if constexpr (std::is_same_v<T, long double> && requires { lgammal_r(x, &sign); }) {
    return lgammal_r(x, &sign);
  } else if constexpr (!std::is_same_v<T, long double> && requires { lgamma_r(x, &sign); }) {
    return static_cast<T>(lgamma_r(x, &sign));
  } else {
    return std::lgamma(x);
  }
}

/// The polygamma function of order n >= 0, psi_n = (d/dx)^(n+1) ln Gamma, of a number.  Its poles
/// 0, -1, -2, ... give the limit at +0 and NaN below.
///
///     x >= 16    by Stirling's series                        (Abramowitz, Stegun 6.3.18, 6.4.11)
///     0 < x      psi_n(x) = psi_n(x + 1) - (-1)^n n! / x^(n+1)                    (6.3.5, 6.4.6)
///     x < 0      psi_n(x) = (-1)^n psi_n(1 - x) - pi (d/dx)^n cot(pi x)           (6.3.7, 6.4.7)
///
/// The error is a few rounding errors of the largest term: relative accuracy is lost near zeros.
template <int N, class T>
T polygamma(T x) {
  constexpr T pi = static_cast<T>(detail::constants::pi);
  if (x < 0) {
    const T fraction = x - std::round(x);
    if (fraction == 0 || !(x > -std::numeric_limits<T>::infinity()))
      return std::numeric_limits<T>::quiet_NaN();
    // (d/dx)^n cot(pi x) is a polynomial in c = cot(pi x), since c' = -pi (1 + c^2)
    const T c = 1 / std::tan(pi * fraction);
    T coefficient[std::size_t{N + 2}]{0, pi};
    for (int n = 0; n < N; ++n) {
      T next[std::size_t{N + 2}]{};
      for (int k = 1; k <= n + 1; ++k) {
        next[k - 1] -= pi * T(k) * coefficient[k];
        next[k + 1] -= pi * T(k) * coefficient[k];
      }
      for (int k = 0; k < N + 2; ++k) coefficient[k] = next[k];
    }
    T derivative = coefficient[N + 1];
    for (int k = N; k >= 0; --k) derivative = derivative * c + coefficient[k];
    return (N % 2 == 0 ? 1 : -1) * polygamma<N>(1 - x) - derivative;
  }
  if (x == 0) x = 0;  // -0 counts as 0
  // Without the sign (-1)^(n+1) and the factor n!, for n > 0:  sum over k of 1 / (x + k)^(n+1)
  T sum = 0;
  const auto power = [](T base, int exponent) {
    T y = 1;
    for (int k = 0; k < exponent; ++k) y *= base;
    return y;
  };
  // adding the small terms first keeps the rounding errors small
  constexpr int enough = 16;
  int steps = 0;
  while (steps < enough && x + T(steps) < T(enough)) ++steps;
  for (int k = steps - 1; k >= 0; --k) sum += 1 / power(x + T(k), N + 1);
  const T z = x + T(steps);
  // B_2j: Bernoulli numbers
  constexpr long double bernoulli[] = {1.0L / 6,   -1.0L / 30,     1.0L / 42,
                                       -1.0L / 30, 5.0L / 66,      -691.0L / 2730,
                                       7.0L / 6,   -3617.0L / 510, 43867.0L / 798};
  const T w = 1 / z;
  T tail = 0;
  if constexpr (N == 0) {
    for (int j = 9; j >= 1; --j) tail = (tail + T(bernoulli[j - 1] / (2 * j))) * w * w;
    return (std::log(z) - w / 2 - tail) - sum;
  } else {
    // (2j + n - 1)! / ((2j)! n!)
    T ratio[9];
    for (int j = 1; j <= 9; ++j) {
      ratio[j - 1] = 1 / T(N);
      for (int i = 1; i < N; ++i) ratio[j - 1] *= T(2 * j + i) / T(i);
    }
    for (int j = 9; j >= 1; --j) tail = (tail + T(bernoulli[j - 1]) * ratio[j - 1]) * w * w;
    T factorial = 1;
    for (int i = 2; i <= N; ++i) factorial *= T(i);
    const T lead = power(w, N) * (1 / T(N) + w / 2 + tail);
    return (N % 2 == 1 ? factorial : -factorial) * (sum + lead);
  }
}

/// The polygamma function of order N,  x_bar += y_bar psi_(N+1)(x).
template <int N>
struct Polygamma {
  static constexpr std::string_view name = N == 0 ? "digamma" : N == 1 ? "trigamma" : "polygamma";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return polygamma<N>(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Polygamma<N + 1>>(x);
  }
};

/// y = ln |Gamma(x)|, +inf at 0, -1, -2, ...,  x_bar += y_bar digamma(x).
struct Lgamma {
  static constexpr std::string_view name = "lgamma";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return log_gamma(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Polygamma<0>>(x);
  }
};

/// y = Gamma(x), infinite at 0, NaN at -1, -2, ...,  x_bar += y_bar y digamma(x): -inf at 0.
struct Tgamma {
  static constexpr std::string_view name = "tgamma";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::tgamma(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X& y) {
    // -1 / x^2 leads at 0, on both sides of it
    return select(x == X(Literal<X>(0)), X(-(y * y)), X(y * evaluate<Polygamma<0>>(x)));
  }
};

/// Logistic function.  y = 1 / (1 + exp(-x)),  x_bar += y_bar y (1 - y).
/// Computed from exp(-|x|), so that it neither overflows nor loses the small tail; so is 1 - y.
struct Sigmoid {
  static constexpr std::string_view name = "sigmoid";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    using std::abs, std::exp;
    const X e = exp(-abs(x));
    return select(x < X(Literal<X>(0)), e, X(Literal<X>(1))) / (1 + e);
  }
  template <class X>
  static X partial(const X& x, const X& y) {
    if constexpr (Entity<X>) {
      return y * evaluate<Sigmoid>(X(-x));
    } else {
      if constexpr (std::is_floating_point_v<X>) {  // to look at all numbers of a tile costs more
        if (y < X(0.75)) return y * (1 - y);
      }
      using std::abs, std::exp;
      const X large = select(x < X(Literal<X>(0)), X(1 - y), y);
      return exp(-abs(x)) * (large * large);
    }
  }
};

/// The logistic function at x and at -x.
template <class X>
struct SigmoidPair {
  X at_x, at_minus_x;

  [[gnu::always_inline]] explicit SigmoidPair(const X& x) {
    if constexpr (Entity<X>) {
      at_x = evaluate<Sigmoid>(x);
      at_minus_x = evaluate<Sigmoid>(X(-x));
    } else {
      using std::abs, std::exp;
      const X e = exp(-abs(x)), large = 1 / (1 + e), small = e * large;
      const auto negative = x < X(Literal<X>(0));
      at_x = select(negative, small, large);
      at_minus_x = select(negative, large, small);
    }
  }
};

/// y = a ln b for b >= 0, 0 at (0, 0),  a_bar += y_bar ln b,  b_bar += y_bar a / b; both 0 at
/// (0, 0).
struct Xlogy {
  static constexpr std::string_view name = "xlogy";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& a, const X& b) {
    const X zero(Literal<X>(0));
    return select(both(a == zero, b >= zero), zero, X(a * evaluate<Log>(b)));
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    const X zero(Literal<X>(0));
    return select(both(a == zero, b == zero), zero, evaluate<Log>(b));
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X&) {
    const X zero(Literal<X>(0));
    return select(both(a == zero, b == zero), zero, X(a / b));
  }
};

/// ln(1 + exp(-|x|))
template <class X>
[[gnu::always_inline]] inline X log1p_exp(const X& x) {
  using std::abs, std::exp;
  return detail::log1p_of_fraction(exp(-abs(x)));
}

/// y = ln(exp(a) + exp(b)),  a_bar += y_bar sigmoid(a - b),  b_bar += y_bar sigmoid(b - a).
/// Computed as max(a, b) + ln(1 + exp(-|a - b|)), so that it does not overflow.
struct Logaddexp {
  static constexpr std::string_view name = "logaddexp";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& a, const X& b) {
    // infinities of the same sign have no difference
    const X apart = select(a == b, X(Literal<X>(0)), X(a - b));
    return select(a > b, a, b) + log1p_exp(apart);
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    return evaluate<Sigmoid>(X(a - b));
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X&) {
    return evaluate<Sigmoid>(X(b - a));
  }
};

}  // namespace op

/// \copydoc gradtape::op::Erf
template <Entity A>
[[gnu::always_inline]] inline auto erf(const A& x) {
  return detail::apply<op::Erf>(x);
}
/// \copydoc gradtape::op::Erfc
template <Entity A>
[[gnu::always_inline]] inline auto erfc(const A& x) {
  return detail::apply<op::Erfc>(x);
}
/// \copydoc gradtape::op::Lgamma
template <Entity A>
[[gnu::always_inline]] inline auto lgamma(const A& x) {
  return detail::apply<op::Lgamma>(x);
}
/// \copydoc gradtape::op::Tgamma
template <Entity A>
[[gnu::always_inline]] inline auto tgamma(const A& x) {
  return detail::apply<op::Tgamma>(x);
}
/// y = psi(x), the derivative of ln Gamma,  x_bar += y_bar trigamma(x).  -inf at 0, NaN at -1, -2, ...
template <Entity A>
[[gnu::always_inline]] inline auto digamma(const A& x) {
  return detail::apply<op::Polygamma<0>>(x);
}
/// y = psi'(x), the second derivative of ln Gamma,  x_bar += y_bar psi''(x).  +inf at 0, NaN at -1,
/// -2, ...
template <Entity A>
[[gnu::always_inline]] inline auto trigamma(const A& x) {
  return detail::apply<op::Polygamma<1>>(x);
}
/// \copydoc gradtape::op::Sigmoid
template <Entity A>
[[gnu::always_inline]] inline auto sigmoid(const A& x) {
  return detail::apply<op::Sigmoid>(x);
}
/// \copydoc gradtape::op::Xlogy
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto xlogy(const A& a, const B& b) {
  return detail::apply<op::Xlogy>(a, b);
}
/// \copydoc gradtape::op::Logaddexp
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto logaddexp(const A& a, const B& b) {
  return detail::apply<op::Logaddexp>(a, b);
}

}  // namespace gradtape
