#pragma once
/// \file
/// Embedding lookup: columns of a matrix, picked by integers.
///
///     Y_k = E_{i_k}            E_bar_j += sum of Y_bar_k over all k with i_k = j
///
/// The adjoint of E is sparse in its columns.  Of a parameter it is kept so: only the columns that
/// were used are written (`Parameter::touched_columns`), which makes a step's cost independent of
/// the size of the vocabulary.  Source: Bengio et al. (2003), A neural probabilistic language
/// model, JMLR 3, section 2: the table C.

#include <concepts>
#include <initializer_list>
#include <iterator>

#include "../core/record.hpp"

namespace gradtape {
namespace detail {

template <class X>
inline constexpr bool is_index = std::is_integral_v<X> && !std::is_same_v<X, bool>;

template <class X>
constexpr bool is_indices() {
  if constexpr (EigenDense<X>) {
    return is_index<typename X::Scalar>;
  } else if constexpr (requires(const X& x) {
                         std::data(x);
                         std::size(x);
                       }) {
    return is_index<std::remove_cvref_t<decltype(*std::data(std::declval<const X&>()))>>;
  } else {
    return false;
  }
}

}  // namespace detail

/// An index whose entry is a constant: it gets no gradient from lookups.  Negative: there is none.
struct Padding {
  Index index = -1;  ///< of the row or column that is looked up
};

/// Integers that pick something: an Eigen vector or matrix of them, or a contiguous range such as
/// std::vector<int>, an array or a std::span.
template <class X>
concept Indices = detail::is_indices<X>();

namespace detail {

/// Indices in the workspace of a tape, column-major, with the sizes that they came in: a vector of
/// n, Eigen's or not, has n rows.
struct IndexTable {
  Index* data;
  Index rows, columns;
  bool is_vector;

  Index size() const { return rows * columns; }
  /// Where number k stands, for an error text.
  std::string position(Index k) const {
    return is_vector ? concat("position ", k) : concat("position (", k % rows, ", ", k / rows, ")");
  }
};

template <class T, Indices I>
IndexTable copy_indices(Tape<T>& tape, const I& indices) {
  if constexpr (EigenDense<I>) {
    const IndexTable table{tape.template workspace<Index>(indices.size()), indices.rows(),
                           indices.cols(), bool(I::IsVectorAtCompileTime)};
    Eigen::Map<Eigen::Array<Index, Eigen::Dynamic, Eigen::Dynamic>>(
        table.data, table.rows, table.columns) = indices.derived().array().template cast<Index>();
    return table;
  } else {
    const auto n = static_cast<Index>(std::size(indices));
    Index* const data = tape.template workspace<Index>(n);
    for (Index k = 0; k < n; ++k) data[k] = static_cast<Index>(std::data(indices)[k]);
    return {data, n, 1, true};
  }
}

/// A tensor's name, or what it is to the operation if it has none.
template <class T>
std::string title(const Tensor<T>& x, const char* role) {
  const std::string_view name = TensorHandle<T>::node(x, role).label();
  return name.empty() ? role : std::string(name);
}

/// x_bar_j(k) += y_bar_k for the columns k of y_bar, but where j(k) is the padding.
template <class T>
void add_to_columns(const Tensor<T>& x, const IndexTable& j, Padding padding,
                    const ConstMatrixMap<T>& y_bar) {
  Node<T>& node = TensorHandle<T>::node(x, "adjoint");
  if (!needs_grad(node)) return;
  if (node.parameter == nullptr) {
    MatrixMap<T> x_bar = adjoint(x).accumulator();
    for (Index k = 0; k < j.size(); ++k) {
      if (j.data[k] != padding.index) x_bar.col(j.data[k]) += y_bar.col(k);
    }
    return;
  }
  ParameterState<T>& state = *node.parameter;
  state.begin_columns();
  MatrixMap<T> x_bar(state.gradient_memory(), node.shape.rows(), node.shape.columns());
  for (Index k = 0; k < j.size(); ++k) {
    if (j.data[k] == padding.index) continue;
    if (state.begin_column(j.data[k])) {
      x_bar.col(j.data[k]) = y_bar.col(k);
    } else {
      x_bar.col(j.data[k]) += y_bar.col(k);
    }
  }
}

/// The columns number j of E, one behind the other, in a result of the given shape.
template <class T>
Tensor<T> record_gather(const char* operation, const Tensor<T>& e, const IndexTable& j,
                        Padding padding, const Shape& shape) {
  const Index d = e.rows();
  return record(
      operation, shape, {e},
      [&](MatrixMap<T> y) {
        MatrixMap<T> columns(y.data(), d, j.size());
        const ConstMatrixMap<T> table = e.value();
        for (Index k = 0; k < j.size(); ++k) columns.col(k) = table.col(j.data[k]);
      },
      [e, j, padding, d](const Tensor<T>& y) {
        add_to_columns(e, j, padding, ConstMatrixMap<T>(y.grad().data(), d, j.size()));
      });
}

template <class T>
void check_gather(const char* operation, const Tensor<T>& e, const IndexTable& j) {
  if (e.rank() != 2) {
    fail<ShapeError>(operation, ": ", title(e, "the table"), " is ", to_string(e.shape()),
                     ": it must be a matrix, a column an entry");
  }
  const Index v = e.columns();
  for (Index k = 0; k < j.size(); ++k) {
    if (j.data[k] >= 0 && j.data[k] < v) continue;
    fail<ShapeError>(operation, ": index ", j.data[k], " at ", j.position(k), " is outside of the ",
                     v, " columns of ", title(e, "the table"));
  }
}

}  // namespace detail

/// Columns of E, picked by indices.        E (D,V), i (n) -> (D,n);   i (N,n) -> (D,N,n)
///     y(:,k) = E(:,i(k)),   E_bar(:,j) += sum of y_bar(:,k) over all k with i(k) = j
/// A parameter comes onto a tape with `tape.parameter(E)`.  The indices are copied.  The column of
/// the padding is looked up like any other, but gets no gradient.
/// \throws ShapeError if an index is negative or not below V, or E is not a matrix.
template <TensorEntity X, Indices I = std::initializer_list<Index>>
auto gather(const X& table, const I& indices, Padding padding = {}) {
  const auto e = detail::as_tensor("gather", table);
  const detail::IndexTable j = detail::copy_indices(e.tape(), indices);
  detail::check_gather("gather", e, j);
  const Shape shape = j.is_vector ? Shape{e.rows(), j.size()} : Shape{e.rows(), j.rows, j.columns};
  return detail::record_gather("gather", e, j, padding, shape);
}

/// The embeddings of a window of N words, one below the other, as a network's input.
///     E (D,V), i (N,n) -> (D N, n), a column of i a sample;   i (N) -> (D N), one sample
///     y = [E(:,i(1)); ...; E(:,i(N))] for each column of i
/// One node, without a copy more than `gather`: the memory is the same.  Throws as `gather` does.
template <TensorEntity X, Indices I = std::initializer_list<Index>>
auto gather_window(const X& table, const I& windows, Padding padding = {}) {
  const auto e = detail::as_tensor("gather_window", table);
  const detail::IndexTable j = detail::copy_indices(e.tape(), windows);
  detail::check_gather("gather_window", e, j);
  Shape shape{e.rows() * j.rows, j.columns};
  if (j.is_vector && j.columns == 1) shape = shape.with_rank(1);
  return detail::record_gather("gather_window", e, j, padding, shape);
}

}  // namespace gradtape
