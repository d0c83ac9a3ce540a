#pragma once
/// \file
/// Products with vectors and of a few elements, straight from where the factors stand.

#include <algorithm>

#include "../core/parameter.hpp"
#include "../core/tile_memory.hpp"

namespace gradtape::detail {

/// A column-major matrix that may count as its transpose; rows and columns are those that it counts
/// with.  Dense, unless it is a block of another.
template <class T>
struct Matrix {
  const T* data;
  Index rows, columns;
  bool transposed = false;
  Index stride = transposed ? columns : rows;  // from one column to the next, as stored

  Matrix transpose() const { return {data, columns, rows, !transposed, stride}; }
  /// The columns from `first` on.
  Matrix block(Index first, Index count) const {
    return {data + first * (transposed ? 1 : stride), rows, count, transposed, stride};
  }
};

/// Where element (i, j) of a matrix stands: i row + j column elements behind its first.
template <class T>
struct Strides {
  Index row, column;
  explicit Strides(const Matrix<T>& x)
      : row(x.transposed ? x.stride : 1), column(x.transposed ? 1 : x.stride) {}
};

/// Calls f(X(), i, first, last) for the blocks of an m by n matrix that begin at row i and have as
/// many rows as X has lanes, for many short columns at a time, which stay in the first-level cache
/// together, or for a single long one.
/// Taken by value, what f has captured stays in registers.
template <class T, class F>
void for_each_block(Index m, Index n, F f) {
  const Index most = m < 256 ? 64 : 1;
  using X = RegisterOf<T>;
  for (Index first = 0; first < n; first += most) {
    const Index last = std::min(n, first + most);
    Index i = 0;
    for (; i + lane_count<X> <= m; i += lane_count<X>) f(X(), i, first, last);
    for (; i < m; ++i) f(T(), i, first, last);
  }
}

/// y = f x, or y += f x.
template <class T>
void multiply_vector(T* y, const T* x, Index m, const T& f, bool assign) {
  const auto set = [&]<class X>(X a, Index i) __attribute__((always_inline)) {
    load(a, x + i);
    a = a * f;
    if (!assign) {
      X before;
      load(before, y + i);
      a = before + a;
    }
    store(a, y + i);
  };
  using X = RegisterOf<T>;
  Index i = 0;
  for (; i + lane_count<X> <= m; i += lane_count<X>) set(X(), i);
  for (; i < m; ++i) set(T(), i);
}

/// C = a b^T, or C += a b^T, with a column a of m elements.
template <class T>
void multiply_vectors(T* c, const T* a, Index m, const T* b, Index b_stride, Index n, bool assign) {
  constexpr Index long_column = 64;  // memory is faster in its order
  if (n == 1 || m >= long_column) {
    for (Index j = 0; j < n; ++j) multiply_vector(c + j * m, a, m, b[j * b_stride], assign);
    return;
  }
  for_each_block<T>(m, n, [=]<class X>(X x, Index i, Index first, Index last) {
    load(x, a + i);
    for (Index j = first; j < last; ++j) {
      X y(x * b[j * b_stride]);
      if (!assign) {
        X before;
        load(before, c + i + j * m);
        y = before + y;
      }
      store(y, c + i + j * m);
    }
  });
}

/// s = A 1, or s += A 1:  the sum of the columns.
template <class T>
void add_columns(T* sum, const T* a, Index m, Index n, bool assign) {
  if (n == 1) return multiply_vector(sum, a, m, T(1), assign);
  if (assign && n == 0) std::fill_n(sum, m, T(0));
  for_each_block<T>(m, n, [=]<class X>(X s, Index i, Index first, Index last) {
    if (assign && first == 0) {
      s = X(T(0));
    } else {
      load(s, sum + i);
    }
    for (Index j = first; j < last; ++j) {
      X x;
      load(x, a + i + j * m);
      s = s + x;
    }
    store(s, sum + i);
  });
}

/// sum_i x_i y_i
template <class T>
T inner_product(const T* x, const T* y, Index n) {
  using X = RegisterOf<T>;
  X sum(T(0));
  Index i = 0;
  for (; i + lane_count<X> <= n; i += lane_count<X>) {
    X a, b;
    load(a, x + i);
    load(b, y + i);
    sum = sum + a * b;
  }
  T total = sum_of(sum);
  for (; i < n; ++i) total += x[i] * y[i];
  return total;
}

/// C += A B of a few elements.
template <class T>
void add_small_product(T* c, const Matrix<T>& a, const Matrix<T>& b) {
  const Strides<T> a_stride(a), b_stride(b);
  for (Index j = 0; j < b.columns; ++j, c += a.rows) {
    for (Index i = 0; i < a.rows; ++i) {
      const T *left = a.data + i * a_stride.row, *right = b.data + j * b_stride.column;
      T sum = c[i];
      for (Index p = 0; p < a.columns; ++p, left += a_stride.column, right += b_stride.row)
        sum += *left * *right;
      c[i] = sum;
    }
  }
}

}  // namespace gradtape::detail
