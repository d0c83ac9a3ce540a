#pragma once
/// \file
/// `Dual`: forward mode.  A number with the derivative of it along one direction:
///
///     f(v + t e) = f(v) + f'(v) t e,      e^2 = 0
///
/// The operations are those of the tape (ops/), so that both modes share every formula.  On a tape
/// of duals, `Tape<Dual<double>>`, one backward sweep gives gradients and their directional
/// derivatives: Hessian times vector.
/// Source: Griewank and Walther (2008), Evaluating Derivatives, chapter 3.1.

#include <iosfwd>
#include <limits>

#include "../core/tensor_expression.hpp"

namespace gradtape {

/// A value and its tangent.  A plain number is a constant: its tangent is 0.
/// \snippet reference/autodiff_test.cpp dual
/// On a tape of them, gradients have the Hessian times the direction for tangents:
/// \snippet reference/autodiff_test.cpp hessian
template <class U>
class Dual {
 public:
  using Scalar = U;  ///< of value and tangent: double, or a Dual or Var for higher derivatives

  /// The constant 0.
  constexpr Dual() = default;
  /// A constant.
  constexpr Dual(const U& value) : value_(value) {}
  /// `Dual x(3.0, 1.0)` is the variable of d/dx at 3: a direction is given by the tangents.
  constexpr Dual(const U& value, const U& tangent) : value_(value), tangent_(tangent) {}
  /// Of any number, or of a scalar expression if U is a Var.
  template <class X>
  requires(!std::is_same_v<X, U> && !std::is_same_v<X, Dual> &&
           std::is_convertible_v<X, U>) constexpr Dual(const X& value)
      : value_(static_cast<U>(value)) {}

  /// f(v), as if computed without derivatives.
  const U& value() const { return value_; }
  /// The derivative of f along the direction.
  const U& tangent() const { return tangent_; }

  ///@{
  /// As `y = y + x` and so on.
  template <FormulaPart X>
  Dual& operator+=(const X& x) {
    return *this = *this + x;
  }
  template <FormulaPart X>
  Dual& operator-=(const X& x) {
    return *this = *this - x;
  }
  template <FormulaPart X>
  Dual& operator*=(const X& x) {
    return *this = *this * x;
  }
  template <FormulaPart X>
  Dual& operator/=(const X& x) {
    return *this = *this / x;
  }
  Dual& operator++() { return *this += 1; }
  Dual& operator--() { return *this -= 1; }
  Dual operator++(int) {
    const Dual before = *this;
    ++*this;
    return before;
  }
  Dual operator--(int) {
    const Dual before = *this;
    --*this;
    return before;
  }
  ///@}

 private:
  U value_{}, tangent_{};
};

/// Prints value and tangent.
template <class Char, class Traits, class U>
std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>& stream,
                                             const Dual<U>& x) {
  return stream << x.value() << " + " << x.tangent() << " e";
}

namespace detail {

template <class U>
auto primal(const Dual<U>& x) {
  return primal(x.value());
}

/// A dual number counts as zero only if its tangent is zero, too.
template <class U>
bool is_exact_zero(const Dual<U>& x) {
  return is_exact_zero(x.value()) && is_exact_zero(x.tangent());
}

/// Adds what operand number I, an X before it was made a Dual, contributes to a tangent.  A tangent
/// of exactly zero contributes exactly zero, as an adjoint of zero does in the reverse sweep, and
/// so does a branch that was not taken.
template <class Op, int I, int Arity, class X, class U, class Slope>
void add_tangent(U& sum, const U& tangent, Slope&& slope_of) {
  if constexpr (!Number<X> && depends_on<Op, Arity>(I)) {
    if (is_exact_zero(tangent)) return;
    const U slope = static_cast<U>(slope_of(std::integral_constant<int, I>()));
    if constexpr (op_selects<Op>) {
      if (is_exact_zero(slope)) return;
    }
    sum = sum + tangent * slope;
  }
}

template <class Op, class D, class A>
D apply_dual(const A& x) {
  using U = typename D::Scalar;
  const D a(x);
  const U y = evaluate<Op>(a.value());
  U sum(0);
  const auto slope = [&](auto i) { return partial<Op, i>(a.value(), None(), None(), y); };
  add_tangent<Op, 0, 1, A>(sum, a.tangent(), slope);
  return D(y, sum);
}

template <class Op, class D, class A, class B>
D apply_dual(const A& x0, const B& x1) {
  using U = typename D::Scalar;
  const D a(x0), b(x1);
  const U y = evaluate<Op>(a.value(), b.value());
  U sum(0);
  const auto slope = [&](auto i) { return partial<Op, i>(a.value(), b.value(), None(), y); };
  add_tangent<Op, 0, 2, A>(sum, a.tangent(), slope);
  add_tangent<Op, 1, 2, B>(sum, b.tangent(), slope);
  return D(y, sum);
}

template <class Op, class D, class A, class B, class C>
D apply_dual(const A& x0, const B& x1, const C& x2) {
  using U = typename D::Scalar;
  const D a(x0), b(x1), c(x2);
  const U y = evaluate<Op>(a.value(), b.value(), c.value());
  U sum(0);
  const auto slope = [&](auto i) { return partial<Op, i>(a.value(), b.value(), c.value(), y); };
  add_tangent<Op, 0, 3, A>(sum, a.tangent(), slope);
  add_tangent<Op, 1, 3, B>(sum, b.tangent(), slope);
  add_tangent<Op, 2, 3, C>(sum, c.tangent(), slope);
  return D(y, sum);
}

}  // namespace detail
}  // namespace gradtape
