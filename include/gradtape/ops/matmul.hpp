#pragma once
/// \file
/// Products of matrices and vectors.
///
///     Y = A B          A_bar += Y_bar B^T,   B_bar += A^T Y_bar
///
/// Transposed operands are read where they are.  Source: Giles (2008), Collected matrix derivative
/// results for forward and reverse mode algorithmic differentiation, 2.2.

#include "../core/record.hpp"
#include "product.hpp"

namespace gradtape {

namespace detail {

/// The shape of a transposed tensor; a vector [m] is a column, its transpose a row [1, m].
inline Shape transposed(const Shape& shape) { return shape.with(0, shape[1]).with(1, shape[0]); }

/// Transposes each matrix of a batch.
template <class T>
Tensor<T> record_transpose(const Tensor<T>& x) {
  const Shape s = x.shape();
  return record(
      "transpose", transposed(s), {x},
      [&](MatrixMap<T> y) {
        for (Index i = 0; i < s[2] * s[3]; ++i) {
          const Index start = i * s[0] * s[1];
          DenseMap<T>(y.data() + start, s[1], s[0]) =
              ConstDenseMap<T>(x.data() + start, s[0], s[1]).transpose();
        }
      },
      [x, s](const Tensor<T>& y) {
        if (!adjoint(x).is_needed()) return;
        T* const x_bar = adjoint(x).accumulator().data();
        for (Index i = 0; i < s[2] * s[3]; ++i) {
          const Index start = i * s[0] * s[1];
          DenseMap<T>(x_bar + start, s[0], s[1]) +=
              ConstDenseMap<T>(y.grad().data() + start, s[1], s[0]).transpose();
        }
      });
}

}  // namespace detail

/// A tensor with its first two dimensions exchanged, not moved yet: `matmul` reads it in place,
/// anything else records a copy.
template <class X>
class Transposed {
 public:
  using Scalar = typename X::Scalar;  ///< the number type of the tape

  /// As `transpose(x)`; a parameter is referred to and must outlive it.
  explicit Transposed(const X& x) : x_(hold(x)) {}

  /// What was transposed.
  const X& original() const {
    if constexpr (is_parameter) {
      return *x_;
    } else {
      return x_;
    }
  }
  /// \cond  for the engine
  detail::Recording<Scalar>* recording() const { return detail::recording_of(original()); }
  Tensor<Scalar> record() const {
    return record_on(detail::common_recording("transpose", original()));
  }
  Tensor<Scalar> record_on(detail::Recording<Scalar>& recording) const {
    return detail::record_transpose(detail::on(recording, original()));
  }
  void collect(detail::FusedOperands<Scalar>& operands) const {
    operands.add(record_on(operands.recording));
  }
  /// \endcond

 private:
  static constexpr bool is_parameter = std::is_same_v<X, Parameter<Scalar>>;

  static auto hold(const X& x) {
    if constexpr (is_parameter) {
      return &x;
    } else {
      return x;
    }
  }

  std::conditional_t<is_parameter, const X*, X> x_;
};

/// `Tensor y = transpose(x);` records the copy.
template <class X>
Tensor(const Transposed<X>&) -> Tensor<typename X::Scalar>;

namespace detail {

template <class X>
inline constexpr int kind_of<Transposed<X>> = Kind::tensor;

/// A factor of a product.
template <class T>
struct Factor {
  Tensor<T> tensor;
  bool transposed = false;

  Shape shape() const { return transposed ? detail::transposed(tensor.shape()) : tensor.shape(); }
  std::string describe(std::string_view otherwise) const {
    const std::string_view name = TensorHandle<T>::node(tensor, "matmul").label();
    const std::string_view text = name.empty() ? otherwise : name;
    return concat(transposed ? "transpose of " : "", text, " is ", to_string(shape()));
  }
};

template <class T, class X>
Factor<T> factor_on(Recording<T>& recording, const X& x) {
  return {on(recording, x)};
}
template <class T, class X>
Factor<T> factor_on(Recording<T>& recording, const Transposed<X>& x) {
  return {on(recording, x.original()), true};
}

/// Which matrices of two batches meet: Y_i = A_a(i) B_b(i).
struct Batches {
  std::array<Index, 2> a, b, y;

  Batches(const Shape& a_shape, const Shape& b_shape)
      : a{a_shape[2], a_shape[3]}, b{b_shape[2], b_shape[3]} {
    for (std::size_t d = 0; d < 2; ++d) y[d] = a[d] == 1 ? b[d] : a[d];
  }

  template <class F>
  void for_each(F&& f) const {
    for (Index j = 0; j < y[1]; ++j) {
      for (Index i = 0; i < y[0]; ++i) f(i + y[0] * j, position(a, i, j), position(b, i, j));
    }
  }

 private:
  static Index position(const std::array<Index, 2>& size, Index i, Index j) {
    return (size[0] == 1 ? 0 : i) + (size[1] == 1 ? 0 : size[0] * j);
  }
};

/// Adds products to the adjoint of a factor, whose matrices have `size` elements each:
/// visit(add) calls add(number of the matrix, L, R), more than once a matrix only if it `repeats`.
template <class T, class Visit>
void add_products(const Factor<T>& x, Index size, bool repeats, Visit&& visit) {
  const Adjoint<T> x_bar = adjoint(x.tensor);
  if (!x_bar.is_needed()) return;
  const GradientTarget<T> target =
      repeats ? GradientTarget<T>{x_bar.accumulator().data(), false} : x_bar.target();
  visit([&](Index matrix, const Matrix<T>& left, const Matrix<T>& right) {
    T* const data = target.data + size * matrix;
    // (L R)^T = R^T L^T
    if (x.transposed) {
      multiply(data, right.transpose(), left.transpose(), target.first);
    } else {
      multiply(data, left, right, target.first);
    }
  });
}

/// Records Y = A B for factors that fit.
template <class T>
Tensor<T> record_product(std::string_view operation, const Shape& shape, const Factor<T>& a,
                         const Factor<T>& b) {
  const Shape a_shape = a.shape();
  Shape b_shape = b.shape();
  // one matrix times many that lie side by side is one product
  if (a_shape[2] * a_shape[3] == 1 && !b.transposed) b_shape = {b_shape[0], b_shape.columns()};
  const Batches batches(a_shape, b_shape);
  const Index m = a_shape[0], k = a_shape[1], n = b_shape[1];
  const auto a_matrix = [a, m, k](Index i) {
    return Matrix<T>{a.tensor.data() + i * m * k, m, k, a.transposed};
  };
  const auto b_matrix = [b, k, n](Index i) {
    return Matrix<T>{b.tensor.data() + i * k * n, k, n, b.transposed};
  };
  return record(
      operation, shape, {a.tensor, b.tensor},
      [&](MatrixMap<T> y) {
        batches.for_each([&](Index i, Index ia, Index ib) {
          multiply(y.data() + i * m * n, a_matrix(ia), b_matrix(ib), true);
        });
      },
      [=](const Tensor<T>& y) {
        const T* const y_data = y.grad().data();
        const auto y_bar = [=](Index i) { return Matrix<T>{y_data + i * m * n, m, n}; };
        add_products(a, m * k, batches.a != batches.y, [&](auto add) {
          batches.for_each(
              [&](Index i, Index ia, Index ib) { add(ia, y_bar(i), b_matrix(ib).transpose()); });
        });
        add_products(b, k * n, batches.b != batches.y, [&](auto add) {
          batches.for_each(
              [&](Index i, Index ia, Index ib) { add(ib, a_matrix(ia).transpose(), y_bar(i)); });
        });
      });
}

}  // namespace detail

/// The transpose, not moved yet: the first two dimensions exchanged, the others a batch.  A vector
/// [m] is a column, its transpose a row [1, m].
template <TensorEntity X>
Transposed<X> transpose(const X& x) {
  return Transposed<X>(x);
}
/// Transposing twice gives the tensor itself.
template <class X>
decltype(auto) transpose(const Transposed<X>& x) {
  if constexpr (std::is_same_v<X, Parameter<typename X::Scalar>>) {
    return x.original();
  } else {
    return X(x.original());
  }
}

/// Matrix product.  Y = A B                         A (m,k), B (k,n) -> Y (m,n)
///                  A_bar += Y_bar B^T,  B_bar += A^T Y_bar
/// A vector is one column: A (m,k), b (k) -> y (m).  Rank 3 and 4 are batches of matrices,
/// A (m,k,s,t), B (k,n,s,t) -> Y (m,n,s,t), in which a size of 1 of one operand fits any of the
/// other.  An operand `transpose(x)` is not copied.  An inner size k of 0 gives zeros.
/// \throws ShapeError if the columns of A differ from the rows of B, or the batches do not fit.
template <TensorEntity A, TensorEntity B>
auto matmul(const A& a, const B& b) {
  auto& recording = detail::common_recording("matmul", a, b);
  const auto left = detail::factor_on(recording, a), right = detail::factor_on(recording, b);
  const Shape l = left.shape(), r = right.shape();
  if (l[1] != r[0]) {
    detail::fail<ShapeError>("matmul: ", left.describe("the first"), ", ",
                             right.describe("the second"), ": columns of the first (", l[1],
                             ") must equal rows of the second (", r[0], ")");
  }
  for (int d = 2; d < Shape::max_rank; ++d) {
    if (l[d] == r[d] || l[d] == 1 || r[d] == 1) continue;
    detail::fail<ShapeError>("matmul: ", left.describe("the first"), ", ",
                             right.describe("the second"), ": batch sizes of dimension ", d, " (",
                             l[d], " and ", r[d], ") must be equal, or one of them 1");
  }
  const detail::Batches batches(l, r);
  const int rank = r.rank() < 2 && l.rank() <= 2 ? 1 : std::max({2, l.rank(), r.rank()});
  const Shape shape = Shape{l[0], r[1], batches.y[0], batches.y[1]}.with_rank(rank);
  return detail::record_product("matmul", shape, left, right);
}

/// Inner product of all elements.  y = sum_i a_i b_i,  a_bar += y_bar b,  b_bar += y_bar a
/// \throws ShapeError unless the shapes are equal.
template <TensorEntity A, TensorEntity B>
auto dot(const A& a, const B& b) {
  using T = typename detail::Formula<A, B>::Scalar;
  auto& recording = detail::common_recording("dot", a, b);
  const Tensor<T> x = detail::on(recording, a), z = detail::on(recording, b);
  if (x.shape() != z.shape()) {
    detail::fail<ShapeError>("dot: the operands are ", to_string(x.shape()), " and ",
                             to_string(z.shape()), ": they must have the same shape");
  }
  T value;
  detail::multiply<T>(&value, {x.data(), 1, x.size()}, {z.data(), z.size(), 1}, true);
  return record("dot", {x, z}, value, [x, z](const T& y_bar) {
    adjoint(x) += z.value() * y_bar;
    adjoint(z) += x.value() * y_bar;
  });
}

/// Outer product.  Y = a b^T,  a_bar += Y_bar b,  b_bar += Y_bar^T a          a (m), b (n) -> Y
/// (m,n) \throws ShapeError unless both are vectors, [m] or [m, 1].
template <TensorEntity A, TensorEntity B>
auto outer(const A& a, const B& b) {
  using T = typename detail::Formula<A, B>::Scalar;
  auto& recording = detail::common_recording("outer", a, b);
  const detail::Factor<T> x{detail::on(recording, a)}, z{detail::on(recording, b), true};
  for (const Tensor<T>& v : {x.tensor, z.tensor}) {
    if (v.columns() != 1) {
      detail::fail<ShapeError>("outer: an operand is ", to_string(v.shape()),
                               ": both must be vectors, [m] or [m, 1]");
    }
  }
  return detail::record_product("outer", Shape{x.tensor.rows(), z.tensor.rows()}, x, z);
}

///@{
/// An operand that is not on the tape; this does not compile, and says so.
template <class A, class B>
requires detail::BesideTensors<A, B>
auto matmul(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
template <class A, class B>
requires detail::BesideTensors<A, B>
auto dot(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
template <class A, class B>
requires detail::BesideTensors<A, B>
auto outer(const A&, const B&) { return detail::refuse_beside_tensors<A, B>(); }
///@}

}  // namespace gradtape
