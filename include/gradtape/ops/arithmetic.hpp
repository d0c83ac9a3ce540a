#pragma once
/// \file
/// Element-wise arithmetic and comparison.  The form of an operation is explained in
/// core/operation.hpp; all take scalars, tensors, parameters, expressions and numbers in any
/// mixture.

#include "../core/tensor_expression.hpp"

namespace gradtape {

namespace op {

using detail::all;
using detail::both;
using detail::either;
using detail::evaluate;
using detail::lanewise;
using detail::Literal;
using detail::MinusOne;
using detail::One;
using detail::select;

/// y = a + b,  a_bar += y_bar,  b_bar += y_bar
struct Add {
  static constexpr std::string_view name = "add";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return a + b;
  }
  template <class X>
  static One partial_a(const X&, const X&, const X&) {
    return {};
  }
  template <class X>
  static One partial_b(const X&, const X&, const X&) {
    return {};
  }
};

/// y = a - b,  a_bar += y_bar,  b_bar -= y_bar
struct Subtract {
  static constexpr std::string_view name = "subtract";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return a - b;
  }
  template <class X>
  static One partial_a(const X&, const X&, const X&) {
    return {};
  }
  template <class X>
  static MinusOne partial_b(const X&, const X&, const X&) {
    return {};
  }
};

/// y = a b,  a_bar += y_bar b,  b_bar += y_bar a
struct Multiply {
  static constexpr std::string_view name = "multiply";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& a, const X& b) {
    return a * b;
  }
  template <class X>
  static X partial_a(const X&, const X& b, const X&) {
    return b;
  }
  template <class X>
  static X partial_b(const X& a, const X&, const X&) {
    return a;
  }
};

/// y = a b + c, rounded once,  a_bar += y_bar b,  b_bar += y_bar a,  c_bar += y_bar
struct Fma {
  static constexpr std::string_view name = "fma";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& a, const X& b, const X& c) {
    return lanewise([](auto u, auto v, auto w) { return std::fma(u, v, w); }, a, b, c);
  }
  template <class X>
  static X partial_a(const X&, const X& b, const X&, const X&) {
    return b;
  }
  template <class X>
  static X partial_b(const X& a, const X&, const X&, const X&) {
    return a;
  }
  template <class X>
  static One partial_c(const X&, const X&, const X&, const X&) {
    return {};
  }
};

/// y = a / b,  a_bar += y_bar / b,  b_bar -= y_bar y / b
struct Divide {
  static constexpr std::string_view name = "divide";
  template <class X>
  static X value(const X& a, const X& b) {
    return a / b;
  }
  template <class X>
  static X partial_a(const X&, const X& b, const X&) {
    return 1 / b;
  }
  template <class X>
  static X partial_b(const X&, const X& b, const X& y) {
    return -(y / b);
  }
};

/// y = -x,  x_bar -= y_bar
struct Negate {
  static constexpr std::string_view name = "negate";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    return -x;
  }
  template <class X>
  static MinusOne partial(const X&, const X&) {
    return {};
  }
};

/// y = x^2,  x_bar += 2 y_bar x
struct Square {
  static constexpr std::string_view name = "square";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    return x * x;
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return x + x;
  }
};

/// y = 1 / x,  x_bar -= y_bar y^2
struct Reciprocal {
  static constexpr std::string_view name = "reciprocal";
  template <class X>
  static X value(const X& x) {
    return 1 / x;
  }
  template <class X>
  static X partial(const X&, const X& y) {
    return -(y * y);
  }
};

/// The sign of x: -1, 0 or 1; a constant.  NaN gives NaN.
struct Sign {
  static constexpr std::string_view name = "sign";
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return v > 0 ? decltype(v)(1) : v < 0 ? decltype(v)(-1) : v; }, x);
  }
};

/// y = |x|, derivative 0 at 0.
struct Abs {
  static constexpr std::string_view name = "abs";
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    using std::abs;
    return abs(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Sign>(x);
  }
};

// Comparisons of tensors: 1 where they hold, 0 elsewhere; constants.  (Comparisons of scalars are
// plain bools.)

/// y = 1 where a < b, else 0.
struct Less {
  static constexpr std::string_view name = "less";
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a < b, X(Literal<X>(1)), X(Literal<X>(0)));
  }
};
/// y = 1 where a <= b, else 0.
struct LessEqual {
  static constexpr std::string_view name = "less_equal";
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a <= b, X(Literal<X>(1)), X(Literal<X>(0)));
  }
};
/// y = 1 where a = b, else 0.
struct Equal {
  static constexpr std::string_view name = "equal";
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a == b, X(Literal<X>(1)), X(Literal<X>(0)));
  }
};
/// y = 1 where a and b differ, else 0.
struct NotEqual {
  static constexpr std::string_view name = "not_equal";
  template <class X>
  static X value(const X& a, const X& b) {
    return select(a != b, X(Literal<X>(1)), X(Literal<X>(0)));
  }
};

}  // namespace op

/// \copydoc gradtape::op::Add
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator+(const A& a, const B& b) {
  return detail::apply<op::Add>(a, b);
}
/// \copydoc gradtape::op::Subtract
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator-(const A& a, const B& b) {
  return detail::apply<op::Subtract>(a, b);
}
/// \copydoc gradtape::op::Multiply
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator*(const A& a, const B& b) {
  return detail::apply<op::Multiply>(a, b);
}
/// \copydoc gradtape::op::Divide
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator/(const A& a, const B& b) {
  return detail::apply<op::Divide>(a, b);
}
/// \copydoc gradtape::op::Fma
template <class A, class B, class C>
requires Operands<A, B, C>
[[gnu::always_inline]] inline auto fma(const A& a, const B& b, const C& c) {
  return detail::apply<op::Fma>(a, b, c);
}
/// \copydoc gradtape::op::Negate
template <Entity A>
[[gnu::always_inline]] inline auto operator-(const A& a) {
  return detail::apply<op::Negate>(a);
}
/// The operand itself: nothing is recorded.
template <Entity A>
requires std::is_copy_constructible_v<A>
[[gnu::always_inline]] inline A operator+(const A& a) { return a; }

namespace detail {

template <class A, class B>
concept MatrixBesideTensor = BesideTensors<A, B> &&(EigenDense<A> || EigenDense<B>);

}  // namespace detail

///@{
/// A matrix that is on no tape is no operand; this does not compile, and says so.
template <class A, class B>
requires detail::MatrixBesideTensor<A, B>
auto operator+(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
template <class A, class B>
requires detail::MatrixBesideTensor<A, B>
auto operator-(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
template <class A, class B>
requires detail::MatrixBesideTensor<A, B>
auto operator*(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
template <class A, class B>
requires detail::MatrixBesideTensor<A, B>
auto operator/(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
///@}

namespace detail {

/// The value that a comparison of scalars looks at.
template <class X>
const auto& compared(const X& x) {
  if constexpr (Entity<X>) {
    return x.value();
  } else {
    return x;
  }
}

template <class... X>
inline constexpr bool has_tensor = (TensorEntity<X> || ...);

}  // namespace detail

///@{
/// With a tensor: 1 where it holds and 0 elsewhere, as a constant.  Of scalars and numbers: a bool,
/// from their values.  NaN is neither less than, nor equal to anything.
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator<(const A& a, const B& b) {
  if constexpr (detail::has_tensor<A, B>) {
    return detail::apply<op::Less>(a, b);
  } else {
    return detail::compared(a) < detail::compared(b);
  }
}
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator<=(const A& a, const B& b) {
  if constexpr (detail::has_tensor<A, B>) {
    return detail::apply<op::LessEqual>(a, b);
  } else {
    return detail::compared(a) <= detail::compared(b);
  }
}
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator>(const A& a, const B& b) { return b < a; }
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator>=(const A& a, const B& b) { return b <= a; }
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator==(const A& a, const B& b) {
  if constexpr (detail::has_tensor<A, B>) {
    return detail::apply<op::Equal>(a, b);
  } else {
    return detail::compared(a) == detail::compared(b);
  }
}
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto operator!=(const A& a, const B& b) {
  if constexpr (detail::has_tensor<A, B>) {
    return detail::apply<op::NotEqual>(a, b);
  } else {
    return detail::compared(a) != detail::compared(b);
  }
}
///@}

/// \copydoc gradtape::op::Square
template <Entity A>
[[gnu::always_inline]] inline auto square(const A& x) {
  return detail::apply<op::Square>(x);
}
/// \copydoc gradtape::op::Reciprocal
template <Entity A>
[[gnu::always_inline]] inline auto reciprocal(const A& x) {
  return detail::apply<op::Reciprocal>(x);
}
/// \copydoc gradtape::op::Abs
template <Entity A>
[[gnu::always_inline]] inline auto abs(const A& x) {
  return detail::apply<op::Abs>(x);
}
/// As `abs`.
template <Entity A>
[[gnu::always_inline]] inline auto fabs(const A& x) {
  return detail::apply<op::Abs>(x);
}
/// \copydoc gradtape::op::Sign
template <Entity A>
[[gnu::always_inline]] inline auto sign(const A& x) {
  return detail::apply<op::Sign>(x);
}

}  // namespace gradtape
