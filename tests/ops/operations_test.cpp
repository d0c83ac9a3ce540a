// A row for every operation that is not element-wise: its derivatives by the adjoint identity
// between forward and reverse mode, <J v, w> = <v, J^T w>, and against finite differences. Values,
// extremes and errors are in the operation's own test.

#include <functional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "gradtape/diff/dual.hpp"
#include "gradtape/ops/cross_entropy.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/linear.hpp"
#include "gradtape/ops/losses.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/shape_ops.hpp"
#include "gradtape/ops/softmax.hpp"
#include "gradtape/ops/statistics.hpp"
#include "numeric.hpp"

namespace {

using namespace gradtape;
using D = Dual<double>;
template <class T>
using List = std::vector<Tensor<T>>;

struct Operation {
  const char* name;
  std::vector<Shape> shapes;
  std::function<Tensor<double>(const List<double>&)> of_doubles;
  std::function<Tensor<D>(const List<D>&)> of_duals;
};

// A scalar result as a tensor of one element.
template <class T, class Y>
Tensor<T> as_tensor(const List<T>& x, const Y& y) {
  if constexpr (ScalarEntity<Y>) {
    return y * x[0].tape().full(Shape{1}, T(1));
  } else {
    return y;
  }
}

template <class F>
Operation operation(const char* name, const std::vector<Shape>& shapes, F f) {
  return {name, shapes, [f](const List<double>& x) { return as_tensor(x, f(x)); },
          [f](const List<D>& x) { return as_tensor(x, f(x)); }};
}

const std::vector<Operation>& operations() {
  static const std::vector<int> indices{2, 0, 2, 1};
  static const Eigen::MatrixXi windows{{0, 2}, {1, 1}, {2, 1}};
  const Shape v{4}, m{4, 3};
  static const std::vector<Operation> table = {
      operation("matmul", {{3, 4}, m}, [](const auto& x) { return matmul(x[0], x[1]); }),
      operation("transpose", {m}, [](const auto& x) { return transpose(x[0]) * 2; }),
      operation("dot", {v, v}, [](const auto& x) { return dot(x[0], x[1]); }),
      operation("outer", {v, {3}}, [](const auto& x) { return outer(x[0], x[1]); }),
      operation("linear", {{2, 4}, m, {2}}, [](const auto& x) { return linear(x[0], x[1], x[2]); }),
      operation("gather", {m}, [](const auto& x) { return gather(x[0], indices); }),
      operation("gather_window", {m}, [](const auto& x) { return gather_window(x[0], windows); }),
      operation("sum", {m}, [](const auto& x) { return sum(x[0], Dim(1)); }),
      operation("mean", {m}, [](const auto& x) { return mean(x[0]); }),
      operation("prod", {m}, [](const auto& x) { return prod(x[0], Dim(0)); }),
      operation("max", {m}, [](const auto& x) { return max(x[0], Dim(0)); }),
      operation("min", {m}, [](const auto& x) { return min(x[0]); }),
      operation("cumsum", {m}, [](const auto& x) { return cumsum(x[0], Dim(0)); }),
      operation("logsumexp", {m}, [](const auto& x) { return logsumexp(x[0], Dim(1)); }),
      operation("var", {m}, [](const auto& x) { return var(x[0], Dim(0)); }),
      operation("stddev", {m}, [](const auto& x) { return stddev(x[0]); }),
      operation("norm", {m}, [](const auto& x) { return norm(x[0], Dim(0)); }),
      operation("softmax", {m}, [](const auto& x) { return softmax(x[0]); }),
      operation("log_softmax", {m}, [](const auto& x) { return log_softmax(x[0], Dim(1)); }),
      operation("reshape", {m},
                [](const auto& x) {
                  return reshape(x[0], {3, 4});
                }),
      operation("flatten", {m}, [](const auto& x) { return flatten(x[0]); }),
      operation("squeeze", {{4, 1, 3}}, [](const auto& x) { return squeeze(x[0]); }),
      operation("unsqueeze", {m}, [](const auto& x) { return unsqueeze(x[0], Dim(1)); }),
      operation("slice", {m}, [](const auto& x) { return slice(x[0], Dim(0), 1, 2); }),
      operation("columns", {m}, [](const auto& x) { return columns(x[0], 1, 2); }),
      operation("rows", {m}, [](const auto& x) { return rows(x[0], 1, 2); }),
      operation("concat", {m, {2, 3}},
                [](const auto& x) {
                  return concat({x[0], x[1], x[0]}, Dim(0));
                }),
      operation("stack", {m, m},
                [](const auto& x) {
                  return stack({x[0], x[1], x[0]});
                }),
      operation("repeat", {m}, [](const auto& x) { return repeat(x[0], Dim(1), 3); }),
      operation("broadcast_to", {v},
                [](const auto& x) {
                  return broadcast_to(x[0], Shape{4, 2});
                }),
      operation("mse", {m, m}, [](const auto& x) { return mse(x[0], x[1]); }),
      operation("mae", {m, m}, [](const auto& x) { return mae(x[0], x[1]); }),
      operation("huber", {m, m}, [](const auto& x) { return huber(x[0], x[1], 0.4); }),
      operation(
          "binary_cross_entropy", {m, m},
          [](const auto& x) { return binary_cross_entropy(0.5 + 0.4 * x[0], 0.5 + 0.4 * x[1]); }),
      operation("binary_cross_entropy_with_logits", {m, m},
                [](const auto& x) { return binary_cross_entropy_with_logits(x[0], x[1]); }),
      operation("softmax_cross_entropy", {{3, 4}},
                [](const auto& x) { return softmax_cross_entropy(x[0], indices); }),
      operation("nll", {{3, 4}}, [](const auto& x) { return nll(x[0], indices); }),
  };
  return table;
}

}  // namespace

TEST_CASE("operations: the adjoint identity between forward and reverse mode") {
  for (const Operation& operation : operations()) {
    INFO(operation.name);
    Tape<double> tape;
    Tape<D> dual_tape;
    List<double> x;
    List<D> dual_x;
    std::vector<numeric::Vector> v;
    double seed = 0.3;
    for (const Shape& shape : operation.shapes) {
      const numeric::Vector at = numeric::numbers(shape.size(), seed += 1);
      v.push_back(numeric::numbers(shape.size(), seed + 0.5));
      std::vector<D> along;
      for (Index i = 0; i < shape.size(); ++i) along.emplace_back(at(i), v.back()(i));
      x.push_back(tape.variable(shape, at));
      dual_x.push_back(dual_tape.constant(shape, along));
    }
    const Tensor y = operation.of_doubles(x);
    const Tensor dual_y = operation.of_duals(dual_x);
    REQUIRE(y.shape() == dual_y.shape());
    tape.backward(numeric::weigh(y));
    double forward = 0, reverse = 0, size = 0;
    const numeric::Vector w = numeric::numbers(y.size(), 0.7);
    for (Index i = 0; i < y.size(); ++i) {
      CHECK(dual_y.data()[i].value() == Approx(y.data()[i]).epsilon(1e-14).margin(1e-15));
      forward += dual_y.data()[i].tangent() * w(i);
      size += std::abs(dual_y.data()[i].tangent() * w(i));
    }
    for (std::size_t k = 0; k < x.size(); ++k) {
      const auto grad = x[k].grad();
      for (Index i = 0; i < x[k].size(); ++i) reverse += v[k](i) * grad.data()[i];
    }
    CHECK(size > 0.01);
    CHECK(std::abs(forward - reverse) <= 1e-13 * size);
  }
}

TEST_CASE("operations: finite differences, as first and as later contribution to a gradient") {
  for (const Operation& operation : operations()) {
    INFO(operation.name);
    numeric::check_tensor(operation.shapes, operation.of_doubles);
  }
}
