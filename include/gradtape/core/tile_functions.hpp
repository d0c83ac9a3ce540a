#pragma once
/// \file
/// Functions of tiles: Eigen's vectorised ones, mended where they are not right, and the processor's
/// square root.

#include <Eigen/Core>
#include <bit>
#include <cmath>
#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif
#include <limits>
#include <type_traits>

#include "tile_memory.hpp"

namespace gradtape::detail {

/// A function of Eigen's (`Eigen::internal::scalar_exp_op` and its like), in registers where Eigen
/// has it for them; through Eigen's arrays a program would take longer to compile.
template <template <class> class Op, class T, int W>
[[gnu::always_inline]] inline Tile<T, W> by_eigen(const Tile<T, W>& x) {
  using Packet = typename Eigen::internal::packet_traits<T>::type;
  const Op<T> op;
  if constexpr (Eigen::internal::functor_traits<Op<T>>::PacketAccess &&
                sizeof(Packet) == register_bytes) {
    return Tile<T, W>::of([&](int i) __attribute__((always_inline)) {
      const Packet y = op.packetOp(std::bit_cast<Packet>(x.part[i]));
      return std::bit_cast<typename Tile<T, W>::Vector>(y);
    });
  } else {
    return lanewise(op, x);
  }
}

/// exp(x) of floats: 2^k (1 + p), where x = k ln 2 + r, |r| <= ln 2 / 2, and p = exp(r) - 1.  For
/// x in which 2^k is out of range the results are meaningless.
/// Source of the polynomial: Moshier (1989), Methods and Programs for Mathematical Functions.
template <class Vector>
struct FloatExponential {
  using Bits [[gnu::vector_size(sizeof(Vector))]] = std::uint32_t;

  Vector p;
  Bits k;  // above its lowest nine bits there is more

  [[gnu::always_inline]] explicit FloatExponential(const Vector& x) {
    // adding this number rounds to an integer, which is in the lowest bits then; the barriers keep
    // -ffast-math from taking it off again, and ln 2 from becoming one number, of too few digits
    const float shift = 0x1.8p23f;
    Vector shifted = x * 1.44269504088896341f + shift;
    EIGEN_OPTIMIZATION_BARRIER(shifted)
    const Vector n = shifted - shift;
    Vector most = x - n * 0.693359375f;
    EIGEN_OPTIMIZATION_BARRIER(most)
    const Vector r = most + n * 2.12194440e-4f;
    const Vector high = (1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f,
                 low = (4.1665795894e-2f * r + 1.6666665459e-1f) * r + 5.0000001201e-1f,
                 square = r * r;
    p = (high * (square * r) + low) * square + r;
    k = std::bit_cast<Bits>(shifted);
  }
  /// The exponent is added to that of 1 + p, which may be below 1: 2^k alone may overflow.
  [[gnu::always_inline]] Vector value() const {
    const Vector y = p + 1.0f;
    return std::bit_cast<Vector>(std::bit_cast<Bits>(y) + (k << 23));
  }
};

// Eigen's exp and log are not right at the ends of their range before version 5.  Results of exp
// below the smallest normal number are 0.
template <int W>
[[gnu::always_inline]] inline Tile<float, W> exp(const Tile<float, W>& x) {
  const float low = -87.33654f, high = 88.72283f, infinity = std::numeric_limits<float>::infinity();
  return Tile<float, W>::of([&](int i) __attribute__((always_inline)) {
    using Vector = typename Tile<float, W>::Vector;
    const Vector& z = x.part[i];
    const Vector y = FloatExponential<Vector>(z).value(), beyond = z + infinity;  // or NaN
    return z < low ? Vector{} : z <= high ? y : beyond;
  });
}
template <int W>
[[gnu::always_inline]] inline Tile<double, W> exp(const Tile<double, W>& x) {
  using X = Tile<double, W>;
  const X y = by_eigen<Eigen::internal::scalar_exp_op>(x);
  return select(x < X(-708.39641853226408), X(0.0),
                select(x > X(709.78271289338397), X(std::numeric_limits<double>::infinity()), y));
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> log(const Tile<T, W>& x) {
  const T scale = T(std::uint64_t{1} << std::numeric_limits<T>::digits);
  const TileMask<T, W> is_small = x < Tile<T, W>(std::numeric_limits<T>::min());
  const Tile<T, W> y = by_eigen<Eigen::internal::scalar_log_op>(select(is_small, x * scale, x));
  const T shift = T(std::numeric_limits<T>::digits * 0.69314718055994530942);
  return y - select(is_small, Tile<T, W>(shift), Tile<T, W>(T(0)));
}
/// 2^k p + (2^k - 1), of halves, as 2^k itself may overflow.  Eigen's loses digits far from 0, and is
/// infinite from 88.376 on with AVX-512 before version 5.
template <int W>
[[gnu::always_inline]] inline Tile<float, W> expm1(const Tile<float, W>& x) {
  const float low = -17.4f, high = 88.72283f, infinity = std::numeric_limits<float>::infinity();
  return Tile<float, W>::of([&](int i) __attribute__((always_inline)) {
    using Vector = typename Tile<float, W>::Vector;
    const Vector& z = x.part[i];
    const FloatExponential<Vector> e(z);
    const Vector half = std::bit_cast<Vector>((e.k + 126) << 23), far = half * e.p + (half - 0.5f),
                 y = half == 0.5f ? e.p : far + far, beyond = z + infinity;  // or NaN
    return z < low ? Vector{} - 1.0f : z <= high ? y : beyond;
  });
}
template <int W>
[[gnu::always_inline]] inline Tile<double, W> expm1(const Tile<double, W>& x) {
  return by_eigen<Eigen::internal::scalar_expm1_op>(x);
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> log1p(const Tile<T, W>& x) {
  return by_eigen<Eigen::internal::scalar_log1p_op>(x);
}
/// ln(1 + x) for x from 0 to 1:  2 artanh(s/2) = s + s^3 q(s^2),  s = 2 x / (2 + x).
/// The coefficients of q are Chebyshev's on [0, 4/9], of an error below 1e-9.  Where the second term
/// is nothing beside the first it is 0, not a subnormal number, which processors take long for.
template <class X>
[[gnu::always_inline]] inline X log1p_of_fraction(const X& x) {
  using std::log1p;
  return log1p(x);
}
template <int W>
[[gnu::always_inline]] inline Tile<float, W> log1p_of_fraction(const Tile<float, W>& x) {
  using X = Tile<float, W>;
  const X s = (x + x) / (2.0f + x), t = select(s < X(1e-10f), X(0.0f), s), z = t * t,
          q = (((1.13400045e-4f * z + 4.23956559e-4f) * z + 2.23377797e-3f) * z + 1.24999082e-2f) *
                  z +
              8.33333342e-2f;
  return t * (z * q) + s;
}
/// Of doubles by the standard library: those of Eigen 5 lose digits near multiples of pi.
template <template <class> class Op, class T, int W>
[[gnu::always_inline]] inline Tile<T, W> periodic(const Tile<T, W>& x) {
  if constexpr (std::is_same_v<T, double>) {
    return lanewise(Op<T>(), x);
  } else {
    return by_eigen<Op>(x);
  }
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> sin(const Tile<T, W>& x) {
  return periodic<Eigen::internal::scalar_sin_op>(x);
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> cos(const Tile<T, W>& x) {
  return periodic<Eigen::internal::scalar_cos_op>(x);
}
template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> tanh(const Tile<T, W>& x) {
  return by_eigen<Eigen::internal::scalar_tanh_op>(x);
}

/// Eigen 3.4 calls the library for each double.  x (1 + x^2 p(x^2) / q(x^2)) near 0, where the
/// exponential loses digits, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x.
/// Source of the rational function: Moshier (1989), Methods and Programs for Mathematical Functions.
template <int W>
[[gnu::always_inline]] inline Tile<double, W> tanh(const Tile<double, W>& x) {
  using X = Tile<double, W>;
  const X z = x * x,
          p = (-9.64399179425052238628e-1 * z - 9.92877231001918586564e1) * z -
              1.61468768441708447952e3,
          q = ((z + 1.12811678491632931402e2) * z + 2.23548839060100448583e3) * z +
              4.84406305325125486048e3,
          near = x * (1 + z * p / q), size = abs(x), far = 1 - 2 / (exp(size + size) + 1);
  return select(size >= X(0.625), select(x < X(0.0), X(-far), far), near);
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
  return Tile<T, W>::of([&](int i)
                            __attribute__((always_inline)) { return square_root(x.part[i]); });
}

template <class T, int W>
[[gnu::always_inline]] inline Tile<T, W> abs(const Tile<T, W>& x) {
  return by_eigen<Eigen::internal::scalar_abs_op>(x);
}

}  // namespace gradtape::detail
