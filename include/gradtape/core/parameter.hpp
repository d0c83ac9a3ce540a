#pragma once
/// \file
/// `Parameter`: a tensor that outlives tapes; what training changes.

#include <memory>
#include <string>
#include <utility>

#include "tape.hpp"

namespace gradtape {

/// Everything behind the first dimension laid side by side: rows of features, a column a sample.
template <class T>
using MatrixMap = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>,
                             static_cast<int>(detail::tensor_alignment)>;
template <class T>
using ConstMatrixMap = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>,
                                  static_cast<int>(detail::tensor_alignment)>;

/// The rank and sizes that an Eigen object has as a tensor: a column vector has rank 1, anything
/// else rank 2.
template <class Derived>
Shape shape_of(const Eigen::DenseBase<Derived>& x) {
  if constexpr (Derived::ColsAtCompileTime == 1) {
    return {x.rows()};
  } else {
    return {x.rows(), x.cols()};
  }
}

namespace detail {

/// Uninitialised, aligned memory for one tensor.
template <class T>
class TensorMemory {
 public:
  TensorMemory() = default;
  explicit TensorMemory(Index size)
      : data_(static_cast<T*>(std::aligned_alloc(
            tensor_alignment, (static_cast<std::size_t>(size) * sizeof(T) + tensor_alignment) /
                                  tensor_alignment * tensor_alignment))) {
    if (data_ == nullptr) throw std::bad_alloc();
  }
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { std::free(static_cast<void*>(p)); }
  };
  std::unique_ptr<T, Free> data_;
};

/// The part of a parameter with an address that tapes may keep.
template <class T>
struct ParameterState {
  Shape shape;
  std::string name;
  TensorMemory<T> value, grad;  // the gradient's memory comes with the first contribution
  bool has_grad = false;        // whether `grad` holds contributions

  /// Memory for a contribution to the gradient, which is the first if `has_grad` was not set.
  T* gradient_memory() {
    if (grad.get() == nullptr) grad = TensorMemory<T>(shape.size());
    return grad.get();
  }
};

}  // namespace detail

/// A tensor that outlives tapes, with its gradient and a name.  Used as an operand it is read in
/// place, and its gradient is written in place, adding up over calls of `backward` until
/// `zero_grad` or an optimizer's step clears it.  It can be moved while tapes refer to it, and must
/// outlive their recordings.
template <class T>
class Parameter {
 public:
  using Scalar = T;

  /// Of the given shape, all zero.
  explicit Parameter(const Shape& shape, std::string name = {})
      : state_(std::make_unique<State>()) {
    state_->shape = shape;
    state_->name = std::move(name);
    state_->value = detail::TensorMemory<T>(shape.size());
    std::uninitialized_fill_n(state_->value.get(), shape.size(), T(0));
  }
  /// A copy of an Eigen vector (rank 1) or matrix (rank 2).
  template <class Derived>
  explicit Parameter(const Eigen::DenseBase<Derived>& value, std::string name = {})
      : Parameter(shape_of(value), std::move(name)) {
    this->value() = value.derived().template cast<T>();
  }
  /// Has no value until a parameter is moved into it.
  Parameter() = default;

  const Shape& shape() const { return state().shape; }
  Index size() const { return state().shape.size(); }
  MatrixMap<T> value() { return map(state().value.get()); }
  ConstMatrixMap<T> value() const { return map(state().value.get()); }
  T* data() { return state().value.get(); }
  const T* data() const { return state().value.get(); }

  /// Whether a gradient has arrived since it was last cleared.
  bool has_grad() const { return state().has_grad; }
  /// The gradient collected so far; all zero if none has arrived.
  MatrixMap<T> grad() const {
    State& s = state();
    T* grad = s.gradient_memory();
    if (!s.has_grad) std::uninitialized_fill_n(grad, s.shape.size(), T(0));
    return map(grad);
  }
  /// Forgets the gradient.
  void zero_grad() { state().has_grad = false; }

  const std::string& name() const { return state().name; }
  void set_name(std::string name) { state().name = std::move(name); }

 private:
  friend class Tape<T>;
  using State = detail::ParameterState<T>;

  State& state() const {
    if (state_ == nullptr)
      detail::fail<TapeError>("parameter: it is empty (default-constructed or moved from)");
    return *state_;
  }
  MatrixMap<T> map(T* data) const { return {data, state().shape.rows(), state().shape.columns()}; }

  std::unique_ptr<State> state_;
};

template <class Derived>
explicit Parameter(const Eigen::DenseBase<Derived>&) -> Parameter<typename Derived::Scalar>;
template <class Derived>
explicit Parameter(const Eigen::DenseBase<Derived>&, std::string)
    -> Parameter<typename Derived::Scalar>;

}  // namespace gradtape
