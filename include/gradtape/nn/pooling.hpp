#pragma once
/// \file
/// Pooling: texts of different lengths, filled up to the longest, become one vector each.
///
///     x (D,T,n), lengths (n)  ->  (D,n)        column t of text k counts if t < lengths(k)
///
/// What is behind a text's end does not matter, even if it is NaN, and its gradient is 0.  A text
/// without words gives 0.

#include "../ops/gather.hpp"

namespace gradtape {
namespace detail {

/// \throws ShapeError unless x is (D,T,n), and there are n lengths from 0 to T.
template <class T>
void check_pooling(const char* operation, const Tensor<T>& x, const IndexTable& lengths) {
  const Shape& shape = x.shape();
  if (shape.rank() != 3) {
    fail<ShapeError>(operation, ": ", title(x, "x"), " is ", to_string(shape),
                     ": it must have three dimensions: features, steps, texts");
  }
  if (lengths.size() != shape[2]) {
    fail<ShapeError>(operation, ": ", title(x, "x"), " is ", to_string(shape), ": ", lengths.size(),
                     " lengths for its ", shape[2], " texts");
  }
  for (Index k = 0; k < lengths.size(); ++k) {
    if (lengths.data[k] >= 0 && lengths.data[k] <= shape[1]) continue;
    fail<ShapeError>(operation, ": length ", lengths.data[k], " at ", lengths.position(k),
                     " is outside of 0 to ", shape[1], ", the steps of ", title(x, "x"));
  }
}

/// \param pool  pool(k, words, y): text k, its words a column each -> its vector.
/// \param push  push(k, words_bar, y, y_bar): adds to the gradient of the words.
template <class X, class I, class Pool, class Push>
auto record_pooling(const char* operation, const X& x, const I& lengths, Pool&& pool, Push&& push) {
  using T = scalar_of<X>;
  using Words = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;
  using ConstWords = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>>;
  const Tensor<T> t = as_tensor(operation, x);
  const IndexTable count = copy_indices(t.tape(), lengths);
  check_pooling(operation, t, count);
  const Index d = t.rows(), text = d * t.shape()[1], n = t.shape()[2];
  return record(
      operation, Shape{d, n}, {t},
      [&](MatrixMap<T> y) {
        y.setZero();
        for (Index k = 0; k < n; ++k) {
          const ConstWords words(t.data() + k * text, d, count.data[k]);
          if (count.data[k] > 0) pool(k, words, y.col(k));
        }
      },
      [t, count, d, text, n, push](const Tensor<T>& y) {
        T* const t_bar = adjoint(t).accumulator().data();
        for (Index k = 0; k < n; ++k) {
          Words words_bar(t_bar + k * text, d, count.data[k]);
          if (count.data[k] > 0) push(k, words_bar, y.value().col(k), y.grad().col(k));
        }
      });
}

}  // namespace detail

/// Mean over a text's words.  y_k = 1/L_k sum_t x_tk,  x_bar_tk += y_bar_k / L_k for t < L_k
/// \param lengths  L: a vector, array or span of integers, or an Eigen vector of them.
/// \throws ShapeError unless x is (D,T,n), and there are n lengths from 0 to T; so do those below.
template <TensorEntity X, Indices I = std::initializer_list<Index>>
auto mean_pooling(const X& x, const I& lengths) {
  using T = detail::scalar_of<X>;
  return detail::record_pooling(
      "mean_pooling", x, lengths,
      [](Index, const auto& words, auto&& y) {
        for (Index t = 0; t < words.cols(); ++t) y += words.col(t);
        y /= T(words.cols());
      },
      [](Index, auto& words_bar, const auto&, const auto& y_bar) {
        const T count = T(words_bar.cols());
        for (Index t = 0; t < words_bar.cols(); ++t) words_bar.col(t) += y_bar / count;
      });
}

/// Largest element over a text's words, of each feature; its derivative goes to the first word that
/// has it.  The first NaN is the result, and its derivative NaN.
template <TensorEntity X, Indices I = std::initializer_list<Index>>
auto max_pooling(const X& x, const I& lengths) {
  using T = detail::scalar_of<X>;
  const Tensor<T> a = detail::as_tensor("max_pooling", x);
  const Index d = a.rows();
  Index* const best = a.tape().template workspace<Index>(d * a.shape()[2]);
  return detail::record_pooling(
      "max_pooling", a, lengths,
      [d, best](Index k, const auto& words, auto&& y) {
        Index* const position = best + k * d;
        std::fill_n(position, d, Index{0});
        y = words.col(0);
        for (Index t = 1; t < words.cols(); ++t) {
          for (Index i = 0; i < d; ++i) {
            if (y[i] != y[i] || words(i, t) <= y[i]) continue;
            y[i] = words(i, t);
            position[i] = t;
          }
        }
      },
      [d, best](Index k, auto& words_bar, const auto& y, const auto& y_bar) {
        for (Index i = 0; i < d; ++i)
          words_bar(i, best[k * d + i]) += y[i] == y[i] ? y_bar[i] : y[i];
      });
}

/// A text's last word.  y_k = x_tk,  x_bar_tk += y_bar_k for t = L_k - 1
template <TensorEntity X, Indices I = std::initializer_list<Index>>
auto last_pooling(const X& x, const I& lengths) {
  return detail::record_pooling(
      "last_pooling", x, lengths,
      [](Index, const auto& words, auto&& y) { y = words.col(words.cols() - 1); },
      [](Index, auto& words_bar, const auto&, const auto& y_bar) {
        words_bar.col(words_bar.cols() - 1) += y_bar;
      });
}

}  // namespace gradtape
