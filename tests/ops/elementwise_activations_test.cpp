#include "elementwise_table.hpp"

namespace elementwise {

std::span<const Operation> activations() {
  constexpr Bound exact{.value = 0.5, .slope = 0.5};
  static const Operation table[] = {
      // the slope is exp(-x^2)
      operation<1>("erf", {.per_square = 1, .tiny = 1}, [](const auto& a) { return erf(a); }),
      operation<1>("erfc", {.per_square = 1, .tiny = 1}, [](const auto& a) { return erfc(a); }),
      // the slope is digamma
      operation<1>("lgamma", {.value = 2, .slope = 4, .slope_near_0 = 4},
                   [](const auto& a) { return lgamma(a); }),
      // y digamma
      operation<1>("tgamma", {.value = 6, .slope = 12, .slope_near_0 = 8},
                   [](const auto& a) { return tgamma(a); }),
      // near its zeros the difference of ln x and a sum
      operation<1>("digamma", {.value = 4, .slope = 4, .value_near_0 = 4},
                   [](const auto& a) { return digamma(a); }),
      operation<1>("trigamma", {.value = 4, .slope = 4}, [](const auto& a) { return trigamma(a); }),
      // below the smallest normal number exp is 0 in tensors
      operation<1>("sigmoid", {.value = 2, .slope = 3, .tiny = 1},
                   [](const auto& a) { return sigmoid(a); }),
      operation<1>("log_sigmoid", {.value = 2, .slope = 3, .tiny = 1},
                   [](const auto& a) { return log_sigmoid(a); }),
      operation<1>("softplus", {.value = 2, .slope = 3, .tiny = 1},
                   [](const auto& a) { return softplus(a); }),
      operation<1>("relu", exact, [](const auto& a) { return relu(a); }),
      operation<1>("leaky_relu", {.value = 1, .slope = 0.5},
                   [](const auto& a) { return leaky_relu(a); }),
      operation<1>("elu", {.tiny = 1}, [](const auto& a) { return elu(a); }),
      operation<2>("leaky_relu_by", exact,
                   [](const auto& a, const auto& b) { return leaky_relu(a, b); }),
      operation<2>("elu_by", {}, [](const auto& a, const auto& b) { return elu(a, b); }),
      // tails of exp(-x^2 / 2), times x; a slope of 0 at -0.75
      operation<1>("gelu",
                   {.value = 2, .slope = 3, .per_square = 1, .slope_near_0 = 1, .tiny = 1000},
                   [](const auto& a) { return gelu(a); }),
      operation<1>("gelu_tanh",
                   {.value = 4, .slope = 4, .per_square = 1, .slope_near_0 = 2, .tiny = 1000},
                   [](const auto& a) { return gelu_tanh(a); }),
      // x exp(x) where exp is 0 in tensors; a slope of 0 at -1.28
      operation<1>("silu", {.value = 2, .slope = 4, .slope_near_0 = 1, .tiny = 1000},
                   [](const auto& a) { return silu(a); }),
      operation<1>("hardtanh", exact, [](const auto& a) { return hardtanh(a); }),
      // x ln y of a rounded logarithm
      operation<2>("xlogy", {.value = 2}, [](const auto& a, const auto& b) { return xlogy(a, b); }),
      // 0 on a curve, where both terms cancel
      operation<2>("logaddexp", {.value = 2, .slope = 2, .value_near_0 = 1, .tiny = 1},
                   [](const auto& a, const auto& b) { return logaddexp(a, b); }),
  };
  return table;
}

}  // namespace elementwise
