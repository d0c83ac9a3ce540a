#pragma once
/// \file
/// `detail::multiply`, through which all products of matrices go.  They are Eigen's, or those of a
/// BLAS if the macro GRADTAPE_USE_BLAS is defined, which the CMake option GRADTAPE_BLAS does; what
/// is too small to be worth packing is computed right here.

#include <Eigen/Core>
#include <algorithm>
#include <limits>
#include <type_traits>

#include "../core/parameter.hpp"
#include "../core/tile_memory.hpp"
#include "../core/workers.hpp"

#ifdef GRADTAPE_USE_BLAS
extern "C" {
void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*,
            const float*, const int*, const float*, const int*, const float*, float*, const int*);
void dgemm_(const char*, const char*, const int*, const int*, const int*, const double*,
            const double*, const int*, const double*, const int*, const double*, double*,
            const int*);
}
#endif

namespace gradtape::detail {

/// A dense column-major matrix that may count as its transpose; rows and columns are those that it
/// counts with.
template <class T>
struct Matrix {
  const T* data;
  Index rows, columns;
  bool transposed = false;
  Index stride = transposed ? columns : rows;  // from one column to the next, as stored

  Matrix transpose() const { return {data, columns, rows, !transposed, stride}; }
  /// The columns from `first` on; not dense any more if they are stored as rows.
  Matrix block(Index first, Index count) const {
    return {data + first * (transposed ? 1 : stride), rows, count, transposed, stride};
  }
};

template <class T>
using DenseMap = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
using ConstDenseMap = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;
template <class T>
using ConstVectorMap = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>;

// Eigen's kernels are called without its expressions, which would be compiled anew for each order
// of the operands: that takes a third of the time, and the products are the same.

/// y += A x, A stored by columns or by rows.
template <Eigen::StorageOptions order, class T>
void add_matrix_vector(T* y, const Matrix<T>& a, const T* x) {
  using Left = Eigen::internal::const_blas_data_mapper<T, Index, order>;
  constexpr auto other = order == Eigen::ColMajor ? Eigen::RowMajor : Eigen::ColMajor;
  using Right = Eigen::internal::const_blas_data_mapper<T, Index, other>;
  Eigen::internal::general_matrix_vector_product<Index, T, Left, order, false, T, Right,
                                                 false>::run(a.rows, a.columns,
                                                             Left(a.data, a.stride), Right(x, 1), y,
                                                             1, T(1));
}
template <class T>
void add_matrix_vector(T* y, const Matrix<T>& a, const T* x) {
  if (a.transposed) {
    add_matrix_vector<Eigen::RowMajor>(y, a, x);
  } else {
    add_matrix_vector<Eigen::ColMajor>(y, a, x);
  }
}

/// Memory of a thread for packed operands, kept from product to product: Eigen would take large ones
/// from the heap each time.
template <class T>
T* packing_memory(Index size) {
  thread_local TensorMemory<T> memory;
  thread_local Index available = 0;
  if (available < size) {
    memory = TensorMemory<T>(size);
    available = size;
  }
  return memory.get();
}

/// How a product is cut to fit the caches, and where its blocks are packed.
template <class T>
struct ProductBlocking : Eigen::internal::level3_blocking<T, T> {
  ProductBlocking(Index m, Index n, Index k) {
    this->m_mc = m;
    this->m_nc = n;
    this->m_kc = k;
    Eigen::internal::computeProductBlockingSizes<T, T, 1>(this->m_kc, this->m_mc, this->m_nc,
                                                          Index{1});
    if constexpr (std::is_arithmetic_v<T>) {
      const Index a_size = rounded(this->m_mc * this->m_kc);
      this->m_blockA = packing_memory<T>(a_size + rounded(this->m_kc * this->m_nc));
      this->m_blockB = this->m_blockA + a_size;
    }
  }

 private:
  static Index rounded(Index size) {
    constexpr Index unit = tensor_alignment / sizeof(T) > 0 ? tensor_alignment / sizeof(T) : 1;
    return (size + unit - 1) / unit * unit;
  }
};

/// C += A B, each stored by columns or by rows.
template <Eigen::StorageOptions a_order, Eigen::StorageOptions b_order, class T>
void add_matrix_matrix(T* c, Index c_stride, const Matrix<T>& a, const Matrix<T>& b) {
  ProductBlocking<T> blocking(a.rows, b.columns, a.columns);
  Eigen::internal::general_matrix_matrix_product<Index, T, a_order, false, T, b_order, false,
                                                 Eigen::ColMajor, 1>::run(a.rows, b.columns,
                                                                          a.columns, a.data,
                                                                          a.stride, b.data,
                                                                          b.stride, c, 1, c_stride,
                                                                          T(1), blocking, nullptr);
}

template <class T>
void add_matrix_matrix(T* c, Index c_stride, const Matrix<T>& a, const Matrix<T>& b) {
  if (a.transposed) {
    b.transposed ? add_matrix_matrix<Eigen::RowMajor, Eigen::RowMajor>(c, c_stride, a, b)
                 : add_matrix_matrix<Eigen::RowMajor, Eigen::ColMajor>(c, c_stride, a, b);
  } else {
    b.transposed ? add_matrix_matrix<Eigen::ColMajor, Eigen::RowMajor>(c, c_stride, a, b)
                 : add_matrix_matrix<Eigen::ColMajor, Eigen::ColMajor>(c, c_stride, a, b);
  }
}

/// The last factor A of products C += A B, kept as Eigen's kernel reads it: for several products in
/// a row with the same A and few columns each, of which packing A would take a large part.
template <class T>
class PackedFactor {
 public:
  /// \param memory  aligned like a tensor, for as many elements as A has.
  explicit PackedFactor(T* memory) : memory_(memory) {}

  void add_product(T* c, const Matrix<T>& a, const Matrix<T>& b) {
    if (a.data != data_ || a.transposed != transposed_)
      a.transposed ? pack<Eigen::RowMajor>(a) : pack<Eigen::ColMajor>(a);
    b.transposed ? add<Eigen::RowMajor>(c, a, b) : add<Eigen::ColMajor>(c, a, b);
  }

 private:
  using Traits = Eigen::internal::gebp_traits<T, T>;
  template <Eigen::StorageOptions order>
  using Source = Eigen::internal::const_blas_data_mapper<T, Index, order>;

  template <Eigen::StorageOptions order>
  void pack(const Matrix<T>& a) {
    data_ = a.data;
    transposed_ = a.transposed;
    depth_ = ProductBlocking<T>(a.rows, a.rows, a.columns).kc();
    Eigen::internal::gemm_pack_lhs<T, Index, Source<order>, Traits::mr, Traits::LhsProgress,
                                   typename Traits::LhsPacket4Packing, order>
        pack_block;
    const Source<order> from(a.data, a.stride);
    for (Index p = 0; p < a.columns; p += depth_)
      pack_block(memory_ + a.rows * p, from.getSubMapper(0, p), depth(a, p), a.rows);
  }

  template <Eigen::StorageOptions order>
  void add(T* c, const Matrix<T>& a, const Matrix<T>& b) const {
    using Target = Eigen::internal::blas_data_mapper<T, Index, Eigen::ColMajor, Eigen::Unaligned>;
    Eigen::internal::gemm_pack_rhs<T, Index, Source<order>, Traits::nr, order> pack_block;
    Eigen::internal::gebp_kernel<T, T, Index, Target, Traits::mr, Traits::nr, false, false> kernel;
    const Source<order> from(b.data, b.stride);
    T* const block = packing_memory<T>(depth_ * b.columns);
    for (Index p = 0; p < a.columns; p += depth_) {
      pack_block(block, from.getSubMapper(p, 0), depth(a, p), b.columns);
      kernel(Target(c, a.rows), memory_ + a.rows * p, block, a.rows, depth(a, p), b.columns, T(1));
    }
  }

  Index depth(const Matrix<T>& a, Index p) const { return std::min(depth_, a.columns - p); }

  T* memory_;
  const T* data_ = nullptr;
  bool transposed_ = false;
  Index depth_ = 0;
};

/// C += A B in blocks of rows or of columns of C, by the threads that help this one.  More blocks than
/// threads: one of them may have to wait for a processor.
template <class T>
void add_shared_product(T* c, const Matrix<T>& a, const Matrix<T>& b) {
  const bool by_columns = b.columns >= a.rows;
  const Index size = by_columns ? b.columns : a.rows;
  constexpr Index least = 64;
  const Index parts = std::clamp<Index>(size / least, 1, 3 * workers->count()),
              block = (size / parts + 15) / 16 * 16;  // of whole registers
  auto part = [&](int i) {
    const Index first = std::min(size, i * block),
                count = i + 1 == parts ? size - first : std::min(size - first, block);
    if (count == 0) return;
    if (by_columns) {
      add_matrix_matrix(c + first * a.rows, a.rows, a, b.block(first, count));
    } else {
      add_matrix_matrix(c + first, a.rows, a.transpose().block(first, count).transpose(), b);
    }
  };
  workers->run(
      static_cast<int>(parts), [](void* data, int i) { (*static_cast<decltype(part)*>(data))(i); },
      &part);
}

/// Whether a product is large enough to be shared out: it takes a quarter of a millisecond or more,
/// and to wake up a thread some ten microseconds.
template <class T>
bool is_shared(const Matrix<T>& a, const Matrix<T>& b) {
  constexpr double least = 8e6;
  return workers != nullptr && static_cast<double>(a.rows) * static_cast<double>(a.columns) *
                                       static_cast<double>(b.columns) >=
                                   least;
}

#ifdef GRADTAPE_USE_BLAS
/// Whether a BLAS has products of T and of these sizes.
template <class T>
bool has_blas_product(const Matrix<T>& a, const Matrix<T>& b) {
  constexpr Index most = std::numeric_limits<int>::max();
  return (std::is_same_v<T, float> ||
          std::is_same_v<T, double>)&&std::max({a.rows, a.columns, b.columns}) <= most;
}

/// C += A B
template <class T>
void add_blas_product(T* c, const Matrix<T>& a, const Matrix<T>& b) {
  const char *a_form = a.transposed ? "T" : "N", *b_form = b.transposed ? "T" : "N";
  const int m = static_cast<int>(a.rows), n = static_cast<int>(b.columns),
            k = static_cast<int>(a.columns), a_stride = static_cast<int>(a.stride),
            b_stride = static_cast<int>(b.stride);
  const T one(1);
  if constexpr (std::is_same_v<T, float>) {
    sgemm_(a_form, b_form, &m, &n, &k, &one, a.data, &a_stride, b.data, &b_stride, &one, c, &m);
  } else if constexpr (std::is_same_v<T, double>) {
    dgemm_(a_form, b_form, &m, &n, &k, &one, a.data, &a_stride, b.data, &b_stride, &one, c, &m);
  }
}
#endif

/// Where element (i, j) of a matrix stands: i row + j column elements behind its first.
template <class T>
struct Strides {
  Index row, column;
  explicit Strides(const Matrix<T>& x)
      : row(x.transposed ? x.columns : 1), column(x.transposed ? 1 : x.rows) {}
};

/// C = A B or C += A B for W rows that fill vector registers, as many columns at a time as the
/// registers hold beside the rows of A; the rest of the columns half as many at a time.
/// \param write  called as write(rows of a column, where they stand in C)
template <int W, int columns, class T, class Write>
[[gnu::always_inline]] inline void set_rows(T* c, Index c_stride, const T* a, Index a_stride,
                                            const T* b, const Strides<T>& b_stride, Index k,
                                            Index n, bool assign, const Write& write) {
  using X = Tile<T, W>;
  Index column[std::size_t{columns}];
  unrolled<columns>([&](int q) __attribute__((always_inline)) {
    column[q] = q * b_stride.column;
#ifdef __clang__
    // else clang adds the stride up from column to column in the inner loop, each sum waiting for
    // the one before
    asm("" : "+r"(column[q]));
#endif
  });
  for (; n >= columns; n -= columns) {
    X sum[std::size_t{columns}];
    if (assign) {
      unrolled<columns>([&](int q) __attribute__((always_inline)) { sum[q] = X(T(0)); });
    } else {
      unrolled<columns>([&](int q)
                            __attribute__((always_inline)) { load(sum[q], c + q * c_stride); });
    }
    const T* factor = b;
    for (Index p = 0; p < k; ++p, factor += b_stride.row) {
      X x;
      load(x, a + p * a_stride);
      unrolled<columns>([&](int q) __attribute__((always_inline)) {
        sum[q] = multiply_add(x, factor[column[q]], sum[q]);
      });
    }
    unrolled<columns>([&](int q)
                          __attribute__((always_inline)) { write(sum[q], c + q * c_stride); });
    b += columns * b_stride.column;
    c += columns * c_stride;
  }
  if constexpr (columns > 1) {
    if (n > 0) set_rows<W, columns / 2>(c, c_stride, a, a_stride, b, b_stride, k, n, assign, write);
  }
}

/// C = A B or C += A B without packing, A not transposed, of at least as many rows as fill a register.
template <class T>
void set_unpacked_product(T* c, const Matrix<T>& a, const Matrix<T>& b, bool assign) {
  constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));
  using Register = Tile<T, lanes>;
  const Strides<T> b_stride(b);
  const Index m = a.rows, k = a.columns, n = b.columns;
  const auto write = [](const auto& x, T* to) __attribute__((always_inline)) { store(x, to); };
  Index i = 0;
  if (n == 1) {
    for (; i + lanes <= m; i += lanes)
      set_rows<lanes, 1>(c + i, m, a.data + i, m, b.data, b_stride, k, n, assign, write);
  }
  for (; i + 3 * lanes <= m; i += 3 * lanes)
    set_rows<3 * lanes, 4>(c + i, m, a.data + i, m, b.data, b_stride, k, n, assign, write);
  for (; i + lanes <= m; i += lanes)
    set_rows<lanes, 8>(c + i, m, a.data + i, m, b.data, b_stride, k, n, assign, write);
  if (i == m) return;

  // the last register's first rows have been written
  const Index done = i + lanes - m;
  const auto is_done = nonzero(first_lanes(Register(T(1)), done));
  const auto write_rest = [&](const Register& x, T* to) __attribute__((always_inline)) {
    Register before;
    load(before, to);
    store(select(is_done, before, x), to);
  };
  i -= done;
  set_rows<lanes, 8>(c + i, m, a.data + i, m, b.data, b_stride, k, n, assign, write_rest);
}

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
  if (n == 1) return multiply_vector(c, a, m, *b, assign);
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

/// C = A B, or C += A B, by the way that suits the sizes.  One row or column makes a matrix-vector
/// product: the matrix product would pack both operands first.  Transposed vectors are dense as they
/// are.
template <class T>
[[gnu::noinline]] void multiply_matrices(T* c, const Matrix<T>& a, const Matrix<T>& b, bool assign,
                                         [[maybe_unused]] PackedFactor<T>* packed) {
  if (a.rows * b.columns == 0) return;
  if constexpr (lane_count < Lanes < T >>> 1) {
    // where packing costs more than it saves: few passes over A, from the first-level cache
    constexpr Index lanes = register_bytes / static_cast<Index>(sizeof(T));
    if (!a.transposed && a.columns > 0 && a.rows >= lanes && (a.columns <= 64 || b.columns <= 4) &&
        a.columns * b.columns <= 8192 && (b.columns > 1 || a.columns <= 4))
      return set_unpacked_product(c, a, b, assign);
  }
  if (a.rows == 1 && b.columns == 1 && a.columns <= 64) {
    const T y = inner_product(a.data, b.data, a.columns);
    c[0] = assign ? y : T(c[0] + y);
    return;
  }
  if (assign) std::fill_n(c, a.rows * b.columns, T(0));
  if (a.columns == 0) return;
  constexpr Index few = 20;  // below, calling anything costs more than it saves
  if (a.rows + a.columns + b.columns < few) return add_small_product(c, a, b);
  if (b.columns == 1) return add_matrix_vector(c, a, b.data);
  if (a.rows == 1) return add_matrix_vector(c, b.transpose(), a.data);
#ifdef GRADTAPE_USE_BLAS
  if (has_blas_product(a, b)) return add_blas_product(c, a, b);
#endif
  if constexpr (std::is_floating_point_v<T>) {
    if (is_shared(a, b)) return add_shared_product(c, a, b);
    if (packed != nullptr) return packed->add_product(c, a, b);
  }
  add_matrix_matrix(c, a.rows, a, b);
}

/// C = A B, or C += A B.
/// \param packed  where A is kept for the next product with it, if there is to be one.
template <class T>
[[gnu::always_inline]] inline void multiply(T* c, const Matrix<T>& a, const Matrix<T>& b,
                                            bool assign, PackedFactor<T>* packed = nullptr) {
  if (a.columns != 1) return multiply_matrices(c, a, b, assign, packed);
  if (a.rows == 1)  // a row as a column: it is dense as well
    return multiply_vectors(c, b.data, b.columns, a.data, Index{1}, Index{1}, assign);
  multiply_vectors(c, a.data, a.rows, b.data, Index{1}, b.columns, assign);
}

}  // namespace gradtape::detail
