#pragma once
/// \file
/// What layers over sequences share.  A batch of sequences is a tensor (D,T,n): column t of sample
/// j is its step t.  Samples may end before T: the steps from their length on are padding.

#include <optional>

#include "../ops/gather.hpp"
#include "initialize.hpp"

namespace gradtape::detail {

/// How many of T steps count in each of n samples; without a table all of them.
struct Lengths {
  Index steps, samples;
  Index shortest, longest;       // 0 if there are no samples
  const Index* table = nullptr;  // in the workspace of a tape

  Lengths(Index step_count, Index sample_count)
      : steps(step_count),
        samples(sample_count),
        shortest(sample_count == 0 ? 0 : step_count),
        longest(shortest) {}

  /// \throws ShapeError unless there is a length from 0 to T for each sample.
  Lengths(std::string_view layer, Index step_count, Index sample_count, const IndexTable& lengths)
      : Lengths(step_count, sample_count) {
    if (lengths.size() != samples)
      fail<ShapeError>(layer, ": ", lengths.size(), " lengths for ", samples, " samples");
    for (Index j = 0; j < samples; ++j) {
      if (lengths.data[j] >= 0 && lengths.data[j] <= steps) continue;
      fail<ShapeError>(layer, ": length ", lengths.data[j], " of sample ", j,
                       " is outside of 0 .. ", steps, ", the number of steps");
    }
    table = lengths.data;
    if (samples == 0) return;
    const auto [least, most] = std::minmax_element(table, table + samples);
    shortest = *least;
    longest = *most;
  }

  Index operator[](Index sample) const { return table == nullptr ? steps : table[sample]; }
};

/// y = x, or y += x, of n elements.
template <class T>
void add_vector(T* y, const T* x, Index n, bool assign) {
  if (assign) {
    std::copy_n(x, n, y);
  } else {
    for (Index i = 0; i < n; ++i) y[i] += x[i];
  }
}

/// Y(:,i,j,k) = X(:,j,i,k) where counts(i, j), else 0; X_bar likewise.
/// \param shape  of Y; it may be larger than X where nothing counts.
template <class T, class Counts>
Tensor<T> exchange(const Tensor<T>& x, const Shape& shape, const Counts& counts) {
  const Shape from = x.shape();
  // f(offset in Y, offset in X, whether it counts)
  const auto for_each_run = [=](auto&& f) {
    Index to = 0;
    for (Index k = 0; k < shape[3]; ++k) {
      for (Index j = 0; j < shape[2]; ++j) {
        for (Index i = 0; i < shape[1]; ++i, to += shape[0])
          f(to, shape[0] * (j + from[1] * (i + from[2] * k)), counts(i, j));
      }
    }
  };
  bool is_whole = shape.size() == from.size();  // every element of X counts
  for (Index j = 0; j < shape[2]; ++j) {
    for (Index i = 0; i < shape[1]; ++i) is_whole = is_whole && counts(i, j);
  }
  return record(
      "exchange", shape, {x},
      [&](MatrixMap<T> y) {
        for_each_run([&](Index to, Index at, bool is_counted) {
          if (is_counted) {
            std::copy_n(x.data() + at, shape[0], y.data() + to);
          } else {
            std::fill_n(y.data() + to, shape[0], T(0));
          }
        });
      },
      [x, for_each_run, is_whole, m = shape[0]](const Tensor<T>& y) {
        if (!adjoint(x).is_needed()) return;
        const T* const y_bar = y.grad().data();
        const GradientTarget<T> x_bar = adjoint(x).target();
        if (x_bar.first && !is_whole) std::fill_n(x_bar.data, x.size(), T(0));
        for_each_run([&](Index to, Index at, bool is_counted) {
          if (is_counted) add_vector(x_bar.data + at, y_bar + to, m, x_bar.first && is_whole);
        });
      });
}

/// X (D,T,n) -> (D,n,S), S steps up to the longest length: a step of all samples is contiguous.
/// Padding becomes 0, whatever it was.
template <class T>
Tensor<T> by_step(const Tensor<T>& x, const Lengths& lengths) {
  return exchange(x, Shape{x.rows(), lengths.samples, lengths.longest},
                  [lengths](Index sample, Index step) { return step < lengths[sample]; });
}

/// The outputs of all steps, each sample's contiguous, 0 in the padding.
///     Y(:,t,j) = H_t(:,j) for t < length j, else 0,  H_t_bar likewise     H_t (H,n) -> Y (H,T,n)
/// \param h  of as many steps as the longest length; it stays where it is as long as the recording
template <class T>
Tensor<T> by_sample(std::span<const Tensor<T>> h, const Lengths& lengths) {
  const Index m = h[0].rows();
  const auto offset = [=, steps = lengths.steps](Index t, Index j) { return m * (t + steps * j); };
  return record_tensor<T>(
      "by_sample", Shape{m, lengths.steps, lengths.samples}, h,
      [&](MatrixMap<T> y) {
        for (Index j = 0; j < lengths.samples; ++j) {
          for (Index t = 0; t < lengths[j]; ++t)
            std::copy_n(h[static_cast<std::size_t>(t)].data() + m * j, m, y.data() + offset(t, j));
          std::fill_n(y.data() + offset(lengths[j], j), m * (lengths.steps - lengths[j]), T(0));
        }
      },
      [h, m, lengths, offset](const Tensor<T>& y) {
        for (Index t = 0; t < lengths.longest; ++t) {
          const Adjoint<T> to = adjoint(h[static_cast<std::size_t>(t)]);
          if (!to.is_needed()) continue;
          const auto [h_bar, assign] = to.target();
          for (Index j = 0; j < lengths.samples; ++j) {
            if (t < lengths[j]) {
              add_vector(h_bar + m * j, y.grad().data() + offset(t, j), m, assign);
            } else if (assign) {
              std::fill_n(h_bar + m * j, m, T(0));
            }
          }
        }
      });
}

/// Initialises the blocks of rows of a weight, such as the gates', each like a weight of its own.
template <class T, class Initialize>
void initialize_blocks(Parameter<T>& weight, Index count, Initialize&& initialize) {
  const Index rows = weight.shape()[0] / count;
  for (Index i = 0; i < count; ++i) {
    Parameter<T> block(Shape{rows, weight.shape()[1]});
    initialize(block);
    weight.value().middleRows(rows * i, rows) = block.value();
  }
}

}  // namespace gradtape::detail
