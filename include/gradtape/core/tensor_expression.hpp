#pragma once
/// \file
/// Tensor expressions: unnamed element-wise formulas over tensors, parameters, scalars and numbers.
/// `Tensor y = ...` evaluates and records them as one node (fused.hpp).

#include "fused.hpp"

namespace gradtape {
namespace detail {

/// A tensor in a formula.
template <class T>
struct TensorLeaf {
  using Scalar = T;
  Tensor<T> tensor;

  Recording<T>* recording() const { return TensorHandle<T>::recording(tensor); }
  void collect(FusedOperands<T>& operands) const { operands.add(tensor); }
};

/// A parameter in a formula: it comes onto the tape of the other operands.
template <class T>
struct ParameterLeaf {
  using Scalar = T;
  const Parameter<T>* parameter;

  Recording<T>* recording() const { return nullptr; }
  void collect(FusedOperands<T>& operands) const {
    operands.add(operands.recording.tape().parameter(*parameter));
  }
};

/// A scalar, a scalar expression or a number in a tensor formula.
template <class S>
struct ScalarPart {
  using Scalar = typename S::Scalar;
  S scalar;

  Recording<Scalar>* recording() const { return scalar.recording(); }
  void collect(FusedOperands<Scalar>& operands) const {
    if constexpr (S::is_constant) {
      operands.add(scalar.value());
    } else {
      operands.add(Var<Scalar>(scalar));
    }
  }
};
template <class T>
struct ScalarPart<Var<T>> {
  using Scalar = T;
  Var<T> scalar;

  Recording<T>* recording() const { return ScalarHandle<T>::recording(scalar); }
  void collect(FusedOperands<T>& operands) const { operands.add(scalar); }
};

/// The derivative of an operation on single numbers to its operand number I.
template <class Op, int arity, int I, class T>
T number_partial(const T* x, const T& y) {
  if constexpr (!depends_on<Op, arity>(I)) {
    return T(0);
  } else if constexpr (arity == 1) {
    return static_cast<T>(partial<Op, I>(x[0], None(), None(), y));
  } else if constexpr (arity == 2) {
    return static_cast<T>(partial<Op, I>(x[0], x[1], None(), y));
  } else {
    return static_cast<T>(partial<Op, I>(x[0], x[1], x[2], y));
  }
}

/// An operation as a table of functions, for tracing.
template <class Op, int arity, class T>
inline constexpr NumberOperation<T> number_operation = {
    .value =
        [](const T* x) {
          if constexpr (arity == 1) {
            return evaluate<Op>(x[0]);
          } else if constexpr (arity == 2) {
            return evaluate<Op>(x[0], x[1]);
          } else {
            return evaluate<Op>(x[0], x[1], x[2]);
          }
        },
    .partial =
        [](const T* x, const T& y, [[maybe_unused]] int i) {
          if constexpr (arity > 1) {
            if (i == 1) return number_partial<Op, arity, 1>(x, y);
          }
          if constexpr (arity > 2) {
            if (i == 2) return number_partial<Op, arity, 2>(x, y);
          }
          return number_partial<Op, arity, 0>(x, y);
        },
    .depends_on = {depends_on<Op, arity>(0), arity > 1 && depends_on<Op, arity>(1),
                   arity > 2 && depends_on<Op, arity>(2)},
    .selects = op_selects<Op>,
};

}  // namespace detail

/// A tensor formula that has no name yet: what element-wise operators and functions of tensors and
/// parameters return.  `Tensor y = ...` computes and records it as one node.
template <class Op, class A, class B, class C>
class TensorExpr {
 public:
  using Scalar = typename A::Scalar;  ///< the number type of the tape
  /// \cond  for the engine
  using T = Scalar;
  static constexpr int arity = detail::arity_of<B, C>;
  using Program = typename detail::ProgramOf<TensorExpr>::type;
  static_assert(Program::leaves <= 64,
                "gradtape: more than 64 operands in one tensor expression: name its parts");

  explicit TensorExpr(const A& a, const B& b = {}, const C& c = {}) : a_(a), b_(b), c_(c) {}
  /// \endcond

  /// Does not compile, and says why: only what has a name has a gradient.
  template <class X = T>
  ConstMatrixMap<X> grad() const {
    static_assert(detail::always_false<X>,
                  "gradtape: an unnamed expression has no gradient: name it, Tensor y = ...");
  }
  /// Does not compile, and says why: it is computed when it gets a name.
  template <class X = T>
  ConstMatrixMap<X> value() const {
    static_assert(detail::always_false<X>,
                  "gradtape: a tensor expression is computed when it is named: Tensor y = ...");
  }

  /// \cond  for the engine

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
    if (recording.tracer != nullptr) [[unlikely]]
      return trace(recording);
    detail::FusedOperands<T> operands(recording, Op::name, Program::leaves);
    collect(operands);
    return detail::record_fused<Program>(operands);
  }

  void collect(detail::FusedOperands<T>& operands) const {
    a_.collect(operands);
    if constexpr (arity > 1) b_.collect(operands);
    if constexpr (arity > 2) c_.collect(operands);
  }

  /// Records every operation of the formula by itself.
  [[gnu::cold, gnu::noinline]] Tensor<T> trace(detail::Recording<T>& recording) const {
    detail::FusedOperands<T> operands(recording, Op::name, arity);
    trace_operand(a_, operands);
    if constexpr (arity > 1) trace_operand(b_, operands);
    if constexpr (arity > 2) trace_operand(c_, operands);
    return recording.tracer->record_elementwise(operands, detail::number_operation<Op, arity, T>);
  }
  /// \endcond

 private:
  template <class X>
  static void trace_operand(const X& x, detail::FusedOperands<T>& operands) {
    if constexpr (requires { x.trace(operands.recording); }) {
      operands.add(x.trace(operands.recording));
    } else {
      x.collect(operands);
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

/// Whether operands are meant to be tensors, though not all of them are.
template <class... X>
concept BesideTensors = (TensorEntity<X> || ...) && !(TensorEntity<X> && ...);

/// Does not compile, and says why.
template <class... X>
auto refuse_beside_tensors() {
  static_assert(
      always_false<X...>,
      "gradtape: an operand is no tensor: put a matrix on the tape first, "
      "tape.constant(matrix); a scalar takes part by * and other element-wise operations");
  return Tensor<typename Formula<X...>::Scalar>();  // what was meant, for the code that follows
}

}  // namespace detail
}  // namespace gradtape
