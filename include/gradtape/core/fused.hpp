#pragma once
/// \file
/// Tensor expressions: a whole element-wise formula as one node, evaluated in one pass over memory
/// forward and one pass backward, tile by tile, with no stored intermediates.
///
///     forward     for each tile:   load operands -> formula -> store y
///     backward    for each tile:   load operands, y, y_bar -> formula again -> slopes, from the
///     root to the
///                                  operands -> add to their adjoints
///
/// In its kernel a formula is only its operations; the operands are numbered slots, so that a
/// tensor, a parameter, a scalar or a number in the same place share one kernel.

#include <array>
#include <bit>

#include "tensor.hpp"
#include "tile.hpp"

namespace gradtape {
namespace detail {

/// One operand of a formula as its kernel sees it.
template <class T>
struct FusedOperand {
  Node<T>* node = nullptr;  // null: a single number, `value`
  T value{};
  std::uint32_t statement = 0;  // of that number, if it is a recorded scalar
  std::uint32_t index = 0;      // of the node; of a traced number: its statement
  std::array<Index, Shape::max_rank> stride{};
};

/// Where a formula's operands come from.
template <class T, std::size_t N>
struct FusedOperands {
  Recording<T>& recording;
  std::array<FusedOperand<T>, N> operand{};
  int count = 0;

  void add(const Tensor<T>& x, std::string_view operation) {
    Node<T>& node = TensorHandle<T>::node(x, operation.data());
    if (TensorHandle<T>::recording(x) != &recording)
      fail<TapeError>(operation, ": a tensor of another tape");
    operand[static_cast<std::size_t>(count++)] = {.node = &node,
                                                  .index = TensorHandle<T>::index(x)};
  }
  void add(const T& value) { operand[static_cast<std::size_t>(count++)] = {.value = value}; }
  void add(const Var<T>& x, std::string_view operation) {
    ScalarHandle<T>::leaf(x).check_for(operation.data(), recording);
    operand[static_cast<std::size_t>(count++)] = {.value = x.value(),
                                                  .statement = ScalarHandle<T>::statement(x)};
  }
};

/// A tensor in a formula.
template <class T>
struct TensorLeaf {
  using Scalar = T;
  Tensor<T> tensor;

  Recording<T>* recording() const { return TensorHandle<T>::recording(tensor); }
  template <std::size_t N>
  void collect(FusedOperands<T, N>& operands, std::string_view operation) const {
    operands.add(tensor, operation);
  }
};

/// A parameter in a formula: it comes onto the tape of the other operands.
template <class T>
struct ParameterLeaf {
  using Scalar = T;
  const Parameter<T>* parameter;

  Recording<T>* recording() const { return nullptr; }
  template <std::size_t N>
  void collect(FusedOperands<T, N>& operands, std::string_view operation) const {
    operands.add(operands.recording.tape().parameter(*parameter), operation);
  }
};

/// A scalar, a scalar expression or a number in a tensor formula.
template <class S>
struct ScalarPart {
  using Scalar = typename S::Scalar;
  S scalar;

  Recording<Scalar>* recording() const { return scalar.recording(); }
  template <std::size_t N>
  void collect(FusedOperands<Scalar, N>& operands, std::string_view operation) const {
    if constexpr (S::is_constant) {
      operands.add(scalar.value());
    } else {
      operands.add(Var<Scalar>(scalar), operation);
    }
  }
};
template <class T>
struct ScalarPart<Var<T>> {
  using Scalar = T;
  Var<T> scalar;

  Recording<T>* recording() const { return ScalarHandle<T>::recording(scalar); }
  template <std::size_t N>
  void collect(FusedOperands<T, N>& operands, std::string_view operation) const {
    operands.add(scalar, operation);
  }
};

// The kernel's view of a formula: operations over numbered slots.

struct Slot {
  static constexpr int leaves = 1;
  static constexpr std::uint64_t live = 1;  // slots that the result depends on differentiably
};

template <class Op, class... P>
struct Program {
  static constexpr int leaves = (P::leaves + ...);
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
    operand.push(X(y_bar * slope), mask & nonzero(slope), active, adjoints);
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

/// Operands, sizes and strides of one evaluation: dimensions that all operands run through alike
/// are joined, so that the innermost is as long as it can be.  Innermost strides are 1, or 0 where
/// an operand is broadcast.
template <class T, std::size_t N>
struct FusedPlan {
  std::array<FusedOperand<T>, N> operand;
  std::array<Index, Shape::max_rank> size;
  std::uint64_t active;  // slots that need a gradient

  FusedPlan(const FusedOperands<T, N>& operands, const Shape& shape, std::uint64_t live)
      : operand(operands.operand), active(0) {
    size.fill(1);
    std::size_t joined = 0;  // dimensions so far; the last of them may still grow
    std::array<Index, N> run{};
    run.fill(1);
    for (int d = 0; d < shape.rank(); ++d) {
      std::array<Index, N> stride{};
      for (std::size_t k = 0; k < N; ++k) {
        const bool spans = operand[k].node != nullptr && operand[k].node->shape[d] == shape[d];
        if (spans) stride[k] = run[k];
        if (spans) run[k] *= shape[d];
      }
      if (shape[d] == 1) continue;
      bool joins = joined > 0;
      for (std::size_t k = 0; k < N && joins; ++k) {
        joins = stride[k] == operand[k].stride[joined - 1] * size[joined - 1];
      }
      if (joins) {
        size[joined - 1] *= shape[d];
        continue;
      }
      for (std::size_t k = 0; k < N; ++k) operand[k].stride[joined] = stride[k];
      size[joined++] = shape[d];
    }
    for (std::size_t k = 0; k < N; ++k) {
      const bool needed =
          operand[k].node != nullptr ? needs_grad(*operand[k].node) : operand[k].statement != 0;
      if (needed) active |= std::uint64_t{1} << k;
    }
    active &= live;
  }

  /// Calls f(offset of the result, offset of each operand) for the beginning of each innermost run.
  template <class F>
  void for_each_run(F&& f) const {
    std::array<Index, N> offset{};
    Index y = 0;
    for (Index c = 0; c < size[3]; ++c) {
      for (Index b = 0; b < size[2]; ++b) {
        for (Index a = 0; a < size[1]; ++a) {
          for (std::size_t k = 0; k < N; ++k) {
            const auto& s = operand[k].stride;
            offset[k] = a * s[1] + b * s[2] + c * s[3];
          }
          f(y, offset);
          y += size[0];
        }
      }
    }
  }

  /// Loads the operands of one tile.
  template <class X>
  [[gnu::always_inline]] void load_tile(X* slots, const std::array<Index, N>& offset, Index i,
                                        Index n) const {
    for (std::size_t k = 0; k < N; ++k) {
      if (operand[k].node == nullptr) continue;
      const T* data = operand[k].node->value + offset[k];
      if (operand[k].stride[0] != 0) {
        load(slots[k], data + i, n);
      } else {
        slots[k] = X(*data);
      }
    }
  }
};

/// y = formula(operands).
template <class P, class X, class T, std::size_t N>
void fused_forward(const FusedPlan<T, N>& plan, T* y) {
  X slots[N];
  for (std::size_t k = 0; k < N; ++k) slots[k] = X(plan.operand[k].value);
  plan.for_each_run([&](Index start, const std::array<Index, N>& offset) {
    for (Index i = 0; i < plan.size[0]; i += lane_count<X>) {
      const Index n = std::min<Index>(lane_count<X>, plan.size[0] - i);
      plan.load_tile(slots, offset, i, n);
      store(Lane<P, 0, X>(slots).value(), y + start + i, n);
    }
  });
}

/// operand_bar += y_bar dy/d operand, for all operands that need it.  An adjoint of exactly zero
/// contributes exactly zero, also where a derivative is infinite.
template <class P, class X, class T, std::size_t N>
void fused_backward(const FusedPlan<T, N>& plan, const Node<T>& node, Recording<T>& recording) {
  X slots[N], adjoints[N]{};
  T* target[N];
  bool assigns[N];
  T sums[N];
  for (std::size_t k = 0; k < N; ++k) {
    const FusedOperand<T>& operand = plan.operand[k];
    slots[k] = X(operand.value);
    sums[k] = T(0);
    target[k] = nullptr;
    assigns[k] = false;
    if (operand.node == nullptr || (plan.active >> k & 1) == 0) continue;
    const auto [data, first] = gradient_target(*operand.node, recording);
    target[k] = data;
    // the only element of an operand is summed into, as that of a broadcast one
    assigns[k] = first && operand.stride[0] != 0 && operand.node->shape.size() == node.shape.size();
    if (first && !assigns[k]) std::fill_n(data, operand.node->shape.size(), T(0));
  }
  plan.for_each_run([&](Index start, const std::array<Index, N>& offset) {
    for (Index i = 0; i < plan.size[0]; i += lane_count<X>) {
      const Index n = std::min<Index>(lane_count<X>, plan.size[0] - i);
      plan.load_tile(slots, offset, i, n);
      X y, y_bar;
      load(y, node.value + start + i, n);
      load(y_bar, node.grad + start + i, n);
      Lane<P, 0, X>(slots, y).push(y_bar, nonzero(y_bar), plan.active, adjoints);
      for (std::size_t k = 0; k < N; ++k) {
        if ((plan.active >> k & 1) == 0) continue;
        if (target[k] == nullptr) {
          sums[k] += sum_of(adjoints[k]);
        } else if (plan.operand[k].stride[0] == 0) {
          target[k][offset[k]] += sum_of(adjoints[k]);
        } else if (assigns[k]) {
          store(adjoints[k], target[k] + offset[k] + i, n);
        } else {
          add_to(adjoints[k], target[k] + offset[k] + i, n);
        }
      }
    }
  });
  for (std::size_t k = 0; k < N; ++k) {
    if (plan.operand[k].statement != 0)
      recording.statements.adjoint(plan.operand[k].statement) += sums[k];
  }
}

/// Evaluates a formula and records it as one node.
template <class P, class X, class T, std::size_t N>
Tensor<T> record_fused(const FusedOperands<T, N>& operands, std::string_view operation) {
  Recording<T>& recording = operands.recording;
  Shape shape;
  for (const FusedOperand<T>& operand : operands.operand) {
    if (operand.node != nullptr) shape = broadcast(operation, shape, operand.node->shape);
  }
  const FusedPlan<T, N> plan(operands, shape, P::live);
  Node<T>& node = recording.append_node(operation, shape, plan.active != 0);
  if (shape.size() > 0) fused_forward<P, X>(plan, node.value);
  if (node.grad != nullptr) {
    recording.set_backward(
        node, [plan, &recording](Node<T>& y) { fused_backward<P, X>(plan, y, recording); });
  }
  recording.set_operands(node, N, [&](std::size_t k) {
    const FusedOperand<T>& x = plan.operand[k];
    return x.node != nullptr ? Edge{x.index, false}
                             : Edge{x.statement != 0 ? x.statement : x.index, true};
  });
  return TensorHandle<T>::make(recording, node);
}

}  // namespace detail

/// A tensor formula.
template <class Op, class A, class B, class C>
class TensorExpr {
 public:
  using Scalar = typename A::Scalar;
  using T = Scalar;
  static constexpr int arity = std::is_same_v<B, detail::None>   ? 1
                               : std::is_same_v<C, detail::None> ? 2
                                                                 : 3;
  using Program = typename detail::ProgramOf<TensorExpr>::type;
  static_assert(Program::leaves <= 64,
                "gradtape: more than 64 operands in one tensor expression: name its parts");

  explicit TensorExpr(const A& a, const B& b = {}, const C& c = {}) : a_(a), b_(b), c_(c) {}

  template <class X = T>
  ConstMatrixMap<X> grad() const {
    static_assert(detail::always_false<X>,
                  "gradtape: an unnamed expression has no gradient: name it, Tensor y = ...");
  }
  template <class X = T>
  ConstMatrixMap<X> value() const {
    static_assert(detail::always_false<X>,
                  "gradtape: a tensor expression is computed when it is named: Tensor y = ...");
  }

  /// The tape of the operands; null if there are only parameters and numbers.
  detail::Recording<T>* recording() const {
    detail::Recording<T>* found = a_.recording();
    if constexpr (arity > 1) found = found != nullptr ? found : b_.recording();
    if constexpr (arity > 2) found = found != nullptr ? found : c_.recording();
    return found;
  }

  /// Evaluates and records it as one node; while tracing, as one node for each operation.
  Tensor<T> record() const {
    detail::Recording<T>* recording = this->recording();
    if (recording == nullptr) {
      detail::fail<TapeError>(Op::name,
                              ": no operand is on a tape: put one there with tape.parameter(w)");
    }
    return record_on(*recording);
  }
  Tensor<T> record_on(detail::Recording<T>& recording) const {
    if (recording.tracing) return trace(recording);
    detail::FusedOperands<T, Program::leaves> operands{recording};
    collect(operands, Op::name);
    return detail::record_fused<Program, detail::Lanes<T>>(operands, Op::name);
  }

  template <std::size_t N>
  void collect(detail::FusedOperands<T, N>& operands, std::string_view operation) const {
    a_.collect(operands, operation);
    if constexpr (arity > 1) b_.collect(operands, operation);
    if constexpr (arity > 2) c_.collect(operands, operation);
  }

  /// Records every operation of the formula by itself.
  Tensor<T> trace(detail::Recording<T>& recording) const {
    using detail::Slot;
    detail::FusedOperands<T, std::size_t{arity}> operands{recording};
    trace_operand(a_, operands);
    if constexpr (arity > 1) trace_operand(b_, operands);
    if constexpr (arity > 2) trace_operand(c_, operands);
    using Single =
        std::conditional_t<arity == 1, detail::Program<Op, Slot>,
                           std::conditional_t<arity == 2, detail::Program<Op, Slot, Slot>,
                                              detail::Program<Op, Slot, Slot, Slot>>>;
    for (detail::FusedOperand<T>& x : operands.operand) {
      if (x.node == nullptr && x.statement == 0)
        x.index = detail::trace_constant(recording, x.value);
    }
    const Tensor<T> y = detail::record_fused<Single, T>(operands, Op::name);
    detail::check_value(recording, detail::TensorHandle<T>::index(y), true);
    return y;
  }

 private:
  template <class X>
  static void trace_operand(const X& x, detail::FusedOperands<T, std::size_t{arity}>& operands) {
    if constexpr (requires { x.trace(operands.recording); }) {
      operands.add(x.trace(operands.recording), Op::name);
    } else {
      x.collect(operands, Op::name);
    }
  }

  A a_;
  [[no_unique_address]] B b_;
  [[no_unique_address]] C c_;
};

namespace detail {

/// Something as a part of a tensor formula on tapes of T.
template <class T, class X>
auto lift_tensor(const X& x) {
  if constexpr (std::is_same_v<X, Tensor<T>>) {
    return TensorLeaf<T>{x};
  } else if constexpr (std::is_same_v<X, Parameter<T>>) {
    return ParameterLeaf<T>{&x};
  } else if constexpr (kind_of<X> == Kind::tensor && depth_of<X> == depth_of<Tensor<T>>) {
    return x;
  } else if constexpr (std::is_same_v<X, Var<T>>) {
    return ScalarPart<Var<T>>{x};
  } else {
    return ScalarPart<decltype(lift_scalar<T>(x))>{lift_scalar<T>(x)};
  }
}

/// An operation on anything that it takes: the one place where formulas are made.
template <class Op, class... X>
[[gnu::always_inline]] inline auto apply(const X&... x) {
  using F = Formula<X...>;
  using T = typename F::Scalar;
  if constexpr (F::kind == Kind::dual) {
    return apply_dual<Op, T>(x...);
  } else if constexpr (F::kind == Kind::tensor) {
    return TensorExpr<Op, decltype(lift_tensor<T>(x))...>(lift_tensor<T>(x)...);
  } else {
    return ScalarExpr<Op, decltype(lift_scalar<T>(x))...>(lift_scalar<T>(x)...);
  }
}

}  // namespace detail
}  // namespace gradtape
