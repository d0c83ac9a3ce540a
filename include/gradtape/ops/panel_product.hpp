#pragma once
/// \file
/// Products of matrices of floats or doubles, C = A B, C += A B or C = b 1^T + A B, in panels:
///
///     for each block of the depth, for each panel of rows of A, for a few columns of B:
///         registers of A, times one element of B each, are added to sums in registers
///
/// A panel is as many rows as three registers hold.  It is copied, so that the inner loop reads it in
/// order from the first-level cache; of a small A it is read where it stands.  B is read where it
/// stands, or copied if many panels read it or it lies badly.

#include "small_product.hpp"

namespace gradtape::detail {

template <class T>
inline constexpr int register_lanes = register_bytes / static_cast<int>(sizeof(T));
template <class T>
inline constexpr int panel_rows = 3 * register_lanes<T>;
/// Columns of sums beside these: of 32 registers they take 24, of 16 they take 12.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int panel_columns = 8;
#else
inline constexpr int panel_columns = 4;
#endif
/// Elements of a row of A at a time.  No power of two: what is so far apart meets in a cache.
inline constexpr Index panel_depth = 192;

/// Memory of a thread for copies of operands, one for each use, kept from product to product.
template <class T, int use>
T* packing_memory(Index size) {
  thread_local TensorMemory<T> memory;
  thread_local Index available = 0;
  if (available < size) {
    memory = TensorMemory<T>(size);
    available = size;
  }
  return memory.get();
}

/// to[j + i to_stride] = from[i + j from_stride]  for i < m, j < n.
template <class T>
[[gnu::noinline]] void copy_transposed(T* to, Index to_stride, const T* from, Index from_stride,
                                       Index m, Index n) {
  constexpr int lanes = register_lanes<T>;
  const auto copy = [=](Index i, Index j) { to[j + i * to_stride] = from[i + j * from_stride]; };
  Index j = 0;
  for (; j + lanes <= n; j += lanes) {
    Index i = 0;
    for (; i + lanes <= m; i += lanes) {
      Tile<T, lanes> x[std::size_t{lanes}];
      unrolled<lanes>([&](int q) __attribute__((always_inline)) {
        load(x[q], from + i + (j + q) * from_stride);
      });
      transpose_tiles<lanes / 2>(x);
      unrolled<lanes>([&](int q) __attribute__((always_inline)) {
        store(x[q], to + j + (i + q) * to_stride);
      });
    }
    for (; i < m; ++i) {
      for (int q = 0; q < lanes; ++q) copy(i, j + q);
    }
  }
  for (; j < n; ++j) {
    for (Index i = 0; i < m; ++i) copy(i, j);
  }
}

/// The left factor, of at least as many rows as a register has lanes.
template <class T>
struct LeftPanels {
  Matrix<T> a;
  T* memory = nullptr;     // for a copy of a panel, or of all; null: they are read where they stand
  bool has_all = false;    // whether it is for all of them,
  bool is_filled = false;  // and they have been copied

  /// Elements that copies of all panels have: the last one may overlap another.
  static Index size(Index rows, Index columns) { return (rows + register_lanes<T> - 1) * columns; }

  Index stride(int rows) const { return memory != nullptr ? rows : a.stride; }
  /// Rows from i on, `depth` elements of each from p on.
  /// \param before  rows of the panels until then
  template <int rows>
  const T* panel(Index i, Index p, Index depth, Index before) const {
    const Strides<T> stride(a);
    const T* from = a.data + i * stride.row + p * stride.column;
    if (memory == nullptr) return from;
    T* const to = has_all ? memory + size(a.rows, p) + before * depth : memory;
    if (is_filled) return to;
    if (a.transposed) {
      copy_transposed(to, Index{rows}, from, a.stride, depth, Index{rows});
      return to;
    }
    for (Index q = 0; q < depth; ++q, from += a.stride) {
      Tile<T, rows> x;
      load(x, from);
      store(x, to + q * rows);
    }
    return to;
  }
};

/// Columns of the right factor.
template <class T>
struct RightColumns {
  const T* data;
  Index row, column;  // from an element to the one below, and to the one beside it
  Index group;        // from a column to the one that is panel_columns further

  /// Where they stand.
  explicit RightColumns(const Matrix<T>& b)
      : data(b.data),
        row(Strides<T>(b).row),
        column(Strides<T>(b).column),
        group(panel_columns * column) {}

  /// A copy, in the order in which they are read; if they are stored by columns, with these closer
  /// together.
  RightColumns(const Matrix<T>& b, T* to)
      : data(to),
        row(b.transposed ? panel_columns : 1),
        column(b.transposed ? 1 : b.rows),
        group(panel_columns * b.rows) {
    if (!b.transposed) {
      for (Index j = 0; j < b.columns; ++j)
        std::copy_n(b.data + j * b.stride, b.rows, to + j * b.rows);
      return;
    }
    constexpr Index few = 64;  // rows of them are whole cache lines
    for (Index first = 0; first < b.columns; first += few) {
      const Index last = std::min(b.columns, first + few);
      for (Index p = 0; p < b.rows; ++p) {
        const T* const from = b.data + p * b.stride;
        T* const at = to + p * panel_columns;
        Index j = first;
        for (; j + panel_columns <= last; j += panel_columns)
          std::copy_n(from + j, panel_columns, at + j * b.rows);
        std::copy(from + j, from + last, at + j * b.rows);
      }
    }
  }
};

/// What a product is added to: to C if it does not assign, else to nothing, or to a column for each
/// of C's.
template <class T>
struct Onto {
  bool assigns;
  const T* column = nullptr;

  Onto(bool assign, const T* to = nullptr) : assigns(assign), column(to) {}
  Onto from_row(Index i) const { return {assigns, column != nullptr ? column + i : nullptr}; }
};

/// A product for the rows of a panel, the rest of the columns half as many at a time.
/// \param done  rows of C that are left as they are
template <int rows, int columns, class T>
[[gnu::always_inline]] inline void multiply_panel(T* c, Index c_stride, const T* a, Index a_stride,
                                                  RightColumns<T> b, Index depth, Index n,
                                                  Index done,
                                                  const std::type_identity_t<Onto<T>>& onto) {
  using X = Tile<T, rows>;
  Index column[std::size_t{columns}];
  unrolled<columns>([&](int q) __attribute__((always_inline)) {
    column[q] = q / panel_columns * b.group + q % panel_columns * b.column;
#ifdef __clang__
    // else clang adds the stride up from column to column in the inner loop, each sum waiting for
    // the one before
    asm("" : "+r"(column[q]));
#endif
  });
  for (; n >= columns; n -= columns) {
    X sum[std::size_t{columns}];
    unrolled<columns>([&](int q) __attribute__((always_inline)) {
      if (onto.assigns && onto.column == nullptr) {
        sum[q] = X(T(0));
      } else {
        load(sum[q], onto.assigns ? onto.column : c + q * c_stride);
      }
    });
    const T* factor = b.data;
    for (Index p = 0; p < depth; ++p, factor += b.row) {
      X x;
      load(x, a + p * a_stride);
      unrolled<columns>([&](int q) __attribute__((always_inline)) {
        sum[q] = multiply_add(x, factor[column[q]], sum[q]);
      });
    }
    unrolled<columns>([&](int q) __attribute__((always_inline)) {
      T* const to = c + q * c_stride;
      if (done > 0) [[unlikely]] {
        X before;
        load(before, to);
        sum[q] = select(nonzero(first_lanes(X(T(1)), done)), before, sum[q]);
      }
      store(sum[q], to);
    });
    b.data += columns < panel_columns ? columns * b.column : columns / panel_columns * b.group;
    c += columns * c_stride;
  }
  if constexpr (columns > 1) {
    if (n > 0) multiply_panel<rows, columns / 2>(c, c_stride, a, a_stride, b, depth, n, done, onto);
  }
}

/// C = A B and what it is added to.  All sizes are positive.
template <class T>
void multiply_by_panels(T* c, Index c_stride, LeftPanels<T> left, const Matrix<T>& b,
                        Onto<T> onto) {
  constexpr int lanes = register_lanes<T>;
  constexpr Index most_columns = 2048, many = 8 * panel_rows<T>, far = 100000;
  const Index m = left.a.rows, most = std::min(left.a.columns, panel_depth);
  const bool is_large = left.memory != nullptr,
             copies = b.transposed ? (is_large && m > panel_rows<T>) || b.stride * most > far
                                   : is_large && m >= many;
  T* const copy =
      copies ? packing_memory<T, 1>(most * (std::min(b.columns, most_columns) + panel_columns))
             : nullptr;
  for (Index p = 0; p < left.a.columns; p += most, onto = false) {
    const Index depth = std::min(most, left.a.columns - p);
    for (Index j = 0; j < b.columns; j += most_columns) {
      const Index n = std::min(most_columns, b.columns - j);
      const Matrix<T> block = b.block(j, n).transpose().block(p, depth).transpose();
      const RightColumns<T> right = copies ? RightColumns<T>(block, copy) : RightColumns<T>(block);
      Index i = 0, before = 0;
      const auto multiply = [&]<int rows, int columns>() __attribute__((always_inline)) {
        // rows that fill no panel go together with some that are there already
        const Index first = std::min(i, m - rows);
        multiply_panel<rows, columns>(
            c + first + j * c_stride, c_stride, left.template panel<rows>(first, p, depth, before),
            left.stride(rows), right, depth, n, i - first, onto.from_row(first));
        before += rows;
        i = first + rows;
      };
      while (i < m) {
        if (m - i > 2 * lanes && m >= 3 * lanes) {
          multiply.template operator()<3 * lanes, panel_columns>();
        } else if (m - i > lanes && m >= 2 * lanes) {
          multiply.template operator()<2 * lanes, panel_columns>();
        } else {
          multiply.template operator()<lanes, 8>();
        }
      }
    }
  }
}

/// The same for a single column of few elements, A read where it stands.
template <class T>
void multiply_column(T* c, const Matrix<T>& a, const Matrix<T>& b,
                     const std::type_identity_t<Onto<T>>& onto) {
  constexpr int lanes = register_lanes<T>;
  for (Index i = 0; i < a.rows; i += lanes) {
    const Index first = std::min(i, a.rows - lanes);
    multiply_panel<lanes, 1>(c + first, a.rows, a.data + first, a.stride, RightColumns<T>(b),
                             a.columns, 1, i - first, onto.from_row(first));
  }
}

/// The same for A of fewer rows than a register has lanes: in memory where it has as many.
template <class T>
void multiply_few_rows(T* c, Index c_stride, const Matrix<T>& a, const Matrix<T>& b,
                       const std::type_identity_t<Onto<T>>& onto) {
  constexpr int lanes = register_lanes<T>;
  const Index m = a.rows, k = a.columns, n = b.columns;
  T *const left = packing_memory<T, 0>(lanes * (k + n)), *const product = left + lanes * k;
  std::fill_n(left, lanes * k, T(0));
  const Strides<T> stride(a);
  for (Index p = 0; p < k; ++p) {
    for (Index i = 0; i < m; ++i) left[i + p * lanes] = a.data[i * stride.row + p * stride.column];
  }
  multiply_by_panels<T>(product, lanes, {{left, lanes, k}}, b, true);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < m; ++i) {
      T& to = c[i + j * c_stride];
      const T before = !onto.assigns ? to : onto.column != nullptr ? onto.column[i] : T(0);
      to = before + product[i + j * lanes];
    }
  }
}

/// A product, A copied panel by panel.  All sizes are positive.
template <class T>
void multiply_packed(T* c, Index c_stride, const Matrix<T>& a, const Matrix<T>& b,
                     const std::type_identity_t<Onto<T>>& onto) {
  if (a.rows < register_lanes<T>) return multiply_few_rows(c, c_stride, a, b, onto);
  T* const memory = packing_memory<T, 0>(panel_rows<T> * panel_depth);
  multiply_by_panels<T>(c, c_stride, {a, memory}, b, onto);
}

/// The left factor of several products in a row, of few columns each, of which copying it would take
/// a large part.
template <class T>
class PackedFactor {
 public:
  /// Elements of memory that it needs to keep a matrix of that size or its transpose.
  static Index size(Index rows, Index columns) {
    return std::max(LeftPanels<T>::size(rows, columns), LeftPanels<T>::size(columns, rows));
  }
  /// \param memory  aligned like a tensor
  explicit PackedFactor(T* memory) : memory_(memory) {}

  /// A product; A is copied if it is not that of the last one.
  void multiply(T* c, const Matrix<T>& a, const Matrix<T>& b,
                const std::type_identity_t<Onto<T>>& onto) {
    const bool is_filled = a.data == data_ && a.transposed == transposed_;
    multiply_by_panels<T>(c, a.rows, {a, memory_, true, is_filled}, b, onto);
    data_ = a.data;
    transposed_ = a.transposed;
  }

 private:
  T* memory_;
  const T* data_ = nullptr;
  bool transposed_ = false;
};

}  // namespace gradtape::detail
