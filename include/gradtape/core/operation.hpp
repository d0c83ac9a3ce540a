#pragma once
/// \file
/// Element-wise operations.  One is a struct (those of the library are in ops/):
///
///     name                    its label
///     value(a, b)             y
///     partial_a(a, b, y)      dy/da;  partial_b dy/db;  partial(x, y) if there is one operand.
///                             Where one is missing, y is a constant to that operand
///     selects = true          a partial of 0 means "branch not taken": what lies behind it
///                             contributes exactly 0, also where its own derivative is infinite or
///                             NaN
///     costly = true           within a formula on tensors y is kept for the backward pass, where it
///                             would have to be computed again
///     finite_slopes = true    the partials are finite where operands and result are; else an
///                             adjoint of 0 is kept from meeting an infinite one
///
/// It is written once, for numbers, tiles of numbers (tile.hpp) and nested scalars alike.

#include <string_view>

#include "kinds.hpp"

namespace gradtape::detail {

template <class Op, class... X>
auto apply(const X&... x);
template <class Op, class D, class A>
D apply_dual(const A& a);
template <class Op, class D, class A, class B>
D apply_dual(const A& a, const B& b);
template <class Op, class D, class A, class B, class C>
D apply_dual(const A& a, const B& b, const C& c);

/// An operation on plain values: by its formula for numbers and tiles, as an operation of the inner
/// tape for nested scalars, whose derivatives are then exact as well.
template <class Op, class X, class... Rest>
[[gnu::always_inline]] inline X evaluate(const X& x, const Rest&... rest) {
  if constexpr (Entity<X>) {
    return X(apply<Op>(x, rest...));
  } else {
    return Op::value(x, rest...);
  }
}

template <class Op>
inline constexpr bool op_selects = requires {
  requires Op::selects;
};
template <class Op>
inline constexpr bool is_costly = requires {
  requires Op::costly;
};
template <class Op>
inline constexpr bool has_finite_slopes = requires {
  requires Op::finite_slopes;
};

/// A derivative of 1 or -1 everywhere: multiplying by it costs nothing.
template <int Sign>
struct Unit {
  template <class X>
  [[gnu::always_inline]] friend X operator*(const X& x, Unit) {
    if constexpr (Sign > 0) {
      return x;
    } else {
      return X(-x);
    }
  }
  template <class X>
  explicit constexpr operator X() const {
    return X(Sign);
  }
};
using One = Unit<1>;
using MinusOne = Unit<-1>;

/// Whether an operation has a derivative to its operand number i.
template <class Op, int Arity>
constexpr bool depends_on(int i) {
  if constexpr (Arity == 1) {
    return requires { &Op::template partial<double>; };
  } else if (i == 0) {
    return requires { &Op::template partial_a<double>; };
  } else if (i == 1) {
    return requires { &Op::template partial_b<double>; };
  } else {
    return requires { &Op::template partial_c<double>; };
  }
}

/// The derivative of an operation to its operand number I.
template <class Op, int I, class X>
[[gnu::always_inline]] inline auto partial(const X& a, const None&, const None&, const X& y) {
  return Op::partial(a, y);
}
template <class Op, int I, class X>
[[gnu::always_inline]] inline auto partial(const X& a, const X& b, const None&, const X& y) {
  if constexpr (I == 0) {
    return Op::partial_a(a, b, y);
  } else {
    return Op::partial_b(a, b, y);
  }
}
template <class Op, int I, class X>
[[gnu::always_inline]] inline auto partial(const X& a, const X& b, const X& c, const X& y) {
  if constexpr (I == 0) {
    return Op::partial_a(a, b, c, y);
  } else if constexpr (I == 1) {
    return Op::partial_b(a, b, c, y);
  } else {
    return Op::partial_c(a, b, c, y);
  }
}

}  // namespace gradtape::detail
