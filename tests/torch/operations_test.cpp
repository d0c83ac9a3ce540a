// Operations and layers without state against PyTorch: see cases.py.

#include <array>

#include "gradtape/nn/layer_norm.hpp"
#include "gradtape/nn/pooling.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/linear.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/shape_ops.hpp"
#include "gradtape/ops/softmax.hpp"
#include "gradtape/ops/statistics.hpp"
#include "torch/cases.hpp"

using namespace gradtape;
using torch::check;
using torch::Inputs;

namespace {

/// Runs the cases of an operation along each dimension and returns their number.
template <class F>
int dimensions(const std::string& name, F&& operation) {
  int n = 0;
  for (int d = 0; d < 3; ++d) {
    n += check(name + " " + std::to_string(d), {Shape{3, 4, 2}},
               [&](const Inputs& x) { return operation(x[0], Dim(d)); });
  }
  return n;
}

}  // namespace

TEST_CASE("torch: softmax and reductions") {
  using X = Tensor<double>;
  int n = dimensions("softmax", [](const X& x, Dim d) { return softmax(3 * x, d); });
  n += dimensions("log_softmax", [](const X& x, Dim d) { return log_softmax(3 * x, d); });
  n += dimensions("logsumexp", [](const X& x, Dim d) { return logsumexp(x, d); });
  n += dimensions("stddev", [](const X& x, Dim d) { return stddev(x, d); });
  n += dimensions("norm", [](const X& x, Dim d) { return norm(x, d); });
  n += dimensions("prod", [](const X& x, Dim d) { return prod(x, d); });
  n += dimensions("max", [](const X& x, Dim d) { return max(x, d); });
  n += dimensions("cumsum", [](const X& x, Dim d) { return cumsum(x, d); });
  const Shape m{3, 4};
  n += check("logsumexp", {m}, [](const Inputs& x) { return logsumexp(x[0]); });
  n += check("var", {m}, [](const Inputs& x) { return var(x[0]); });
  n += check("var correction 0 kept", {m},
             [](const Inputs& x) { return var(x[0], Dim(1), keep_dims, Correction(0)); });
  n += check("mean 1", {m}, [](const Inputs& x) { return mean(x[0], Dim(1)); });
  n += check("min", {m}, [](const Inputs& x) { return min(x[0]); });
  CHECK(n == 29);
}

TEST_CASE("torch: products") {
  const auto product = [](const Inputs& x) { return matmul(x[0], x[1]); };
  int n = check("matmul", {Shape{2, 3}, Shape{3, 4}}, product);
  n += check("matmul batches", {Shape{2, 3, 2}, Shape{3, 2, 2}}, product);
  n += check("matmul shared left", {Shape{2, 3}, Shape{3, 2, 2}}, product);
  n += check("matmul rank 4", {Shape{2, 3, 2, 2}, Shape{3, 2, 2, 2}}, product);
  n += check("matmul transposed", {Shape{3, 2}, Shape{4, 3}},
             [](const Inputs& x) { return matmul(transpose(x[0]), transpose(x[1])); });
  n += check("linear", {Shape{3, 4}, Shape{4, 2}, Shape{3}},
             [](const Inputs& x) { return linear(x[0], x[1], x[2]); });
  n += check("outer", {Shape{3}, Shape{2}}, [](const Inputs& x) { return outer(x[0], x[1]); });
  CHECK(n == 7);
}

TEST_CASE("torch: lookups, parts and layers") {
  const Eigen::Matrix<int, 3, 2> words{{1, 1}, {3, 2}, {0, 1}};
  const Shape e{2, 4}, m{2, 3};
  int n = check("gather", {e}, [&](const Inputs& x) { return gather(x[0], words); });
  n += check("gather padding", {e},
             [&](const Inputs& x) { return gather(x[0], words, Padding{1}); });
  n += check("gather_window padding", {e},
             [&](const Inputs& x) { return gather_window(x[0], words, Padding{1}); });
  n += check("concat", {m, Shape{2, 1}}, [](const Inputs& x) {
    return concat({x[0], x[1], x[0]}, Dim(1));
  });
  n += check("stack", {m, m}, [](const Inputs& x) { return stack({x[0], x[1], x[0]}, Dim(1)); });
  n += check("slice", {Shape{4, 3}}, [](const Inputs& x) { return slice(x[0], Dim(0), 1, 2); });
  n += check("repeat", {m}, [](const Inputs& x) { return repeat(x[0], Dim(1), 2); });
  n += check("broadcast_to", {Shape{3, 1}}, [](const Inputs& x) {
    return broadcast_to(x[0], Shape{3, 4});
  });
  n += check("layer_norm", {Shape{4, 3, 2}, Shape{4}, Shape{4}},
             [](const Inputs& x) { return layer_norm(x[0], x[1], x[2], 1e-3); });
  const Shape texts{3, 4, 2};
  const std::array lengths{2, 4};
  n += check("mean_pooling", {texts}, [&](const Inputs& x) { return mean_pooling(x[0], lengths); });
  n += check("max_pooling", {texts}, [&](const Inputs& x) { return max_pooling(x[0], lengths); });
  n += check("last_pooling", {texts}, [&](const Inputs& x) { return last_pooling(x[0], lengths); });
  CHECK(n == 12);
}
