// Losses against PyTorch: see cases.py.

#include "gradtape/ops/losses.hpp"

#include <array>

#include "gradtape/ops/cross_entropy.hpp"
#include "torch/cases.hpp"

using namespace gradtape;
using torch::check;
using torch::Inputs;
using torch::wave;

namespace {

/// Runs the cases of a loss for each reduction and returns their number.
template <class F>
int reductions(const std::string& name, const std::vector<Shape>& shapes, F&& loss) {
  return check(name + " mean", shapes, [&](const Inputs& x) { return loss(x, reduce::mean); }) +
         check(name + " sum", shapes, [&](const Inputs& x) { return loss(x, reduce::sum); }) +
         check(name + " none", shapes, [&](const Inputs& x) { return loss(x, reduce::none); });
}

}  // namespace

TEST_CASE("torch: losses of elements") {
  const Shape m{3, 4};
  const Eigen::MatrixXd weights = 1 + 0.5 * wave(4, 0.9, 3, 4).array(),
                        distances = wave(3, 1.1, 3, 4), shares = 0.5 + 0.45 * distances.array();
  const auto probability = [](const Inputs& x) { return Tensor(0.5 + 0.45 * x[0]); };
  const auto logits = [](const Inputs& x) { return Tensor(3 * x[0]); };
  int n = reductions("mse", {m, m}, [](const Inputs& x, auto r) { return mse(x[0], x[1], r); });
  n += reductions("mae", {m, m}, [](const Inputs& x, auto r) { return mae(x[0], x[1], r); });
  n += reductions("huber", {m},
                  [&](const Inputs& x, auto r) { return huber(x[0], distances, 0.5, r); });
  n += reductions("bce", {m}, [&](const Inputs& x, auto r) {
    return binary_cross_entropy(probability(x), shares, r);
  });
  n += reductions("weighted bce", {m}, [&](const Inputs& x, auto r) {
    return binary_cross_entropy(probability(x), shares, r, weights);
  });
  n += reductions("bce of logits", {m}, [&](const Inputs& x, auto r) {
    return binary_cross_entropy_with_logits(logits(x), shares, r);
  });
  n += reductions("weighted bce of logits", {m}, [&](const Inputs& x, auto r) {
    return binary_cross_entropy_with_logits(logits(x), shares, r, weights);
  });
  n += check("weighted mse mean", {m},
             [&](const Inputs& x) { return mse(x[0], distances, reduce::mean, weights); });
  n += check("weighted mae sum", {m},
             [&](const Inputs& x) { return mae(x[0], distances, reduce::sum, weights); });
  n += check("weighted huber mean", {m},
             [&](const Inputs& x) { return huber(x[0], distances, 0.5, reduce::mean, weights); });
  CHECK(n == 24);
}

TEST_CASE("torch: losses of classes") {
  const Shape v{4, 5};
  const std::array classes{2, 0, 3, 2, 1};
  const std::array class_weights{0.5, 2.0, 1.5, 0.25};
  const auto options = [&](const std::string& name, const CrossEntropyOptions<double>& chosen) {
    return reductions("cross entropy " + name, {v}, [&](const Inputs& x, auto r) {
      return softmax_cross_entropy(x[0], classes, chosen, r);
    });
  };
  int n = reductions("cross entropy", {v}, [&](const Inputs& x, auto r) {
    return softmax_cross_entropy(x[0], classes, r);
  });
  n += options("weights", {.class_weights = class_weights});
  n += options("ignored", {.ignore_index = 2});
  n += options("smoothed", {.label_smoothing = 0.2});
  n += options("all", {.ignore_index = 2, .label_smoothing = 0.2, .class_weights = class_weights});
  const Eigen::Matrix<int, 3, 2> table{{0, 2}, {3, 2}, {1, 0}};
  n += reductions("cross entropy table", {Shape{4, 3, 2}},
                  [&](const Inputs& x, auto r) { return softmax_cross_entropy(x[0], table, r); });
  n += reductions("cross entropy distributions", {v, v},
                  [](const Inputs& x, auto r) { return softmax_cross_entropy(x[0], x[1], r); });
  n += reductions("nll", {v}, [&](const Inputs& x, auto r) { return nll(x[0], classes, r); });
  n += reductions("nll all", {v}, [&](const Inputs& x, auto r) {
    return nll(x[0], classes, {.ignore_index = 3, .class_weights = class_weights}, r);
  });
  CHECK(n == 27);
}
