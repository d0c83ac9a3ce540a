#pragma once
/// \file
/// `Parameter`: a tensor that outlives tapes; what training changes.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "list.hpp"
#include "tape.hpp"

namespace gradtape {

/// Everything behind the first dimension laid side by side: rows of features, a column a sample.
template <class T>
using MatrixMap = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>,
                             static_cast<int>(detail::tensor_alignment)>;
/// The same, to read.
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

template <class D>
std::true_type is_eigen_dense(const Eigen::DenseBase<D>*);
std::false_type is_eigen_dense(const void*);

}  // namespace detail

/// An Eigen vector, matrix or expression of such.
template <class X>
concept EigenDense = decltype(detail::is_eigen_dense(std::declval<const X*>()))::value;

namespace detail {

/// Uninitialised, aligned memory for one tensor.
template <class T>
class TensorMemory {
 public:
  TensorMemory() = default;
  explicit TensorMemory(Index size) {
    const auto count = static_cast<std::size_t>(std::max<Index>(size, 1));
    if (with_margin<T>(count) <= PTRDIFF_MAX / sizeof(T))
      data_.reset(static_cast<T*>(allocate_aligned(with_margin<T>(count) * sizeof(T))));
    if (data_ == nullptr) throw std::bad_alloc();
    clear_margin(data_.get(), count);
  }
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { std::free(static_cast<void*>(p)); }
  };
  std::unique_ptr<T, Free> data_;
};

/// The columns of a matrix that were written to, each once, in the order of the first writing.
class TouchedColumns {
 public:
  /// Makes room for any of so many columns: `touch` never needs memory.
  void reserve(Index columns) {
    is_touched_.reserve(static_cast<std::size_t>(columns));
    list_.reserve(static_cast<std::size_t>(columns));
    while (is_touched_.size() < static_cast<std::size_t>(columns)) is_touched_.push_back(false);
  }

  /// Whether it is the first time for this column.
  bool touch(Index column) {
    if (std::exchange(is_touched_[static_cast<std::size_t>(column)], true)) return false;
    list_.push_back(column);
    return true;
  }
  bool contains(Index column) const { return is_touched_[static_cast<std::size_t>(column)]; }
  std::span<const Index> list() const { return {list_.begin(), list_.size()}; }

  /// Forgets them, at a cost that grows with those touched only.
  void clear() {
    for (const Index column : list_) is_touched_[static_cast<std::size_t>(column)] = false;
    list_.clear();
  }

 private:
  List<bool> is_touched_;
  List<Index> list_;
};

/// The part of a parameter with an address that tapes may keep.
template <class T>
class ParameterState {
 public:
  Shape shape;
  std::string name;
  TensorMemory<T> value;

  ParameterState(const Shape& sizes, std::string text)
      : shape(sizes), name(std::move(text)), value(sizes.size()) {}

  bool has_grad() const { return extent_ != Extent::none; }
  /// Whether there are contributions to the columns `touched()` alone.
  bool is_sparse() const { return extent_ == Extent::columns; }
  std::span<const Index> touched() const { return touched_.list(); }

  /// The gradient's memory, without a look at what of it is defined.
  T* gradient_memory() {
    if (grad_.get() == nullptr) [[unlikely]]
      allocate_gradient();
    return grad_.get();
  }

  /// The whole gradient, zero where nothing has contributed.
  T* complete_gradient() {
    T* const grad = gradient_memory();
    if (extent_ == Extent::none) std::uninitialized_fill_n(grad, shape.size(), T(0));
    if (extent_ == Extent::columns) fill_untouched(grad);
    return grad;
  }

  /// Announces a contribution to all of the gradient; true: it is the first and assigns.
  bool begin_dense() {
    const bool first = extent_ == Extent::none;
    if (extent_ == Extent::columns) fill_untouched(gradient_memory());
    extent_ = Extent::dense;
    return first;
  }

  /// Announces contributions to single columns; to each of them then: `begin_column`.
  void begin_columns() {
    gradient_memory();
    if (extent_ != Extent::none) return;
    touched_.reserve(shape.columns());
    extent_ = Extent::columns;
  }
  /// True: the contribution to this column is the first and assigns.
  bool begin_column(Index column) { return extent_ == Extent::columns && touched_.touch(column); }

  void clear_gradient() {
    touched_.clear();
    extent_ = Extent::none;
  }

 private:
  /// What of the gradient's memory holds contributions.
  enum class Extent { none, columns, dense };

  [[gnu::cold, gnu::noinline]] void allocate_gradient() { grad_ = TensorMemory<T>(shape.size()); }

  [[gnu::noinline]] void fill_untouched(T* grad) {
    for (Index j = 0; j < shape.columns(); ++j) {
      if (!touched_.contains(j))
        std::uninitialized_fill_n(grad + j * shape.rows(), shape.rows(), T(0));
    }
    touched_.clear();
    extent_ = Extent::dense;
  }

  TensorMemory<T> grad_;  // comes with the first contribution
  TouchedColumns touched_;
  Extent extent_ = Extent::none;
};

template <class T>
struct ParameterHandle;

}  // namespace detail

/// A tensor that outlives tapes, with its gradient and a name.  Used as an operand it is read in
/// place, and its gradient is written in place, adding up over calls of `backward` until
/// `zero_grad` or an optimizer's step clears it.  It can be moved while tapes refer to it, and must
/// outlive their recordings.
/// \snippet reference/training_test.cpp parameter
template <class T>
class Parameter {
 public:
  using Scalar = T;  ///< of tapes that it may be used on

  /// Of the given shape, all zero.
  explicit Parameter(const Shape& shape, std::string name = {})
      : state_(std::make_unique<State>(shape, std::move(name))) {
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

  /// All sizes; they never change.
  /// \throws TapeError if it is empty, default-constructed or moved from; so do all members.
  const Shape& shape() const { return state().shape; }
  Index size() const { return state().shape.size(); }  ///< number of elements
  /// The elements, to change: the first dimension by all others.  Not between the recording of what
  /// uses them and its backward pass, which reads them again.
  MatrixMap<T> value() { return map(state().value.get()); }
  /// The elements, to read.
  ConstMatrixMap<T> value() const {
    const State& s = state();
    return {s.value.get(), s.shape.rows(), s.shape.columns()};
  }
  T* data() { return state().value.get(); }              ///< the elements in column-major order
  const T* data() const { return state().value.get(); }  ///< the same, to read

  /// Whether a gradient has arrived since it was last cleared.
  bool has_grad() const { return state().has_grad(); }
  /// The gradient collected so far; all zero if none has arrived.
  MatrixMap<T> grad() const { return map(state().complete_gradient()); }
  /// Forgets the gradient.
  void zero_grad() { state().clear_gradient(); }

  /// Whether only lookups of columns (`gather`) have contributed to the gradient: it is zero but in
  /// `touched_columns()`, and reading these through `grad_column` does not touch the others, which
  /// for a large vocabulary is most of the work.  `grad()`, and any other contribution, end this.
  bool has_sparse_grad() const { return state().is_sparse(); }
  /// The columns of a sparse gradient that have contributions, each once, in no particular order;
  /// none if the gradient is not sparse.
  std::span<const Index> touched_columns() const { return state().touched(); }
  /// A column of the gradient: of a sparse one, one of `touched_columns()`.
  auto grad_column(Index column) const { return map(state().gradient_memory()).col(column); }

  /// Its label in drawings and error texts; files name parameters by the model's members instead.
  const std::string& name() const { return state().name; }
  /// Changes the label, also of recordings that differentiate it.
  void set_name(std::string name) { state().name = std::move(name); }

 private:
  friend class Tape<T>;
  template <class>
  friend struct detail::ParameterHandle;
  using State = detail::ParameterState<T>;

  State& state() const {
    if (state_ == nullptr)
      detail::fail<TapeError>("parameter: it is empty (default-constructed or moved from)");
    return *state_;
  }
  MatrixMap<T> map(T* data) const { return {data, state().shape.rows(), state().shape.columns()}; }

  std::unique_ptr<State> state_;
};

/// `Parameter w(matrix);` has the number type of the matrix.
template <class Derived>
explicit Parameter(const Eigen::DenseBase<Derived>&) -> Parameter<typename Derived::Scalar>;
/// The same with a name.
template <class Derived>
explicit Parameter(const Eigen::DenseBase<Derived>&, std::string)
    -> Parameter<typename Derived::Scalar>;

namespace detail {

/// What optimizers see of a Parameter: the part that stays where it is when the parameter is moved.
template <class T>
struct ParameterHandle {
  static ParameterState<T>& state(const Parameter<T>& x) { return x.state(); }
};

}  // namespace detail
}  // namespace gradtape
