#include "elementwise_table.hpp"

namespace elementwise {

std::span<const Operation> functions() {
  static const Operation table[] = {
      operation<1>("exp", {.tiny = 1}, [](const auto& a) { return exp(a); }),
      // ln 2 y is infinite with y
      operation<1>("exp2", {.tiny = 1, .overflows = true}, [](const auto& a) { return exp2(a); }),
      operation<1>("expm1", {.tiny = 1}, [](const auto& a) { return expm1(a); }),
      operation<1>("log", {}, [](const auto& a) { return log(a); }),
      operation<1>("log2", {}, [](const auto& a) { return log2(a); }),
      operation<1>("log10", {}, [](const auto& a) { return log10(a); }),
      operation<1>("log1p", {}, [](const auto& a) { return log1p(a); }),
      operation<1>("sqrt", {}, [](const auto& a) { return sqrt(a); }),
      // the rounding error of y counts twice in y^2
      operation<1>("cbrt", {.slope = 4}, [](const auto& a) { return cbrt(a); }),
      operation<1>("sin", {}, [](const auto& a) { return sin(a); }),
      operation<1>("cos", {}, [](const auto& a) { return cos(a); }),
      operation<1>("tan", {}, [](const auto& a) { return tan(a); }),
      operation<1>("asin", {}, [](const auto& a) { return asin(a); }),
      operation<1>("acos", {}, [](const auto& a) { return acos(a); }),
      // 0 where x^2 overflows
      operation<1>("atan", {.tiny = 1}, [](const auto& a) { return atan(a); }),
      operation<1>("sinh", {}, [](const auto& a) { return sinh(a); }),
      operation<1>("cosh", {}, [](const auto& a) { return cosh(a); }),
      // 1 - y^2 doubles the relative error of y
      operation<1>("tanh", {.slope = 4, .tiny = 1}, [](const auto& a) { return tanh(a); }),
      operation<1>("asinh", {}, [](const auto& a) { return asinh(a); }),
      operation<1>("acosh", {}, [](const auto& a) { return acosh(a); }),
      operation<1>("atanh", {}, [](const auto& a) { return atanh(a); }),
      // infinite with y; b a^(b-1) where a^(b-1) underflows
      operation<2>("pow", {.tiny = 1, .overflows = true},
                   [](const auto& a, const auto& b) { return pow(a, b); }),
      operation<2>("hypot", {}, [](const auto& a, const auto& b) { return hypot(a, b); }),
      operation<3>("hypot3", {.slope = 3},
                   [](const auto& a, const auto& b, const auto& c) { return hypot(a, b, c); }),
      operation<2>("atan2", {}, [](const auto& a, const auto& b) { return atan2(a, b); }),
  };
  return table;
}

}  // namespace elementwise
