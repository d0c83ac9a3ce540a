#pragma once
/// \file
/// Operations that rearrange elements: every element of the result is one of an operand, and its
/// adjoint is added to that one's.  What only renames the dimensions (reshape, flatten, squeeze,
/// unsqueeze, detach) shares the operand's value; the others copy.

#include <iterator>

#include "../core/record.hpp"

namespace gradtape {
namespace detail {

/// The elements of a tensor under another shape of the same size, in place.
template <class T>
Tensor<T> view(std::string_view operation, const Tensor<T>& x, const Shape& shape) {
  Recording<T>& recording = *TensorHandle<T>::recording(x);
  T* const value = TensorHandle<T>::node(x, operation.data()).value;
  T* grad = nullptr;
  if (!x.is_constant() && recording.paused == 0) grad = recording.allocate_tensor(shape.size());
  Node<T>& node = recording.append_node(operation, shape, value, grad);
  const Tensor<T> y = TensorHandle<T>::make(recording, node);
  if (grad != nullptr) {
    recording.set_backward(
        node, [x](Node<T>& n) { adjoint(x) += ConstMatrixMap<T>(n.grad, x.rows(), x.columns()); });
  }
  remember_operands(recording, node, std::array{x});
  return y;
}

/// Checked sizes, of which one may be -1: what is left for it.
inline Shape completed(Index size, std::initializer_list<Index> sizes) {
  if (sizes.size() > Shape::max_rank) return Shape(sizes);  // which throws
  Shape shape;
  int open = -1, d = 0;
  for (const Index s : sizes) {
    if (s == -1 && open >= 0) fail<ShapeError>("reshape: only one size may be -1");
    if (s == -1) open = d;
    if (s < -1) fail<ShapeError>("reshape: size ", s, " of dimension ", d, " is negative");
    shape = shape.with(d++, s == -1 ? 1 : s);
  }
  if (open < 0) return shape;
  if (shape.size() == 0 || size % shape.size() != 0) {
    fail<ShapeError>("reshape: ", size, " elements do not divide by the other sizes, ",
                     shape.size(), " in all, so that -1 stands for nothing");
  }
  return shape.with(open, size / shape.size());
}

/// A shape with one more dimension before that of the given number.
inline Shape inserted(const Shape& shape, int dimension, Index size) {
  Shape result;
  for (int d = 0; d <= shape.rank(); ++d) {
    result = result.with(d, d == dimension ? size : shape[d < dimension ? d : d - 1]);
  }
  return result;
}

/// A shape with one dimension so many times as long.
inline Shape repeated(const Shape& shape, int dimension, Index count) {
  try {
    Index size = 0;
    if (!__builtin_mul_overflow(shape[dimension], count, &size)) return shape.with(dimension, size);
  } catch (const ShapeError&) {
  }
  fail<ShapeError>("repeat: ", to_string(shape), " ", count, " times along dimension ", dimension,
                   " has too many elements");
}

/// Equally distant runs of neighbours, copied from one tensor to another, or added the way back.
template <class T>
struct Runs {
  Index length, count;   // elements of a run, number of runs
  Index x_step, y_step;  // from one run to the next

  void copy(const T* x, T* y) const {
    if (length == 0) return;
    for (Index k = 0; k < count; ++k) std::copy_n(x + k * x_step, length, y + k * y_step);
  }
  void add(const T* y, T* x) const {
    using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
    if (length == 0) return;
    for (Index k = 0; k < count; ++k) {
      Eigen::Map<Vector>(x + k * x_step, length) +=
          Eigen::Map<const Vector>(y + k * y_step, length);
    }
  }
};

template <class T>
Tensor<T> slice(std::string_view operation, const Tensor<T>& x, int dimension, Index start,
                Index length) {
  const Axis axis(x.shape(), dimension);
  if (start < 0 || length < 0 || start > axis.n - length) {
    fail<ShapeError>(operation, ": ", length, " from ", start, " on are not inside of dimension ",
                     dimension, " of ", to_string(x.shape()));
  }
  const Runs<T> runs{axis.inner * length, axis.outer, axis.inner * axis.n, axis.inner * length};
  const Index offset = axis.inner * start;
  return record(
      operation, x.shape().with(dimension, length), {x},
      [&](MatrixMap<T> y) { runs.copy(x.data() + offset, y.data()); },
      [x, runs, offset](const Tensor<T>& y) {
        runs.add(y.grad().data(), adjoint(x).accumulator().data() + offset);
      });
}

/// Tensors one after another along a dimension of the result, each as if it had that dimension too.
template <class T, class Tensors>
Tensor<T> join(std::string_view operation, const Tensors& tensors, const Shape& shape,
               int dimension) {
  const Axis axis(shape, dimension);
  const auto count = std::size(tensors);
  Tape<T>& tape = std::begin(tensors)->tape();
  auto* const operands = tape.template workspace<Tensor<T>>(static_cast<Index>(count));
  std::uninitialized_copy_n(std::begin(tensors), count, operands);
  const auto for_each = [operands, count, axis](auto&& f) {
    Index offset = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const Index length = axis.outer == 0 ? 0 : operands[i].size() / axis.outer;
      f(operands[i], Runs<T>{length, axis.outer, length, axis.inner * axis.n}, offset);
      offset += length;
    }
  };
  return record_tensor<T>(
      operation, shape, tensors,
      [&](MatrixMap<T> y) {
        for_each([&y](const Tensor<T>& x, const Runs<T>& runs, Index offset) {
          runs.copy(x.data(), y.data() + offset);
        });
      },
      [for_each](const Tensor<T>& y) {
        for_each([&y](const Tensor<T>& x, const Runs<T>& runs, Index offset) {
          if (!adjoint(x).is_needed()) return;
          runs.add(y.grad().data() + offset, adjoint(x).accumulator().data());
        });
      });
}

template <class X>
inline constexpr bool is_tensor = false;
template <class T>
inline constexpr bool is_tensor<Tensor<T>> = true;

/// A vector, array, span or list of tensors.
template <class Range>
concept TensorRange = Sequence<Range> && is_tensor<element_of<Range>>;

template <class T, class Tensors>
Tensor<T> concat_all(const Tensors& tensors, Dim dim) {
  if (std::size(tensors) == 0) fail<ShapeError>("concat: there are no tensors");
  const Shape first = std::begin(tensors)->shape();
  const int dimension = index_of("concat", dim, first.rank());
  Index n = 0;
  for (const Tensor<T>& x : tensors) {
    if (x.shape().with(dimension, first[dimension]) != first) {
      fail<ShapeError>("concat: ", to_string(first), " and ", to_string(x.shape()),
                       " differ in another dimension than ", dimension);
    }
    if (__builtin_add_overflow(n, x.shape()[dimension], &n))
      fail<ShapeError>("concat: the sizes of dimension ", dimension,
                       " sum up to more than an Index");
  }
  return join<T>("concat", tensors, first.with(dimension, n), dimension);
}

template <class T, class Tensors>
Tensor<T> stack_all(const Tensors& tensors, Dim dim) {
  if (std::size(tensors) == 0) fail<ShapeError>("stack: there are no tensors");
  const Shape first = std::begin(tensors)->shape();
  if (first.rank() == Shape::max_rank) {
    fail<ShapeError>("stack: ", to_string(first), " has the largest rank already");
  }
  const int dimension = index_of("stack", dim, first.rank() + 1);
  for (const Tensor<T>& x : tensors) {
    if (x.shape() != first) {
      fail<ShapeError>("stack: ", to_string(first), " and ", to_string(x.shape()),
                       " must be the same shape");
    }
  }
  return join<T>("stack", tensors,
                 inserted(first, dimension, static_cast<Index>(std::size(tensors))), dimension);
}

/// Where the runs along the first dimension of a broadcast tensor come from.
struct Broadcast {
  Shape from, to;

  bool repeats_first() const { return from[0] != to[0]; }
  /// Calls f(offset in the result, offset in the operand).
  template <class F>
  void for_each_run(F&& f) const {
    if (to.size() == 0) return;
    const auto step = [this](int d, Index size) { return from[d] == to[d] ? size : 0; };
    const Index b = step(1, from[0]), c = step(2, from[0] * from[1]),
                d = step(3, from[0] * from[1] * from[2]);
    Index y = 0;
    for (Index l = 0; l < to[3]; ++l) {
      for (Index k = 0; k < to[2]; ++k) {
        for (Index j = 0; j < to[1]; ++j, y += to[0]) f(y, b * j + c * k + d * l);
      }
    }
  }
};

}  // namespace detail

/// The same elements, in column-major order, under another shape.  Copies nothing.
/// \throws ShapeError if the numbers of elements differ.
template <TensorEntity X>
auto reshape(const X& x, const Shape& shape) {
  const auto t = detail::as_tensor("reshape", x);
  if (t.size() != shape.size()) {
    detail::fail<ShapeError>("reshape: ", to_string(t.shape()), " has ", t.size(), " elements, ",
                             to_string(shape), " has ", shape.size());
  }
  return detail::view("reshape", t, shape);
}
/// One size may be -1: what is left for it.
template <TensorEntity X>
auto reshape(const X& x, std::initializer_list<Index> sizes) {
  const auto t = detail::as_tensor("reshape", x);
  return reshape(t, detail::completed(t.size(), sizes));
}

/// All elements as a vector.
template <TensorEntity X>
auto flatten(const X& x) {
  const auto t = detail::as_tensor("flatten", x);
  return detail::view("flatten", t, Shape{t.size()});
}

/// Without its dimensions of size 1.
template <TensorEntity X>
auto squeeze(const X& x) {
  const auto t = detail::as_tensor("squeeze", x);
  Shape shape;
  for (int d = 0; d < t.rank(); ++d) {
    if (t.shape()[d] != 1) shape = shape.with(shape.rank(), t.shape()[d]);
  }
  return detail::view("squeeze", t, shape);
}
/// Without a dimension of size 1.
/// \throws ShapeError if its size is another.
template <TensorEntity X>
auto squeeze(const X& x, Dim dim) {
  const auto t = detail::as_tensor("squeeze", x);
  const int dimension = detail::index_of("squeeze", dim, t.rank());
  if (t.shape()[dimension] != 1) {
    detail::fail<ShapeError>("squeeze: dimension ", dimension, " of ", to_string(t.shape()),
                             " must have size 1");
  }
  Shape shape;
  for (int d = 0; d < t.rank(); ++d) {
    if (d != dimension) shape = shape.with(shape.rank(), t.shape()[d]);
  }
  return detail::view("squeeze", t, shape);
}
/// With one more dimension, of size 1, at that place of the result.
/// \throws ShapeError if the rank is 4 already.
template <TensorEntity X>
auto unsqueeze(const X& x, Dim dim) {
  const auto t = detail::as_tensor("unsqueeze", x);
  if (t.rank() == Shape::max_rank) {
    detail::fail<ShapeError>("unsqueeze: ", to_string(t.shape()), " has the largest rank already");
  }
  const int dimension = detail::index_of("unsqueeze", dim, t.rank() + 1);
  return detail::view("unsqueeze", t, detail::inserted(t.shape(), dimension, 1));
}

/// The same value as a constant: derivatives stop here.
template <TensorEntity X>
auto detach(const X& x) {
  using T = detail::scalar_of<X>;
  const Tensor<T> t = detail::as_tensor("detach", x);
  auto& recording = *detail::TensorHandle<T>::recording(t);
  detail::Node<T>& node = recording.append_node(
      "detach", t.shape(), detail::TensorHandle<T>::node(t, "detach").value, nullptr);
  return detail::TensorHandle<T>::make(recording, node);
}

/// Elements start .. start + length - 1 along a dimension.  X_bar[part] += Y_bar; overlapping
/// slices add. \throws ShapeError out of range.
template <TensorEntity X>
auto slice(const X& x, Dim dim, Index start, Index length) {
  const auto t = detail::as_tensor("slice", x);
  return detail::slice("slice", t, detail::index_of("slice", dim, t.rank()), start, length);
}
/// Columns start .. start + n - 1: slice along dimension 1.
template <TensorEntity X>
auto columns(const X& x, Index start, Index n) {
  const auto t = detail::as_tensor("columns", x);
  return detail::slice("columns", t, detail::index_of("columns", Dim(1), t.rank()), start, n);
}
/// Rows start .. start + n - 1: slice along dimension 0.
template <TensorEntity X>
auto rows(const X& x, Index start, Index n) {
  const auto t = detail::as_tensor("rows", x);
  return detail::slice("rows", t, detail::index_of("rows", Dim(0), t.rank()), start, n);
}

///@{
/// Tensors one after another along a dimension: a list in braces, a vector, an array or a span of
/// them.  The same tensor may appear more than once.  Expressions in a list need the scalar type:
/// `concat<double>({a, 2 * b}, Dim(0))`.
/// \throws ShapeError if there are none, or if sizes of another dimension differ.
template <class T>
Tensor<T> concat(std::initializer_list<Tensor<T>> tensors, Dim dim) {
  return detail::concat_all<T>(tensors, dim);
}
template <detail::TensorRange Tensors>
auto concat(const Tensors& tensors, Dim dim) {
  return detail::concat_all<detail::scalar_of<detail::element_of<Tensors>>>(tensors, dim);
}
///@}

///@{
/// Tensors of one shape side by side along a new dimension of the result, by default the last:
/// n vectors [m] give [m, n].
/// \throws ShapeError if there are none, if their shapes differ, or if the rank is 4 already.
template <class T>
Tensor<T> stack(std::initializer_list<Tensor<T>> tensors, Dim dim = Dim(-1)) {
  return detail::stack_all<T>(tensors, dim);
}
template <detail::TensorRange Tensors>
auto stack(const Tensors& tensors, Dim dim = Dim(-1)) {
  return detail::stack_all<detail::scalar_of<detail::element_of<Tensors>>>(tensors, dim);
}
///@}

/// The tensor `count` times one after another along a dimension.  X_bar += sum of the copies'
/// adjoints.
/// \throws ShapeError for a negative count, and for one that makes too many elements.
template <TensorEntity X>
auto repeat(const X& x, Dim dim, Index count) {
  using T = detail::scalar_of<X>;
  const Tensor<T> t = detail::as_tensor("repeat", x);
  if (count < 0) detail::fail<ShapeError>("repeat: the count ", count, " is negative");
  const int dimension = detail::index_of("repeat", dim, t.rank());
  const detail::Axis axis(t.shape(), dimension);
  const Shape shape = detail::repeated(t.shape(), dimension, count);
  const Index block = axis.inner * axis.n, copies = t.size() == 0 ? 0 : count;
  const detail::Runs<T> runs{block, axis.outer, block, block * copies};
  return record(
      "repeat", shape, {t},
      [&](MatrixMap<T> y) {
        for (Index i = 0; i < copies; ++i) runs.copy(t.data(), y.data() + i * block);
      },
      [t, runs, block, copies](const Tensor<T>& y) {
        T* const x_bar = adjoint(t).accumulator().data();
        for (Index i = 0; i < copies; ++i) runs.add(y.grad().data() + i * block, x_bar);
      });
}

/// The tensor with its dimensions of size 1, and missing ones, repeated to a larger shape.
/// X_bar += Y_bar summed over what was repeated.
/// \throws ShapeError if another size differs.
template <TensorEntity X>
auto broadcast_to(const X& x, const Shape& shape) {
  using T = detail::scalar_of<X>;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const Tensor<T> t = detail::as_tensor("broadcast_to", x);
  if (detail::broadcast("broadcast_to", t.shape(), shape) != shape) {
    detail::fail<ShapeError>("broadcast_to: ", to_string(t.shape()), " does not fit into ",
                             to_string(shape));
  }
  const detail::Broadcast from{t.shape(), shape};
  return record(
      "broadcast_to", shape, {t},
      [&](MatrixMap<T> y) {
        from.for_each_run([&](Index to, Index at) {
          if (from.repeats_first()) {
            std::fill_n(y.data() + to, shape[0], t.data()[at]);
          } else {
            std::copy_n(t.data() + at, shape[0], y.data() + to);
          }
        });
      },
      [t, from](const Tensor<T>& y) {
        const T* const y_bar = y.grad().data();
        T* const x_bar = adjoint(t).accumulator().data();
        from.for_each_run([&](Index to, Index at) {
          const Eigen::Map<const Vector> run(y_bar + to, from.to[0]);
          if (from.repeats_first()) {
            x_bar[at] += run.sum();
          } else {
            Eigen::Map<Vector>(x_bar + at, from.to[0]) += run;
          }
        });
      });
}

}  // namespace gradtape
