#pragma once
/// \file
/// Losses of a choice among V classes: a column of scores a sample.
///
///     softmax_cross_entropy(z, words)              z (V,n) logits, words n integers
///     softmax_cross_entropy(z, q)                  q (V,n) distributions
///     nll(log_p, words)                            log_p (V,n) logarithms of probabilities
///
/// Reductions are those of losses.hpp.  With more dimensions, z (V,T,n), the samples are all
/// columns, and their losses have the shape (T,n).

#include <span>

#include "losses.hpp"
#include "softmax.hpp"

namespace gradtape {

/// Options of `softmax_cross_entropy` with integer targets.
template <class T>
struct CrossEntropyOptions {
  Index ignore_index = -100;           ///< samples of this target contribute nothing
  T label_smoothing = T(0);            ///< share of the target spread evenly over all classes
  std::span<const T> class_weights{};  ///< one for each class; none: all 1
};

/// Options of `nll`.
template <class T>
struct NllOptions {
  Index ignore_index = -100;           ///< samples of this target contribute nothing
  std::span<const T> class_weights{};  ///< one for each class; none: all 1
};

namespace detail {

/// Samples with integer targets, in the workspace of a tape.
template <class T>
struct LabelledSamples {
  Index classes, count;
  const Index* target;              // -1: ignored
  const T* class_weight = nullptr;  // null: all 1
  T total_weight = T(0);            // of the targets' classes

  T weight(Index i) const { return class_weight == nullptr ? T(1) : class_weight[target[i]]; }
};

/// The shape of the samples: all but the first dimension.
inline Shape samples_of(const Shape& s) {
  return Shape{s[1], s[2], s[3]}.with_rank(std::max(0, s.rank() - 1));
}

template <class T, Indices I>
LabelledSamples<T> label_samples(const char* operation, const Tensor<T>& z, const I& targets,
                                 Index ignore_index, std::span<const T> class_weights) {
  Tape<T>& tape = z.tape();
  const IndexTable table = copy_indices(tape, targets);
  const Index v = z.rows(), n = z.columns();
  const bool same_shape =
      table.is_vector ? table.size() == n
                      : table.rows == z.shape()[1] && table.columns == z.shape()[2] * z.shape()[3];
  if (!same_shape) {
    const Shape given = table.is_vector ? Shape{table.size()} : Shape{table.rows, table.columns};
    fail<ShapeError>(operation, ": ", title(z, "the prediction"), " is ", to_string(z.shape()),
                     ", the targets are ", to_string(given),
                     ": there must be one for each column (", n, ")");
  }
  LabelledSamples<T> samples{v, n, table.data};
  if (!class_weights.empty()) {
    if (static_cast<Index>(class_weights.size()) != v) {
      fail<ShapeError>(operation, ": ", class_weights.size(), " class weights for ", v,
                       " classes of ", title(z, "the prediction"));
    }
    T* const weights = tape.template workspace<T>(v);
    std::copy(class_weights.begin(), class_weights.end(), weights);
    samples.class_weight = weights;
  }
  SumOf<T> total(0);
  for (Index i = 0; i < n; ++i) {
    Index& target = table.data[i];
    if (target == ignore_index) {
      target = -1;
      continue;
    }
    if (target < 0 || target >= v) {
      fail<ShapeError>(operation, ": target ", target, " of sample ", i, " is not a class of ",
                       title(z, "the prediction"), ", which has ", v);
    }
    total += samples.weight(i);
  }
  samples.total_weight = T(total);
  return samples;
}

/// Records losses of samples: forward(store) calls store(i, loss) for each; backward(weight) adds
/// the gradient of sum_i weight(i) loss_i.
template <class T, class R, class Forward, class Backward>
auto record_sample_losses(const char* operation, std::initializer_list<Tensor<T>> operands,
                          const Shape& shape, R, const T& scale, Forward&& forward,
                          Backward&& backward) {
  if constexpr (std::is_same_v<R, reduce::None>) {
    return record(
        operation, shape, operands,
        [&](MatrixMap<T> y) {
          forward([data = y.data()](Index i, const T& loss) { data[i] = loss; });
        },
        [backward](const Tensor<T>& y) {
          backward([data = y.grad().data()](Index i) { return data[i]; });
        });
  } else {
    SumOf<T> sum(0);
    forward([&sum](Index, const T& loss) { sum += loss; });
    return record(operation, operands, T(T(sum) * scale), [backward, scale](const T& y_bar) {
      const T weight = T(y_bar * scale);
      backward([&weight](Index) { return weight; });
    });
  }
}

/// 1 / divisor for a mean, where a divisor of 0 makes loss and gradient 0; 1 for a sum.
template <class T, class R>
T sample_scale(const char* operation, R reduction, Index samples, const T& divisor) {
  const T scale = loss_scale<T>(operation, reduction, samples);
  if constexpr (std::is_same_v<R, reduce::Mean>) {
    return primal(divisor) == 0 ? T(0) : T(T(1) / divisor);
  } else {
    return scale;
  }
}

/// What the backward pass of softmax cross-entropy needs.  z_bar of sample i is
/// r (factor_i e - spread - hit_i onehot), r the adjoint of its loss, e = exp(z - max z).
template <class T>
struct SoftmaxState {
  KeptExponentials<T> exponentials;
  T *factor, *hit;
  T smoothing;  // the share of each class in a smoothed target
};

template <class T, class Weight>
void push_softmax_cross_entropy(const LabelledSamples<T>& samples, const SoftmaxState<T>& state,
                                Weight&& weight) {
  const bool smooth = !is_exact_zero(state.smoothing);
  state.exponentials.contribute([&](Index i, auto& z_bar, const auto& e, bool assign) {
    if (samples.target[i] < 0) {
      if (assign) z_bar.setConstant(T(0));
      return;
    }
    const T r = weight(i), factor = T(r * state.factor[i]), hit = T(r * state.hit[i]);
    if (assign) {
      z_bar = e * factor;
    } else {
      z_bar += e * factor;
    }
    if (smooth) {
      const T spread = T(r * state.smoothing);
      if (samples.class_weight == nullptr) {
        z_bar -= spread;
      } else {
        z_bar -= ConstContiguousColumn<T>(samples.class_weight, samples.classes) * spread;
      }
    }
    z_bar[samples.target[i]] -= hit;
  });
}

template <class T, class R>
auto record_softmax_cross_entropy(const Tensor<T>& z, const LabelledSamples<T>& samples,
                                  const T& label_smoothing, R reduction) {
  constexpr auto operation = "softmax_cross_entropy";
  Tape<T>& tape = z.tape();
  const Index v = samples.classes, n = samples.count;
  const T scale = sample_scale<T>(operation, reduction, n, samples.total_weight);
  const bool smooth = !is_exact_zero(label_smoothing);
  const T smoothing = smooth ? T(label_smoothing / T(static_cast<PlainOf<T>>(v))) : T(0);
  const SoftmaxState<T> state{KeptExponentials<T>(z), tape.template workspace<T>(n),
                              tape.template workspace<T>(n), smoothing};
  T all_weights(static_cast<PlainOf<T>>(v));
  if (smooth && samples.class_weight != nullptr)
    all_weights = ConstContiguousColumn<T>(samples.class_weight, v).sum();

  const auto forward = [&](auto&& store) {
    using std::log;
    for (Index i = 0; v == 0 && i < n; ++i) store(i, T(0));
    state.exponentials.compute([&](Index i, const T& shift, const T& sum) {
      if (samples.target[i] < 0) return store(i, T(0));
      const ConstContiguousColumn<T> scores(z.data() + i * v, v);
      const T log_sum = T(log(sum)), hit = T((T(1) - label_smoothing) * samples.weight(i));
      T loss = T(hit * (log_sum - (scores[samples.target[i]] - shift)));
      T mass = hit;
      if (smooth) {
        const T spread_scores =
            samples.class_weight == nullptr
                ? T((scores - shift).sum())
                : T((ConstContiguousColumn<T>(samples.class_weight, v) * (scores - shift)).sum());
        loss += smoothing * (all_weights * log_sum - spread_scores);
        mass += smoothing * all_weights;
      }
      state.hit[i] = hit;
      state.factor[i] = T(mass / sum);
      store(i, loss);
    });
  };
  return record_sample_losses<T>(
      operation, {z}, samples_of(z.shape()), reduction, scale, forward,
      [samples, state](auto&& weight) { push_softmax_cross_entropy(samples, state, weight); });
}

/// Columns of z against columns of targets q:  l = sum_j q_j (log s - (z_j - m)).
template <class T, class R>
auto record_softmax_cross_entropy(const Tensor<T>& z, const Tensor<T>& q, R reduction) {
  constexpr auto operation = "softmax_cross_entropy";
  using X = Lanes<T>;
  check_same_shape(operation, z, q, "the target");
  Tape<T>& tape = z.tape();
  const Index v = z.rows(), n = z.columns();
  const T scale = loss_scale<T>(operation, reduction, n);
  const KeptExponentials<T> exponentials(z);
  T* const factor = tape.template workspace<T>(n);   // sum of q / sum of e
  T* const log_sum = tape.template workspace<T>(n);  // log of the sum of exp(z)
  T* const shift = tape.template workspace<T>(n);

  const auto forward = [&](auto&& store) {
    using std::log;
    for (Index i = 0; v == 0 && i < n; ++i) store(i, T(0));
    exponentials.compute([&](Index i, const T& m, const T& sum) {
      shift[i] = m;
      log_sum[i] = T(log(sum));
      factor[i] = T(ConstContiguousColumn<T>(q.data() + i * v, v).sum() / sum);
      T loss(0);
      for (Index j = i * v; j < (i + 1) * v; j += lane_count<X>) {
        const Index count = std::min<Index>(lane_count<X>, (i + 1) * v - j);
        X share, score;
        load(share, q.data() + j, count);
        load(score, z.data() + j, count);
        const X term = share * X(X(log_sum[i]) - X(score - X(m)));
        loss += sum_of(select(nonzero(share), term, X(Literal<X>(0))));
      }
      store(i, loss);
    });
  };
  return record_sample_losses<T>(
      operation, {z, q}, samples_of(z.shape()), reduction, scale, forward,
      [z, q, exponentials, factor, log_sum, shift, v, n](auto&& weight) {
        if (adjoint(z).is_needed()) {
          exponentials.contribute([&](Index i, auto& z_bar, const auto& e, bool assign) {
            const T r = T(weight(i)), f = T(r * factor[i]);
            const ConstContiguousColumn<T> shares(q.data() + i * v, v);
            if (assign) {
              z_bar = e * f - shares * r;
            } else {
              z_bar += e * f - shares * r;
            }
          });
        }
        if (!adjoint(q).is_needed()) return;
        const GradientTarget<T> target = adjoint(q).target();
        for (Index i = 0; i < n; ++i) {
          ContiguousColumn<T> q_bar(target.data + i * v, v);
          const auto log_p = ConstContiguousColumn<T>(z.data() + i * v, v) - shift[i] - log_sum[i];
          if (target.first) q_bar.setConstant(T(0));
          q_bar -= log_p * T(weight(i));
        }
      });
}

}  // namespace detail

///@{
/// Cross-entropy of softmax(z) and one class for each column.
///     z (V,n), targets (n) -> scalar or (n)
///     l_i = -w_t log softmax(z_i)_t,  z_bar_i += l_bar_i w_t (softmax(z_i) - onehot(t)),  t = t_i
/// A mean divides by the sum of w_t over the samples that are not ignored (their number, without
/// class weights); where that is 0, loss and gradient are 0 (PyTorch: NaN).  Label smoothing eps
/// replaces the one-hot target by (1 - eps) onehot + eps / V, before weighting each class's share
/// with w.  Exact for any finite z, also with the wrong label; the losses of a column without
/// softmax are NaN.  Targets may be any `Indices`.
/// Source: Szegedy et al. (2016), Rethinking the Inception architecture, section 7, for smoothing.
/// \throws ShapeError if a target is not a class, or their number is not that of the columns;
///         DomainError for the mean of an empty batch or a smoothing outside of [0, 1].
template <TensorEntity X, Indices I = std::initializer_list<Index>, Reduction R = reduce::Mean>
auto softmax_cross_entropy(const X& logits, const I& targets,
                           const CrossEntropyOptions<typename X::Scalar>& options,
                           R reduction = {}) {
  using T = typename X::Scalar;
  constexpr auto operation = "softmax_cross_entropy";
  const auto smoothing = detail::primal(options.label_smoothing);
  if (!(smoothing >= 0 && smoothing <= 1)) {
    detail::fail<DomainError>(operation, ": a label smoothing of ", smoothing,
                              " is not between 0 and 1");
  }
  const Tensor<T> z = detail::as_tensor(operation, logits);
  const auto samples =
      detail::label_samples<T>(operation, z, targets, options.ignore_index, options.class_weights);
  return detail::record_softmax_cross_entropy(z, samples, options.label_smoothing, reduction);
}
template <TensorEntity X, Indices I = std::initializer_list<Index>, Reduction R = reduce::Mean>
auto softmax_cross_entropy(const X& logits, const I& targets, R reduction = {}) {
  return softmax_cross_entropy(logits, targets, CrossEntropyOptions<typename X::Scalar>{},
                               reduction);
}
///@}

/// Cross-entropy of softmax(z) and a distribution for each column.   z (V,n), q (V,n)
///     l_i = -sum_j q_ji log softmax(z_i)_j,    z_bar += l_bar (softmax(z) sum_j q_j - q),
///     q_bar += -l_bar log softmax(z)
/// A share of exactly 0 contributes 0, also where z is -inf.  A mean divides by the number of
/// columns.
/// \throws ShapeError if shapes differ; DomainError for the mean of an empty batch.
template <TensorEntity X, LossTarget Y, Reduction R = reduce::Mean>
requires(!Indices<Y>) auto softmax_cross_entropy(const X& logits, const Y& distributions,
                                                 R reduction = {}) {
  using T = typename X::Scalar;
  constexpr auto operation = "softmax_cross_entropy";
  auto& recording = [&]() -> detail::Recording<T>& {
    if constexpr (TensorEntity<Y>) {
      return detail::common_recording(operation, logits, distributions);
    } else {
      return detail::common_recording(operation, logits);
    }
  }();
  const Tensor<T> z = detail::on(recording, logits);
  return detail::record_softmax_cross_entropy(z, detail::loss_operand<T>(recording, distributions),
                                              reduction);
}

///@{
/// Negative log-likelihood.  l_i = -w_t log_p_ti, t = t_i.
///     log_p (V,n), targets (n) -> scalar or (n)
/// Mean, weights, ignored samples and errors are those of `softmax_cross_entropy`.
template <TensorEntity X, Indices I = std::initializer_list<Index>, Reduction R = reduce::Mean>
auto nll(const X& log_probabilities, const I& targets,
         const NllOptions<typename X::Scalar>& options, R reduction = {}) {
  using T = typename X::Scalar;
  const Tensor<T> y = detail::as_tensor("nll", log_probabilities);
  const auto samples =
      detail::label_samples<T>("nll", y, targets, options.ignore_index, options.class_weights);
  const T scale = detail::sample_scale<T>("nll", reduction, samples.count, samples.total_weight);
  const auto forward = [&](auto&& store) {
    for (Index i = 0; i < samples.count; ++i) {
      const Index t = samples.target[i];
      store(i, t < 0 ? T(0) : T(-(samples.weight(i) * y.data()[i * samples.classes + t])));
    }
  };
  return detail::record_sample_losses<T>("nll", {y}, detail::samples_of(y.shape()), reduction,
                                         scale, forward, [y, samples](auto&& weight) {
                                           if (!adjoint(y).is_needed()) return;
                                           T* const y_bar = adjoint(y).accumulator().data();
                                           for (Index i = 0; i < samples.count; ++i) {
                                             if (samples.target[i] < 0) continue;
                                             y_bar[i * samples.classes + samples.target[i]] -=
                                                 T(weight(i)) * samples.weight(i);
                                           }
                                         });
}
template <TensorEntity X, Indices I = std::initializer_list<Index>, Reduction R = reduce::Mean>
auto nll(const X& log_probabilities, const I& targets, R reduction = {}) {
  return nll(log_probabilities, targets, NllOptions<typename X::Scalar>{}, reduction);
}
///@}

}  // namespace gradtape
