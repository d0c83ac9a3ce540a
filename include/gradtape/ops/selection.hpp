#pragma once
/// \file
/// Selection, rounding and remainders, element by element.  The form of an operation is explained
/// in core/operation.hpp.

#include "arithmetic.hpp"

namespace gradtape {
namespace op {

/// Rounded down; a constant.
struct Floor {
  static constexpr std::string_view name = "floor";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::floor(v); }, x);
  }
};
/// Rounded up; a constant.
struct Ceil {
  static constexpr std::string_view name = "ceil";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::ceil(v); }, x);
  }
};
/// Rounded to nearest, half away from zero; a constant.
struct Round {
  static constexpr std::string_view name = "round";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::round(v); }, x);
  }
};
/// Rounded towards zero; a constant.
struct Trunc {
  static constexpr std::string_view name = "trunc";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::trunc(v); }, x);
  }
};

/// Rounded to an integer by the rounding mode in force, to nearest and half to even unless changed;
/// a constant.
struct Rint {
  static constexpr std::string_view name = "rint";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::rint(v); }, x);
  }
};

/// y = c != 0 ? a : b.  The branch not taken contributes exactly 0, also where its derivative is
/// infinite or NaN.
struct Where {
  static constexpr std::string_view name = "where";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& c, const X& a, const X& b) {
    return select(c != X(Literal<X>(0)), a, b);
  }
  template <class X>
  static X partial_b(const X& c, const X&, const X&, const X&) {
    return select(c != X(Literal<X>(0)), X(Literal<X>(1)), X(Literal<X>(0)));
  }
  template <class X>
  static X partial_c(const X& c, const X&, const X&, const X&) {
    return select(c != X(Literal<X>(0)), X(Literal<X>(0)), X(Literal<X>(1)));
  }
};

/// The slope of a maximum (minimum, with operands exchanged) to its operand a: 1/2 at a tie, NaN
/// for NaN.
template <class X>
X slope_of_larger(const X& a, const X& b) {
  const X at_ends = select(a == b, X(Literal<X>(0.5)), X(a + b));
  return select(a > b, X(Literal<X>(1)), select(a < b, X(Literal<X>(0)), at_ends));
}

/// y = max(a, b); at a tie each operand gets half.  NaN in either gives NaN.
struct Max {
  static constexpr std::string_view name = "max";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a > b, a, select(b >= a, b, X(a + b)));
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    return slope_of_larger(a, b);
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X&) {
    return slope_of_larger(b, a);
  }
};

/// y = min(a, b); at a tie each operand gets half.  NaN in either gives NaN.
struct Min {
  static constexpr std::string_view name = "min";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a < b, a, select(b <= a, b, X(a + b)));
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    return slope_of_larger(b, a);
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X&) {
    return slope_of_larger(a, b);
  }
};

/// Positive difference.  y = max(a - b, 0); as that of `relu`, the derivative for a = b is that for
/// a > b: dy/da = 1, dy/db = -1.  NaN in either gives NaN.
struct Fdim {
  static constexpr std::string_view name = "fdim";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a <= b, X(Literal<X>(0)), X(a - b));
  }
  template <class X>
  static X partial_a(const X& a, const X& b, const X&) {
    const X one_or_nan = select(a >= b, X(Literal<X>(1)), X(a + b));
    return select(a < b, X(Literal<X>(0)), one_or_nan);
  }
  template <class X>
  static X partial_b(const X& a, const X& b, const X& y) {
    return -partial_a(a, b, y);
  }
};

/// y = min(max(x, low), high), derivative to x 1 inside and at both bounds; a bound that is
/// strictly passed has derivative 1.  NaN gives NaN.
struct Clamp {
  static constexpr std::string_view name = "clamp";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& x, const X& low, const X& high) {
    return nan_or(x, low, high, select(x < low, low, select(x > high, high, x)));
  }
  template <class X>
  static X partial_a(const X& x, const X& low, const X& high, const X&) {
    const X one(Literal<X>(1)), zero(Literal<X>(0));
    return nan_or(x, low, high, select(either(x > high, x < low), zero, one));
  }
  template <class X>
  static X partial_b(const X& x, const X& low, const X& high, const X&) {
    const X one(Literal<X>(1)), zero(Literal<X>(0));
    return nan_or(x, low, high, select(x < low, one, zero));
  }
  template <class X>
  static X partial_c(const X& x, const X& low, const X& high, const X&) {
    const X one(Literal<X>(1)), zero(Literal<X>(0));
    return nan_or(x, low, high, select(both(x > high, x >= low), one, zero));
  }

 private:
  /// y, or NaN if one of the operands is.
  template <class X>
  static X nan_or(const X& x, const X& low, const X& high, const X& y) {
    return select(both(both(x == x, low == low), high == high), y, X(x + low + high));
  }
};

/// y = a - n b with an integer n:  dy/da = 1, dy/db = -n.
struct DivisionRest {
  template <class X>
  static One partial_a(const X&, const X&, const X&) {
    return {};
  }
  // the exact quotient (a - y) / b: rounding a / b itself may step over an integer
  template <class X>
  static X partial_b(const X& a, const X& b, const X& y) {
    return evaluate<Round>(X(-((a - y) / b)));
  }
};

/// fmod(a, b) = a - trunc(a/b) b, exact.  dy/da = 1, dy/db = -trunc(a/b).
struct Fmod : DivisionRest {
  static constexpr std::string_view name = "fmod";
  template <class X>
  static X value(const X& a, const X& b) {
    return lanewise([](auto u, auto v) { return std::fmod(u, v); }, a, b);
  }
};

/// IEEE remainder a - n b with n = a/b rounded to nearest, half to even.  dy/da = 1, dy/db = -n.
struct Remainder : DivisionRest {
  static constexpr std::string_view name = "remainder";
  template <class X>
  static X value(const X& a, const X& b) {
    return lanewise([](auto u, auto v) { return std::remainder(u, v); }, a, b);
  }
};

/// |a| with the sign of b.  dy/da = 1 if the signs agree, -1 if not, 0 at a = 0; dy/db = 0.
struct Copysign {
  static constexpr std::string_view name = "copysign";
  template <class X>
  static X value(const X& a, const X& b) {
    return lanewise([](auto u, auto v) { return std::copysign(u, v); }, a, b);
  }
  template <class X>
  static X partial_a(const X& a, const X&, const X& y) {
    return X(evaluate<Sign>(a) * evaluate<Sign>(y));
  }
};

}  // namespace op

/// \copydoc gradtape::op::Floor
template <Entity A>
[[gnu::always_inline]] inline auto floor(const A& x) {
  return detail::apply<op::Floor>(x);
}
/// \copydoc gradtape::op::Ceil
template <Entity A>
[[gnu::always_inline]] inline auto ceil(const A& x) {
  return detail::apply<op::Ceil>(x);
}
/// \copydoc gradtape::op::Round
template <Entity A>
[[gnu::always_inline]] inline auto round(const A& x) {
  return detail::apply<op::Round>(x);
}
/// \copydoc gradtape::op::Trunc
template <Entity A>
[[gnu::always_inline]] inline auto trunc(const A& x) {
  return detail::apply<op::Trunc>(x);
}
/// \copydoc gradtape::op::Rint
template <Entity A>
[[gnu::always_inline]] inline auto rint(const A& x) {
  return detail::apply<op::Rint>(x);
}
/// As `rint`.
template <Entity A>
[[gnu::always_inline]] inline auto nearbyint(const A& x) {
  return detail::apply<op::Rint>(x);
}
/// y = x - *whole,  x_bar += y_bar,  where *whole is x rounded towards zero, a constant.  For an
/// infinity y is 0, a constant.
template <DifferentiatedNumber A, DifferentiatedNumber S>
S modf(const A& x, S* whole) {
  *whole = trunc(x);
  if (std::isinf(detail::primal(x.value()))) return S(0);
  return x - *whole;
}
/// \copydoc gradtape::op::Max
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto max(const A& a, const B& b) {
  return detail::apply<op::Max>(a, b);
}
/// \copydoc gradtape::op::Min
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto min(const A& a, const B& b) {
  return detail::apply<op::Min>(a, b);
}
// Of two operands of one type std::max would be taken by `using std::max; max(x, y)` of generic
// code, were these not more specialised.

/// \copydoc gradtape::op::Max
template <template <class...> class Handle, class... T>
requires Entity<Handle<T...>>
[[gnu::always_inline]] inline auto max(const Handle<T...>& a, const Handle<T...>& b) {
  return detail::apply<op::Max>(a, b);
}
/// \copydoc gradtape::op::Min
template <template <class...> class Handle, class... T>
requires Entity<Handle<T...>>
[[gnu::always_inline]] inline auto min(const Handle<T...>& a, const Handle<T...>& b) {
  return detail::apply<op::Min>(a, b);
}
/// As `max`: NaN in either operand gives NaN, unlike std::fmax.
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto fmax(const A& a, const B& b) {
  return detail::apply<op::Max>(a, b);
}
/// As `min`: NaN in either operand gives NaN, unlike std::fmin.
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto fmin(const A& a, const B& b) {
  return detail::apply<op::Min>(a, b);
}
/// \copydoc gradtape::op::Fdim
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto fdim(const A& a, const B& b) {
  return detail::apply<op::Fdim>(a, b);
}
/// \copydoc gradtape::op::Clamp
template <class A, class L, class H>
requires Operands<A, L, H>
[[gnu::always_inline]] inline auto clamp(const A& x, const L& low, const H& high) {
  return detail::apply<op::Clamp>(x, low, high);
}
/// c ? a : b, element by element; c is a bool, a comparison, or anything that counts as true where
/// it is not 0.
template <class C, class A, class B>
requires Operands<C, A, B>
[[gnu::always_inline]] inline auto where(const C& c, const A& a, const B& b) {
  return detail::apply<op::Where>(c, a, b);
}
/// \copydoc gradtape::op::Fmod
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto fmod(const A& a, const B& b) {
  return detail::apply<op::Fmod>(a, b);
}
/// \copydoc gradtape::op::Remainder
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto remainder(const A& a, const B& b) {
  return detail::apply<op::Remainder>(a, b);
}
/// \copydoc gradtape::op::Copysign
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto copysign(const A& a, const B& b) {
  return detail::apply<op::Copysign>(a, b);
}

}  // namespace gradtape
