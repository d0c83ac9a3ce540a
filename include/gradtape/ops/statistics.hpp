#pragma once
/// \file
/// Reductions that measure size and spread: logsumexp, var, stddev, norm.  All are right wherever
/// their result is a number at all: no intermediate overflows or vanishes before it does.

#include "reduce.hpp"

namespace gradtape {

/// What is subtracted from the number of elements in a variance: 1 for the unbiased estimate from a
/// sample, 0 for the variance of the elements themselves.
struct Correction {
  /// Must be below the number of elements, which the operation checks.
  explicit constexpr Correction(Index subtracted) : value(subtracted) {}
  Index value;  ///< c, where a sum of squares is divided by n - c
};

namespace detail {

/// Euclidean length of x(0) .. x(n - 1), scaled only where squares would overflow or vanish.
template <class T, class F>
T euclidean(Index n, F&& x) {
  using std::sqrt;
  using Plain = std::decay_t<decltype(primal(T(0)))>;
  using Limits = std::numeric_limits<Plain>;
  const T sum = sum_each<T>(n, [&x](Index i) { return T(x(i) * x(i)); });
  const Plain plain = primal(sum);
  if (std::isnan(plain)) return sum;
  if (plain >= Limits::min() / Limits::epsilon() && plain <= Limits::max()) return T(sqrt(sum));
  Plain scale(0);
  for (Index i = 0; i < n; ++i) scale = std::max(scale, std::abs(Plain(primal(x(i)))));
  if (scale == Plain(0) || std::isinf(scale)) return T(scale);
  const T scaled = sum_each<T>(n, [&x, scale](Index i) {
    const T ratio(x(i) / T(scale));
    return T(ratio * ratio);
  });
  return T(T(sqrt(scaled)) * T(scale));
}

struct LogSumExp {
  static constexpr std::string_view name = "logsumexp";
  static constexpr bool needs_elements = false;

  template <class T>
  T value(const Line<const T>& x) const {
    using std::log1p;
    using Plain = std::decay_t<decltype(primal(T(0)))>;
    if (x.size == 0) return T(-std::numeric_limits<Plain>::infinity());
    const Index top = first_extreme(x, GreaterFirst());
    if (!is_finite(x[top])) return x[top];
    // without the largest itself, so that small terms keep their digits
    const T rest =
        sum_each<T>(x.size, [&](Index i) { return i == top ? T(0) : weight(x[i], x[top]); });
    return T(x[top] + T(log1p(rest)));
  }
  // not exp(x_i - y): where |y| is large, y has no digits left for the logarithm
  template <class T>
  void push(const Line<const T>& x, const T& y, const T& y_bar, const Line<T>& x_bar) const {
    const auto plain = primal(y);
    if (x.size == 0 || (std::isinf(plain) && plain < 0)) return;
    const T top = x[first_extreme(x, GreaterFirst())];
    const T all = sum_each<T>(x.size, [&](Index i) { return weight(x[i], top); });
    for (Index i = 0; i < x.size; ++i) x_bar[i] += T(y_bar * T(weight(x[i], top) / all));
  }

 private:
  /// exp(x - top), where the infinities that are the largest weigh alike.
  template <class T>
  static T weight(const T& x, const T& top) {
    using std::exp;
    if (std::isinf(primal(top)) && x == top) return T(1);
    return T(exp(T(x - top)));
  }
};

template <class T>
T mean_of_line(const Line<const T>& x) {
  const T sum = x.stride == 1 ? sum_of_run(x.data, x.size)
                              : sum_each<T>(x.size, [&x](Index i) { return x[i]; });
  return T(sum / T(x.size));
}

struct Variance {
  static constexpr std::string_view name = "var";
  static constexpr bool needs_elements = true;
  Index divisor;

  template <class T>
  T value(const Line<const T>& x) const {
    const T mean = mean_of_line(x);
    const T sum = sum_each<T>(x.size, [&](Index i) {
      const T distance(x[i] - mean);
      return T(distance * distance);
    });
    return T(sum / T(divisor));
  }
  template <class T>
  void push(const Line<const T>& x, const T&, const T& y_bar, const Line<T>& x_bar) const {
    const T mean = mean_of_line(x);
    const T factor(T(y_bar * T(2)) / T(divisor));
    for (Index i = 0; i < x.size; ++i) x_bar[i] += T(factor * T(x[i] - mean));
  }
};

struct StandardDeviation {
  static constexpr std::string_view name = "stddev";
  static constexpr bool needs_elements = true;
  Index divisor;

  template <class T>
  T value(const Line<const T>& x) const {
    using Plain = std::decay_t<decltype(primal(T(0)))>;
    const T mean = mean_of_line(x);
    const T length = euclidean<T>(x.size, [&](Index i) { return T(x[i] - mean); });
    return T(length / T(std::sqrt(static_cast<Plain>(divisor))));
  }
  template <class T>
  void push(const Line<const T>& x, const T& y, const T& y_bar, const Line<T>& x_bar) const {
    if (primal(y) == 0) return;
    const T mean = mean_of_line(x);
    const T factor(y_bar / T(divisor));
    for (Index i = 0; i < x.size; ++i) x_bar[i] += T(factor * T(T(x[i] - mean) / y));
  }
};

struct Norm {
  static constexpr std::string_view name = "norm";
  static constexpr bool needs_elements = false;

  template <class T>
  T value(const Line<const T>& x) const {
    return euclidean<T>(x.size, [&](Index i) { return x[i]; });
  }
  template <class T>
  void push(const Line<const T>& x, const T& y, const T& y_bar, const Line<T>& x_bar) const {
    if (primal(y) == 0) return;
    for (Index i = 0; i < x.size; ++i) x_bar[i] += T(y_bar * T(x[i] / y));
  }
};

template <class T>
Index variance_divisor(std::string_view operation, const Tensor<T>& x, Index n,
                       Correction correction) {
  if (n <= correction.value) {
    fail<DomainError>(
        operation, ": ", TensorHandle<T>::recording(x)->describe_node(TensorHandle<T>::index(x)),
        ": the number of elements (", n, ") must be above the correction (", correction.value, ")");
  }
  return n - correction.value;
}

}  // namespace detail

///@{
/// y = log sum_i exp(x_i),  x_bar_i += y_bar exp(x_i) / sum_j exp(x_j), without overflow.  Entries
/// of -inf weigh nothing; if all are, or if there are none, y = -inf with derivative 0.  With k
/// entries of inf y = inf, and the derivative to each of them is 1/k.
template <TensorEntity X>
auto logsumexp(const X& x) {
  return detail::reduce_as<detail::LogSumExp>(x);
}
template <TensorEntity X>
auto logsumexp(const X& x, Dim dim, KeepDims keep = {}) {
  return detail::reduce_as<detail::LogSumExp>(x, dim, keep);
}
///@}

///@{
/// Variance, with correction c.  y = sum_i (x_i - mean)^2 / (n - c),
/// x_bar_i += y_bar 2 (x_i - mean) / (n - c)
/// \throws DomainError unless n > c.
template <TensorEntity X>
auto var(const X& x, Correction correction = Correction(1)) {
  const auto t = detail::as_tensor("var", x);
  return detail::reduce(t,
                        detail::Variance{detail::variance_divisor("var", t, t.size(), correction)});
}
template <TensorEntity X>
auto var(const X& x, Dim dim, KeepDims keep, Correction correction = Correction(1)) {
  return detail::along("var", x, dim, [&](const auto& t, int d) {
    const Index divisor = detail::variance_divisor("var", t, t.shape()[d], correction);
    return detail::reduce(t, d, keep, detail::Variance{divisor});
  });
}
template <TensorEntity X>
auto var(const X& x, Dim dim, Correction correction = Correction(1)) {
  return var(x, dim, KeepDims(), correction);
}
///@}

///@{
/// Standard deviation, the root of `var`.  x_bar_i += y_bar (x_i - mean) / ((n - c) y); where all
/// elements are equal the derivative is 0.
/// \throws DomainError unless n > c.
template <TensorEntity X>
auto stddev(const X& x, Correction correction = Correction(1)) {
  const auto t = detail::as_tensor("stddev", x);
  return detail::reduce(
      t, detail::StandardDeviation{detail::variance_divisor("stddev", t, t.size(), correction)});
}
template <TensorEntity X>
auto stddev(const X& x, Dim dim, KeepDims keep, Correction correction = Correction(1)) {
  return detail::along("stddev", x, dim, [&](const auto& t, int d) {
    const Index divisor = detail::variance_divisor("stddev", t, t.shape()[d], correction);
    return detail::reduce(t, d, keep, detail::StandardDeviation{divisor});
  });
}
template <TensorEntity X>
auto stddev(const X& x, Dim dim, Correction correction = Correction(1)) {
  return stddev(x, dim, KeepDims(), correction);
}
///@}

///@{
/// Euclidean norm.  y = sqrt(sum_i x_i^2),  x_bar_i += y_bar x_i / y, and 0 where y = 0.  Right
/// also where the squares would overflow or vanish.
template <TensorEntity X>
auto norm(const X& x) {
  return detail::reduce_as<detail::Norm>(x);
}
template <TensorEntity X>
auto norm(const X& x, Dim dim, KeepDims keep = {}) {
  return detail::reduce_as<detail::Norm>(x, dim, keep);
}
///@}

}  // namespace gradtape
