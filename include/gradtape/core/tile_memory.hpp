#pragma once
/// \file
/// Moving elements between memory and the lanes of a tile or of a plain number.  Where a number n is
/// given, so many of them count; in a tile that is not full the others are `rest`.

#include <array>
#include <cstring>

#include "tile.hpp"

namespace gradtape::detail {

/// Elements in an X.
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
  using Unaligned = typename Tile<T, W>::Unaligned;
  return Tile<T, W>::of([p](int i) __attribute__((always_inline)) {
    return *reinterpret_cast<const Unaligned*>(p + i * Tile<T, W>::lanes);
  });
}
template <class T, int W>
[[gnu::always_inline]] inline void store_full(const Tile<T, W>& x, T* p) {
  unrolled<Tile<T, W>::count>([&](int i) __attribute__((always_inline)) {
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

/// The first n lanes, the others 0.
template <class T>
[[gnu::always_inline]] inline T first_lanes(const T& x, Index n) {
  return n > 0 ? x : T(0);
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> first_lanes(const Tile<T, W>& x, Index n) {
  static constexpr std::array<T, std::size_t{W}> position = [] {
    std::array<T, std::size_t{W}> y{};
    for (int i = 0; i < W; ++i) y[static_cast<std::size_t>(i)] = T(i);
    return y;
  }();
  Tile<T, W> i;
  load(i, position.data());
  return select(i < Tile<T, W>(static_cast<T>(n)), x, Tile<T, W>(T(0)));
}
/// A copy in memory of the tile at `from`, with zeros behind its first n elements.
template <class X, class T>
[[gnu::noinline]] const T* copy_first(const T* from, Index n, T* tile) {
  X x;
  load(x, from);
  store(first_lanes(x, n), tile);
  return tile;
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

}  // namespace gradtape::detail
