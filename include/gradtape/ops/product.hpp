#pragma once
/// \file
/// `detail::multiply`, through which all products of matrices go.  Those of floats and doubles are
/// panel_product.hpp's, or a BLAS's if the macro GRADTAPE_USE_BLAS is defined, which the CMake option
/// GRADTAPE_BLAS does.  Those of other types, and of large matrices with a vector, are Eigen's.

#include <Eigen/Core>
#include <algorithm>
#include <limits>
#include <type_traits>

#include "../core/workers.hpp"
#include "panel_product.hpp"

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

/// C += A B, each stored by columns or by rows.
template <Eigen::StorageOptions a_order, Eigen::StorageOptions b_order, class T>
void add_matrix_matrix(T* c, Index c_stride, const Matrix<T>& a, const Matrix<T>& b) {
  Eigen::internal::gemm_blocking_space<Eigen::ColMajor, T, T, Eigen::Dynamic, Eigen::Dynamic,
                                       Eigen::Dynamic>
      blocking(a.rows, b.columns, a.columns, 1, true);
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

/// A product in blocks of rows or of columns of C, by the threads that help this one.  More
/// blocks than threads: one of them may have to wait for a processor.
template <class T>
void multiply_shared(T* c, const Matrix<T>& a, const Matrix<T>& b,
                     const std::type_identity_t<Onto<T>>& onto) {
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
      multiply_packed(c + first * a.rows, a.rows, a, b.block(first, count), onto);
    } else {
      const Matrix<T> rows = a.transpose().block(first, count).transpose();
      multiply_packed(c + first, a.rows, rows, b, onto.from_row(first));
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

/// C = A B or C += A B
template <class T>
void multiply_by_blas(T* c, const Matrix<T>& a, const Matrix<T>& b, bool assign) {
  const char *a_form = a.transposed ? "T" : "N", *b_form = b.transposed ? "T" : "N";
  const int m = static_cast<int>(a.rows), n = static_cast<int>(b.columns),
            k = static_cast<int>(a.columns), a_stride = static_cast<int>(a.stride),
            b_stride = static_cast<int>(b.stride);
  const T one(1), share(assign ? 0 : 1);  // of what C was
  if constexpr (std::is_same_v<T, float>) {
    sgemm_(a_form, b_form, &m, &n, &k, &one, a.data, &a_stride, b.data, &b_stride, &share, c, &m);
  } else if constexpr (std::is_same_v<T, double>) {
    dgemm_(a_form, b_form, &m, &n, &k, &one, a.data, &a_stride, b.data, &b_stride, &share, c, &m);
  }
}
#endif

/// Lays down the columns that a product is added to.  Returns whether it assigns.
template <class T>
bool lay_down(T* c, Index rows, Index columns, const std::type_identity_t<Onto<T>>& onto) {
  if (onto.column == nullptr) return onto.assigns;
  const T one(1);
  if (rows == 1) {
    std::fill_n(c, columns, *onto.column);
  } else {
    multiply_vectors(c, onto.column, rows, &one, Index{0}, columns, true);
  }
  return false;
}

/// A product, by the way that suits the sizes.  Transposed vectors are dense as they are.
template <class T>
[[gnu::noinline]] void multiply_matrices(T* c, const Matrix<T>& a, const Matrix<T>& b,
                                         std::type_identity_t<Onto<T>> onto,
                                         [[maybe_unused]] PackedFactor<T>* packed) {
  constexpr bool has_panels = tile_width < T >> 1;
  constexpr Index few = 20;  // below, calling anything costs more than it saves
  if (a.rows * b.columns == 0) return;
  if constexpr (has_panels) {
    // where copying costs more than it saves: few passes over A, from the first-level cache
    if (!a.transposed && a.columns > 0 && a.rows >= register_lanes<T> &&
        (a.columns <= 64 || b.columns <= 4) && a.columns * b.columns <= 8192) {
      if (b.columns > 1) return multiply_by_panels<T>(c, a.rows, {a}, b, onto);
      if (a.columns <= 4) return multiply_column(c, a, b, onto);
    }
  }
  const bool is_small = a.rows + a.columns + b.columns < few;
  if constexpr (has_panels) {
    if (!is_small && a.rows > 1 && a.columns > 0 && b.columns > 1) {
#ifdef GRADTAPE_USE_BLAS
      if (has_blas_product(a, b))
        return multiply_by_blas(c, a, b, lay_down(c, a.rows, b.columns, onto));
#endif
      if (is_shared(a, b)) return multiply_shared(c, a, b, onto);
      if (packed != nullptr && a.rows >= register_lanes<T>) return packed->multiply(c, a, b, onto);
      return multiply_packed(c, a.rows, a, b, onto);
    }
  }
  const bool assigns = lay_down(c, a.rows, b.columns, onto);
  if (a.rows == 1 && b.columns == 1 && a.columns <= 64) {
    const T y = inner_product(a.data, b.data, a.columns);
    c[0] = assigns ? y : T(c[0] + y);
    return;
  }
  if (assigns) std::fill_n(c, a.rows * b.columns, T(0));
  if (a.columns == 0) return;
  if (is_small) return add_small_product(c, a, b);
  if (b.columns == 1) return add_matrix_vector(c, a, b.data);
  if (a.rows == 1) return add_matrix_vector(c, b.transpose(), a.data);
  if constexpr (!has_panels) add_matrix_matrix(c, a.rows, a, b);
}

/// C = A B, C += A B, or C = b 1^T + A B.
/// \param packed  where A is kept for the next product with it, if there is to be one.
template <class T>
[[gnu::always_inline]] inline void multiply(T* c, const Matrix<T>& a, const Matrix<T>& b,
                                            const std::type_identity_t<Onto<T>>& onto,
                                            PackedFactor<T>* packed = nullptr) {
  if (a.columns != 1 || onto.column != nullptr) return multiply_matrices(c, a, b, onto, packed);
  if (a.rows == 1)  // a row as a column: it is dense as well
    return multiply_vectors(c, b.data, b.columns, a.data, Index{1}, Index{1}, onto.assigns);
  multiply_vectors(c, a.data, a.rows, b.data, Index{1}, b.columns, onto.assigns);
}

}  // namespace gradtape::detail
