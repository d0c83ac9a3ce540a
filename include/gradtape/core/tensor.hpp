#pragma once
/// \file
/// `Tensor`: an array of rank 0 to 4 on a tape, and its adjoint, to which backward functions add.

#include "parameter.hpp"
#include "var.hpp"

namespace gradtape {

/// A handle to a recorded, column-major array.  Copying it copies the handle: both name the same
/// node.
/// \snippet reference/autodiff_test.cpp tensor
template <class T>
class Tensor {
 public:
  using Scalar = T;  ///< the number type of its tape

  /// Names nothing; any use is refused.
  Tensor() = default;
  /// Records an element-wise expression as one node, in one pass over memory.
  /// \throws ShapeError if its operands do not broadcast; TapeError if they are of several tapes.
  template <class E>
  requires(TensorEntity<E> && !std::is_same_v<E, Parameter<T>> &&
           std::is_same_v<detail::scalar_of<E>, T>) Tensor(const E& e)
      : Tensor(e.record()) {}

  /// All sizes; they never change.
  /// \throws TapeError if the handle is empty, or from before a `clear` or the end of a scope; so do
  /// all members.
  const Shape& shape() const { return node("shape").shape; }
  int rank() const { return shape().rank(); }          ///< number of dimensions, 0 to 4
  Index size() const { return shape().size(); }        ///< number of elements
  Index rows() const { return shape().rows(); }        ///< size of the first dimension
  Index columns() const { return shape().columns(); }  ///< product of all other sizes

  /// The elements as a matrix: the first dimension by all others.
  ConstMatrixMap<T> value() const {
    const detail::Node<T>& n = node("value");
    return {n.value, n.shape.rows(), n.shape.columns()};
  }
  /// The elements in column-major order, aligned to 64 bytes.
  const T* data() const { return node("value").value; }

  /// d loss / d this, as the last `backward` of the tape found it, in the form of `value()`; zero
  /// if the loss does not depend on it.
  /// \throws TapeError for a constant or before a backward pass.
  ConstMatrixMap<T> grad() const;

  /// Whether nothing it depends on has a gradient.
  bool is_constant() const {
    return node("is_constant").grad == nullptr && node("").parameter == nullptr;
  }
  /// The tape that it is recorded on.
  Tape<T>& tape() const {
    node("tape");
    return recording_->tape();
  }

  /// Names it for drawings and error texts.
  const Tensor& name(std::string_view text) const {
    recording_->name_node(node("name"), text);
    return *this;
  }

  /// The only element.  \throws ShapeError if there are several.
  Var<T> item() const;
  /// An element as a scalar of the same tape, by its position in column-major order.
  /// \throws ShapeError out of range.
  Var<T> operator[](Index position) const;
  /// The same by the row and the column of `value()`.
  Var<T> operator()(Index row, Index column) const;

 private:
  template <class>
  friend struct detail::TensorHandle;

  Tensor(detail::Recording<T>& recording, detail::Node<T>& node, std::uint32_t index)
      : node_(&node), recording_(&recording), place_{recording.now.bits | index} {}

  [[gnu::always_inline]] detail::Node<T>& node(const char* what) const {
    if (recording_ == nullptr || place_.epoch() != recording_->now.epoch()) [[unlikely]]
      check(what);
    return *node_;
  }
  /// \throws TapeError unless the node still stands.
  [[gnu::cold, gnu::noinline]] void check(const char* what) const {
    if (recording_ == nullptr) detail::fail<TapeError>(what, ": an empty tensor handle");
    if (!recording_->untouched(place_.epoch(), 0, std::size_t{place_.index()} + 1)) {
      detail::fail<TapeError>(what, ": tensor #", place_.index(),
                              " is from before a clear() or the end of a scope: record it again");
    }
  }

  detail::Node<T>* node_ = nullptr;
  detail::Recording<T>* recording_ = nullptr;
  detail::Place place_;
};

/// `Tensor y = tanh(x);` has the number type of its operands.
template <class Op, class A, class B, class C>
Tensor(const TensorExpr<Op, A, B, C>&) -> Tensor<typename TensorExpr<Op, A, B, C>::Scalar>;

namespace detail {

/// What the engine sees of a Tensor.
template <class T>
struct TensorHandle {
  static Tensor<T> make(Recording<T>& recording, Node<T>& node) {
    return Tensor<T>(recording, node, recording.last_node());
  }
  static Recording<T>* recording(const Tensor<T>& x) { return x.recording_; }
  static Node<T>& node(const Tensor<T>& x, const char* what) { return x.node(what); }
  static std::uint32_t index(const Tensor<T>& x) { return x.place_.index(); }
};

/// Whether something flows back into a node.
template <class T>
bool needs_grad(const Node<T>& node) {
  return node.grad != nullptr || node.parameter != nullptr;
}

/// Where a contribution to a gradient goes: `first` means that it assigns, otherwise it adds.
template <class T>
struct GradientTarget {
  T* data;
  bool first;
};

/// Announces a contribution to the gradient of a node that needs one.
template <class T>
GradientTarget<T> gradient_target(Node<T>& node, const Recording<T>& recording) {
  if (node.parameter != nullptr) {
    ParameterState<T>& state = *node.parameter;
    T* const data = state.gradient_memory();
    return {data, state.begin_dense()};
  }
  return {node.grad, std::exchange(node.sweep, recording.sweep) != recording.sweep};
}

}  // namespace detail

/// The adjoint of an operand, x_bar, to which a backward function adds.  The first contribution of
/// a sweep assigns, so that nothing is cleared beforehand; for an operand that needs no gradient
/// nothing is computed.
///
///     adjoint(x) += expression      an Eigen expression of the form of x.value(), which must not
///                                   read x_bar; or a number, for every element
template <class T>
class Adjoint {
 public:
  /// As `adjoint(x)`.
  Adjoint(detail::Node<T>& node, const detail::Recording<T>& recording)
      : node_(node), recording_(recording) {}

  /// Whether the operand has a gradient at all: without one, contributions are not computed.
  bool is_needed() const { return detail::needs_grad(node_); }

  /// Memory of the gradient, and whether to assign to it or to add: call it once for a
  /// contribution, if needed.
  detail::GradientTarget<T> target() const { return detail::gradient_target(node_, recording_); }

  /// Adds a matrix, (rows, columns) as `x.value()`; a product is computed in place.
  template <class Derived>
  void operator+=(const Eigen::MatrixBase<Derived>& x) const {
    if (!is_needed()) return;
    const auto [data, first] = target();
    MatrixMap<T> map(data, node_.shape.rows(), node_.shape.columns());
    if (first) {
      map.noalias() = x.derived();
    } else {
      map.noalias() += x.derived();
    }
  }
  /// Adds an array of that form.
  template <class Derived>
  void operator+=(const Eigen::ArrayBase<Derived>& x) const {
    *this += x.matrix();
  }

  /// Adds one number to every element.
  void operator+=(const T& x) const {
    if (!is_needed()) return;
    const auto [data, first] = target();
    const Index size = node_.shape.size();
    if (first) {
      std::fill_n(data, size, x);
    } else {
      for (Index i = 0; i < size; ++i) data[i] += x;
    }
  }

  /// The gradient with earlier contributions in it, zero if there were none: for sums into parts of
  /// it.
  MatrixMap<T> accumulator() const {
    const auto [data, first] = target();
    if (first) std::fill_n(data, node_.shape.size(), T(0));
    return {data, node_.shape.rows(), node_.shape.columns()};
  }

 private:
  detail::Node<T>& node_;
  const detail::Recording<T>& recording_;
};

/// The adjoint of a tensor: for use in backward functions.
template <class T>
Adjoint<T> adjoint(const Tensor<T>& x) {
  return {detail::TensorHandle<T>::node(x, "adjoint"), *detail::TensorHandle<T>::recording(x)};
}

template <class T>
ConstMatrixMap<T> Tensor<T>::grad() const {
  detail::Node<T>& n = node("grad");
  if (n.parameter == nullptr) {
    if (n.grad == nullptr) {
      detail::fail<TapeError>("grad: ", recording_->describe_node(place_.index()),
                              " is a constant: it has no gradient");
    }
    if (!recording_->has_gradient(place_.index())) {
      detail::fail<TapeError>("grad: ", recording_->describe_node(place_.index()),
                              " has no gradient yet: call tape.backward(loss) after recording it");
    }
    if (n.sweep != recording_->sweep) {
      std::fill_n(n.grad, n.shape.size(), T(0));
      n.sweep = recording_->sweep;
    }
    return {n.grad, n.shape.rows(), n.shape.columns()};
  }
  return {n.parameter->complete_gradient(), n.shape.rows(), n.shape.columns()};
}

// Leaves.

template <class T>
Tensor<T> Tape<T>::leaf(std::string_view operation, const Shape& shape, bool needs_grad,
                        std::string_view name) {
  detail::Node<T>& node = this->append_node(operation, shape, needs_grad);
  node.name = this->keep_text(name);
  return detail::TensorHandle<T>::make(*this, node);
}

template <class T>
template <class Derived>
Tensor<T> Tape<T>::leaf_from(std::string_view operation, const Eigen::DenseBase<Derived>& value,
                             bool needs_grad, std::string_view name) {
  const Tensor<T> x = leaf(operation, shape_of(value), needs_grad, name);
  T* data = this->nodes.back()->value;
  if constexpr (std::is_base_of_v<Eigen::PlainObjectBase<Derived>, Derived> &&
                !Derived::IsRowMajor && std::is_same_v<typename Derived::Scalar, T>) {
    std::copy_n(value.derived().data(), value.size(), data);  // compiles in half the time
  } else {
    Eigen::Map<Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic>>(data, value.rows(), value.cols()) =
        value.derived().array().template cast<T>();
  }
  return x;
}

template <class T>
template <class Values>
Tensor<T> Tape<T>::leaf_from(std::string_view operation, const Shape& shape, const Values& values,
                             bool needs_grad, std::string_view name) {
  const auto count = static_cast<Index>(std::size(values));
  if (count != shape.size()) {
    detail::fail<ShapeError>(operation, ": shape ", to_string(shape), " has ", shape.size(),
                             " elements, but ", count, " values were given");
  }
  const Tensor<T> x = leaf(operation, shape, needs_grad, name);
  T* data = this->nodes.back()->value;
  for (const auto& value : values) *data++ = static_cast<T>(value);
  return x;
}

template <class T>
template <class Derived>
Tensor<T> Tape<T>::variable(const Eigen::DenseBase<Derived>& value, std::string_view name) {
  return leaf_from("variable", value, true, name);
}
template <class T>
template <class Values>
Tensor<T> Tape<T>::variable(const Shape& shape, const Values& values, std::string_view name) {
  return leaf_from("variable", shape, values, true, name);
}
template <class T>
template <class Derived>
Tensor<T> Tape<T>::constant(const Eigen::DenseBase<Derived>& value, std::string_view name) {
  return leaf_from("constant", value, false, name);
}
template <class T>
template <class Values>
Tensor<T> Tape<T>::constant(const Shape& shape, const Values& values, std::string_view name) {
  return leaf_from("constant", shape, values, false, name);
}
template <class T>
Tensor<T> Tape<T>::full(const Shape& shape, const T& value) {
  const Tensor<T> x = leaf("constant", shape, false, {});
  std::fill_n(this->nodes.back()->value, shape.size(), value);
  return x;
}

template <class T>
Tensor<T> Tape<T>::parameter(const Parameter<T>& parameter) {
  detail::ParameterState<T>& state = parameter.state();
  detail::Node<T>& node = this->append_node("parameter", state.shape, state.value.get(), nullptr);
  if (this->paused == 0) {
    node.parameter = &state;
  } else {
    node.name = this->keep_text(state.name);
  }
  return detail::TensorHandle<T>::make(*this, node);
}

// Differentiation.

template <class T>
template <class Derived>
void Tape<T>::backward(const Tensor<T>& y, const Eigen::DenseBase<Derived>& seed) {
  detail::Node<T>& node = detail::TensorHandle<T>::node(y, "backward");
  if (detail::TensorHandle<T>::recording(y) != this)
    detail::fail<TapeError>("backward: a tensor of another tape");
  if (!detail::needs_grad(node)) {
    detail::fail<TapeError>("backward: ", this->describe_node(detail::TensorHandle<T>::index(y)),
                            " is a constant: it depends on no variable or parameter");
  }
  if (seed.rows() != node.shape.rows() || seed.cols() != node.shape.columns()) {
    detail::fail<ShapeError>("backward: the seed is ", to_string(Shape{seed.rows(), seed.cols()}),
                             ", but the tensor is ", to_string(node.shape),
                             ": they must have the same shape");
  }
  this->begin_sweep();
  adjoint(y) += seed.derived().array().template cast<T>().matrix();
  this->run_sweep();
}

template <class T>
void Tape<T>::backward(const Tensor<T>& y) {
  if (y.size() != 1) {
    detail::fail<ShapeError>("backward: a tensor of shape ", to_string(y.shape()),
                             " needs a seed of its shape; without one it must have one element");
  }
  backward(y, Eigen::Matrix<T, 1, 1>::Constant(T(1)));
}

}  // namespace gradtape
