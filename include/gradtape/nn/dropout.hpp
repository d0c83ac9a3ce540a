#pragma once
/// \file
/// Dropout: in training every element is left out with some probability, so that no feature can
/// rely on the presence of another.  What stays is scaled up, so that the expectation does not
/// change, and evaluation needs no scaling.
///
///     y_i = x_i r_i / (1 - p),    x_bar_i += y_bar_i r_i / (1 - p),    r_i = 0 with probability p,
///                                                                      else 1
///
/// Source: Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from
/// overfitting, JMLR 15.

#include "../core/random.hpp"
#include "../core/record.hpp"
#include "../ops/arithmetic.hpp"
#include "../ops/selection.hpp"

namespace gradtape {
namespace detail {

/// \throws DomainError unless 0 <= p <= 1.
inline void check_dropout(double p) {
  if (!(p >= 0 && p <= 1))
    fail<DomainError>("dropout: a probability of ", p, ": it must be in [0, 1]");
}

/// x[i] = 1 with probability p, else 0.  Each is decided by 16 random bits, or, if these are the
/// first 16 binary digits of p, by 53 more.
template <class T>
void draw_events(double p, Random& random, T* x, Index n) {
  const double scaled = p * 0x1p16;
  const auto whole = static_cast<std::uint32_t>(scaled);
  const double rest = scaled - whole;
  for (Index i = 0; i < n; i += 4) {
    const std::uint64_t bits = random.bits();
    const Index count = std::min<Index>(4, n - i);
    for (Index l = 0; l < count; ++l) {
      const auto digits = static_cast<std::uint32_t>(bits >> (16 * l) & 0xffff);
      bool happens = digits < whole;
      if (digits == whole) [[unlikely]]
        happens = random.uniform() < rest;
      x[i + l] = T(happens ? 1 : 0);
    }
  }
}

}  // namespace detail

/// Dropout with probability p, an expression: its elements are chosen now, and are the same in
/// every use of it, forward and backward.  An element left out contributes exactly 0, also where it
/// is infinite or NaN.  With p = 0 all stay, with p = 1 none does.
/// \throws DomainError unless 0 <= p <= 1.
template <TensorEntity X>
auto dropout(const X& x, double p, Random& random) {
  using T = detail::scalar_of<X>;
  detail::check_dropout(p);
  const Tensor<T> t = detail::as_tensor("dropout", x);
  const Tensor<T> left_out = t.tape().full(t.shape(), T(0));
  T* const choice = detail::TensorHandle<T>::node(left_out, "dropout").value;
  detail::draw_events(p, random, choice, t.size());
  return where(left_out, 0.0, t * (p < 1 ? 1 / (1 - p) : 0.0));
}

namespace nn {

/// Dropout as a layer: see training.hpp for its two calls.
struct Dropout {
  double probability;  ///< p, with which an element is left out; may be changed during training

  /// Leaves elements out with probability p.
  /// \throws DomainError unless 0 <= p <= 1.
  explicit Dropout(double p) : probability(p) { gradtape::detail::check_dropout(p); }

  /// Training.
  template <TensorEntity X>
  auto operator()(const X& x, Random& random) const {
    return dropout(x, probability, random);
  }
  /// Evaluation: x itself.
  template <TensorEntity X>
  X operator()(const X& x) const {
    return x;
  }

  void members(auto&&) {}
};

}  // namespace nn
}  // namespace gradtape
