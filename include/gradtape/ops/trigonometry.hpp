#pragma once
/// \file
/// Circular and hyperbolic functions and their inverses, element by element.  The form of an
/// operation is explained in core/operation.hpp.

#include "functions.hpp"

namespace gradtape {
namespace op {

struct Cos;

/// y = sin x,  x_bar += y_bar cos x.  NaN at infinities.
struct Sin {
  static constexpr std::string_view name = "sin";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    using std::sin;
    return sin(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Cos>(x);
  }
};

/// y = cos x,  x_bar -= y_bar sin x.  NaN at infinities.
struct Cos {
  static constexpr std::string_view name = "cos";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    using std::cos;
    return cos(x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return -evaluate<Sin>(x);
  }
};

/// y = tan x,  x_bar += y_bar (1 + y^2).  NaN at infinities.
struct Tan {
  static constexpr std::string_view name = "tan";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::tan(v); }, x);
  }
  template <class X>
  static X partial(const X&, const X& y) {
    return 1 + y * y;
  }
};

/// y = arcsin x for |x| <= 1, else NaN,  x_bar += y_bar / sqrt(1 - x^2): +inf at both ends.
struct Asin {
  static constexpr std::string_view name = "asin";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::asin(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / evaluate<Sqrt>(X((1 - x) * (1 + x)));
  }
};

/// y = arccos x for |x| <= 1, else NaN,  x_bar -= y_bar / sqrt(1 - x^2): -inf at both ends.
struct Acos {
  static constexpr std::string_view name = "acos";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::acos(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return Literal<X>(-1) / evaluate<Sqrt>(X((1 - x) * (1 + x)));
  }
};

/// y = arctan x,  x_bar += y_bar / (1 + x^2)
struct Atan {
  static constexpr std::string_view name = "atan";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::atan(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / (1 + x * x);
  }
};

/// The angle of the point (x, y) in (-pi, pi], as atan2(y, x),
/// y_bar += a_bar x / (x^2 + y^2),  x_bar -= a_bar y / (x^2 + y^2); not finite at (0, 0).
struct Atan2 {
  static constexpr std::string_view name = "atan2";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& y, const X& x) {
    return lanewise([](auto v, auto u) { return std::atan2(v, u); }, y, x);
  }
  template <class X>
  static X partial_a(const X& y, const X& x, const X&) {
    return over_square(x, y);
  }
  template <class X>
  static X partial_b(const X& y, const X& x, const X&) {
    return -over_square(y, x);
  }

 private:
  /// a / (a^2 + b^2) from the ratio of both, which neither overflows nor underflows
  template <class X>
  static X over_square(const X& a, const X& b) {
    const X size_a = evaluate<Abs>(a), size_b = evaluate<Abs>(b);
    const X t = b / a, u = a / b;
    const X near = 1 / a / (1 + t * t), far = u / (1 + u * u) / b;
    const X infinity(std::numeric_limits<Literal<X>>::infinity());
    return select(both(size_a == infinity, size_b == infinity), X(Literal<X>(0)),
                  select(size_a >= size_b, near, far));
  }
};

struct Cosh;

/// y = sinh x,  x_bar += y_bar cosh x
struct Sinh {
  static constexpr std::string_view name = "sinh";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::sinh(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Cosh>(x);
  }
};

/// y = cosh x,  x_bar += y_bar sinh x
struct Cosh {
  static constexpr std::string_view name = "cosh";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::cosh(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return evaluate<Sinh>(x);
  }
};

/// y = tanh x,  x_bar += y_bar (1 - y^2).
/// Towards both ends 1 - y^2 loses its digits: computed as e (1 + |y|)^2, e = exp(-2 |x|).
struct Tanh {
  static constexpr std::string_view name = "tanh";
  static constexpr bool costly = true;
  static constexpr bool finite_slopes = true;
  template <class X>
  static X value(const X& x) {
    using std::tanh;
    return tanh(x);
  }
  template <class X>
  static X partial(const X& x, const X& y) {
    if constexpr (Entity<X>) {
      const X r = 1 / evaluate<Cosh>(x);
      return r * r;
    } else {
      if constexpr (std::is_floating_point_v<X>) {  // to look at all numbers of a tile costs more
        if (y * y < X(0.5)) return 1 - y * y;
      }
      using std::abs, std::exp;
      const X root = 1 + abs(y);
      return exp(Literal<X>(-2) * abs(x)) * (root * root);
    }
  }
};

/// y = arsinh x,  x_bar += y_bar / sqrt(x^2 + 1)
struct Asinh {
  static constexpr std::string_view name = "asinh";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::asinh(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / evaluate<Hypot>(x, X(Literal<X>(1)));
  }
};

/// y = arcosh x for x >= 1, else NaN,  x_bar += y_bar / sqrt(x^2 - 1): +inf at 1.
struct Acosh {
  static constexpr std::string_view name = "acosh";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::acosh(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / (evaluate<Sqrt>(X(x - 1)) * evaluate<Sqrt>(X(x + 1)));
  }
};

/// y = artanh x for |x| < 1, infinite at both ends, else NaN,  x_bar += y_bar / (1 - x^2)
struct Atanh {
  static constexpr std::string_view name = "atanh";
  static constexpr bool costly = true;
  template <class X>
  static X value(const X& x) {
    return lanewise([](auto v) { return std::atanh(v); }, x);
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return 1 / ((1 - x) * (1 + x));
  }
};

}  // namespace op

/// \copydoc gradtape::op::Sin
template <Entity A>
[[gnu::always_inline]] inline auto sin(const A& x) {
  return detail::apply<op::Sin>(x);
}
/// \copydoc gradtape::op::Cos
template <Entity A>
[[gnu::always_inline]] inline auto cos(const A& x) {
  return detail::apply<op::Cos>(x);
}
/// \copydoc gradtape::op::Tan
template <Entity A>
[[gnu::always_inline]] inline auto tan(const A& x) {
  return detail::apply<op::Tan>(x);
}
/// \copydoc gradtape::op::Asin
template <Entity A>
[[gnu::always_inline]] inline auto asin(const A& x) {
  return detail::apply<op::Asin>(x);
}
/// \copydoc gradtape::op::Acos
template <Entity A>
[[gnu::always_inline]] inline auto acos(const A& x) {
  return detail::apply<op::Acos>(x);
}
/// \copydoc gradtape::op::Atan
template <Entity A>
[[gnu::always_inline]] inline auto atan(const A& x) {
  return detail::apply<op::Atan>(x);
}
/// \copydoc gradtape::op::Atan2
template <class A, class B>
requires Operands<A, B>
[[gnu::always_inline]] inline auto atan2(const A& y, const B& x) {
  return detail::apply<op::Atan2>(y, x);
}
/// \copydoc gradtape::op::Sinh
template <Entity A>
[[gnu::always_inline]] inline auto sinh(const A& x) {
  return detail::apply<op::Sinh>(x);
}
/// \copydoc gradtape::op::Cosh
template <Entity A>
[[gnu::always_inline]] inline auto cosh(const A& x) {
  return detail::apply<op::Cosh>(x);
}
/// \copydoc gradtape::op::Tanh
template <Entity A>
[[gnu::always_inline]] inline auto tanh(const A& x) {
  return detail::apply<op::Tanh>(x);
}
/// \copydoc gradtape::op::Asinh
template <Entity A>
[[gnu::always_inline]] inline auto asinh(const A& x) {
  return detail::apply<op::Asinh>(x);
}
/// \copydoc gradtape::op::Acosh
template <Entity A>
[[gnu::always_inline]] inline auto acosh(const A& x) {
  return detail::apply<op::Acosh>(x);
}
/// \copydoc gradtape::op::Atanh
template <Entity A>
[[gnu::always_inline]] inline auto atanh(const A& x) {
  return detail::apply<op::Atanh>(x);
}

}  // namespace gradtape
