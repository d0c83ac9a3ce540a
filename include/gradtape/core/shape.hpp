#pragma once
/// \file
/// Sizes of a tensor.  Storage is column-major: the first dimension (the features) is contiguous,
/// the last one (the samples) is the slowest.  Dimensions beyond the rank count as 1, so that a
/// vector [m] broadcasts over the columns of a matrix [m, n].

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "error.hpp"

namespace gradtape {

/// Sizes, positions and class numbers: signed, as Eigen counts.
using Index = Eigen::Index;

/// Up to four sizes, features first: [m], [m, n], [m, k, batch], [m, k, heads, batch].
class Shape {
 public:
  static constexpr int max_rank = 4;  ///< more dimensions than this are refused

  /// Rank 0: one element.
  constexpr Shape() = default;

  /// The first size, the second, ...: `Shape{3, 4}` has 3 rows and 4 columns.
  /// \throws ShapeError for more than four sizes, negative ones, and more elements than an Index
  /// counts.
  constexpr Shape(std::initializer_list<Index> sizes) : rank_(static_cast<int>(sizes.size())) {
    if (sizes.size() > max_rank) {
      detail::fail<ShapeError>("shape: rank ", sizes.size(), " is above the largest rank, ",
                               int(max_rank));
    }
    int d = 0;
    for (const Index size : sizes) {
      if (size < 0)
        detail::fail<ShapeError>("shape: size ", size, " of dimension ", d, " is negative");
      size_[static_cast<std::size_t>(d++)] = size;
    }
    check_size();
  }

  /// Number of dimensions, 0 to 4.
  constexpr int rank() const { return rank_; }

  /// Size of a dimension; 1 for those beyond the rank.
  constexpr Index operator[](int dimension) const {
    return size_[static_cast<std::size_t>(dimension)];
  }

  /// Number of elements.
  constexpr Index size() const { return size_[0] * size_[1] * size_[2] * size_[3]; }
  /// Size of the first dimension, the contiguous one; 1 for rank 0.
  constexpr Index rows() const { return size_[0]; }
  /// Number of columns when everything behind the first dimension is laid side by side.
  constexpr Index columns() const { return size_[1] * size_[2] * size_[3]; }

  /// Equal ranks and sizes: [3] is not [3, 1].
  constexpr bool operator==(const Shape& other) const {
    bool equal = rank_ == other.rank_;  // of arrays compilers make a call
    for (std::size_t d = 0; d < max_rank; ++d) equal = equal && size_[d] == other.size_[d];
    return equal;
  }

  /// The same shape with another size in one dimension; the rank grows if it must.
  constexpr Shape with(int dimension, Index size) const {
    Shape result = *this;
    result.size_[static_cast<std::size_t>(dimension)] = size;
    result.rank_ = std::max(rank_, dimension + 1);
    result.check_size();
    return result;
  }

  /// The first `rank` dimensions; those cut off must be 1.
  constexpr Shape with_rank(int rank) const {
    Shape result = *this;
    result.rank_ = rank;
    return result;
  }

 private:
  // a size of 0 does not hide the others: their product is the number of columns, for one
  constexpr void check_size() const {
    Index product = 1;
    for (const Index size : size_) {
      if (__builtin_mul_overflow(product, std::max(size, Index{1}), &product))
        detail::fail<ShapeError>("shape: the number of elements is too large");
    }
  }

  std::array<Index, max_rank> size_{1, 1, 1, 1};
  int rank_ = 0;
};

/// "[3, 4]"; "[]" for rank 0.
[[gnu::cold]] inline std::string to_string(const Shape& shape) {
  std::string text("[");
  for (int d = 0; d < shape.rank(); ++d) {
    if (d > 0) text.append(", ");
    detail::TextPart(shape[d]).append_to(text);
  }
  return text.append("]");
}

/// A dimension of a tensor, for operations along one: `sum(x, Dim(0))`.  Negative: counted from the
/// end.  A type of its own, so that `max(x, Dim(0))` is not the larger of x and 0.
struct Dim {
  /// Whether there is such a dimension is checked by the operation.
  explicit constexpr Dim(int dimension) : index(dimension) {}
  int index;  ///< as given: possibly negative
};

namespace detail {

/// The index of a dimension of a tensor of that rank.
/// \throws ShapeError naming the operation if there is no such dimension.
inline int index_of(std::string_view operation, Dim dim, int rank) {
  const int index = dim.index < 0 ? dim.index + rank : dim.index;
  if (index < 0 || index >= rank) {
    fail<ShapeError>(operation, ": there is no dimension ", dim.index, " in a tensor of rank ",
                     rank);
  }
  return index;
}

/// The elements of a tensor as seen from one dimension: element i of the line (j, k) along it is at
/// j + inner (i + n k).  There are inner * outer such lines.
struct Axis {
  Index inner = 1, n = 1, outer = 1;

  /// All elements as one line.
  explicit constexpr Axis(const Shape& shape) : n(shape.size()) {}
  constexpr Axis(const Shape& shape, int dimension) : n(shape[dimension]) {
    for (int d = 0; d < dimension; ++d) inner *= shape[d];
    for (int d = dimension + 1; d < Shape::max_rank; ++d) outer *= shape[d];
  }
};

/// The shape of an element-wise result.  Equal sizes, or one of them 1.
/// \throws ShapeError naming the operation and both shapes.
inline Shape broadcast(std::string_view operation, const Shape& a, const Shape& b) {
  Shape result = a.with_rank(std::max(a.rank(), b.rank()));
  for (int d = 0; d < result.rank(); ++d) {
    if (a[d] == b[d] || b[d] == 1) continue;
    if (a[d] != 1) {
      fail<ShapeError>(operation, ": ", to_string(a), " and ", to_string(b),
                       " do not broadcast: sizes of dimension ", d, " (", a[d], " and ", b[d],
                       ") must be equal, or one of them 1");
    }
    result = result.with(d, b[d]).with_rank(result.rank());
  }
  return result;
}

}  // namespace detail
}  // namespace gradtape
