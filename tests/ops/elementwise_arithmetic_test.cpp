#include "elementwise_table.hpp"

namespace elementwise {

std::span<const Operation> arithmetic() {
  constexpr Bound exact{.value = 0.5, .slope = 0.5};
  static const Operation table[] = {
      operation<1>("neg", exact, [](const auto& a) { return -a; }),
      operation<2>("add", exact, [](const auto& a, const auto& b) { return a + b; }),
      operation<2>("sub", exact, [](const auto& a, const auto& b) { return a - b; }),
      operation<2>("mul", exact, [](const auto& a, const auto& b) { return a * b; }),
      operation<3>("fma", exact,
                   [](const auto& a, const auto& b, const auto& c) { return fma(a, b, c); }),
      // 1 / b and y / b are rounded twice
      operation<2>("div", {.value = 0.5, .slope = 1.5},
                   [](const auto& a, const auto& b) { return a / b; }),
      operation<1>("square", exact, [](const auto& a) { return square(a); }),
      operation<1>("reciprocal", {.value = 0.5, .slope = 1.5},
                   [](const auto& a) { return reciprocal(a); }),
      operation<1>("abs", exact, [](const auto& a) { return abs(a); }),
      operation<1>("sign", exact, [](const auto& a) { return sign(a); }),
      operation<1>("floor", exact, [](const auto& a) { return floor(a); }),
      operation<1>("ceil", exact, [](const auto& a) { return ceil(a); }),
      operation<1>("round", exact, [](const auto& a) { return round(a); }),
      operation<1>("trunc", exact, [](const auto& a) { return trunc(a); }),
      operation<1>("rint", exact, [](const auto& a) { return rint(a); }),
      operation<1>("ldexp", exact, [](const auto& a) { return ldexp(a, -3); }),
      operation<2>("fdim", exact, [](const auto& a, const auto& b) { return fdim(a, b); }),
      operation<2>("fmod", exact, [](const auto& a, const auto& b) { return fmod(a, b); }),
      operation<2>("remainder", exact,
                   [](const auto& a, const auto& b) { return remainder(a, b); }),
      operation<2>("copysign", exact, [](const auto& a, const auto& b) { return copysign(a, b); }),
      operation<2>("min", exact, [](const auto& a, const auto& b) { return min(a, b); }),
      operation<2>("max", exact, [](const auto& a, const auto& b) { return max(a, b); }),
      operation<3>("clamp", exact,
                   [](const auto& a, const auto& b, const auto& c) { return clamp(a, b, c); }),
      operation<3>("where", exact,
                   [](const auto& a, const auto& b, const auto& c) { return where(a, b, c); }),
  };
  return table;
}

}  // namespace elementwise
