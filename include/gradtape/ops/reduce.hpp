#pragma once
/// \file
/// Reductions: of all elements to a scalar, or along one dimension to a tensor.
///
///     sum(x)                      all elements, a Var
///     sum(x, Dim(0))              along a dimension, which disappears:  [m, n] -> [n]
///     sum(x, Dim(0), keep_dims)   along a dimension, which stays as 1:  [m, n] -> [1, n]
///
/// A reduction is a struct: the value of one line of elements, and what flows back into it.

#include <cmath>
#include <limits>

#include "../core/record.hpp"

namespace gradtape {

/// Whether a reduced dimension stays, with size 1, so that the result broadcasts with the operand.
struct KeepDims {
  bool value = false;  ///< true: [m, n] becomes [1, n], not [n]
};
/// Keeps it: `sum(x, Dim(0), keep_dims)`.
inline constexpr KeepDims keep_dims{true};

namespace detail {

/// Elements at equal distances.
template <class T>
struct Line {
  T* data;
  Index size, stride;

  T& operator[](Index i) const { return data[i * stride]; }
};

/// The line that begins at a place of the inner and of the outer dimensions.
template <class T>
Line<T> line_at(const Axis& axis, T* data, Index j, Index k) {
  return {data + j + axis.inner * axis.n * k, axis.n, axis.inner};
}

/// Calls f(number, inner place, outer place) for all axis.
template <class F>
void for_each_line(const Axis& axis, F&& f) {
  for (Index k = 0; k < axis.outer; ++k) {
    for (Index j = 0; j < axis.inner; ++j) f(j + axis.inner * k, j, k);
  }
}

/// Sums pairwise, so that the rounding error grows with log n: the sums of short runs,
/// sum_of(start, length), are added like the digits of a binary counter.
template <class T, class SumOf>
T pairwise_sum(Index n, SumOf&& sum_of) {
  constexpr Index run = 256;
  if (n <= run) return sum_of(0, n);
  T level[64]{};
  const Index runs = n / run;
  for (Index r = 0; r < runs; ++r) {
    T sum = sum_of(r * run, run);
    int l = 0;
    for (; (r >> l & 1) != 0; ++l) sum += level[l];
    level[l] = sum;
  }
  T total = sum_of(runs * run, n - runs * run);
  for (int l = 0; runs >> l != 0; ++l) {
    if ((runs >> l & 1) != 0) total += level[l];
  }
  return total;
}

/// f(0) + .. + f(n - 1)
template <class T, class F>
T sum_each(Index n, F&& f) {
  return pairwise_sum<T>(n, [&f](Index start, Index length) {
    T sum(0);
    for (Index i = start; i < start + length; ++i) sum += f(i);
    return sum;
  });
}

/// The sum of neighbours.
template <class T>
T sum_of_run(const T* x, Index size) {
  return pairwise_sum<T>(size, [x](Index start, Index length) {
    constexpr Index width = lane_count<Lanes<T>>;
    Lanes<T> tiles(T(0));
    Index i = start;
    for (; i + width <= start + length; i += width) {
      Lanes<T> next;
      load(next, x + i);
      tiles = tiles + next;
    }
    T sum = sum_of(tiles);
    for (; i < start + length; ++i) sum += x[i];
    return sum;
  });
}

/// The position of the first NaN; if there is none, of the first element that no other precedes.
template <class T, class Precedes>
Index first_extreme(const Line<const T>& x, Precedes&& precedes) {
  Index best = 0;
  for (Index i = 1; i < x.size && x[best] == x[best]; ++i) {
    if (precedes(x[i], x[best]) || x[i] != x[i]) best = i;
  }
  return best;
}

struct GreaterFirst {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return a > b;
  }
};
struct LessFirst {
  template <class T>
  bool operator()(const T& a, const T& b) const {
    return a < b;
  }
};

template <class T>
[[gnu::cold]] void refuse_empty(std::string_view operation, const Tensor<T>& x) {
  fail<DomainError>(operation, ": ",
                    TensorHandle<T>::recording(x)->describe_node(TensorHandle<T>::index(x)),
                    " has no elements to reduce");
}

inline Shape reduced(const Shape& shape, int dimension, KeepDims keep) {
  if (keep.value) return shape.with(dimension, 1);
  Shape result;
  for (int d = 0, r = 0; d < shape.rank(); ++d) {
    if (d != dimension) result = result.with(r++, shape[d]);
  }
  return result;
}

/// A reduction of all elements, which are one line.
template <class T, class Op>
Var<T> reduce(const Tensor<T>& x, const Op& op) {
  const Index n = x.size();
  if (Op::needs_elements && n == 0) refuse_empty(Op::name, x);
  const T y = op.value(Line<const T>{x.data(), n, 1});
  return record(Op::name, {x}, y, [x, op, y, n](const T& y_bar) {
    T* const x_bar = adjoint(x).accumulator().data();
    op.push(Line<const T>{x.data(), n, 1}, y, y_bar, Line<T>{x_bar, n, 1});
  });
}

/// A reduction along a dimension.
template <class T, class Op>
Tensor<T> reduce(const Tensor<T>& x, int dimension, KeepDims keep, const Op& op) {
  const Axis axis(x.shape(), dimension);
  if (Op::needs_elements && axis.n == 0) refuse_empty(Op::name, x);
  return record(
      Op::name, reduced(x.shape(), dimension, keep), {x},
      [&](MatrixMap<T> y) {
        for_each_line(axis, [&](Index i, Index j, Index k) {
          y.data()[i] = op.value(line_at(axis, x.data(), j, k));
        });
      },
      [x, op, axis](const Tensor<T>& y) {
        const T *const x_data = x.data(), *const y_data = y.data(), *const y_bar = y.grad().data();
        T* const x_bar = adjoint(x).accumulator().data();
        for_each_line(axis, [&](Index i, Index j, Index k) {
          if (is_exact_zero(y_bar[i])) return;
          op.push(line_at(axis, x_data, j, k), y_data[i], y_bar[i], line_at(axis, x_bar, j, k));
        });
      });
}

/// The sum of all elements by a divisor.
template <class T>
Var<T> scaled_sum(std::string_view operation, const Tensor<T>& x, Index divisor) {
  const T y(sum_of_run(x.data(), x.size()) / T(divisor));
  return record(operation, {x}, y,
                [x, divisor](const T& y_bar) { adjoint(x) += T(y_bar / T(divisor)); });
}

/// The sums along a dimension by a divisor.
template <class T>
Tensor<T> scaled_sum(std::string_view operation, const Tensor<T>& x, int dimension, KeepDims keep,
                     Index divisor) {
  using Array = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic>;
  const Axis axis(x.shape(), dimension);
  return record(
      operation, reduced(x.shape(), dimension, keep), {x},
      [&](MatrixMap<T> y) {
        // neighbours are summed within a line, or else all lines of a block at once
        for (Index k = 0; axis.inner == 1 && k < axis.outer; ++k) {
          y.data()[k] = T(sum_of_run(x.data() + axis.n * k, axis.n) / T(divisor));
        }
        if (axis.inner == 1) return;
        Eigen::Map<Array> all(y.data(), axis.inner, axis.outer);
        all.setZero();
        for (Index k = 0; k < axis.outer; ++k) {
          const T* const block = x.data() + axis.inner * axis.n * k;
          for (Index i = 0; i < axis.n; ++i) {
            all.col(k) += Eigen::Map<const Array>(block + axis.inner * i, axis.inner, 1);
          }
        }
        if (divisor != 1) all /= T(divisor);
      },
      [x, axis, divisor](const Tensor<T>& y) {
        const T* const y_bar = y.grad().data();
        T* const x_bar = adjoint(x).accumulator().data();
        for (Index k = 0; k < axis.outer; ++k) {
          Eigen::Map<Array> block(x_bar + axis.inner * axis.n * k, axis.inner, axis.n);
          if (axis.inner == 1) {
            block += T(y_bar[k] / T(divisor));
            continue;
          }
          const Eigen::Map<const Array> line(y_bar + axis.inner * k, axis.inner, 1);
          for (Index i = 0; i < axis.n; ++i) block.col(i) += line.col(0) / T(divisor);
        }
      });
}

/// Products of all but one: prefix times suffix, which needs no division by zeros.
template <class T>
struct Prod {
  static constexpr std::string_view name = "prod";
  static constexpr bool needs_elements = false;
  T* prefix;  // as long as a line

  T value(const Line<const T>& x) const {
    T y(1);
    for (Index i = 0; i < x.size; ++i) y *= x[i];
    return y;
  }
  void push(const Line<const T>& x, const T&, const T& y_bar, const Line<T>& x_bar) const {
    T product(1);
    for (Index i = 0; i < x.size; ++i) {
      prefix[i] = product;
      product *= x[i];
    }
    T suffix = y_bar;
    for (Index i = x.size; i-- > 0;) {
      x_bar[i] += T(prefix[i] * suffix);
      suffix *= x[i];
    }
  }
};

/// The largest or smallest element.
template <class Precedes>
struct Extreme {
  static constexpr bool is_max = std::is_same_v<Precedes, GreaterFirst>;
  static constexpr std::string_view name = is_max ? "max" : "min";
  static constexpr bool needs_elements = true;

  template <class T>
  T value(const Line<const T>& x) const {
    return x[first_extreme(x, Precedes())];
  }
  template <class T>
  void push(const Line<const T>& x, const T& y, const T& y_bar, const Line<T>& x_bar) const {
    x_bar[first_extreme(x, Precedes())] += y == y ? y_bar : y;
  }
};

/// Calls reduction(tensor, index of the dimension).
template <class X, class Reduction>
auto along(std::string_view operation, const X& x, Dim dim, Reduction&& reduction) {
  const auto t = as_tensor(operation, x);
  return reduction(t, index_of(operation, dim, t.rank()));
}

template <class Op, class X>
auto reduce_as(const X& x, const Op& op = {}) {
  return reduce(as_tensor(Op::name, x), op);
}
template <class Op, class X>
auto reduce_as(const X& x, Dim dim, KeepDims keep, const Op& op = {}) {
  return along(Op::name, x, dim, [&](const auto& t, int d) { return reduce(t, d, keep, op); });
}

}  // namespace detail

/// Sum.  y = sum_i x_i,  x_bar_i += y_bar.  Of no elements 0.  Rounding errors grow with the
/// logarithm of the number of elements only, except along a dimension behind the first.
template <TensorEntity X>
auto sum(const X& x) {
  return detail::scaled_sum("sum", detail::as_tensor("sum", x), 1);
}
/// The same along a dimension: [m, n] -> [n] for Dim(0), [m] for Dim(1).
/// \throws ShapeError if there is no such dimension; so do all reductions below.
template <TensorEntity X>
auto sum(const X& x, Dim dim, KeepDims keep = {}) {
  return detail::along("sum", x, dim, [&](const auto& t, int d) {
    return detail::scaled_sum("sum", t, d, keep, 1);
  });
}

///@{
/// Mean.  y = 1/n sum_i x_i,  x_bar_i += y_bar / n
/// \throws DomainError if there are no elements.
template <TensorEntity X>
auto mean(const X& x) {
  const auto t = detail::as_tensor("mean", x);
  if (t.size() == 0) detail::refuse_empty("mean", t);
  return detail::scaled_sum("mean", t, t.size());
}
template <TensorEntity X>
auto mean(const X& x, Dim dim, KeepDims keep = {}) {
  return detail::along("mean", x, dim, [&](const auto& t, int d) {
    if (t.shape()[d] == 0) detail::refuse_empty("mean", t);
    return detail::scaled_sum("mean", t, d, keep, t.shape()[d]);
  });
}
///@}

/// A scalar has no elements to sum; this does not compile, and says so.
template <ScalarEntity X>
auto sum(const X& x) {
  static_assert(detail::always_false<X>,
                "gradtape: a scalar has no elements to reduce: it is its own sum and mean");
  return x;
}
/// The same of its mean.
template <ScalarEntity X>
auto mean(const X& x) {
  return sum(x);
}

///@{
/// Product.  y = prod_i x_i,  x_bar_i += y_bar prod_{j != i} x_j, right with any number of zeros.
/// Of no elements 1.
template <TensorEntity X>
auto prod(const X& x) {
  using T = detail::scalar_of<X>;
  const Tensor<T> t = detail::as_tensor("prod", x);
  return detail::reduce(t, detail::Prod<T>{t.tape().workspace(t.size())});
}
template <TensorEntity X>
auto prod(const X& x, Dim dim, KeepDims keep = {}) {
  using T = detail::scalar_of<X>;
  return detail::along("prod", x, dim, [&](const Tensor<T>& t, int d) {
    return detail::reduce(t, d, keep, detail::Prod<T>{t.tape().workspace(t.shape()[d])});
  });
}
///@}

///@{
/// Largest element; its derivative goes to the first position at a tie.  The first NaN is the
/// result, and its derivative NaN.
/// \throws DomainError if there are no elements.
template <TensorEntity X>
auto max(const X& x) {
  return detail::reduce_as<detail::Extreme<detail::GreaterFirst>>(x);
}
template <TensorEntity X>
auto max(const X& x, Dim dim, KeepDims keep = {}) {
  return detail::reduce_as<detail::Extreme<detail::GreaterFirst>>(x, dim, keep);
}
///@}

///@{
/// Smallest element; as `max`.
template <TensorEntity X>
auto min(const X& x) {
  return detail::reduce_as<detail::Extreme<detail::LessFirst>>(x);
}
template <TensorEntity X>
auto min(const X& x, Dim dim, KeepDims keep = {}) {
  return detail::reduce_as<detail::Extreme<detail::LessFirst>>(x, dim, keep);
}
///@}

/// Running sum along a dimension.  y_i = sum_{j <= i} x_j,  x_bar_j += sum_{i >= j} y_bar_i
template <TensorEntity X>
auto cumsum(const X& x, Dim dim) {
  using T = detail::scalar_of<X>;
  return detail::along("cumsum", x, dim, [&](const Tensor<T>& t, int d) {
    const detail::Axis axis(t.shape(), d);
    return record(
        "cumsum", t.shape(), {t},
        [&](MatrixMap<T> y) {
          detail::for_each_line(axis, [&](Index, Index j, Index k) {
            const auto from = detail::line_at(axis, t.data(), j, k);
            const auto to = detail::line_at(axis, y.data(), j, k);
            T running(0);
            for (Index i = 0; i < axis.n; ++i) to[i] = running += from[i];
          });
        },
        [t, axis](const Tensor<T>& y) {
          T* const x_bar = adjoint(t).accumulator().data();
          detail::for_each_line(axis, [&](Index, Index j, Index k) {
            const auto from = detail::line_at(axis, y.grad().data(), j, k);
            const auto to = detail::line_at(axis, x_bar, j, k);
            T running(0);
            for (Index i = axis.n; i-- > 0;) to[i] += running += from[i];
          });
        });
  });
}

namespace detail {

template <class Precedes, class X>
Index position_of(std::string_view operation, const X& x) {
  using T = scalar_of<X>;
  const Tensor<T> t = as_tensor(operation, x);
  if (t.size() == 0) refuse_empty(operation, t);
  return first_extreme(Line<const T>{t.data(), t.size(), 1}, Precedes());
}
template <class Precedes, class X>
Eigen::Matrix<Index, Eigen::Dynamic, 1> positions_of(std::string_view operation, const X& x,
                                                     Dim dim) {
  using T = scalar_of<X>;
  return along(operation, x, dim, [&](const Tensor<T>& t, int d) {
    const Axis axis(t.shape(), d);
    if (axis.n == 0) refuse_empty(operation, t);
    Eigen::Matrix<Index, Eigen::Dynamic, 1> result(axis.inner * axis.outer);
    for_each_line(axis, [&](Index i, Index j, Index k) {
      result[i] = first_extreme(line_at(axis, t.data(), j, k), Precedes());
    });
    return result;
  });
}

}  // namespace detail

/// Position of the largest element in column-major order: the first at a tie, the first NaN if
/// there is one.  A constant.
/// \throws DomainError if there are no elements.
template <TensorEntity X>
Index argmax(const X& x) {
  return detail::position_of<detail::GreaterFirst>("argmax", x);
}
/// Positions along a dimension, for all lines in column-major order: `argmax(logits, Dim(0))` is
/// the class of each sample.
template <TensorEntity X>
Eigen::Matrix<Index, Eigen::Dynamic, 1> argmax(const X& x, Dim dim) {
  return detail::positions_of<detail::GreaterFirst>("argmax", x, dim);
}
/// Position of the smallest element; as `argmax`.
template <TensorEntity X>
Index argmin(const X& x) {
  return detail::position_of<detail::LessFirst>("argmin", x);
}
/// Positions along a dimension; as `argmax`.
template <TensorEntity X>
Eigen::Matrix<Index, Eigen::Dynamic, 1> argmin(const X& x, Dim dim) {
  return detail::positions_of<detail::LessFirst>("argmin", x, dim);
}

}  // namespace gradtape
