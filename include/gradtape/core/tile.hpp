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
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif
#include <limits>
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

// Moving elements between memory and lanes.  n of them count; in a tile that is not full the others
// are `rest`.

template <class T>
inline constexpr int lane_count = 1;
template <class T, int W>
inline constexpr int lane_count<Tile<T, W>> = W;

/// Calls f(offset, size) for the powers of two that make up n < W: pieces of constant length.
template <int W, class F>
[[gnu::always_inline]] inline void for_pieces(Index n, F&& f) {
  if constexpr (W > 1) {
    constexpr int half = W / 2;
    const bool takes = (n & half) != 0;
    if (takes) f(std::integral_constant<int, half>());
    for_pieces<half>(n, f);
  }
}

template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> load_full(const T* p) {
  Tile<T, W> x;
  unrolled<Tile<T, W>::count>([&](auto i) {
    x.part[i] = *reinterpret_cast<const typename Tile<T, W>::Unaligned*>(p + i * Tile<T, W>::lanes);
  });
  return x;
}
template <class T, int W>
[[gnu::always_inline]] inline void store_full(const Tile<T, W>& x, T* p) {
  unrolled<Tile<T, W>::count>([&](auto i) {
    *reinterpret_cast<typename Tile<T, W>::Unaligned*>(p + i * Tile<T, W>::lanes) = x.part[i];
  });
}

/// All lanes of X from memory, and back.
template <class T>
[[gnu::always_inline]] inline void load(T& x, const T* p) {
  x = *p;
}
template <class T, int W>
[[gnu::always_inline]] inline void load(Tile<T, W>& x, const T* p) {
  x = load_full<T, W>(p);
}
template <class T>
[[gnu::always_inline]] inline void store(const T& x, T* p) {
  *p = x;
}
template <class T, int W>
[[gnu::always_inline]] inline void store(const Tile<T, W>& x, T* p) {
  store_full(x, p);
}

// A tile that is not full goes through memory, out of line: it is the last of a run.

template <class T, int W>
[[gnu::noinline]] Tile<T, W> load_part(const T* p, Index n, T rest) {
  T padded[std::size_t{W}];
  for (int i = 0; i < W; ++i) padded[i] = rest;
  T* to = padded;
  for_pieces<W>(n, [&](auto size) {
    std::memcpy(to, p, size * sizeof(T));
    to += size;
    p += size;
  });
  return load_full<T, W>(padded);
}
template <class T, int W>
[[gnu::noinline]] void store_part(const Tile<T, W>& x, T* p, Index n) {
  T padded[std::size_t{W}];
  store_full(x, padded);
  const T* from = padded;
  for_pieces<W>(n, [&](auto size) {
    std::memcpy(p, from, size * sizeof(T));
    from += size;
    p += size;
  });
}

template <class T>
[[gnu::always_inline]] inline void load(T& x, const T* p, Index, const T& = T(0)) {
  x = *p;
}
template <class T, int W>
[[gnu::always_inline]] inline void load(Tile<T, W>& x, const T* p, Index n, T rest = T(0)) {
  if (n == W) {
    x = load_full<T, W>(p);
  } else {
    x = load_part<T, W>(p, n, rest);
  }
}

template <class T>
[[gnu::always_inline]] inline void store(const T& x, T* p, Index) {
  *p = x;
}
template <class T, int W>
[[gnu::always_inline]] inline void store(const Tile<T, W>& x, T* p, Index n) {
  if (n == W) {
    store_full(x, p);
  } else {
    const Tile<T, W> copy(x);  // were the address of x itself to escape, x would live in memory
    store_part(copy, p, n);
  }
}

template <class T>
[[gnu::always_inline]] inline void add_to(const T& x, T* p, Index) {
  *p += x;
}
template <class T, int W>
[[gnu::always_inline]] inline void add_to(const Tile<T, W>& x, T* p, Index n) {
  Tile<T, W> sum;
  load(sum, p, n);
  store(sum + x, p, n);
}

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

/// A function of Eigen's arrays, applied to a tile.
template <class T, int W, class F>
[[gnu::always_inline]] inline Tile<T, W> by_eigen(const Tile<T, W>& x, F&& f) {
  Eigen::Array<T, W, 1> array;
  store_full(x, array.data());
  array = f(array);
  return load_full<T, W>(array.data());
}

// Eigen's exp and log are not right at the ends of their range before version 5.  Results of exp
// below the smallest normal number are 0.
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> exp(const Tile<T, W>& x) {
  const bool wide = sizeof(T) == 8;
  const Tile<T, W> low(wide ? T(-708.39641853226408) : T(-87.33654)),
      high(wide ? T(709.78271289338397) : T(88.72283)),
      infinity(std::numeric_limits<T>::infinity());
  const Tile<T, W> y = by_eigen(x, [](const auto& a) { return a.exp(); });
  return select(x < low, Tile<T, W>(T(0)), select(x > high, infinity, y));
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> log(const Tile<T, W>& x) {
  const T scale = T(std::uint64_t{1} << std::numeric_limits<T>::digits);
  const TileMask<T, W> is_small = x < Tile<T, W>(std::numeric_limits<T>::min());
  const Tile<T, W> y =
      by_eigen(select(is_small, x * scale, x), [](const auto& a) { return a.log(); });
  const T shift = T(std::numeric_limits<T>::digits * 0.69314718055994530942);
  return y - select(is_small, Tile<T, W>(shift), Tile<T, W>(T(0)));
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> expm1(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.expm1(); });
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> log1p(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.log1p(); });
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

// Eigen's square root of floats may be an approximation, which is not right at infinity, and for
// std::sqrt compilers call a function, because it must set errno.
#if defined(__AVX512F__)
[[gnu::always_inline]] inline __m512 square_root(__m512 x) { return _mm512_sqrt_ps(x); }
[[gnu::always_inline]] inline __m512d square_root(__m512d x) { return _mm512_sqrt_pd(x); }
#elif defined(__AVX__)
[[gnu::always_inline]] inline __m256 square_root(__m256 x) { return _mm256_sqrt_ps(x); }
[[gnu::always_inline]] inline __m256d square_root(__m256d x) { return _mm256_sqrt_pd(x); }
#elif defined(__SSE2__)
[[gnu::always_inline]] inline __m128 square_root(__m128 x) { return _mm_sqrt_ps(x); }
[[gnu::always_inline]] inline __m128d square_root(__m128d x) { return _mm_sqrt_pd(x); }
#else
template <class Vector>
Vector square_root(Vector x) {
  for (int j = 0; j < register_bytes / static_cast<int>(sizeof(x[0])); ++j) x[j] = std::sqrt(x[j]);
  return x;
}
#endif
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> sqrt(const Tile<T, W>& x) {
  return each<T, W>([&](auto i) { return square_root(x.part[i]); });
}

template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> abs(const Tile<T, W>& x) {
  return by_eigen(x, [](const auto& a) { return a.abs(); });
}

}  // namespace gradtape::detail
