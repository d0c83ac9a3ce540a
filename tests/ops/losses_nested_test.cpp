// Losses of nested scalars.

#include <vector>

#include "catch.hpp"
#include "gradtape/ops/cross_entropy.hpp"
#include "second_derivatives.hpp"

using namespace gradtape;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using numeric::check_second_derivatives;

namespace {

const std::vector<int> classes{2, 1, 3};

}  // namespace

TEST_CASE("second derivatives of losses") {
  check_second_derivatives(
      [](const auto& x) { return softmax_cross_entropy(x, classes, {.ignore_index = 1}); });
  check_second_derivatives([](const auto& x) {
    using T = typename std::decay_t<decltype(x)>::Scalar;
    return softmax_cross_entropy(x, classes, {.label_smoothing = T(0.25)});
  });
  check_second_derivatives([](const auto& x) { return softmax_cross_entropy(x, x); });
  check_second_derivatives([](const auto& x) { return nll(log_softmax(x), classes); });
  const MatrixXd t = numeric::numbers(12, 4).cwiseAbs().reshaped(4, 3);
  check_second_derivatives(
      [&](const auto& x) { return nll(log_softmax(softmax(x), Dim(1)), classes); });
  check_second_derivatives([&](const auto& x) { return binary_cross_entropy_with_logits(x, t); });
  check_second_derivatives([&](const auto& x) { return binary_cross_entropy(softmax(x), t); });
  check_second_derivatives([&](const auto& x) { return mse(x, x * x); });
  check_second_derivatives([&](const auto& x) { return huber(x * x, t, 1); });
}
