#pragma once
/// \file
/// Powers, exponentials and logarithms, element by element.  The form of an operation is explained
/// in core/operation.hpp.
///
/// A slope is written so that it is right to rounding over the whole range of the argument, and so
/// that differentiating its formula once more gives the right second derivative.

#include <cmath>
#include <limits>

#include "arithmetic.hpp"

namespace gradtape {

/// Mathematical constants to the last place of long double, which std::numbers of libc++ 16 has not.
namespace detail::constants {
inline constexpr long double ln2 = 0.693147180559945309417232121458176568L;
inline constexpr long double log2e = 1.44269504088896340735992468100189214L;
inline constexpr long double log10e = 0.434294481903251827651128918916605082L;
inline constexpr long double sqrt2 = 1.41421356237309504880168872420969808L;
inline constexpr long double inv_sqrtpi = 0.564189583547756286948079451560772586L;
inline constexpr long double pi = 3.14159265358979323846264338327950288L;
}  // namespace detail::constants

namespace op {

/// A mathematical constant as a factor of X.
template <class X>
[[gnu::always_inline]] inline Literal<X> number(long double value) {
  return Literal<X>(value);
}

/// y = exp(x),  x_bar += y_bar y
struct Exp {
  static constexpr std::string_view name = "exp";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    using std::exp;
    return exp(x);
  }
  template <class X>
  static X partial(const X&, const X& y) {
    return y;
  }
};

/// y = 2^x,  x_bar += y_bar y ln 2
struct Exp2 {
  static constexpr std::string_view name = "exp2";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::exp2(v); }, x);
  }
  template <class X>
  static X partial(const X&, const X& y) {
    return number<X>(detail::constants::ln2) * y;
  }
};

/// y = exp(x) - 1, exact near 0,  x_bar += y_bar exp(x).  Not y + 1, which loses the left tail.
struct Expm1 {
  static constexpr std::string_view name = "expm1";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    using std::expm1;
    return expm1(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Exp>(x);
  }
};

/// y = ln x for x > 0, -inf at 0, NaN below,  x_bar += y_bar / x
struct Log {
  static constexpr std::string_view name = "log";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    using std::log;
    return log(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / x;
  }
};

/// y = log2 x for x > 0, -inf at 0, NaN below,  x_bar += y_bar / (x ln 2)
struct Log2 {
  static constexpr std::string_view name = "log2";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::log2(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return number<X>(detail::constants::log2e) / x;
  }
};

/// y = log10 x for x > 0, -inf at 0, NaN below,  x_bar += y_bar / (x ln 10)
struct Log10 {
  static constexpr std::string_view name = "log10";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::log10(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return number<X>(detail::constants::log10e) / x;
  }
};

/// y = ln(1 + x), exact near 0, for x > -1; -inf at -1, NaN below,  x_bar += y_bar / (1 + x)
struct Log1p {
  static constexpr std::string_view name = "log1p";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    using std::log1p;
    return log1p(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / (1 + x);
  }
};

/// y = sqrt(x) for x >= 0, NaN below,  x_bar += y_bar / (2 y): +inf at 0.
struct Sqrt {
  static constexpr std::string_view name = "sqrt";
  template <class X>
  static X value(const X& x) {
    using std::sqrt;
    return sqrt(x);
  }
  template <class X>
  static X partial(const X&, const X& y) {
    return Literal<X>(0.5) / (y + Literal<X>(0));  // -0 + 0 = 0: +inf at both zeros
  }
};

/// y = x^(1/3), also for x < 0,  x_bar += y_bar / (3 y^2): +inf at 0.
struct Cbrt {
  static constexpr std::string_view name = "cbrt";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::cbrt(v); }, x);
  }
  template <class X>
  static X partial(const X&, const X& y) {
    return 1 / (Literal<X>(3) * y * y);
  }
};

/// y = a^b,  a_bar += y_bar b a^(b-1),  b_bar += y_bar y ln a.
/// Values at zeros, infinities and for a < 0 are those of C.  At a = 0: dy/da is 0 for b > 1 and
/// b = 0, 1 for b = 1, +inf for 0 < b < 1, not finite for b < 0; dy/db is 0 for b > 0.  For a < 0
/// dy/db is NaN; that of an exponent which is a number is never computed.
struct Pow {
  static constexpr std::string_view name = "pow";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& a, const X& b) {
    if (all(b == X(Literal<X>(2)))) return a * a;
    if (all(b == X(Literal<X>(1)))) return a;
    return lanewise([](auto u, auto v) { return std::pow(u, v); }, a, b);
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    const X less(b - 1), rounded = evaluate<Pow>(a, less);
    // from 2^53 on b is even, and b - 1, which is odd, is rounded to an even number
    const X power =
        select(both(a < X(Literal<X>(0)), b - less != X(Literal<X>(1))), X(-rounded), rounded);
    const X slope = b * power;
    // 0 times infinity: the limit is 0, as b = 0 and infinite b count more than a^(b-1)
    return select(both(both(slope != slope, power == power), b == b), X(Literal<X>(0)), slope);
  }
  template <class X>
  static X partial_b(const X& a, const X&, const X& y) {
    using std::log;
    const X zero(Literal<X>(0));
    return select(both(y == zero, a >= zero), zero, X(y * log(a)));
  }
};

/// y = sqrt(a^2 + b^2) without overflow,  a_bar += y_bar a / y,  b_bar += y_bar b / y; both 0 at
/// (0, 0).
struct Hypot {
  static constexpr std::string_view name = "hypot";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return lanewise([](auto u, auto v) { return std::hypot(u, v); }, a, b);
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    return cosine(a, b);
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X&) {
    return cosine(b, a);
  }

 private:
  /// a / sqrt(a^2 + b^2) from the ratio of both: y may be infinite or have lost digits
  template <class X>
  static X cosine(const X& a, const X& b) {
    const X zero(Literal<X>(0)), size_a = evaluate<Abs>(a), size_b = evaluate<Abs>(b);
    const X t = b / a, u = a / b;
    const X flat = evaluate<Sign>(a) / evaluate<Sqrt>(X(1 + t * t));
    const X steep = evaluate<Sign>(b) * u / evaluate<Sqrt>(X(1 + u * u));
    return select(both(a == zero, b == zero), zero, select(size_a >= size_b, flat, steep));
  }
};

/// y = sqrt(a^2 + b^2 + c^2) without overflow,  a_bar += y_bar a / y,  b_bar += y_bar b / y,
/// c_bar += y_bar c / y; all 0 at (0, 0, 0).
struct Hypot3 {
  static constexpr std::string_view name = "hypot";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& a, const X& b, const X& c) {
    return evaluate<Hypot>(evaluate<Hypot>(a, b), c);
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X& c, const X&) {
    return slope(a, b, c);
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X& c, const X&) {
    return slope(b, a, c);
  }
  template <class X>
  static X partial_c(const X& a, const X& b, const X& c, const X&) {
    return slope(c, a, b);
  }

 private:
  /// a / y from the ratios to the largest: y may be infinite or have lost digits
  template <class X>
  static X slope(const X& a, const X& b, const X& c) {
    const X zero(Literal<X>(0)), b_or_c = larger(evaluate<Abs>(b), evaluate<Abs>(c));
    const X largest = larger(evaluate<Abs>(a), b_or_c);
    const X u = ratio(a, largest), v = ratio(b, largest), w = ratio(c, largest);
    const auto origin = both(both(a == zero, b == zero), c == zero);
    return select(origin, zero, X(u / evaluate<Sqrt>(X(u * u + v * v + w * w))));
  }
  template <class X>
  static X larger(const X& a, const X& b) {
    return select(a > b, a, b);
  }
  /// a / largest; of infinite operands 1 or -1, of others beside them 0
  template <class X>
  static X ratio(const X& a, const X& largest) {
    const X zero(Literal<X>(0)), sign = evaluate<Sign>(a);
    const X limit = select(evaluate<Abs>(a) == largest, sign, zero);
    return select(largest == X(largest + largest), limit, X(a / largest));
  }
};

/// y = x 2^n,  x_bar += y_bar 2^n
struct Ldexp {
  static constexpr std::string_view name = "ldexp";
  template <class X>
  static X value(const X& x, const X& n) {
    return lanewise([](auto u, auto v) { return std::ldexp(u, static_cast<int>(v)); }, x, n);
  }
  template <class X>
  static X partial_a(const X&, const X& n, const X&) {
    return evaluate<Ldexp>(X(Literal<X>(1)), n);
  }
};

}  // namespace op

/// \copydoc gradtape::op::Exp
template <Entity A>
[[gnu::always_inline]] inline auto exp(const A& x) {
  return detail::apply<op::Exp>(x);
}
/// \copydoc gradtape::op::Exp2
template <Entity A>
[[gnu::always_inline]] inline auto exp2(const A& x) {
  return detail::apply<op::Exp2>(x);
}
/// \copydoc gradtape::op::Expm1
template <Entity A>
[[gnu::always_inline]] inline auto expm1(const A& x) {
  return detail::apply<op::Expm1>(x);
}
/// \copydoc gradtape::op::Log
template <Entity A>
[[gnu::always_inline]] inline auto log(const A& x) {
  return detail::apply<op::Log>(x);
}
/// \copydoc gradtape::op::Log2
template <Entity A>
[[gnu::always_inline]] inline auto log2(const A& x) {
  return detail::apply<op::Log2>(x);
}
/// \copydoc gradtape::op::Log10
template <Entity A>
[[gnu::always_inline]] inline auto log10(const A& x) {
  return detail::apply<op::Log10>(x);
}
/// \copydoc gradtape::op::Log1p
template <Entity A>
[[gnu::always_inline]] inline auto log1p(const A& x) {
  return detail::apply<op::Log1p>(x);
}
/// \copydoc gradtape::op::Sqrt
template <Entity A>
[[gnu::always_inline]] inline auto sqrt(const A& x) {
  return detail::apply<op::Sqrt>(x);
}
/// \copydoc gradtape::op::Cbrt
template <Entity A>
[[gnu::always_inline]] inline auto cbrt(const A& x) {
  return detail::apply<op::Cbrt>(x);
}
/// \copydoc gradtape::op::Pow
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto pow(const A& a, const B& b) {
  return detail::apply<op::Pow>(a, b);
}
/// \copydoc gradtape::op::Hypot
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto hypot(const A& a, const B& b) {
  return detail::apply<op::Hypot>(a, b);
}

/// \copydoc gradtape::op::Hypot3
template <class A, class B, class C>
requires Operands<A, B, C>
[[gnu::always_inline]] inline auto hypot(const A& a, const B& b, const C& c) {
  return detail::apply<op::Hypot3>(a, b, c);
}
/// \copydoc gradtape::op::Ldexp
template <Entity A>
[[gnu::always_inline]] inline auto ldexp(const A& x, int n) {
  constexpr int enough = 40000;  // takes the least long double beyond the largest; exact in a float
  return detail::apply<op::Ldexp>(x, std::clamp(n, -enough, enough));
}
/// As `ldexp`.
template <Entity A>
[[gnu::always_inline]] inline auto scalbn(const A& x, int n) {
  return ldexp(x, n);
}
/// y = x 2^-n with 1/2 <= |y| < 1 and a whole number n,  x_bar += y_bar 2^-n.  For 0, infinities and
/// NaN y is x, and n 0.
template <DifferentiatedNumber A>
auto frexp(const A& x, int* n) {
  const auto value = detail::primal(x.value());
  *n = 0;
  if (std::isfinite(value)) static_cast<void>(std::frexp(value, n));
  return ldexp(x, -*n);
}

}  // namespace gradtape
