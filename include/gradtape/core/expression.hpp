#pragma once
/// \file
/// Expressions: unnamed element-wise formulas over scalars and numbers.
///
///     c * (a + 2.0 * b)    is    ScalarExpr<Mul, c, ScalarExpr<Add, a, ScalarExpr<Mul, 2.0, b>>>
///
/// Operands are held by value (a handle is a few words), so nothing dangles.  An expression has its
/// value from the start; giving it a name, `Var y = ...`, records it as one node.

#include "operation.hpp"
#include "recording.hpp"

namespace gradtape {
namespace detail {

/// Records a constant of a traced operation, so that drawings have it.
template <class T>
std::uint32_t trace_constant(Recording<T>& recording, const T& value);

/// \throws TapeError unless the scalar is a constant, or recorded on `expected`.
template <class T>
void check_scalar_handle(const char* what, const Recording<T>* recording, Place place,
                         const Recording<T>* expected);

/// A first, cheap test of handles, without branches: none only if all are scalars of the tape
/// recorded since its last rewinding, so that constants and older handles are looked at again.
struct Mismatch {
  std::uintptr_t tapes = 0;
  std::uint64_t places = 0;  // differing epochs are in the upper half

  [[gnu::always_inline]] Mismatch& operator|=(const Mismatch& other) {
    tapes |= other.tapes;
    places |= other.places;
    return *this;
  }
  [[gnu::always_inline]] bool is_none() const { return (tapes | places >> 32) == 0; }
};

/// A number in a formula.
template <class T>
class Constant {
 public:
  using Scalar = T;
  static constexpr int leaves = 0;  // operands of the statement
  static constexpr bool is_constant = true;

  [[gnu::always_inline]] explicit Constant(const T& value) : value_(value) {}

  const T& value() const { return value_; }
  static constexpr Recording<T>* recording() { return nullptr; }
  static constexpr Mismatch mismatch(const Recording<T>*) { return {}; }
  static void check(const Recording<T>&) {}
  template <int K>
  void push(const T&, T*, std::uint32_t*) const {}
  template <int K>
  void push_zero(T*, std::uint32_t*) const {}
  std::uint32_t trace(Recording<T>& recording) const { return trace_constant(recording, value_); }

 private:
  T value_;
};

/// A scalar in a formula: a slim copy, since a whole handle inside of an expression keeps the
/// compiler from taking it apart into registers.
template <class T>
class ScalarLeaf {
 public:
  using Scalar = T;
  static constexpr int leaves = 1;
  static constexpr bool is_constant = false;

  [[gnu::always_inline]] ScalarLeaf(const T& value, Recording<T>* recording, Place place)
      : value_(value), place_(place), recording_(recording) {}
  [[gnu::always_inline]] ScalarLeaf(const ScalarLeaf& x)
      : value_(x.value_), place_(x.place_), recording_(x.recording_) {}

  [[gnu::always_inline]] const T& value() const { return value_; }
  [[gnu::always_inline]] Recording<T>* recording() const { return recording_; }
  [[gnu::always_inline]] Recording<T>* first_recording() const { return recording_; }

  [[gnu::always_inline]] Mismatch mismatch(const Recording<T>* recording) const {
    return {
        reinterpret_cast<std::uintptr_t>(recording_) ^ reinterpret_cast<std::uintptr_t>(recording),
        place_.bits ^ recording->now.bits};
  }
  /// \throws TapeError if the handle is of another tape or no longer recorded.
  void check(const Recording<T>& recording) const {
    if (recording_ != nullptr) check_for("operand", recording);
  }
  void check_for(const char* what, const Recording<T>& recording) const {
    check_scalar_handle(what, recording_, place_, &recording);
  }

  template <int K>
  [[gnu::always_inline]] void push(const T& weight, T* partial, std::uint32_t* operand) const {
    partial[K] = weight;
    operand[K] = place_.index();
  }
  template <int K>
  [[gnu::always_inline]] void push_zero(T* partial, std::uint32_t* operand) const {
    partial[K] = T(0);
    operand[K] = 0;  // to nobody: zero times an infinite adjoint would be NaN
  }
  std::uint32_t trace(Recording<T>& recording) const {
    return recording_ != nullptr ? place_.index() : trace_constant(recording, value_);
  }

 private:
  T value_;
  Place place_;
  Recording<T>* recording_;
};

}  // namespace detail

/// A scalar formula that has no name yet: what operators and functions of scalars return.
/// `Var y = ...` records it as one node.
template <class Op, class A, class B, class C>
class ScalarExpr {
 public:
  using Scalar = typename A::Scalar;  ///< the number type of the tape
  /// \cond  for the engine
  using T = Scalar;
  static constexpr int arity = detail::arity_of<B, C>;
  static constexpr int leaves = [] {
    int n = A::leaves;
    if constexpr (arity > 1) n += B::leaves;
    if constexpr (arity > 2) n += C::leaves;
    return n;
  }();
  static constexpr bool is_constant = false;
  static_assert(leaves <= int(detail::max_operands),
                "gradtape: more than 255 operands in one expression: name its parts");

  [[gnu::always_inline]] explicit ScalarExpr(const A& a) requires(arity == 1)
      : a_(a), value_(detail::evaluate<Op>(a.value())) {}
  [[gnu::always_inline]] ScalarExpr(const A& a, const B& b) requires(arity == 2)
      : a_(a), b_(b), value_(detail::evaluate<Op>(a.value(), b.value())) {}
  [[gnu::always_inline]] ScalarExpr(const A& a, const B& b, const C& c) requires(arity == 3)
      : a_(a), b_(b), c_(c), value_(detail::evaluate<Op>(a.value(), b.value(), c.value())) {}

  // member by member: copied as one block an expression would live in memory, not in registers
  [[gnu::always_inline]] ScalarExpr(const ScalarExpr& e)
      : a_(e.a_), b_(e.b_), c_(e.c_), value_(e.value_) {}
  ScalarExpr& operator=(const ScalarExpr&) = default;

  // An expression cannot take another value (a Var converts the other way, in `c ? x : 2.0 * x`);
  // these say so where a function template that was given one tries to.

  template <class X = T>
  ScalarExpr() : ScalarExpr(refuse<X>()) {}
  template <class Other>
  requires(!std::is_same_v<Other, ScalarExpr> && !std::is_same_v<Other, Var<T>>)
      ScalarExpr(const Other&)
      : ScalarExpr(refuse<Other>()) {}
  template <class X>
  ScalarExpr& operator+=(const X&) {
    return refuse<X>();
  }
  template <class X>
  ScalarExpr& operator-=(const X&) {
    return refuse<X>();
  }
  template <class X>
  ScalarExpr& operator*=(const X&) {
    return refuse<X>();
  }
  template <class X>
  ScalarExpr& operator/=(const X&) {
    return refuse<X>();
  }
  /// \endcond

  /// The value that naming the expression would record.
  [[gnu::always_inline]] const T& value() const { return value_; }
  /// Does not compile, and says why: only what has a name has a gradient.
  template <class X = T>
  const X& grad() const {
    static_assert(detail::always_false<X>,
                  "gradtape: an unnamed expression has no gradient: name it, Var y = ...");
    return value_;
  }

  /// \cond  for the engine

  /// The recording of the first operand that is not a number; null: it is a constant.
  [[gnu::always_inline]] detail::Recording<T>* first_recording() const {
    if constexpr (A::leaves > 0) {
      return a_.first_recording();
    } else if constexpr (B::leaves > 0) {
      return b_.first_recording();
    } else {
      return c_.first_recording();
    }
  }
  /// The recording that the expression is about; null: all of its operands are constants.
  [[gnu::always_inline]] detail::Recording<T>* recording() const {
    detail::Recording<T>* found = a_.recording();
    if constexpr (arity > 1) found = found != nullptr ? found : b_.recording();
    if constexpr (arity > 2) found = found != nullptr ? found : c_.recording();
    return found;
  }
  [[gnu::always_inline]] detail::Mismatch mismatch(const detail::Recording<T>* recording) const {
    detail::Mismatch sum = a_.mismatch(recording);
    if constexpr (arity > 1) sum |= b_.mismatch(recording);
    if constexpr (arity > 2) sum |= c_.mismatch(recording);
    return sum;
  }
  void check(const detail::Recording<T>& recording) const {
    a_.check(recording);
    if constexpr (arity > 1) b_.check(recording);
    if constexpr (arity > 2) c_.check(recording);
  }

  /// Writes the pairs of all scalars below, from K on, times the derivative to this expression.
  template <int K>
  [[gnu::always_inline]] void push(const T& weight, T* partial, std::uint32_t* operand) const {
    push_operand<0, K>(a_, weight, partial, operand);
    if constexpr (arity > 1) push_operand<1, K + A::leaves>(b_, weight, partial, operand);
    if constexpr (arity > 2)
      push_operand<2, K + A::leaves + B::leaves>(c_, weight, partial, operand);
  }
  template <int K>
  [[gnu::always_inline]] void push_zero(T* partial, std::uint32_t* operand) const {
    a_.template push_zero<K>(partial, operand);
    if constexpr (arity > 1) b_.template push_zero<K + A::leaves>(partial, operand);
    if constexpr (arity > 2) c_.template push_zero<K + A::leaves + B::leaves>(partial, operand);
  }

  /// Records every operation of the formula by itself.
  [[gnu::cold, gnu::noinline]] std::uint32_t trace(detail::Recording<T>& recording) const {
    detail::TracedOperand<T> operands[std::size_t{arity}];
    operands[0] = traced<0>(a_, recording);
    if constexpr (arity > 1) operands[1] = traced<1>(b_, recording);
    if constexpr (arity > 2) operands[2] = traced<2>(c_, recording);
    return recording.tracer->record_scalar(Op::name, value_, arity, operands);
  }
  /// \endcond

 private:
  template <class X>
  ScalarExpr& refuse() {
    static_assert(detail::always_false<X>,
                  "gradtape: an unnamed expression cannot be assigned another value: name it, Var "
                  "x = ..., before it is passed to a function template");
    return *this;
  }

  template <int I>
  [[gnu::always_inline]] auto partial_to() const {
    if constexpr (!detail::depends_on<Op, arity>(I)) {
      return T(0);
    } else if constexpr (arity == 1) {
      return detail::partial<Op, I>(a_.value(), detail::None(), detail::None(), value_);
    } else if constexpr (arity == 2) {
      return detail::partial<Op, I>(a_.value(), b_.value(), detail::None(), value_);
    } else {
      return detail::partial<Op, I>(a_.value(), b_.value(), c_.value(), value_);
    }
  }

  template <int I, int K, class X>
  [[gnu::always_inline]] void push_operand(const X& x, const T& weight, T* partial,
                                           std::uint32_t* operand) const {
    if constexpr (X::leaves == 0) {
      return;
    } else if constexpr (!detail::depends_on<Op, arity>(I)) {
      x.template push_zero<K>(partial, operand);
    } else {
      // in c * sqrt(x) at c = x = 0, zero times infinity is zero, as it is for two named parts
      if constexpr (!detail::has_finite_slopes<Op>) {
        if (detail::is_exact_zero(weight)) return x.template push_zero<K>(partial, operand);
      }
      const auto slope = partial_to<I>();
      if constexpr (detail::op_selects<Op>) {
        if (detail::is_exact_zero(T(slope))) return x.template push_zero<K>(partial, operand);
      }
      x.template push<K>(T(weight * slope), partial, operand);
    }
  }

  template <int I, class X>
  [[gnu::always_inline]] detail::TracedOperand<T> traced(const X& x,
                                                         detail::Recording<T>& recording) const {
    T slope(0);
    if constexpr (!X::is_constant) {
      if (x.recording() != nullptr) slope = static_cast<T>(partial_to<I>());
    }
    return {x.trace(recording), x.value(), slope};
  }

  A a_;
  [[no_unique_address]] B b_;
  [[no_unique_address]] C c_;
  T value_;
};

namespace detail {

template <class T>
void check_scalar_handle(const char* what, const Recording<T>* recording, Place place,
                         const Recording<T>* expected) {
  if (recording == nullptr) return;
  if (recording != expected) fail<TapeError>(what, ": a scalar of another tape");
  if (!recording->untouched(place.epoch(), place.index(), 0)) {
    fail<TapeError>(what, ": scalar #", place.index(),
                    " is from before a clear() or the end of a scope: record it again");
  }
}

template <class T>
std::uint32_t trace_constant(Recording<T>& recording, const T& value) {
  return recording.paused > 0 ? 0 : recording.append_leaf("constant", value);
}

/// Longer statements are recorded as they are: comparing all pairs takes the compiler's time.
inline constexpr int max_merged_operands = 12;

/// Operands of one statement that the compiler sees to be the same scalar, as in x * x, become one:
///
///     partial_i y_bar + partial_j y_bar  =  (partial_i + partial_j) y_bar
///
/// That saves memory, and the sweep the wait for its own store to `adjoint[x]`.
template <class T, int N>
class MergedOperands {
 public:
  T partial[std::size_t{N}];
  std::uint32_t operand[std::size_t{N}];

  [[gnu::always_inline]] void merge() { merge(std::make_integer_sequence<int, N>()); }
  [[gnu::always_inline]] std::size_t count() const { return static_cast<std::size_t>(N - merged_); }
  [[gnu::always_inline]] void write(T* partials, std::uint32_t* operands) const {
    write(partials, operands, std::make_integer_sequence<int, N>());
  }

 private:
  template <int... I>
  [[gnu::always_inline]] void merge(std::integer_sequence<int, I...>) {
    (merge_one<I>(std::make_integer_sequence<int, I>()), ...);
  }
  template <int I, int... J>
  [[gnu::always_inline]] void merge_one(std::integer_sequence<int, J...>) {
    is_merged_[I] = (merge_pair<I, J>() || ...);
    merged_ += is_merged_[I] ? 1 : 0;
  }
  template <int I, int J>
  [[gnu::always_inline]] bool merge_pair() {
    if (is_merged_[J] || !__builtin_constant_p(operand[I] == operand[J]) ||
        operand[I] != operand[J]) {
      return false;
    }
    partial[J] += partial[I];
    return true;
  }
  template <int... I>
  [[gnu::always_inline]] void write(T* partials, std::uint32_t* operands,
                                    std::integer_sequence<int, I...>) const {
    int k = 0;
    const auto write_one = [&](bool is_merged, T p, std::uint32_t x)
        __attribute__((always_inline)) {
      if (is_merged) return;
      partials[k] = p;
      operands[k++] = x;
    };
    (write_one(is_merged_[I], partial[I], operand[I]), ...);
  }

  bool is_merged_[std::size_t{N}];
  int merged_ = 0;
};

template <class E, class T>
[[gnu::always_inline]] inline std::uint32_t append_statement(const E& e,
                                                             Statements<T>& statements) {
  constexpr int n = E::leaves;
  if constexpr (std::is_floating_point_v<T> && n > 1 && n <= max_merged_operands) {
    MergedOperands<T, n> operands;
    e.template push<0>(T(1), operands.partial, operands.operand);
    operands.merge();
    return statements.append(
        operands.count(), [&](T * partial, std::uint32_t * operand)
                              __attribute__((always_inline)) { operands.write(partial, operand); });
  } else {
    return statements.append(
        n, [&e](T * partial, std::uint32_t * operand)
               __attribute__((always_inline)) { e.template push<0>(T(1), partial, operand); });
  }
}

/// Everything that recording may meet beside the common case: constants among the operands, handles
/// from before a scope's end, growth, `no_grad`, tracing, and handles to refuse.  Returns the
/// statement; 0: the result depends on nothing recorded.
template <class E, class T>
[[gnu::cold, gnu::noinline]] std::uint32_t record_carefully(const E& e, Recording<T>* recording) {
  if (recording == nullptr) return 0;
  e.check(*recording);
  if (recording->tracer != nullptr) return e.trace(*recording);
  if (recording->paused > 0) return 0;
  T partial[std::size_t{E::leaves}];
  std::uint32_t operand[std::size_t{E::leaves}];
  e.template push<0>(T(1), partial, operand);
  return recording->statements.append(E::leaves, partial, operand);
}

}  // namespace detail
}  // namespace gradtape
