#pragma once
/// \file
/// A tile: a dozen or so neighbouring elements that go through a whole expression together, in
/// registers and the first-level cache.  Here is its arithmetic; tile_memory.hpp loads and stores
/// it, tile_functions.hpp has exp, log and their like.
///
/// Operations (ops/elementwise.hpp) are written once, for a number type X that is a plain scalar or
/// a tile.

#include <type_traits>
#include <utility>

#include "expression.hpp"

namespace gradtape::detail {

/// Calls f(i) for i < n, written out: arrays that loops run over would stay in memory.
template <int n, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) { (f(i), ...); }
  (std::make_integer_sequence<int, n>());
}

/// Sets part[i] = f(i) for the few registers of a tile, written out in this way because there are
/// hundreds of such places in a program: anything more general costs the compiler a multiple.
template <class Vector, std::size_t count, class F>
[[gnu::always_inline]] inline void fill(Vector (&part)[count], const F& f) {
  static_assert(count <= 4);
  part[0] = f(0);
  if constexpr (count > 1) part[1] = f(1);
  if constexpr (count > 2) part[2] = f(2);
  if constexpr (count > 3) part[3] = f(3);
}

// The operators below are friends: found for these types alone, they are not considered for others.

/// One truth value for each element of a tile: all bits of an element, or none.
template <class T, int W>
struct TileMask {
  using Lane = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  using Vector [[gnu::vector_size(register_bytes)]] = Lane;
  static constexpr int count = W * static_cast<int>(sizeof(T)) / register_bytes;

  Vector part[std::size_t{count}];

  template <class F>
  [[gnu::always_inline]] static TileMask of(const F& f) {
    TileMask y;
    fill(y.part, f);
    return y;
  }

  [[gnu::always_inline]] friend TileMask operator&(const TileMask& a, const TileMask& b) {
    return of([&](int i) __attribute__((always_inline)) { return a.part[i] & b.part[i]; });
  }
  [[gnu::always_inline]] friend TileMask operator|(const TileMask& a, const TileMask& b) {
    return of([&](int i) __attribute__((always_inline)) { return a.part[i] | b.part[i]; });
  }
};

/// W elements, as vector registers.  Written with the compilers' vector extensions rather than as
/// loops over elements, since copies that the optimiser turns into block moves of another width
/// stall the loads behind them.  A plain number stands for a tile of it.
template <class T, int W>
struct Tile {
  using Vector [[gnu::vector_size(register_bytes)]] = T;
  // as it stands in memory: of any alignment, and an alias of the elements
  using Unaligned [[gnu::vector_size(register_bytes), gnu::aligned(alignof(T)), gnu::may_alias]] =
      T;
  using Mask = TileMask<T, W>;
  static constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));
  static constexpr int count = W / lanes;

  Vector part[std::size_t{count}];

  Tile() = default;
  [[gnu::always_inline]] Tile(T x) {
    fill(
        part, [x](int) __attribute__((always_inline)) { return Vector{} + x; });
  }
  [[gnu::always_inline]] Tile(const Tile& x) { *this = x; }
  [[gnu::always_inline]] Tile& operator=(const Tile& x) {
    fill(
        part, [&](int i) __attribute__((always_inline)) { return x.part[i]; });
    return *this;
  }
  template <class F>
  [[gnu::always_inline]] static Tile of(const F& f) {
    Tile y;
    fill(y.part, f);
    return y;
  }

  T operator[](Index i) const { return part[i / lanes][i % lanes]; }

  [[gnu::always_inline]] friend Tile operator+(const Tile& a, const Tile& b) {
    return of([&](int i) __attribute__((always_inline)) { return a.part[i] + b.part[i]; });
  }
  [[gnu::always_inline]] friend Tile operator-(const Tile& a, const Tile& b) {
    return of([&](int i) __attribute__((always_inline)) { return a.part[i] - b.part[i]; });
  }
  [[gnu::always_inline]] friend Tile operator*(const Tile& a, const Tile& b) {
    return of([&](int i) __attribute__((always_inline)) { return a.part[i] * b.part[i]; });
  }
  [[gnu::always_inline]] friend Tile operator/(const Tile& a, const Tile& b) {
    return of([&](int i) __attribute__((always_inline)) { return a.part[i] / b.part[i]; });
  }
  [[gnu::always_inline]] friend Tile operator-(const Tile& a) {
    return of([&](int i) __attribute__((always_inline)) { return -a.part[i]; });
  }

  [[gnu::always_inline]] friend Mask operator<(const Tile& a, const Tile& b) {
    return Mask::of([&](int i) __attribute__((always_inline)) { return a.part[i] < b.part[i]; });
  }
  [[gnu::always_inline]] friend Mask operator<=(const Tile& a, const Tile& b) {
    return Mask::of([&](int i) __attribute__((always_inline)) { return a.part[i] <= b.part[i]; });
  }
  [[gnu::always_inline]] friend Mask operator==(const Tile& a, const Tile& b) {
    return Mask::of([&](int i) __attribute__((always_inline)) { return a.part[i] == b.part[i]; });
  }
  [[gnu::always_inline]] friend Mask operator!=(const Tile& a, const Tile& b) {
    return Mask::of([&](int i) __attribute__((always_inline)) { return a.part[i] != b.part[i]; });
  }
  [[gnu::always_inline]] friend Mask operator>(const Tile& a, const Tile& b) { return b < a; }
  [[gnu::always_inline]] friend Mask operator>=(const Tile& a, const Tile& b) { return b <= a; }
};

/// What operations compute with on tensors of T: tiles where the processor has vectors of T, else
/// single elements.
template <class T>
using Lanes = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, double>,
                                 Tile<T, tile_width<T>>, T>;
/// One register of them, or a single element.
template <class T>
using RegisterOf = std::conditional_t<(tile_width<T> > 1),
                                      Tile<T, register_bytes / static_cast<int>(sizeof(T))>, T>;

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
  return Tile<T, W>::of([&](int i) __attribute__((always_inline)) {
    return condition.part[i] ? a.part[i] : b.part[i];
  });
}
template <class X>
[[gnu::always_inline]] inline X select(bool condition, const X& a, const X& b) {
  return condition ? a : b;
}

/// a b + c with a number b, rounded once where the processor has an instruction for it: compilers
/// may look for one within an expression, but not across calls of operators.
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> multiply_add(const Tile<T, W>& a, T b,
                                                      const Tile<T, W>& c) {
  return Tile<T, W>::of([&](int i)
                            __attribute__((always_inline)) { return a.part[i] * b + c.part[i]; });
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

/// Exchanges the blocks of d elements at odd positions of a with those at even positions of b.
template <int d, class Vector, int... i>
[[gnu::always_inline]] inline void exchange_blocks(Vector& a, Vector& b,
                                                   std::integer_sequence<int, i...>) {
  constexpr int n = sizeof...(i);
  const Vector first = __builtin_shufflevector(a, b, ((i & d) != 0 ? n + i - d : i)...);
  b = __builtin_shufflevector(a, b, ((i & d) != 0 ? n + i : i + d)...);
  a = first;
}
/// Element i of tile j becomes element j of tile i, for as many tiles of one register as it has
/// elements: first blocks of half of them change places, then blocks within these.
template <int d, class T, int W>
[[gnu::always_inline]] inline void transpose_tiles(Tile<T, W> (&x)[std::size_t{W}]) {
  if constexpr (d > 0) {
    unrolled<W>([&](int j) __attribute__((always_inline)) {
      if ((j & d) == 0) {
        exchange_blocks<d>(x[j].part[0], x[j + d].part[0], std::make_integer_sequence<int, W>());
      }
    });
    transpose_tiles<d / 2>(x);
  }
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
