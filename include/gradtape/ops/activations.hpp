#pragma once
/// \file
/// Activation functions of neural networks, element by element.  The form of an operation is
/// explained in core/operation.hpp.

#include "special.hpp"

namespace gradtape {
namespace op {

/// The slope 1 of a branch that takes x itself; NaN for NaN.
template <class X>
[[gnu::always_inline]] inline X one_or_nan(const X& x) {
  return select(x == x, X(Literal<X>(1)), x);
}

/// x, or the nearest number beyond which exp(-|x|) is 0 in every type: keeps 0 times infinity out.
template <class X>
[[gnu::always_inline]] inline X moderate(const X& x) {
  const X end(Literal<X>(1e5));
  return select(x > end, end, select(x < -end, X(-end), x));
}

/// Softplus.  y = ln(1 + exp(x)),  x_bar += y_bar sigmoid(x).
/// Computed as max(x, 0) + ln(1 + exp(-|x|)), so that it neither overflows nor loses the left tail.
struct Softplus {
  static constexpr std::string_view name = "softplus";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    const X zero(Literal<X>(0));
    return select(x > zero, x, zero) + log1p_exp(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Sigmoid>(x);
  }
};

/// Logarithm of the logistic function.  y = -ln(1 + exp(-x)),  x_bar += y_bar sigmoid(-x).
/// Computed as min(x, 0) - ln(1 + exp(-|x|)), so that it neither overflows nor loses the right
/// tail.
struct LogSigmoid {
  static constexpr std::string_view name = "log_sigmoid";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    const X zero(Literal<X>(0));
    return select(x < zero, x, zero) - log1p_exp(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Sigmoid>(X(-x));
  }
};

/// Rectified linear unit.  y = max(x, 0),  x_bar += y_bar for x >= 0.
/// The derivative at 0 is 1; most other frameworks take 0 there.  NaN gives NaN.
struct Relu {
  static constexpr std::string_view name = "relu";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& x) {
    const X zero(Literal<X>(0));
    return select(x < zero, zero, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    const X zero(Literal<X>(0));
    return select(x < zero, zero, one_or_nan(x));
  }
};

/// Leaky rectified linear unit.  y = x for x >= 0, slope x below,
/// x_bar += y_bar (x >= 0 ? 1 : slope),  slope_bar += y_bar min(x, 0).  NaN gives NaN.
struct LeakyRelu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& x, const X& slope) {
    return select(x < X(Literal<X>(0)), X(slope * x), x);
  }
  template <class X>
  static X partial_a(const X& x, const X& slope, const X&) {
    return select(x < X(Literal<X>(0)), slope, one_or_nan(x));
  }
  template <class X>
  static X partial_b(const X& x, const X&, const X&) {
    const X zero(Literal<X>(0));
    return select(x >= zero, zero, x);
  }
};

/// Exponential linear unit.  y = x for x >= 0, alpha (exp(x) - 1) below,
/// x_bar += y_bar (x >= 0 ? 1 : alpha exp(x)),  alpha_bar += y_bar (exp(min(x, 0)) - 1).
/// Source: Clevert, Unterthiner, Hochreiter (2016).
struct Elu {
  static constexpr std::string_view name = "elu";
  static constexpr bool costly = true;
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& x, const X& alpha) {
    return select(x < X(Literal<X>(0)), X(alpha * evaluate<Expm1>(x)), x);
  }
  template <class X>
  static X partial_a(const X& x, const X& alpha, const X&) {
    return select(x < X(Literal<X>(0)), X(alpha * evaluate<Exp>(x)), one_or_nan(x));
  }
  template <class X>
  static X partial_b(const X& x, const X&, const X&) {
    const X zero(Literal<X>(0));
    return select(x >= zero, zero, evaluate<Expm1>(x));
  }
};

/// Gaussian error linear unit.  y = x Phi(x),  x_bar += y_bar (Phi(x) + x phi(x)), where Phi and
/// phi are the normal distribution's function and density.  Source: Hendrycks, Gimpel (2016).
/// Computed by erfc, so that the left tail is not lost.
struct Gelu {
  static constexpr std::string_view name = "gelu";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    const X low(Literal<X>(-1e5));
    return select(x < low, low, x) * distribution(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    const X z = moderate(x);
    const X density = number<X>(detail::constants::inv_sqrtpi / detail::constants::sqrt2) *
                      evaluate<Exp>(X(Literal<X>(-0.5) * z * z));
    return distribution(z) + z * density;
  }

 private:
  template <class X>
  static X distribution(const X& x) {
    return Literal<X>(0.5) * evaluate<Erfc>(X(number<X>(-0.5L * detail::constants::sqrt2) * x));
  }
};

/// Gaussian error linear unit by tanh.  y = x (1 + tanh u) / 2 = x sigmoid(2 u),
/// u = sqrt(2 / pi) (x + 0.044715 x^3),
/// x_bar += y_bar s (1 + 2 x u' (1 - s)),  s = sigmoid(2 u).  Source: Hendrycks, Gimpel (2016).
struct GeluTanh {
  static constexpr std::string_view name = "gelu_tanh";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    const X z = moderate(x);
    return select(x > z, x, z) * evaluate<Sigmoid>(twice_inner(z));
  }
  template <class X>
  static X partial(const X& x, const X&) {
    const X z = moderate(x);
    const SigmoidPair<X> s(twice_inner(z));
    const X slope = factor<X>() * (1 + Literal<X>(3) * cubic<X>() * z * z);
    return s.at_x * (1 + z * slope * s.at_minus_x);
  }

 private:
  template <class X>
  static Literal<X> cubic() {
    return number<X>(0.044715L);
  }
  template <class X>
  static Literal<X> factor() {
    return number<X>(2 * detail::constants::sqrt2 * detail::constants::inv_sqrtpi);
  }
  template <class X>
  static X twice_inner(const X& x) {
    return factor<X>() * x * (1 + cubic<X>() * x * x);
  }
};

/// Sigmoid linear unit, also called swish.  y = x s,  x_bar += y_bar s (1 + x (1 - s)),
/// s = sigmoid(x).
struct Silu {
  static constexpr std::string_view name = "silu";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    const X low(Literal<X>(-1e5));
    return select(x < low, low, x) * evaluate<Sigmoid>(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    const X z = moderate(x);
    const SigmoidPair<X> s(z);
    return s.at_x * (1 + z * s.at_minus_x);
  }
};

/// y = min(max(x, -1), 1), derivative 1 inside and at both ends.  NaN gives NaN.
struct Hardtanh {
  static constexpr std::string_view name = "hardtanh";
  static constexpr bool selects = true;
  template <class X>
  static X value(const X& x) {
    const X one(Literal<X>(1));
    return select(x < -one, X(-one), select(x > one, one, x));
  }
  template <class X>
  static X partial(const X& x, const X&) {
    const X one(Literal<X>(1));
    return select(either(x > one, x < -one), X(Literal<X>(0)), one_or_nan(x));
  }
};

}  // namespace op

/// \copydoc gradtape::op::Softplus
template <Entity A>
[[gnu::always_inline]] inline auto softplus(const A& x) {
  return detail::apply<op::Softplus>(x);
}
/// \copydoc gradtape::op::LogSigmoid
template <Entity A>
[[gnu::always_inline]] inline auto log_sigmoid(const A& x) {
  return detail::apply<op::LogSigmoid>(x);
}
/// \copydoc gradtape::op::Relu
template <Entity A>
[[gnu::always_inline]] inline auto relu(const A& x) {
  return detail::apply<op::Relu>(x);
}
/// \copydoc gradtape::op::Gelu
template <Entity A>
[[gnu::always_inline]] inline auto gelu(const A& x) {
  return detail::apply<op::Gelu>(x);
}
/// \copydoc gradtape::op::GeluTanh
template <Entity A>
[[gnu::always_inline]] inline auto gelu_tanh(const A& x) {
  return detail::apply<op::GeluTanh>(x);
}
/// \copydoc gradtape::op::Silu
template <Entity A>
[[gnu::always_inline]] inline auto silu(const A& x) {
  return detail::apply<op::Silu>(x);
}
/// \copydoc gradtape::op::Hardtanh
template <Entity A>
[[gnu::always_inline]] inline auto hardtanh(const A& x) {
  return detail::apply<op::Hardtanh>(x);
}
/// \copydoc gradtape::op::LeakyRelu
template <class A, class B = double>
requires Operands<A, B>
[[gnu::always_inline]] inline auto leaky_relu(const A& x, const B& slope = 0.01) {
  return detail::apply<op::LeakyRelu>(x, slope);
}
/// \copydoc gradtape::op::Elu
template <class A, class B = double>
requires Operands<A, B>
[[gnu::always_inline]] inline auto elu(const A& x, const B& alpha = 1) {
  return detail::apply<op::Elu>(x, alpha);
}

}  // namespace gradtape
