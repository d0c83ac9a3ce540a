#pragma once
/// \file
/// What types are in a formula: numbers, dual numbers, scalars and tensors of a tape, and formulas
/// of those.

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

namespace gradtape {

template <class T>
class Var;
template <class T>
class Tensor;
template <class T>
class Parameter;
template <class U>
class Dual;

namespace detail {
struct None {};
template <class T>
struct ScalarHandle;
template <class T>
struct TensorHandle;
}  // namespace detail

// beside the functions that take them, where argument-dependent lookup finds these
template <class Op, class A, class B = detail::None, class C = detail::None>
class ScalarExpr;
template <class Op, class A, class B = detail::None, class C = detail::None>
class TensorExpr;

namespace detail {

/// What a type is in a formula; of several operands the largest decides.  Plain integers, as the
/// comparison of enumerators would look at this library's own operators, whose constraints come
/// back here.
struct Kind {
  static constexpr int none = 0, number = 1, dual = 2, scalar = 3, tensor = 4;
};

template <class X>
inline constexpr int kind_of = std::is_arithmetic_v<X> ? Kind::number : Kind::none;
template <class U>
inline constexpr int kind_of<Dual<U>> = Kind::dual;
template <class T>
inline constexpr int kind_of<Var<T>> = Kind::scalar;
template <class Op, class A, class B, class C>
inline constexpr int kind_of<ScalarExpr<Op, A, B, C>> = Kind::scalar;
template <class T>
inline constexpr int kind_of<Tensor<T>> = Kind::tensor;
template <class T>
inline constexpr int kind_of<Parameter<T>> = Kind::tensor;
template <class Op, class A, class B, class C>
inline constexpr int kind_of<TensorExpr<Op, A, B, C>> = Kind::tensor;

/// The T of the tape that something lives on; a Dual lives on none and counts as its own.
template <class X>
struct ScalarOf {
  using type = X;
};
template <class X>
requires(kind_of<X> == Kind::scalar || kind_of<X> == Kind::tensor) struct ScalarOf<X> {
  using type = typename X::Scalar;
};
template <class X>
using scalar_of = typename ScalarOf<X>::type;

/// How deep scalars are nested: 0 for double, 1 for Var<double>, Tensor<double> and Dual<double>, 2
/// for Var<Dual<double>>.  Of two operands the shallower is a constant to the deeper.
template <class X>
inline constexpr int depth_of = 0;
template <class U>
inline constexpr int depth_of<Dual<U>> = 1 + depth_of<U>;
template <class X>
requires(kind_of<X> == Kind::scalar ||
         kind_of<X> == Kind::tensor) inline constexpr int depth_of<X> = 1 + depth_of<scalar_of<X>>;

}  // namespace detail

/// A built-in integer or floating-point number.
template <class X>
concept Number = detail::kind_of<X>
== detail::Kind::number;
/// Something that is differentiated: a scalar, a tensor, a parameter, an expression or a dual
/// number.
template <class X>
concept Entity = detail::kind_of<X>
!= detail::Kind::none && !Number<X>;
/// A `Var`, or an expression of scalars.
template <class X>
concept ScalarEntity = detail::kind_of<X>
== detail::Kind::scalar;
/// A scalar or a dual number: one number, and its derivatives.
template <class X>
concept DifferentiatedNumber = ScalarEntity<X> || detail::kind_of<X>
== detail::Kind::dual;
/// A `Tensor`, a `Parameter`, or an expression with one of these in it.
template <class X>
concept TensorEntity = detail::kind_of<X>
== detail::Kind::tensor;
/// Anything that may stand in a formula.
template <class X>
concept FormulaPart = Entity<X> || Number<X>;
/// Operands of an operation: at least one entity, the rest entities or numbers.
template <class... X>
concept Operands = (FormulaPart<X> && ...) && (Entity<X> || ...);

namespace detail {

/// A vector, array, span or list: the part of the standard's ranges that is needed here, as <ranges>
/// takes long to compile.
template <class Range>
concept Sequence =
    std::random_access_iterator<decltype(std::begin(std::declval<const Range&>()))> &&
    requires(const Range& range) {
  std::size(range);
};
template <Sequence Range>
using element_of = std::iter_value_t<decltype(std::begin(std::declval<const Range&>()))>;

/// Number of operands of an expression.
template <class B, class C>
inline constexpr int arity_of = std::is_same_v<B, None>   ? 1
                                : std::is_same_v<C, None> ? 2
                                                          : 3;

/// The kind and the scalar type of a formula over X...
template <class... X>
struct Formula {
  static constexpr int depth = std::max({depth_of<X>...});

  template <class Y>
  static constexpr bool is_deepest = Entity<Y>&& depth_of<Y> == depth;
  static constexpr int kind = std::max({is_deepest<X> ? kind_of<X> : Kind::none...});

  template <class... Y>
  struct Deepest;
  template <class Y, class... Rest>
  struct Deepest<Y, Rest...> {
    using type = typename std::conditional_t<is_deepest<Y>, ScalarOf<Y>, Deepest<Rest...>>::type;
  };
  template <class Y>
  struct Deepest<Y> : ScalarOf<Y> {};
  using Scalar = typename Deepest<X...>::type;

  static_assert(
      ((!is_deepest<X> || std::is_same_v<scalar_of<X>, Scalar>)&&...),
      "gradtape: operands of different scalar types (such as float and double) in one formula: "
      "convert one of them");
};

}  // namespace detail
}  // namespace gradtape
