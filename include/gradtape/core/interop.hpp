#pragma once
/// \file
/// Scalars and tensors on one tape: an element of a tensor as a scalar, all of them as a matrix of
/// scalars, and a tensor stacked from scalars.
///
///     x[3], x(1, 2)      x_bar_i += y_bar_i           one node for each call
///     scalars(x)         X_bar += Y_bar               one node for the whole matrix
///     stack({a, b})      a_bar += y_bar_0, ..         one node
///
/// Scalars taken from a tensor are statements without operands; the node that stands behind them in
/// the recording, and so is swept after all that uses them, adds their adjoints to the tensor's.

#include <iterator>

#include "tensor.hpp"

namespace gradtape {
namespace detail {

/// Elements start .. start + count - 1 of a tensor as scalars, handed to out(k, scalar).
template <class T, class Out>
void take_scalars(std::string_view operation, const Tensor<T>& x, Index start, Index count,
                  Out&& out) {
  Recording<T>& recording = *TensorHandle<T>::recording(x);
  const T* const value = x.data() + start;
  if (count == 0 || x.is_constant() || recording.paused > 0) {
    for (Index k = 0; k < count; ++k) out(k, Var<T>(value[k]));
    return;
  }
  const std::uint32_t first = recording.append_leaf(operation, value[0]);
  out(0, ScalarHandle<T>::make(value[0], recording, first));
  for (Index k = 1; k < count; ++k) {
    const std::uint32_t statement = recording.append_leaf(operation, value[k]);
    out(k, ScalarHandle<T>::make(value[k], recording, statement));
  }
  Node<T>& node = recording.append_node(operation, Shape{}, nullptr, nullptr);
  node.scalar = first;
  node.scalar_count = static_cast<std::uint32_t>(count);
  recording.set_backward(node, [x, start, &recording](Node<T>& n) {
    T* const x_bar = adjoint(x).accumulator().data() + start;
    for (std::uint32_t k = 0; k < n.scalar_count; ++k) {
      x_bar[k] += recording.statements.adjoint(n.scalar + k);
    }
  });
  recording.set_operands(node, 1, [&](std::size_t) {
    return Edge{TensorHandle<T>::index(x), false};
  });
}

template <class T>
Var<T> take_scalar(std::string_view operation, const Tensor<T>& x, Index position) {
  Var<T> y;
  take_scalars(operation, x, position, 1, [&y](Index, const Var<T>& element) { y = element; });
  return y;
}

/// Records a tensor whose elements are scalar(0), scalar(1), ... in column-major order.
template <class T, class ScalarAt>
Tensor<T> stack_scalars(Recording<T>* recording, const Shape& shape, ScalarAt&& scalar_at) {
  const Index size = shape.size();
  std::size_t recorded = 0;
  for (Index k = 0; k < size; ++k) {
    const Var<T> x = scalar_at(k);
    if (x.is_constant()) continue;
    ++recorded;
    if (recording == nullptr) recording = ScalarHandle<T>::recording(x);
    ScalarHandle<T>::leaf(x).check_for("stack", *recording);
  }
  if (recording == nullptr) {
    fail<TapeError>("stack: all scalars are constants: say on which tape, stack(tape, scalars)");
  }
  Node<T>& node = recording->append_node("stack", shape, recorded > 0);
  auto* const statement = recording->tape().template workspace<std::uint32_t>(size);
  for (Index k = 0; k < size; ++k) {
    const Var<T> x = scalar_at(k);
    node.value[k] = x.value();
    statement[k] = x.is_constant() ? 0 : ScalarHandle<T>::statement(x);
  }
  if (node.grad != nullptr) {
    recording->set_backward(node, [statement, recording](Node<T>& n) {
      for (Index k = 0; k < n.shape.size(); ++k) {
        recording->statements.adjoint(statement[k]) += n.grad[k];
      }
    });
  }
  const std::uint32_t* next = statement;
  recording->set_operands(node, recorded, [&next](std::size_t) {
    while (*next == 0) ++next;
    return Edge{*next++, true};
  });
  return TensorHandle<T>::make(*recording, node);
}

template <class X>
inline constexpr bool is_var = false;
template <class T>
inline constexpr bool is_var<Var<T>> = true;

/// A vector, array or span of scalars; not a matrix, which has a shape.
template <class Range>
concept VarRange = Sequence<Range> && is_var<element_of<Range>> && !requires {
  Range::RowsAtCompileTime;
};

/// An Eigen matrix of scalars.  Asked of the type alone: `stack<double>({..})` tries it with
/// double.
template <class Matrix>
concept VarMatrix = requires {
  Matrix::RowsAtCompileTime;
  requires is_var<typename Matrix::Scalar>;
};

template <class T, class Range>
Tensor<T> stack_range(Recording<T>* recording, const Range& scalars) {
  const auto size = static_cast<Index>(std::size(scalars));
  const auto begin = std::begin(scalars);
  return stack_scalars<T>(recording, Shape{size}, [begin](Index k) { return begin[k]; });
}
template <class T, class Derived>
Tensor<T> stack_matrix(Recording<T>* recording, const Eigen::DenseBase<Derived>& scalars) {
  const Eigen::Ref<const Eigen::Matrix<Var<T>, Eigen::Dynamic, Eigen::Dynamic>> all(
      scalars.derived());
  return stack_scalars<T>(recording, shape_of(scalars),
                          [&all](Index k) { return all(k % all.rows(), k / all.rows()); });
}

}  // namespace detail

template <class T>
Var<T> Tensor<T>::item() const {
  if (size() != 1) {
    detail::fail<ShapeError>("item: the tensor is ", to_string(shape()),
                             ": it must have one element");
  }
  return detail::take_scalar("item", *this, 0);
}

template <class T>
Var<T> Tensor<T>::operator[](Index position) const {
  if (position < 0 || position >= size()) {
    detail::fail<ShapeError>("element: there is no position ", position, " in a tensor of shape ",
                             to_string(shape()), ", which has ", size(), " elements");
  }
  return detail::take_scalar("element", *this, position);
}

template <class T>
Var<T> Tensor<T>::operator()(Index row, Index column) const {
  if (row < 0 || row >= rows() || column < 0 || column >= columns()) {
    detail::fail<ShapeError>("element: there is no element (", row, ", ", column,
                             ") in a tensor of ", rows(), " rows and ", columns(), " columns");
  }
  return detail::take_scalar("element", *this, row + rows() * column);
}

/// All elements as scalars of the same tape, in the form of `x.value()`; constants if x is
/// constant. Costs one node in all.
template <class T>
Eigen::Matrix<Var<T>, Eigen::Dynamic, Eigen::Dynamic> scalars(const Tensor<T>& x) {
  Eigen::Matrix<Var<T>, Eigen::Dynamic, Eigen::Dynamic> result(x.rows(), x.columns());
  detail::take_scalars("scalars", x, 0, x.size(),
                       [&result](Index k, const Var<T>& element) { result.data()[k] = element; });
  return result;
}

/// A tensor of rank 1 from scalars: a vector, an array or a span of them.
/// \throws TapeError if they are of several tapes; or if all are constants, as they are under
/// `no_grad`: that needs a tape as the first argument.
template <detail::VarRange Range>
auto stack(const Range& scalars) {
  using T = detail::scalar_of<detail::element_of<Range>>;
  return detail::stack_range<T>(nullptr, scalars);
}
/// The same of a list in braces: `stack({a, b})`.
template <class T>
Tensor<T> stack(std::initializer_list<Var<T>> scalars) {
  return detail::stack_range<T>(nullptr, scalars);
}
/// A tensor of the shape of an Eigen vector (rank 1) or matrix (rank 2) of scalars.
template <detail::VarMatrix Matrix>
auto stack(const Matrix& scalars) {
  return detail::stack_matrix<detail::scalar_of<typename Matrix::Scalar>>(nullptr, scalars);
}

/// The same on a given tape, also if all scalars are constants.
template <class T, detail::VarRange Range>
Tensor<T> stack(Tape<T>& tape, const Range& scalars) {
  return detail::stack_range<T>(&detail::Recording<T>::of(tape), scalars);
}
/// The same of a list in braces.
template <class T>
Tensor<T> stack(Tape<T>& tape, std::initializer_list<std::type_identity_t<Var<T>>> scalars) {
  return detail::stack_range<T>(&detail::Recording<T>::of(tape), scalars);
}
/// The same of an Eigen vector or matrix of scalars.
template <class T, detail::VarMatrix Matrix>
Tensor<T> stack(Tape<T>& tape, const Matrix& scalars) {
  return detail::stack_matrix<T>(&detail::Recording<T>::of(tape), scalars);
}

}  // namespace gradtape
