#pragma once
/// \file
/// Losses: how far predictions are from targets.
///
///     mse(y, t)                     one number: the mean over all elements (over samples, where a
///                                   sample has one loss)
///     mse(y, t, reduce::sum)        their sum
///     mse(y, t, reduce::none)       a tensor of all of them
///
/// Targets are Eigen vectors and matrices, which are copied and constant, or tensors, which may be
/// differentiated.  Nothing broadcasts: shapes are equal, or it is a ShapeError.  The mean of
/// nothing is a DomainError, the sum of nothing 0.
///
/// Weights, where given, have the targets' shape and are constants; a mean still divides by the
/// number of elements.  Losses of integer targets have weights for classes instead, and their mean
/// divides by the weights of the samples' classes.  Both as in PyTorch.

#include "activations.hpp"
#include "gather.hpp"

namespace gradtape {

/// What becomes of the losses of the elements or samples.
namespace reduce {
struct Mean {};                ///< the type of `mean`
struct Sum {};                 ///< the type of `sum`
struct None {};                ///< the type of `none`
inline constexpr Mean mean{};  ///< one number: their sum by their number, or by their weights
inline constexpr Sum sum{};    ///< one number, 0 of nothing
inline constexpr None none{};  ///< a tensor of all of them
}  // namespace reduce

/// One of `reduce::mean`, `reduce::sum` and `reduce::none`.
template <class R>
concept Reduction = std::is_same_v<R, reduce::Mean> || std::is_same_v<R, reduce::Sum> ||
    std::is_same_v<R, reduce::None>;

/// What a prediction is compared with, element by element.
template <class Y>
concept LossTarget = TensorEntity<Y> ||(EigenDense<Y> && !ScalarEntity<Y>);

namespace detail {

/// The type in which many losses are summed.
template <class T>
using SumOf = std::conditional_t<std::is_same_v<T, float>, double, T>;

/// The plain number inside of a scalar or of a tile's element.
template <class X>
using PlainOf = std::remove_cvref_t<decltype(primal(std::declval<Literal<X>>()))>;

}  // namespace detail

// The element-wise losses; their form is explained in core/operation.hpp.  Second operand: target.

namespace op {

/// l = (x - t)^2
struct SquaredError {
  static constexpr std::string_view name = "mse";
  template <class X>
  static X value(const X& x, const X& t) {
    const X d = x - t;
    return d * d;
  }
  template <class X>
  static X partial_a(const X& x, const X& t, const X&) {
    const X d = x - t;
    return d + d;
  }
  template <class X>
  static X partial_b(const X& x, const X& t, const X& l) {
    return partial_a(t, x, l);
  }
};

/// l = |x - t|, derivative 0 at 0.
struct AbsoluteError {
  static constexpr std::string_view name = "mae";
  template <class X>
  static X value(const X& x, const X& t) {
    using std::abs;
    return abs(X(x - t));
  }
  template <class X>
  static X partial_a(const X& x, const X& t, const X&) {
    const X d = x - t, zero(Literal<X>(0)), one(Literal<X>(1));
    return select(d > zero, one, select(d < zero, X(-one), d));
  }
  template <class X>
  static X partial_b(const X& x, const X& t, const X& l) {
    return partial_a(t, x, l);
  }
};

/// l = d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2);  d = x - t.
struct HuberError {
  static constexpr std::string_view name = "huber";
  template <class X>
  static X value(const X& x, const X& t, const X& delta) {
    using std::abs;
    const X d = x - t, size = abs(d), half(Literal<X>(0.5));
    return select(size <= delta, X(half * d * d), X(delta * (size - half * delta)));
  }
  template <class X>
  static X partial_a(const X& x, const X& t, const X& delta, const X&) {
    const X d = x - t, minus_delta = -delta;
    return select(d > delta, delta, select(d < minus_delta, minus_delta, d));
  }
  template <class X>
  static X partial_b(const X& x, const X& t, const X& delta, const X& l) {
    return partial_a(t, x, delta, l);
  }
};

/// l = -t log p - (1 - t) log(1 - p),  p clamped to [eps, 1 - eps].
struct BinaryCrossEntropy {
  static constexpr std::string_view name = "binary_cross_entropy";
  template <class X>
  static X value(const X& p, const X& t) {
    using std::log, std::log1p;
    const X q = inside(p), one(Literal<X>(1));
    return -(t * log(q)) - (one - t) * log1p(-q);
  }
  template <class X>
  static X partial_a(const X& p, const X& t, const X&) {
    const X q = inside(p), one(Literal<X>(1));
    return (q - t) / (q * (one - q));
  }
  template <class X>
  static X partial_b(const X& p, const X&, const X&) {
    using std::log, std::log1p;
    const X q = inside(p);
    return log1p(-q) - log(q);
  }

 private:
  template <class X>
  static X inside(const X& p) {
    constexpr auto eps = std::numeric_limits<detail::PlainOf<X>>::epsilon();
    const X low{Literal<X>(eps)}, high{Literal<X>(1 - eps)};
    return select(p < low, low, select(p > high, high, p));
  }
};

/// l = max(z, 0) - z t + log(1 + exp(-|z|)),  dl/dz = sigmoid(z) - t.
/// The derivative is (1 - t) - sigmoid(-z) for z >= 0: near a right answer nothing cancels.
struct BinaryCrossEntropyWithLogits {
  static constexpr std::string_view name = "binary_cross_entropy_with_logits";
  template <class X>
  static X value(const X& z, const X& t) {
    const X zero(Literal<X>(0));
    return select(z > zero, z, zero) - z * t + log1p_exp(z);
  }
  template <class X>
  static X partial_a(const X& z, const X& t, const X&) {
    using std::exp;
    const X zero(Literal<X>(0)), one(Literal<X>(1));
    const X e = exp(select(z < zero, z, X(-z))), tail = e / (one + e);
    return select(z >= zero, X((one - t) - tail), X(tail - t));
  }
  template <class X>
  static X partial_b(const X& z, const X&, const X&) {
    return -z;
  }
};

}  // namespace op

namespace detail {

/// A target or weights as a tensor of the tape; what is not there yet is a constant.
template <class T, class Y>
Tensor<T> loss_operand(Recording<T>& recording, const Y& y) {
  if constexpr (TensorEntity<Y>) {
    static_assert(std::is_same_v<scalar_of<Y>, T>,
                  "gradtape: predictions and targets of different scalar types");
    return on(recording, y);
  } else {
    return recording.tape().constant(y);
  }
}

template <class T>
void check_same_shape(std::string_view operation, const Tensor<T>& x, const Tensor<T>& y,
                      const char* role) {
  const Shape &a = x.shape(), &b = y.shape();
  if (a.with_rank(Shape::max_rank) == b.with_rank(Shape::max_rank)) return;
  fail<ShapeError>(operation, ": ", title(x, "the prediction"), " is ", to_string(a), ", ",
                   title(y, role), " is ", to_string(b),
                   ": a loss does not broadcast, shapes must be equal");
}

/// 1 / size for a mean, 1 for a sum.
template <class T, class R>
T loss_scale(std::string_view operation, R, Index size) {
  if constexpr (std::is_same_v<R, reduce::Mean>) {
    if (size == 0) fail<DomainError>(operation, ": the mean of an empty batch");
    return T(T(1) / T(static_cast<PlainOf<T>>(size)));
  } else {
    return T(1);
  }
}

// Operations with two operands, and three of which the last is one number.

template <class Op, class X>
X loss_value(const X& x, const X& t, const None&) {
  return evaluate<Op>(x, t);
}
template <class Op, class X, class T>
X loss_value(const X& x, const X& t, const T& c) {
  return evaluate<Op>(x, t, X(c));
}
template <class Op, int I, class X>
X loss_partial(const X& x, const X& t, const None&) {
  return X(partial<Op, I>(x, t, None(), x));  // none of the above looks at its value
}
template <class Op, int I, class X, class T>
X loss_partial(const X& x, const X& t, const T& c) {
  return X(partial<Op, I>(x, t, X(c), x));
}

/// One node for  scale sum_i w_i l(x_i, t_i):  nothing is stored, the backward pass computes
/// slopes.  Whole tiles throughout: tensors have memory for them.
template <class Op, class T, class C>
Var<T> record_elementwise_loss(const Tensor<T>& x, const Tensor<T>& t, const T* w, const T& scale,
                               const C& c) {
  using X = Lanes<T>;
  constexpr Index width = lane_count<X>;
  const Index size = x.size();
  const T *const x_data = x.data(), *const t_data = t.data();
  SumOf<T> sum(0);
  for (Index i = 0; i < size; i += width) {
    X a, b, weight;
    load(a, x_data + i);
    load(b, t_data + i);
    X loss = loss_value<Op>(a, b, c);
    if (w != nullptr) {
      load(weight, w + i);
      loss = loss * weight;
    }
    if (size - i < width) loss = first_lanes(loss, size - i);
    sum += sum_of(loss);
  }
  const auto backward = [x, t, w, scale, c](const T& y_bar) {
    const bool to_x = adjoint(x).is_needed(), to_t = adjoint(t).is_needed();
    const auto x_bar = to_x ? adjoint(x).target() : GradientTarget<T>{nullptr, false};
    const auto t_bar = to_t ? adjoint(t).target() : GradientTarget<T>{nullptr, false};
    const T *const x_values = x.data(), *const t_values = t.data();
    const T factor = T(y_bar * scale);
    const auto add = [](const GradientTarget<T>& to, const X& share, Index i) {
      to.first ? store(share, to.data + i) : add_to(share, to.data + i, width);
    };
    for (Index i = 0, n = x.size(); i < n; i += width) {
      X a, b, weight(factor);
      load(a, x_values + i);
      load(b, t_values + i);
      if (w != nullptr) {
        load(weight, w + i);
        weight = weight * X(factor);
      }
      if (to_x) add(x_bar, X(weight * loss_partial<Op, 0>(a, b, c)), i);
      if (to_t) add(t_bar, X(weight * loss_partial<Op, 1>(a, b, c)), i);
    }
  };
  return record(Op::name, {x, t}, T(T(sum) * scale), backward);
}

template <class Op, class X, class Y, class R, class W, class C = None>
auto elementwise_loss(const X& x, const Y& target, R reduction, const W& weights, const C& c = {}) {
  using T = scalar_of<X>;
  Recording<T>& recording = [&]() -> Recording<T>& {
    if constexpr (TensorEntity<Y>) {
      return common_recording(Op::name, x, target);
    } else {
      return common_recording(Op::name, x);
    }
  }();
  const Tensor<T> a = on(recording, x), b = loss_operand<T>(recording, target);
  check_same_shape(Op::name, a, b, "the target");
  Tensor<T> w;
  if constexpr (!std::is_same_v<W, None>) {
    w = loss_operand<T>(recording, weights);
    check_same_shape(Op::name, a, w, "the weight tensor");
  }
  if constexpr (std::is_same_v<R, reduce::None>) {
    const Tensor<T> losses = [&] {
      if constexpr (std::is_same_v<C, None>) {
        return Tensor<T>(apply<Op>(a, b));
      } else {
        return Tensor<T>(apply<Op>(a, b, c));
      }
    }();
    if constexpr (std::is_same_v<W, None>) {
      return losses;
    } else {
      if (!w.is_constant())
        w = recording.tape().constant(w.shape(),
                                      std::span<const T>(w.data(), std::size_t(w.size())));
      return Tensor<T>(losses * w);
    }
  } else {
    const T* data = nullptr;
    if constexpr (!std::is_same_v<W, None>) data = w.data();
    return record_elementwise_loss<Op>(a, b, data, loss_scale<T>(Op::name, reduction, a.size()), c);
  }
}

}  // namespace detail

/// Mean squared error.  l = (x - t)^2,  x_bar += 2 (x - t) l_bar.
template <TensorEntity X, LossTarget Y, Reduction R = reduce::Mean, class W = detail::None>
auto mse(const X& x, const Y& target, R reduction = {}, const W& weights = {}) {
  return detail::elementwise_loss<op::SquaredError>(x, target, reduction, weights);
}

/// Mean absolute error.  l = |x - t|, derivative 0 at x = t.
template <TensorEntity X, LossTarget Y, Reduction R = reduce::Mean, class W = detail::None>
auto mae(const X& x, const Y& target, R reduction = {}, const W& weights = {}) {
  return detail::elementwise_loss<op::AbsoluteError>(x, target, reduction, weights);
}

/// Huber's loss, d = x - t.  l = d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2): its
/// derivative is d, clamped to [-delta, delta].
/// Source: Huber (1964), Robust estimation of a location parameter, Ann. Math. Statist. 35(1).
/// \throws DomainError unless delta > 0.
template <TensorEntity X, LossTarget Y, Reduction R = reduce::Mean, class W = detail::None>
auto huber(const X& x, const Y& target, const std::type_identity_t<typename X::Scalar>& delta,
           R reduction = {}, const W& weights = {}) {
  if (!(detail::primal(delta) > 0)) detail::fail<DomainError>("huber: delta must be above 0");
  return detail::elementwise_loss<op::HuberError>(x, target, reduction, weights, delta);
}

/// Binary cross-entropy of probabilities.  l = -t log p - (1 - t) log(1 - p),
///     p_bar += l_bar (p - t) / (p (1 - p)).
/// p is clamped to [eps, 1 - eps], eps the machine epsilon of T, in value and derivative: both are
/// finite for any p.  From logits prefer `binary_cross_entropy_with_logits`, which is exact.
template <TensorEntity X, LossTarget Y, Reduction R = reduce::Mean, class W = detail::None>
auto binary_cross_entropy(const X& p, const Y& target, R reduction = {}, const W& weights = {}) {
  return detail::elementwise_loss<op::BinaryCrossEntropy>(p, target, reduction, weights);
}

/// Binary cross-entropy of p = sigmoid(z).  l = max(z, 0) - z t + log(1 + exp(-|z|)),
///     z_bar += l_bar (sigmoid(z) - t).
/// Exact for any finite z, also with the wrong label.
template <TensorEntity X, LossTarget Y, Reduction R = reduce::Mean, class W = detail::None>
auto binary_cross_entropy_with_logits(const X& z, const Y& target, R reduction = {},
                                      const W& weights = {}) {
  return detail::elementwise_loss<op::BinaryCrossEntropyWithLogits>(z, target, reduction, weights);
}

///@{
/// The same of one scalar, and a scalar or a number as its target: an expression.
template <ScalarEntity X, class Y>
requires(ScalarEntity<Y> || Number<Y>) auto binary_cross_entropy(const X& p, const Y& target) {
  return detail::apply<op::BinaryCrossEntropy>(p, target);
}
template <ScalarEntity X, class Y>
requires(ScalarEntity<Y> || Number<Y>) auto binary_cross_entropy_with_logits(const X& z,
                                                                             const Y& target) {
  return detail::apply<op::BinaryCrossEntropyWithLogits>(z, target);
}
///@}

}  // namespace gradtape
