#pragma once
/// \file
/// A tile: a few dozen neighbouring elements that go through a whole expression together, in
/// registers and the first-level cache.  Its arithmetic is plain loops of constant length, which
/// compilers vectorise; its transcendental functions are Eigen's vectorised ones where Eigen has
/// them.
///
/// Operations (ops/elementwise.hpp) are written once, for a number type X that is a plain scalar or
/// a tile.

#include <Eigen/Core>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "expression.hpp"

namespace gradtape::detail {

/// An integer as wide as T: one element of a mask, 0 or -1.
template <class T>
using MaskLane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// One truth value for each element of a tile.
template <class T, int W>
struct TileMask {
  MaskLane<T> lane[W];
};

template <class T, int W>
struct Tile {
  T lane[W];

  Tile() = default;
  [[gnu::always_inline]] Tile(T x) {
    for (int i = 0; i < W; ++i) lane[i] = x;
  }
};

/// Elements of a tile: 128 bytes.
template <class T>
inline constexpr int tile_width = static_cast<int>(128 / sizeof(T));

/// What operations compute with on tensors of T: tiles where the processor has vectors of T, else
/// single elements.
template <class T>
using Lanes = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, double>,
                                 Tile<T, tile_width<T>>, T>;

/// The plain number type of X, for literals: `Literal<X>(0.5) * x`.
template <class X>
struct LiteralOf {
  using type = X;
};
template <class T, int W>
struct LiteralOf<Tile<T, W>> {
  using type = T;
};
template <class X>
using Literal = typename LiteralOf<X>::type;

template <class T, int W, class F>
[[gnu::always_inline]] inline Tile<T, W> each(F&& f) {
  Tile<T, W> y;
  for (int i = 0; i < W; ++i) y.lane[i] = f(i);
  return y;
}
template <class T, int W, class F>
[[gnu::always_inline]] inline TileMask<T, W> each_mask(F&& f) {
  TileMask<T, W> y;
  for (int i = 0; i < W; ++i) y.lane[i] = f(i) ? MaskLane<T>(-1) : MaskLane<T>(0);
  return y;
}

template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator+(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return a.lane[i] + b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return a.lane[i] - b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator*(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return a.lane[i] * b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator/(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return a.lane[i] / b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(const Tile<T, W>& a) {
  return each<T, W>([&](int i) { return -a.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator+(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](int i) { return a.lane[i] + b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](int i) { return a.lane[i] - b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator*(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](int i) { return a.lane[i] * b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator/(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](int i) { return a.lane[i] / b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator+(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return b + a;
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return a - b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator*(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return b * a;
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator/(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return a / b.lane[i]; });
}

// Comparisons give masks, and so do `and` and `or` of masks.

template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator<(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](int i) { return a.lane[i] < b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator<=(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](int i) { return a.lane[i] <= b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator==(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](int i) { return a.lane[i] == b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator!=(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](int i) { return a.lane[i] != b.lane[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator>(const Tile<T, W>& a, const Tile<T, W>& b) {
  return b < a;
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator>=(const Tile<T, W>& a, const Tile<T, W>& b) {
  return b <= a;
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator&(const TileMask<T, W>& a,
                                                       const TileMask<T, W>& b) {
  TileMask<T, W> y;
  for (int i = 0; i < W; ++i) y.lane[i] = a.lane[i] & b.lane[i];
  return y;
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator|(const TileMask<T, W>& a,
                                                       const TileMask<T, W>& b) {
  TileMask<T, W> y;
  for (int i = 0; i < W; ++i) y.lane[i] = a.lane[i] | b.lane[i];
  return y;
}

/// condition ? a : b, for each element.
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> select(const TileMask<T, W>& condition,
                                                const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](int i) { return condition.lane[i] != 0 ? a.lane[i] : b.lane[i]; });
}
template <class X>
[[gnu::always_inline]] inline X select(bool condition, const X& a, const X& b) {
  return condition ? a : b;
}

/// A function without a vectorised form, element by element: lanewise(f, x...) = f(x...) also for a
/// plain x.
template <class F, class T, int W, class... Rest>
[[gnu::always_inline]] inline Tile<T, W> lanewise(F&& f, const Tile<T, W>& x, const Rest&... rest) {
  return each<T, W>([&](int i) { return f(x.lane[i], rest.lane[i]...); });
}
template <class F, class X, class... Rest>
[[gnu::always_inline]] inline X lanewise(F&& f, const X& x, const Rest&... rest) {
  return f(x, rest...);
}

/// A function of Eigen's arrays, applied to a tile.
template <class T, int W, class F>
[[gnu::always_inline]] inline Tile<T, W> by_eigen(const Tile<T, W>& x, F&& f) {
  using Array = Eigen::Array<T, W, 1>;
  Tile<T, W> y;
  Eigen::Map<Array>(y.lane) = f(Eigen::Map<const Array>(x.lane));
  return y;
}

template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> exp(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.exp(); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> log(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.log(); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> sin(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.sin(); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> cos(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.cos(); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> tanh(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.tanh(); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> sqrt(const Tile<T, W>& x) {
  return each<T, W>([&](int i) { return std::sqrt(x.lane[i]); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> abs(const Tile<T, W>& x) {
  return each<T, W>([&](int i) { return std::abs(x.lane[i]); });
}

// Moving elements between memory and lanes; n of them count, the rest of a tile is zero.

template <class T>
inline constexpr int lane_count = 1;
template <class T, int W>
inline constexpr int lane_count<Tile<T, W>> = W;

template <class T>
[[gnu::always_inline]] inline void load(T& x, const T* p, Index) {
  x = *p;
}
template <class T, int W>
[[gnu::always_inline]] inline void load(Tile<T, W>& x, const T* p, Index n) {
  if (n == W) {
    std::memcpy(x.lane, p, sizeof(x.lane));
  } else {
    x = Tile<T, W>(T(0));
    for (Index i = 0; i < n; ++i) x.lane[i] = p[i];
  }
}

template <class T>
[[gnu::always_inline]] inline void store(const T& x, T* p, Index) {
  *p = x;
}
template <class T, int W>
[[gnu::always_inline]] inline void store(const Tile<T, W>& x, T* p, Index n) {
  if (n == W) {
    std::memcpy(p, x.lane, sizeof(x.lane));
  } else {
    for (Index i = 0; i < n; ++i) p[i] = x.lane[i];
  }
}

template <class T>
[[gnu::always_inline]] inline void add_to(const T& x, T* p, Index) {
  *p += x;
}
template <class T, int W>
[[gnu::always_inline]] inline void add_to(const Tile<T, W>& x, T* p, Index n) {
  if (n == W) {
    for (int i = 0; i < W; ++i) p[i] += x.lane[i];
  } else {
    for (Index i = 0; i < n; ++i) p[i] += x.lane[i];
  }
}

template <class T>
[[gnu::always_inline]] inline T sum_of(const T& x) {
  return x;
}
template <class T, int W>
[[gnu::always_inline]] inline T sum_of(const Tile<T, W>& x) {
  T part[4]{};
  for (int i = 0; i < W; i += 4) {
    for (int j = 0; j < 4; ++j) part[j] += x.lane[i + j];
  }
  return (part[0] + part[1]) + (part[2] + part[3]);
}

/// Which elements are not exactly zero.
template <class T>
[[gnu::always_inline]] inline bool nonzero(const T& x) {
  return !is_exact_zero(x);
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> nonzero(const Tile<T, W>& x) {
  return each_mask<T, W>([&](int i) { return x.lane[i] != T(0); });
}

}  // namespace gradtape::detail
