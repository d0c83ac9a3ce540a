#pragma once
/// \file
/// Formulas as their kernels see them: operations over numbered slots, so that a tensor, a
/// parameter, a scalar or a number in the same place share one kernel.
///
///     relu(W + b) * 2.0    is    Program<Multiply, Program<Relu, Program<Add, Slot, Slot>>, Slot>
///
/// A Lane is a program at work on one tile: forward it computes y from the slots, backward it takes
/// y_bar from the root down to an adjoint for each slot.  What is costly below the root is kept from
/// the one to the other.

#include <bit>

#include "tile_functions.hpp"

namespace gradtape::detail {

struct Slot {
  static constexpr int leaves = 1;
  static constexpr std::uint32_t operations = 0;
  static constexpr int kept = 0;            // values for the backward pass
  static constexpr std::uint64_t live = 1;  // slots that the result depends on differentiably
};

template <class Op, class... P>
struct Program {
  static constexpr int leaves = (P::leaves + ...);
  static constexpr std::uint32_t operations = (1 + ... + P::operations);
  static constexpr int kept_below = (P::kept + ...);
  static constexpr int kept = kept_below + (is_costly<Op> ? 1 : 0);
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

/// The value of an inner operation going backward: value number I of those kept, or computed again
/// where that is cheap.
template <class Op, int I, class X, class... Operand>
[[gnu::always_inline]] inline X recall(const Literal<X>* kept, const Operand&... x) {
  if constexpr (is_costly<Op>) {
    X y;
    load(y, kept + I * lane_count<X>);
    return y;
  } else {
    return evaluate<Op>(x.value()...);
  }
}

/// A program at work on one tile: X is a tile or a plain number, K the first slot, I the first of the
/// values kept.
template <class P, int K, int I, class X>
class Lane;

template <int K, int I, class X>
class Lane<Slot, K, I, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots) : slots_(slots) {}
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>*) : slots_(slots) {}
  [[gnu::always_inline]] void keep(Literal<X>*) const {}
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

template <class Op, class A, int K, int I, class X>
class Lane<Program<Op, A>, K, I, X> {
 public:
  /// Forward.
  [[gnu::always_inline]] explicit Lane(const X* slots) : a_(slots), y_(evaluate<Op>(a_.value())) {}
  /// Backward: the root, whose value is that of the result; and an inner operation.
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>* kept, const X& y)
      : a_(slots, kept), y_(y) {}
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>* kept)
      : a_(slots, kept), y_(recall<Op, I + A::kept, X>(kept, a_)) {}
  [[gnu::always_inline]] void keep_below(Literal<X>* kept) const { a_.keep(kept); }
  [[gnu::always_inline]] void keep(Literal<X>* kept) const {
    keep_below(kept);
    if constexpr (is_costly<Op>) store(y_, kept + (I + A::kept) * lane_count<X>);
  }
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
  Lane<A, K, I, X> a_;
  X y_;
};

template <class Op, class A, class B, int K, int I, class X>
class Lane<Program<Op, A, B>, K, I, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots)
      : a_(slots), b_(slots), y_(evaluate<Op>(a_.value(), b_.value())) {}
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>* kept, const X& y)
      : a_(slots, kept), b_(slots, kept), y_(y) {}
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>* kept)
      : a_(slots, kept), b_(slots, kept), y_(recall<Op, own, X>(kept, a_, b_)) {}
  [[gnu::always_inline]] void keep_below(Literal<X>* kept) const {
    a_.keep(kept);
    b_.keep(kept);
  }
  [[gnu::always_inline]] void keep(Literal<X>* kept) const {
    keep_below(kept);
    if constexpr (is_costly<Op>) store(y_, kept + own * lane_count<X>);
  }
  [[gnu::always_inline]] const X& value() const { return y_; }

  template <class Mask>
  [[gnu::always_inline]] void push(const X& y_bar, const Mask& mask, std::uint64_t active,
                                   X* adjoints) const {
    push_operand<0>(a_, y_bar, mask, active & slots_of<A, K>, adjoints);
    push_operand<1>(b_, y_bar, mask, active & slots_of<B, K + A::leaves>, adjoints);
  }

 private:
  template <int N, class L, class Mask>
  [[gnu::always_inline]] void push_operand(const L& operand, const X& y_bar, const Mask& mask,
                                           std::uint64_t active, X* adjoints) const {
    if constexpr (depends_on<Op, 2>(N)) {
      if (active == 0) return;
      push_to<Op>(operand, partial<Op, N>(a_.value(), b_.value(), None(), y_), y_bar, mask, active,
                  adjoints);
    }
  }

  static constexpr int own = I + A::kept + B::kept;
  Lane<A, K, I, X> a_;
  Lane<B, K + A::leaves, I + A::kept, X> b_;
  X y_;
};

template <class Op, class A, class B, class C, int K, int I, class X>
class Lane<Program<Op, A, B, C>, K, I, X> {
 public:
  [[gnu::always_inline]] explicit Lane(const X* slots)
      : a_(slots), b_(slots), c_(slots), y_(evaluate<Op>(a_.value(), b_.value(), c_.value())) {}
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>* kept, const X& y)
      : a_(slots, kept), b_(slots, kept), c_(slots, kept), y_(y) {}
  [[gnu::always_inline]] Lane(const X* slots, const Literal<X>* kept)
      : a_(slots, kept),
        b_(slots, kept),
        c_(slots, kept),
        y_(recall<Op, own, X>(kept, a_, b_, c_)) {}
  [[gnu::always_inline]] void keep_below(Literal<X>* kept) const {
    a_.keep(kept);
    b_.keep(kept);
    c_.keep(kept);
  }
  [[gnu::always_inline]] void keep(Literal<X>* kept) const {
    keep_below(kept);
    if constexpr (is_costly<Op>) store(y_, kept + own * lane_count<X>);
  }
  [[gnu::always_inline]] const X& value() const { return y_; }

  template <class Mask>
  [[gnu::always_inline]] void push(const X& y_bar, const Mask& mask, std::uint64_t active,
                                   X* adjoints) const {
    push_operand<0>(a_, y_bar, mask, active & slots_of<A, K>, adjoints);
    push_operand<1>(b_, y_bar, mask, active & slots_of<B, K + A::leaves>, adjoints);
    push_operand<2>(c_, y_bar, mask, active & slots_of<C, K + A::leaves + B::leaves>, adjoints);
  }

 private:
  template <int N, class L, class Mask>
  [[gnu::always_inline]] void push_operand(const L& operand, const X& y_bar, const Mask& mask,
                                           std::uint64_t active, X* adjoints) const {
    if constexpr (depends_on<Op, 3>(N)) {
      if (active == 0) return;
      push_to<Op>(operand, partial<Op, N>(a_.value(), b_.value(), c_.value(), y_), y_bar, mask,
                  active, adjoints);
    }
  }

  static constexpr int own = I + A::kept + B::kept + C::kept;
  Lane<A, K, I, X> a_;
  Lane<B, K + A::leaves, I + A::kept, X> b_;
  Lane<C, K + A::leaves + B::leaves, I + A::kept + B::kept, X> c_;
  X y_;
};

}  // namespace gradtape::detail
