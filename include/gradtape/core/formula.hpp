#pragma once
/// \file
/// Formulas as their kernels see them: operations over numbered slots, so that a tensor, a
/// parameter, a scalar or a number in the same place share one kernel.
///
///     relu(W + b) * 2.0    is    Program<Multiply, Program<Relu, Program<Add, Slot, Slot>>, Slot>
///
/// A Lane is a program at work on one tile: forward it computes y from the slots, backward it takes
/// y_bar from the root down to an adjoint for each slot.

#include <bit>

#include "tile_functions.hpp"

namespace gradtape::detail {

struct Slot {
  static constexpr int leaves = 1;
  static constexpr std::uint32_t operations = 0;
  static constexpr std::uint64_t live = 1;  // slots that the result depends on differentiably
};

template <class Op, class... P>
struct Program {
  static constexpr int leaves = (P::leaves + ...);
  static constexpr std::uint32_t operations = (1 + ... + P::operations);
  static constexpr std::uint64_t live = [] {
    std::uint64_t bits = 0;
    int first = 0, i = 0;
    ((bits |= (depends_on<Op, sizeof...(P)>(i++) ? P::live : 0) << first, first += P::leaves), ...);
    return bits;
  }();
};

template <class X>
struct ProgramOf {
  using type = Slot;
};
template <class Op, class A>
struct ProgramOf<TensorExpr<Op, A, None, None>> {
  using type = Program<Op, typename ProgramOf<A>::type>;
};
template <class Op, class A, class B>
struct ProgramOf<TensorExpr<Op, A, B, None>> {
  using type = Program<Op, typename ProgramOf<A>::type, typename ProgramOf<B>::type>;
};
template <class Op, class A, class B, class C>
struct ProgramOf<TensorExpr<Op, A, B, C>> {
  using type = Program<Op, typename ProgramOf<A>::type, typename ProgramOf<B>::type,
                       typename ProgramOf<C>::type>;
};

/// Bits of the slots below a part of a program that begins at slot K.
template <class P, int K>
inline constexpr std::uint64_t slots_of =
    (P::leaves == 64 ? ~std::uint64_t{0} : ((std::uint64_t{1} << P::leaves) - 1)) << K;

/// A program at work on one tile: X is a tile or a plain number, K the first slot.
template <class P, int K, class X>
class Lane;

template <int K, class X>
class Lane<Slot, K, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots) : slots_(slots) {}
  [[gnu::always_inline]] const X& value() const { return slots_[K]; }

  /// Receives the adjoint of this operand; outside of the mask it is exactly zero.
  template <class Mask>
  [[gnu::always_inline]] void push(const X& y_bar, const Mask& mask, std::uint64_t,
                                   X* adjoints) const {
    adjoints[K] = select(mask, y_bar, X(Literal<X>(0)));
  }

 private:
  const X* slots_;
};

template <class Op, class L, class X, class Mask, class Slope>
[[gnu::always_inline]] inline void push_to(const L& operand, const Slope& slope, const X& y_bar,
                                           const Mask& mask, std::uint64_t active, X* adjoints) {
  if constexpr (op_selects<Op>) {
    operand.push(X(y_bar * slope), both(mask, nonzero(slope)), active, adjoints);
  } else if constexpr (!has_finite_slopes<Op>) {
    operand.push(X(y_bar * slope), both(mask, nonzero(y_bar)), active, adjoints);
  } else {
    operand.push(X(y_bar * slope), mask, active, adjoints);
  }
}

template <class Op, class A, int K, class X>
class Lane<Program<Op, A>, K, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots) : a_(slots), y_(evaluate<Op>(a_.value())) {}
  [[gnu::always_inline]] Lane(const X* slots, const X& y) : a_(slots), y_(y) {}
  [[gnu::always_inline]] const X& value() const { return y_; }

  template <class Mask>
  [[gnu::always_inline]] void push(const X& y_bar, const Mask& mask, std::uint64_t active,
                                   X* adjoints) const {
    if constexpr (depends_on<Op, 1>(0)) {
      push_to<Op>(a_, partial<Op, 0>(a_.value(), None(), None(), y_), y_bar, mask, active,
                  adjoints);
    }
  }

 private:
  Lane<A, K, X> a_;
  X y_;
};

template <class Op, class A, class B, int K, class X>
class Lane<Program<Op, A, B>, K, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots)
      : a_(slots), b_(slots), y_(evaluate<Op>(a_.value(), b_.value())) {}
  [[gnu::always_inline]] Lane(const X* slots, const X& y) : a_(slots), b_(slots), y_(y) {}
  [[gnu::always_inline]] const X& value() const { return y_; }

  template <class Mask>
  [[gnu::always_inline]] void push(const X& y_bar, const Mask& mask, std::uint64_t active,
                                   X* adjoints) const {
    push_operand<0>(a_, y_bar, mask, active & slots_of<A, K>, adjoints);
    push_operand<1>(b_, y_bar, mask, active & slots_of<B, K + A::leaves>, adjoints);
  }

 private:
  template <int I, class L, class Mask>
  [[gnu::always_inline]] void push_operand(const L& operand, const X& y_bar, const Mask& mask,
                                           std::uint64_t active, X* adjoints) const {
    if constexpr (depends_on<Op, 2>(I)) {
      if (active == 0) return;
      push_to<Op>(operand, partial<Op, I>(a_.value(), b_.value(), None(), y_), y_bar, mask, active,
                  adjoints);
    }
  }

  Lane<A, K, X> a_;
  Lane<B, K + A::leaves, X> b_;
  X y_;
};

template <class Op, class A, class B, class C, int K, class X>
class Lane<Program<Op, A, B, C>, K, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots)
      : a_(slots), b_(slots), c_(slots), y_(evaluate<Op>(a_.value(), b_.value(), c_.value())) {}
  [[gnu::always_inline]] Lane(const X* slots, const X& y)
      : a_(slots), b_(slots), c_(slots), y_(y) {}
  [[gnu::always_inline]] const X& value() const { return y_; }

  template <class Mask>
  [[gnu::always_inline]] void push(const X& y_bar, const Mask& mask, std::uint64_t active,
                                   X* adjoints) const {
    push_operand<0>(a_, y_bar, mask, active & slots_of<A, K>, adjoints);
    push_operand<1>(b_, y_bar, mask, active & slots_of<B, K + A::leaves>, adjoints);
    push_operand<2>(c_, y_bar, mask, active & slots_of<C, K + A::leaves + B::leaves>, adjoints);
  }

 private:
  template <int I, class L, class Mask>
  [[gnu::always_inline]] void push_operand(const L& operand, const X& y_bar, const Mask& mask,
                                           std::uint64_t active, X* adjoints) const {
    if constexpr (depends_on<Op, 3>(I)) {
      if (active == 0) return;
      push_to<Op>(operand, partial<Op, I>(a_.value(), b_.value(), c_.value(), y_), y_bar, mask,
                  active, adjoints);
    }
  }

  Lane<A, K, X> a_;
  Lane<B, K + A::leaves, X> b_;
  Lane<C, K + A::leaves + B::leaves, X> c_;
  X y_;
};

}  // namespace gradtape::detail
