#pragma once
/// \file
/// Recording an operation that is not element-wise: the library's own and a user's are written in
/// the same way, with the formula, the checks, the forward computation and the backward function
/// side by side:
///
///     /// Row sums.  y = X 1,   X_bar += y_bar 1^T           X (m,n) -> y (m)
///     template <class T>
///     Tensor<T> row_sums(const Tensor<T>& x) {
///       return record("row_sums", Shape{x.rows()}, {x},
///                     [&](MatrixMap<T> y) { y = x.value().rowwise().sum(); },
///                     [x](const Tensor<T>& y) { adjoint(x) += y.grad().replicate(1, x.columns());
///                     });
///     }
///
/// A backward function runs in every sweep that reaches its result.  It captures the operands'
/// handles by value; the gradient of its result is complete when it runs.  What else it needs it
/// takes from `Tape::workspace`, or captures.

#include <initializer_list>
#include <span>

#include "tensor_expression.hpp"
#include "trace.hpp"

namespace gradtape {
namespace detail {

/// The tape that tensors share, and whether one of them needs a gradient.
/// \throws TapeError if they are of several tapes.
template <class T>
struct CommonTape {
  Recording<T>* recording = nullptr;
  bool needs_grad = false;

  CommonTape(std::string_view operation, std::span<const Tensor<T>> tensors) {
    for (const Tensor<T>& x : tensors) add(operation, x);
    if (recording == nullptr) fail<TapeError>(operation, ": needs at least one operand");
    needs_grad = needs_grad && recording->paused == 0;
  }

 private:
  void add(std::string_view operation, const Tensor<T>& x) {
    const Node<T>& node = TensorHandle<T>::node(x, operation.data());
    if (recording != nullptr && TensorHandle<T>::recording(x) != recording) {
      fail<TapeError>(operation, ": tensors of two tapes");
    }
    recording = TensorHandle<T>::recording(x);
    needs_grad = needs_grad || detail::needs_grad(node);
  }
};

template <class T>
void remember_operands(Recording<T>& recording, Node<T>& node,
                       std::span<const std::type_identity_t<Tensor<T>>> operands) {
  recording.set_operands(node, operands.size(), [&](std::size_t k) {
    return Edge{TensorHandle<T>::index(operands[k]), false};
  });
}

/// The node of a result, its value uninitialised.  Out of line, since operations are many.
template <class T>
[[gnu::noinline]] Tensor<T> append_operation(std::string_view operation, const Shape& shape,
                                             std::span<const Tensor<T>> operands) {
  const CommonTape<T> common(operation, operands);
  Node<T>& node = common.recording->append_node(operation, shape, common.needs_grad);
  remember_operands(*common.recording, node, operands);
  return TensorHandle<T>::make(*common.recording, node);
}

template <class T, class Tensors, class Forward, class Backward>
Tensor<T> record_tensor(std::string_view operation, const Shape& shape, const Tensors& operands,
                        Forward&& forward, Backward&& backward) {
  const Tensor<T> y = append_operation<T>(operation, shape, {std::data(operands), operands.size()});
  Node<T>& node = TensorHandle<T>::node(y, "");
  Recording<T>& recording = *TensorHandle<T>::recording(y);
  forward(MatrixMap<T>(node.value, shape.rows(), shape.columns()));
  if (node.grad != nullptr) recording.set_backward(node, [backward, y](Node<T>&) { backward(y); });
  if (recording.tracer != nullptr) recording.tracer->check_value(TensorHandle<T>::index(y), false);
  return y;
}

template <class T, class Tensors, class Backward>
Var<T> record_reduction(std::string_view operation, const Tensors& tensors, const T& value,
                        Backward&& backward) {
  const std::span<const Tensor<T>> operands(std::data(tensors), tensors.size());
  const CommonTape<T> common(operation, operands);
  Recording<T>& recording = *common.recording;
  if (recording.tracer != nullptr) {
    recording.tracer->check_reduction(operation, value, operands.size(), operands.data());
  }
  if (!common.needs_grad) return Var<T>(value);
  const std::uint32_t statement = recording.append_leaf(operation, value);
  Node<T>& node = recording.append_node(operation, Shape{}, nullptr, nullptr);
  node.scalar = statement;
  recording.set_backward(node, [backward, &recording](Node<T>& n) {
    const T y_bar = recording.statements.adjoint(n.scalar);
    backward(y_bar);
  });
  remember_operands(recording, node, operands);
  return ScalarHandle<T>::make(value, recording, statement);
}

}  // namespace detail

/// Records an operation whose result is a tensor.
/// \snippet core/record_test.cpp record
/// \param operation  its name, a string literal: for error texts and drawings.
/// \param shape      of the result.
/// \param operands   the tensors of one tape that it depends on, at least one.
/// \param forward    called at once as forward(MatrixMap<T> y): fills y, which is uninitialised
///                   and has shape.rows() rows and shape.columns() columns.
/// \param backward   called in a sweep as backward(const Tensor<T>& y): adds to `adjoint(x)` of
///                   the operands, from y.grad().  Not kept if no operand needs a gradient.
/// \throws TapeError if the operands are of several tapes.
template <class T, class Forward, class Backward>
Tensor<T> record(std::string_view operation, const Shape& shape,
                 std::initializer_list<Tensor<T>> operands, Forward&& forward,
                 Backward&& backward) {
  return detail::record_tensor<T>(operation, shape, operands, std::forward<Forward>(forward),
                                  std::forward<Backward>(backward));
}

/// Records an operation whose result is a scalar, computed beforehand: nothing is computed forward.
/// \param operation  its name, a string literal.
/// \param operands   the tensors of one tape that it depends on, at least one.
/// \param value      the result.
/// \param backward   called in a sweep as backward(const T& y_bar): adds to `adjoint(x)` of the
///                   operands.  Not kept if no operand needs a gradient: the result is a constant.
/// \throws TapeError if the operands are of several tapes.
template <class T, class Backward>
Var<T> record(std::string_view operation, std::initializer_list<Tensor<T>> operands,
              const std::type_identity_t<T>& value, Backward&& backward) {
  return detail::record_reduction<T>(operation, operands, value, std::forward<Backward>(backward));
}

/// An operation of the user's own that is element-wise: a struct like those in ops/, for scalars
/// and tensors alike (core/operation.hpp).
/// \snippet reference/autodiff_test.cpp elementwise
template <class Op, class... X>
requires Operands<X...>
[[gnu::always_inline]] inline auto elementwise(const X&... x) { return detail::apply<Op>(x...); }

// Operands of operations that are not element-wise.

/// Any of the operands as a tensor of a tape: expressions are recorded, parameters taken onto the
/// tape.
namespace detail {

template <class X>
Recording<scalar_of<X>>* recording_of(const X& x) {
  using T = scalar_of<X>;
  if constexpr (std::is_same_v<X, Tensor<T>>) {
    return TensorHandle<T>::recording(x);
  } else if constexpr (std::is_same_v<X, Parameter<T>>) {
    return nullptr;
  } else {
    return x.recording();
  }
}

/// The tape of the first operand that is on one.
template <class... X>
auto& common_recording(std::string_view operation, const X&... x) {
  using T = typename Formula<X...>::Scalar;
  Recording<T>* recording = nullptr;
  ((recording = recording != nullptr ? recording : recording_of(x)), ...);
  if (recording == nullptr) {
    fail<TapeError>(operation, ": no operand is on a tape: put one there with tape.parameter(w)");
  }
  return *recording;
}

/// An operand as a tensor of that tape.
template <class T, class X>
Tensor<T> on(Recording<T>& recording, const X& x) {
  if constexpr (std::is_same_v<X, Tensor<T>>) {
    return x;
  } else if constexpr (std::is_same_v<X, Parameter<T>>) {
    return recording.tape().parameter(x);
  } else {
    return x.record_on(recording);
  }
}

/// A single operand as a tensor.
template <TensorEntity X>
Tensor<scalar_of<X>> as_tensor(std::string_view operation, const X& x) {
  return on(common_recording(operation, x), x);
}

}  // namespace detail
}  // namespace gradtape
