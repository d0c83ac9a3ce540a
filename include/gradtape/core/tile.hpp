#pragma once
/// \file
/// A tile: a few dozen neighbouring elements that go through a whole expression together, in
/// registers and the first-level cache.  Here is its arithmetic; tile_memory.hpp loads and stores
/// it, tile_functions.hpp has exp, log and their like.
///
/// Operations (ops/elementwise.hpp) are written once, for a number type X that is a plain scalar or
/// a tile.

#include <type_traits>
#include <utility>

#include "expression.hpp"

namespace gradtape::detail {

/// Bytes of the widest vector register that this translation unit is compiled for.
#if defined(__AVX512F__)
inline constexpr int register_bytes = 64;
#elif defined(__AVX__)
inline constexpr int register_bytes = 32;
#else
inline constexpr int register_bytes = 16;
#endif

/// Elements of a tile: four registers, of which all processors have sixteen or more.
template <class T>
inline constexpr int tile_width = 4 * register_bytes / static_cast<int>(sizeof(T));

/// Calls f(integral_constant i) for i < n, written out: arrays that loops run over would stay in
/// memory.
template <int n, class F>
[[gnu::always_inline]] inline void unrolled(F&& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, i>()), ...);
  }
  (std::make_integer_sequence<int, n>());
}

/// One truth value for each element of a tile: all bits of an element, or none.
template <class T, int W>
struct TileMask {
  using Lane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Vector [[gnu::vector_size(register_bytes)]] = Lane;
  static constexpr int count = W * static_cast<int>(sizeof(T)) / register_bytes;

  Vector part[std::size_t{count}];
};

/// W elements, as vector registers.  Written with the compilers' vector extensions rather than as
/// loops over elements, since copies that the optimiser turns into block moves of another width
/// stall the loads behind them.
template <class T, int W>
struct Tile {
  using Vector [[gnu::vector_size(register_bytes)]] = T;
  // as it stands in memory: of any alignment, and an alias of the elements
  using Unaligned [[gnu::vector_size(register_bytes), gnu::aligned(alignof(T)), gnu::may_alias]] =
      T;
  static constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));
  static constexpr int count = W / lanes;

  Vector part[std::size_t{count}];

  Tile() = default;
  [[gnu::always_inline]] Tile(T x) {
    unrolled<count>([&](auto i) { part[i] = Vector{} + x; });
  }
  [[gnu::always_inline]] Tile(const Tile& x) {
    unrolled<count>([&](auto i) { part[i] = x.part[i]; });
  }
  [[gnu::always_inline]] Tile& operator=(const Tile& x) {
    unrolled<count>([&](auto i) { part[i] = x.part[i]; });
    return *this;
  }

  T operator[](Index i) const { return part[i / lanes][i % lanes]; }
};

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

/// f(i) for each vector register of a tile.
template <class T, int W, class F>
[[gnu::always_inline]] inline Tile<T, W> each(F&& f) {
  Tile<T, W> y;
  unrolled<Tile<T, W>::count>([&](auto i) { y.part[i] = f(i); });
  return y;
}
template <class T, int W, class F>
[[gnu::always_inline]] inline TileMask<T, W> each_mask(F&& f) {
  TileMask<T, W> y;
  unrolled<TileMask<T, W>::count>([&](auto i) { y.part[i] = f(i); });
  return y;
}

template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator+(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return a.part[i] + b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return a.part[i] - b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator*(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return a.part[i] * b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator/(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return a.part[i] / b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(const Tile<T, W>& a) {
  return each<T, W>([&](auto i) { return -a.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator+(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](auto i) { return a.part[i] + b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](auto i) { return a.part[i] - b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator*(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](auto i) { return a.part[i] * b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator/(const Tile<T, W>& a, std::type_identity_t<T> b) {
  return each<T, W>([&](auto i) { return a.part[i] / b; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator+(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return b + a;
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator-(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return a - b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator*(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return b * a;
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> operator/(std::type_identity_t<T> a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return a / b.part[i]; });
}

// Comparisons give masks, and so do `and` and `or` of masks.

template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator<(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](auto i) { return a.part[i] < b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator<=(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](auto i) { return a.part[i] <= b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator==(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](auto i) { return a.part[i] == b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator!=(const Tile<T, W>& a, const Tile<T, W>& b) {
  return each_mask<T, W>([&](auto i) { return a.part[i] != b.part[i]; });
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
  return each_mask<T, W>([&](auto i) { return a.part[i] & b.part[i]; });
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> operator|(const TileMask<T, W>& a,
                                                       const TileMask<T, W>& b) {
  return each_mask<T, W>([&](auto i) { return a.part[i] | b.part[i]; });
}

/// Both conditions, and one of two at least, for masks and for the plain bools of nested scalars.
[[gnu::always_inline]] inline bool both(bool a, bool b) { return a && b; }
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> both(const TileMask<T, W>& a,
                                                  const TileMask<T, W>& b) {
  return a & b;
}
[[gnu::always_inline]] inline bool either(bool a, bool b) { return a || b; }
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> either(const TileMask<T, W>& a,
                                                    const TileMask<T, W>& b) {
  return a | b;
}

/// Whether a condition holds for every element.
[[gnu::always_inline]] inline bool all(bool condition) { return condition; }
template <class T, int W>
[[gnu::always_inline]] inline bool all(const TileMask<T, W>& condition) {
  auto y = condition.part[0];
  for (int i = 1; i < TileMask<T, W>::count; ++i) y &= condition.part[i];
  for (int i = 0; i < register_bytes / static_cast<int>(sizeof(T)); ++i) {
    if (y[i] == 0) return false;
  }
  return true;
}

/// condition ? a : b, for each element.
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> select(const TileMask<T, W>& condition,
                                                const Tile<T, W>& a, const Tile<T, W>& b) {
  return each<T, W>([&](auto i) { return condition.part[i] ? a.part[i] : b.part[i]; });
}
template <class X>
[[gnu::always_inline]] inline X select(bool condition, const X& a, const X& b) {
  return condition ? a : b;
}

/// A function without a vectorised form, element by element: lanewise(f, x...) = f(x...) also for a
/// plain x.
template <class F, class T, int W, class... Rest>
[[gnu::always_inline]] inline Tile<T, W> lanewise(F&& f, const Tile<T, W>& x, const Rest&... rest) {
  Tile<T, W> y;
  for (int i = 0; i < Tile<T, W>::count; ++i) {
    for (int j = 0; j < Tile<T, W>::lanes; ++j) y.part[i][j] = f(x.part[i][j], rest.part[i][j]...);
  }
  return y;
}
template <class F, class X, class... Rest>
[[gnu::always_inline]] inline X lanewise(F&& f, const X& x, const Rest&... rest) {
  return f(x, rest...);
}

/// The sum of all elements.
template <class T>
[[gnu::always_inline]] inline T sum_of(const T& x) {
  return x;
}
template <class T, int W>
[[gnu::always_inline]] inline T sum_of(const Tile<T, W>& x) {
  typename Tile<T, W>::Vector sum = x.part[0];
  for (int i = 1; i < Tile<T, W>::count; ++i) sum += x.part[i];
  T y = sum[0];
  for (int j = 1; j < Tile<T, W>::lanes; ++j) y += sum[j];
  return y;
}

/// Which elements are not exactly zero.
template <class T>
[[gnu::always_inline]] inline bool nonzero(const T& x) {
  return !is_exact_zero(x);
}
template <class T, int W>
[[gnu::always_inline]] inline TileMask<T, W> nonzero(const Tile<T, W>& x) {
  return x != Tile<T, W>(T(0));
}

}  // namespace gradtape::detail
