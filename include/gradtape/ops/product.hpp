#pragma once
/// \file
/// `detail::multiply`, through which all products of matrices go.  They are Eigen's, or those of a
/// BLAS if the macro GRADTAPE_USE_BLAS is defined, which the CMake option GRADTAPE_BLAS does, or
/// small_product.hpp's.

#include <Eigen/Core>
#include <algorithm>
#include <limits>
#include <type_traits>

#include "../core/workers.hpp"
#include "small_product.hpp"

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
