#pragma once
/// \file
/// Softmax and its logarithm: scores z become positive numbers that sum to 1.
///
///     p_i = exp(z_i - m) / s,      s = sum_i exp(z_i - m),      m = max_i z_i
///
/// Subtracting the largest score changes nothing but rounding, and nothing overflows.  Some scores
/// may be -inf: their p is 0.  A column with NaN, with +inf or with nothing but -inf has no
/// softmax: NaN.  A p below the smallest normal number is 0. Source: Goodfellow, Bengio and
/// Courville (2016), Deep learning, 4.1 and 6.2.2.3.

#include <limits>

#include "../core/record.hpp"
#include "functions.hpp"

namespace gradtape {
namespace detail {

template <class T>
using ColumnMap = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>, 0, Eigen::InnerStride<>>;
template <class T>
using ConstColumnMap =
    Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, 0, Eigen::InnerStride<>>;
template <class T>
using ContiguousColumn = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using ConstContiguousColumn = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;

/// The largest element, a constant also where T is differentiated: by what softmax is shifted.
template <class Column>
typename Column::Scalar largest(const Column& z) {
  using T = typename Column::Scalar;
  if constexpr (std::is_arithmetic_v<T>) {
    return z.maxCoeff();
  } else {
    auto m = primal(z.coeff(0));
    for (Index i = 1; i < z.size(); ++i) m = std::max(m, primal(z.coeff(i)));
    return T(m);
  }
}

/// exp(x) for x <= 0, exactly 0 where the result would not be a normal number: slow to compute
/// with.
template <class X>
X exp_of_nonpositive(const X& x) {
  using std::exp;
  if constexpr (std::is_same_v<X, float> || std::is_same_v<X, double>) {
    constexpr X lowest = std::is_same_v<X, float> ? X(-87.336544) : X(-708.39641853226410);
    return x < lowest ? X(0) : exp(x);
  } else {
    return X(exp(x));
  }
}

/// y = exp(x - shift) for n contiguous elements, x <= shift; their sum.  y may be x.
template <class T>
T shifted_exponentials(const T* x, T* y, Index n, const T& shift) {
  using X = Lanes<T>;
  X sum(T(0));
  const X all_shift(shift);
  const Index whole = n / lane_count<X> * lane_count<X>;
  for (Index i = 0; i < whole; i += lane_count<X>) {
    X lanes;
    load(lanes, x + i, lane_count<X>);
    const X e = exp_of_nonpositive(X(lanes - all_shift));
    store(e, y + i, lane_count<X>);
    sum = sum + e;
  }
  T total = sum_of(sum);
  if (whole < n) {
    X lanes;
    load(lanes, x + whole, n - whole);
    store(exp_of_nonpositive(X(lanes - all_shift)), y + whole, n - whole);
    for (Index i = whole; i < n; ++i) total += y[i];
  }
  return total;
}

/// The sum of n contiguous elements, in an order that does not depend on where they stand in memory,
/// as that of Eigen's does.
template <class T>
T sum_in_order(const T* x, Index n) {
  constexpr Index ways = tile_width < T >> 1 ? 8 : 1;
  T part[std::size_t{ways}]{};
  Index i = 0;
  for (; i + ways <= n; i += ways) {
    for (Index k = 0; k < ways; ++k) part[k] += x[i + k];
  }
  for (Index half = ways / 2; half > 0; half /= 2) {
    for (Index k = 0; k < half; ++k) part[k] += part[k + half];
  }
  for (; i < n; ++i) part[0] += x[i];
  return part[0];
}

/// e = exp(z - m) for all columns of a matrix, m the column's largest element; then for each column
/// f(column, its e, m, sum of e).  Short columns go in blocks that stay in cache; within one the
/// exponential runs over all columns as if they were one, which is what makes it fast.
/// \param keep  whether e is of the size of z; if not, `scratch_size` elements serve all blocks.
template <class T, class F>
void exponentials_of_columns(const T* z, T* e, Index rows, Index columns, bool keep, F&& f) {
  constexpr Index most_columns = 128, long_column = 256;
  if (rows == 0) return;
  if (rows >= long_column) {
    for (Index i = 0; i < columns; ++i) {
      T* const column = keep ? e + i * rows : e;
      const T shift = largest(ConstContiguousColumn<T>(z + i * rows, rows));
      const T sum = shifted_exponentials(z + i * rows, column, rows, shift);
      f(i, column, shift, sum);
    }
    return;
  }
  const Index block = std::clamp<Index>(2048 / rows, 1, most_columns);
  T shift[most_columns];
  for (Index start = 0; start < columns; start += block) {
    const Index count = std::min(block, columns - start);
    T* const block_e = keep ? e + start * rows : e;
    for (Index i = 0; i < count; ++i) {
      const ConstContiguousColumn<T> column(z + (start + i) * rows, rows);
      shift[i] = largest(column);
      ContiguousColumn<T>(block_e + i * rows, rows) = column - shift[i];
    }
    shifted_exponentials(block_e, block_e, count * rows, T(0));
    for (Index i = 0; i < count; ++i) {
      T* const column = block_e + i * rows;
      f(start + i, column, shift[i], sum_in_order(column, rows));
    }
  }
}
inline Index scratch_size(Index rows, Index columns) {
  return std::min(rows * columns, std::max<Index>(2048, rows));
}

/// e = exp(z - max z) of the columns of z, for a forward and a backward pass.  In between they stand
/// where the gradient of z will: that memory lies idle until the first contribution arrives.  If that
/// is another one they are computed again.  Several losses of the same z keep the same numbers there.
template <class T>
class KeptExponentials {
 public:
  explicit KeptExponentials(const Tensor<T>& z)
      : z_(TensorHandle<T>::node(z, "softmax")),
        recording_(*TensorHandle<T>::recording(z)),
        is_kept_(z_.grad != nullptr && z_.sweep == 0) {}

  /// f(column, its largest element, sum of its e) for all columns.
  template <class F>
  void compute(F&& f) const {
    visit(is_kept_ ? z_.grad : nullptr,
          [&](Index i, const T*, const T& shift, const T& sum) { f(i, shift, sum); });
  }

  /// Announces a contribution to z_bar: f(column, its z_bar, its e, whether to assign) for all
  /// columns.  z_bar and e may stand in one place.
  template <class F>
  void contribute(F&& f) const {
    const bool is_intact = is_kept_ && z_.sweep == 0;
    const GradientTarget<T> target = gradient_target(z_, recording_);
    const Index n = z_.shape.rows();
    const auto contribute_to = [&](Index i, const T* e) {
      ContiguousColumn<T> z_bar(target.data + i * n, n);
      f(i, z_bar, ConstContiguousColumn<T>(e, n), target.first);
    };
    if (is_intact) {
      for (Index i = 0; i < z_.shape.columns(); ++i) contribute_to(i, target.data + i * n);
    } else {
      visit(nullptr, [&](Index i, const T* e, const T&, const T&) { contribute_to(i, e); });
    }
  }

 private:
  /// \param to  where all of them are left; null: nowhere
  template <class F>
  void visit(T* to, F&& f) const {
    const Index rows = z_.shape.rows(), columns = z_.shape.columns();
    const Arena::Mark mark = recording_.arena.mark();
    T* const e = to != nullptr
                     ? to
                     : recording_.arena.template allocate<T>(
                           static_cast<std::size_t>(scratch_size(rows, columns)), tensor_alignment);
    exponentials_of_columns(z_.value, e, rows, columns, to != nullptr, f);
    recording_.arena.rewind(mark);
  }

  Node<T>& z_;
  Recording<T>& recording_;
  bool is_kept_;
};

/// f(offset of the first element) for each line.
template <class F>
void for_each_line_start(const Axis& axis, F&& f) {
  for (Index k = 0; k < (axis.n == 0 ? 0 : axis.outer); ++k) {
    for (Index j = 0; j < axis.inner; ++j) f(j + axis.inner * axis.n * k);
  }
}

/// x_bar = rule(y, y_bar, c) for each line, element by element, where c = factor(y, y_bar) is of
/// the whole line.
template <class T, class Factor, class Rule>
void push_lines(const Tensor<T>& x, const Tensor<T>& y, const Axis& axis, Factor&& factor,
                Rule&& rule) {
  if (!adjoint(x).is_needed()) return;
  const GradientTarget<T> target = adjoint(x).target();
  const T *const values = y.data(), *const bars = y.grad().data();
  const auto push = [&](auto&& lanes, Index at, Index count, const T& c) {
    using X = std::remove_cvref_t<decltype(lanes)>;
    X bar;
    load(lanes, values + at, count);
    load(bar, bars + at, count);
    const X share = rule(lanes, bar, X(c));
    if (target.first) {
      store(share, target.data + at, count);
    } else {
      add_to(share, target.data + at, count);
    }
  };
  const Index n = axis.n;
  for_each_line_start(axis, [&](Index at) {
    if (axis.inner == 1) {
      using X = Lanes<T>;
      const T c =
          factor(ConstContiguousColumn<T>(values + at, n), ConstContiguousColumn<T>(bars + at, n));
      for (Index i = 0; i < n; i += lane_count<X>)
        push(X(), at + i, std::min<Index>(lane_count<X>, n - i), c);
    } else {
      const Eigen::InnerStride<> stride(axis.inner);
      const T c = factor(ConstColumnMap<T>(values + at, n, stride),
                         ConstColumnMap<T>(bars + at, n, stride));
      for (Index i = 0; i < n; ++i) push(T(), at + i * axis.inner, 1, c);
    }
  });
}

/// The dimension's index; a rank of 0 counts as 1.
inline int line_dimension(const char* operation, const Shape& shape, Dim dim) {
  return index_of(operation, dim, std::max(1, shape.rank()));
}

template <class T>
Tensor<T> record_softmax(const Tensor<T>& x, Dim dim) {
  const Axis axis(x.shape(), line_dimension("softmax", x.shape(), dim));
  return record(
      "softmax", x.shape(), {x},
      [&](MatrixMap<T> y) {
        const Index n = axis.n;
        if (axis.inner == 1) {
          exponentials_of_columns(
              x.data(), y.data(), n, axis.outer, true,
              [n](Index, T* p, const T&, const T& sum) { ContiguousColumn<T>(p, n) /= sum; });
          return;
        }
        for_each_line_start(axis, [&](Index at) {
          const Eigen::InnerStride<> stride(axis.inner);
          const ConstColumnMap<T> z(x.data() + at, n, stride);
          ColumnMap<T> p(y.data() + at, n, stride);
          const T m = largest(z);
          for (Index i = 0; i < n; ++i) p[i] = exp_of_nonpositive<T>(T(z[i] - m));
          const T sum = p.sum();
          p /= sum;
        });
      },
      [x, axis](const Tensor<T>& y) {
        push_lines(
            x, y, axis, [](const auto& p, const auto& p_bar) -> T { return (p * p_bar).sum(); },
            []<class X>(const X& p, const X& p_bar, const X& dot) {
              return X(p * X(p_bar - dot));
            });
      });
}

template <class T>
Tensor<T> record_log_softmax(const Tensor<T>& x, Dim dim) {
  const Axis axis(x.shape(), line_dimension("log_softmax", x.shape(), dim));
  return record(
      "log_softmax", x.shape(), {x},
      [&](MatrixMap<T> y) {
        using std::log;
        const Index n = axis.n;
        if (axis.inner == 1) {
          exponentials_of_columns(x.data(), y.data(), n, axis.outer, true,
                                  [&](Index i, T* column, const T& m, const T& sum) {
                                    const T log_sum = T(log(sum));
                                    ContiguousColumn<T>(column, n) =
                                        ConstContiguousColumn<T>(x.data() + i * n, n) - m - log_sum;
                                  });
          return;
        }
        for_each_line_start(axis, [&](Index at) {
          const Eigen::InnerStride<> stride(axis.inner);
          const ConstColumnMap<T> z(x.data() + at, n, stride);
          const T m = largest(z);
          T sum(0);
          for (Index i = 0; i < n; ++i) sum += exp_of_nonpositive<T>(T(z[i] - m));
          const T log_sum = T(log(sum));
          ColumnMap<T>(y.data() + at, n, stride) = z - m - log_sum;
        });
      },
      [x, axis](const Tensor<T>& y) {
        push_lines(
            x, y, axis, [](const auto&, const auto& y_bar) -> T { return y_bar.sum(); },
            []<class X>(const X& log_p, const X& y_bar, const X& sum) {
              return X(y_bar - X(exp_of_nonpositive(log_p) * sum));
            });
      });
}

}  // namespace detail

/// Softmax along a dimension: by default the first, a column a sample.  Shapes: any -> the same.
///     p = exp(z - max z) / sum,   z_bar += p (p_bar - sum_i p_i p_bar_i)
/// Right for any finite z, and where some are -inf; see above.
/// \throws ShapeError if there is no such dimension.
template <TensorEntity X>
auto softmax(const X& z, Dim dim = Dim(0)) {
  return detail::record_softmax(detail::as_tensor("softmax", z), dim);
}

/// The logarithm of the softmax along a dimension: by default the first.  Shapes: any -> the same.
///     y = z - max z - log sum_i exp(z_i - max z),   z_bar += y_bar - p sum_i y_bar_i,   p = exp(y)
/// Right for any finite z; -inf where z is, if some are finite.
/// \throws ShapeError if there is no such dimension.
template <TensorEntity X>
auto log_softmax(const X& z, Dim dim = Dim(0)) {
  return detail::record_log_softmax(detail::as_tensor("log_softmax", z), dim);
}

}  // namespace gradtape
