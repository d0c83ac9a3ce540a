#pragma once
/// \file
/// `Var` and `Dual` as number types of Eigen and of generic numeric code, so that products, norms
/// and decompositions of Eigen matrices of them differentiate.

#include <Eigen/Core>
#include <limits>

#include "../core/var.hpp"
#include "dual.hpp"

namespace gradtape {

///@{
/// What generic code asks of a number: of the value alone, whatever the derivatives are.
template <DifferentiatedNumber X>
bool isfinite(const X& x) {
  return std::isfinite(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
bool isnan(const X& x) {
  return std::isnan(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
bool isinf(const X& x) {
  return std::isinf(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
bool isnormal(const X& x) {
  return std::isnormal(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
bool signbit(const X& x) {
  return std::signbit(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
int ilogb(const X& x) {
  return std::ilogb(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
long lround(const X& x) {
  return std::lround(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
long long llround(const X& x) {
  return std::llround(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
long lrint(const X& x) {
  return std::lrint(detail::primal(x.value()));
}
template <DifferentiatedNumber X>
long long llrint(const X& x) {
  return std::llrint(detail::primal(x.value()));
}
///@}

namespace detail {

template <class Op>
inline constexpr bool is_eigen_product = false;
template <class A, class B>
inline constexpr bool is_eigen_product<Eigen::internal::scalar_product_op<A, B>> = true;

/// Whether a matrix product has differentiated numbers on one side and others on the other.
template <class A, class B>
inline constexpr bool is_mixed_product =
    !std::is_same_v<A, B> && (Entity<A> || Entity<B>)&&FormulaPart<A> && FormulaPart<B>;

/// Eigen's description of a differentiated number, from that of the number inside.
template <class S, class Inner>
struct EigenTraits : Eigen::GenericNumTraits<S> {
  using Real = S;
  using NonInteger = S;
  using Nested = S;
  using Literal = S;
  enum {
    IsComplex = 0,
    IsInteger = 0,
    IsSigned = 1,
    RequireInitialization = 1,
    ReadCost = 3,
    AddCost = 8,
    MulCost = 8
  };
  static S epsilon() { return S(Eigen::NumTraits<Inner>::epsilon()); }
  static S dummy_precision() { return S(Eigen::NumTraits<Inner>::dummy_precision()); }
  static S highest() { return S(Eigen::NumTraits<Inner>::highest()); }
  static S lowest() { return S(Eigen::NumTraits<Inner>::lowest()); }
  static S infinity() { return S(Eigen::NumTraits<Inner>::infinity()); }
  static S quiet_NaN() { return S(Eigen::NumTraits<Inner>::quiet_NaN()); }
  static int digits10() { return Eigen::NumTraits<Inner>::digits10(); }
};

}  // namespace detail
}  // namespace gradtape

namespace Eigen {

template <class T>
struct NumTraits<gradtape::Var<T>> : gradtape::detail::EigenTraits<gradtape::Var<T>, T> {};
template <class U>
struct NumTraits<gradtape::Dual<U>> : gradtape::detail::EigenTraits<gradtape::Dual<U>, U> {};

// Sums and quotients with plain matrices.  Products are left out, as Eigen's kernels cannot
// multiply two types; the last specialisation below says so.

template <class T, class Op>
requires(
    !gradtape::detail::is_eigen_product<Op>) struct ScalarBinaryOpTraits<T, gradtape::Var<T>, Op> {
  using ReturnType = gradtape::Var<T>;
};
template <class T, class Op>
requires(
    !gradtape::detail::is_eigen_product<Op>) struct ScalarBinaryOpTraits<gradtape::Var<T>, T, Op> {
  using ReturnType = gradtape::Var<T>;
};
template <class U, class Op>
requires(
    !gradtape::detail::is_eigen_product<Op>) struct ScalarBinaryOpTraits<U, gradtape::Dual<U>, Op> {
  using ReturnType = gradtape::Dual<U>;
};
template <class U, class Op>
requires(
    !gradtape::detail::is_eigen_product<Op>) struct ScalarBinaryOpTraits<gradtape::Dual<U>, U, Op> {
  using ReturnType = gradtape::Dual<U>;
};

namespace internal {

/// What Eigen's own functions (numext::sqrt in a decomposition, from Eigen 5 on) compute with when
/// they are given a formula, and return.
template <gradtape::ScalarEntity X>
struct global_math_functions_filtering_base<X, void> {
  using type = gradtape::Var<typename X::Scalar>;
};

template <class A, class B, int Option>
requires(gradtape::detail::is_mixed_product<
         typename traits<A>::Scalar,
         typename traits<B>::Scalar>) struct traits<Product<A, B, Option>> : traits<A> {
  static_assert(gradtape::detail::always_false<A>,
                "gradtape: a product of matrices of two number types: convert one of them, "
                "plain.cast<Var<double>>() * m");
};

}  // namespace internal
}  // namespace Eigen

/// As of the number inside.
template <class T>
struct std::numeric_limits<gradtape::Var<T>> : std::numeric_limits<T> {};
/// As of the number inside.
template <class U>
struct std::numeric_limits<gradtape::Dual<U>> : std::numeric_limits<U> {};
