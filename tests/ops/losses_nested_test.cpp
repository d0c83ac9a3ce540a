// Losses of nested scalars: d/dz of the gradient along v, by a dual number on a tape and by a tape
// on a tape, against differences of the gradient itself.

#include <vector>

#include "catch.hpp"
#include "gradtape/diff/eigen.hpp"
#include "gradtape/ops/cross_entropy.hpp"
#include "numeric.hpp"

using namespace gradtape;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

const std::vector<int> classes{2, 1, 3};

template <class Loss>
void check_second_derivatives(Loss&& loss) {
  const VectorXd z = numeric::numbers(12, 1), v = numeric::numbers(12, 3);
  const auto gradient = [&](double step) {
    Tape<double> tape;
    Tensor x = tape.variable(Shape{4, 3}, (z + step * v).eval());
    tape.backward(Var<double>(loss(x)));
    return VectorXd(x.grad().reshaped());
  };
  const VectorXd expected =
      (8 * (gradient(1e-3) - gradient(-1e-3)) - (gradient(2e-3) - gradient(-2e-3))) / 12e-3;

  Tape<Dual<double>> tape;
  std::vector<Dual<double>> seeded;
  for (Index i = 0; i < 12; ++i) seeded.emplace_back(z(i), v(i));
  Tensor x = tape.variable(Shape{4, 3}, seeded);
  tape.backward(Var<Dual<double>>(loss(x)));
  Tape<double> inner;
  Tape<Var<double>> outer;
  std::vector<Var<double>> inputs;
  for (Index i = 0; i < 12; ++i) inputs.push_back(inner.variable(z(i)));
  Tensor y = outer.variable(Shape{4, 3}, inputs);
  outer.backward(Var<Var<double>>(loss(y)));
  Var<double> along(0.0);
  for (Index i = 0; i < 12; ++i) along += y.grad().data()[i] * v(i);
  inner.backward(along);
  for (Index i = 0; i < 12; ++i) {
    CHECK(x.grad().data()[i].tangent() == Approx(expected(i)).epsilon(1e-8).margin(1e-10));
    CHECK(inputs[std::size_t(i)].grad() == Approx(expected(i)).epsilon(1e-8).margin(1e-10));
  }
}

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
