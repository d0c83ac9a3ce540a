// A program on a tape, against its values and derivatives in forward mode.  Forward mode goes on from
// the tape's value of each operand, once compared, so that rounding never decides for the one of them
// which is the larger and for the other which.
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gradtape/core/interop.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/nn/layer_norm.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/cross_entropy.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/losses.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/selection.hpp"
#include "gradtape/ops/shape_ops.hpp"
#include "gradtape/ops/softmax.hpp"
#include "gradtape/ops/special.hpp"
#include "gradtape/ops/statistics.hpp"
#include "gradtape/ops/trigonometry.hpp"
#include "random/program.hpp"

namespace program {

using gradtape::concat, gradtape::stack;  // called with lists of operands
using gradtape::Dim, gradtape::Parameter, gradtape::Tape, gradtape::Tensor, gradtape::Var;

/// Of the tape; forward mode always computes with double.  float is compiled on demand only.
#ifndef GRADTAPE_RANDOM_REAL
#define GRADTAPE_RANDOM_REAL double
#endif
using Real = GRADTAPE_RANDOM_REAL;
constexpr bool is_double = sizeof(Real) == sizeof(double);
constexpr double value_tolerance = is_double ? 1e-10 : 1e-4;   // of 1 + |value|
constexpr double adjoint_tolerance = is_double ? 1e-9 : 1e-4;  // of the sum of |terms|, and of
constexpr double adjoint_unit = is_double ? 1e-3 : 1;          // this, where all have cancelled

/// y = x^3 / 8, its derivative times a factor.
template <int thousandths>
struct Cube {
  static constexpr std::string_view name = "cube";
  template <class X>
  static X value(const X& x) {
    return Real(0.125) * x * x * x;
  }
  template <class X>
  static X partial(const X& x, const X&) {
    return static_cast<Real>(0.375 * thousandths / 1000) * x * x;
  }
};

/// A value on a tape.
struct Value {
  Value(const Var<Real>& x) : is_scalar(true), scalar(x) {}
  Value(const Tensor<Real>& x) : is_scalar(false), tensor(x) {}

  Form form() const { return {is_scalar, is_scalar ? Shape{} : tensor.shape()}; }

  bool is_scalar;
  Var<Real> scalar;
  Tensor<Real> tensor;
};

template <class F>
Value apply(const Value& a, F f) {
  if (a.is_scalar) return Var<Real>(f(a.scalar));
  return Tensor<Real>(f(a.tensor));
}
template <class F>
Value apply(const Value& a, const Value& b, F f) {
  if (a.is_scalar && b.is_scalar) return Var<Real>(f(a.scalar, b.scalar));
  if (a.is_scalar) return Tensor<Real>(f(a.scalar, b.tensor));
  if (b.is_scalar) return Tensor<Real>(f(a.tensor, b.scalar));
  return Tensor<Real>(f(a.tensor, b.tensor));
}

/// \param cube  how the one operation is done that may be wrong.
template <class F>
Value record_step(Tape<Real>& tape, const Step& step, const Value& a, const Value& b, F cube) {
  const Tensor<Real>&x = a.tensor, &y = b.tensor;
  const Shape shape = a.is_scalar ? Shape{} : x.shape();
  const Dim dim(dimension_of(step, shape));
  const Index n = shape[dim.index];
  switch (step.op) {
    case Op::tanh:
      return apply(a, [](const auto& u) { return tanh(u); });
    case Op::affine:
      return apply(a, [](const auto& u) { return 1.5 * u - 0.25; });
    case Op::cube:
      return apply(a, cube);
    case Op::add:
      return apply(a, b, [](const auto& u, const auto& v) { return u + v; });
    case Op::subtract:
      return apply(a, b, [](const auto& u, const auto& v) { return u - 0.5 * v; });
    case Op::multiply:
      return apply(a, b, [](const auto& u, const auto& v) { return u * v; });
    case Op::divide:
      return apply(a, b, [](const auto& u, const auto& v) { return u / (1.0 + v * v); });
    case Op::larger:
      return apply(a, b, [](const auto& u, const auto& v) { return max(u, v); });
    case Op::gate:
      return apply(a, b, [](const auto& u, const auto& v) {
        return sigmoid(u) * v + (1.0 - sigmoid(u)) * tanh(u - v);
      });
    case Op::sum:
      return sum(x);
    case Op::mean:
      return mean(x);
    case Op::sum_along:
      return sum(x, dim);
    case Op::max_along:
      return max(x, dim);
    case Op::softmax:
      return softmax(x, dim);
    case Op::log_softmax:
      return log_softmax(x, dim);
    case Op::logsumexp:
      return logsumexp(x, dim);
    case Op::cumsum:
      return cumsum(x, dim);
    case Op::normalise:
      return layer_norm(x, y, y, Real(0.1));
    case Op::squares:
      return mse(x, y);
    case Op::huber:
      return huber(x, y, Real(0.5), gradtape::reduce::none);
    case Op::cross_entropy:
      return softmax_cross_entropy(x, y, gradtape::reduce::none);
    case Op::label_loss: {
      std::vector<Index> labels;
      for (Index j = 0; j < shape[1]; ++j) labels.push_back(label(step, j, shape[0]));
      return softmax_cross_entropy(
          x, labels, {.ignore_index = ignored_label(step, shape[0]), .label_smoothing = 0.25},
          gradtape::reduce::sum);
    }
    case Op::element:
      return x[step.p % x.size()];
    case Op::join:
      return stack(tape, {a.scalar, b.scalar, a.scalar});
    case Op::slice:
      return slice(x, dim, slice_start(step, n), slice_length(step, n));
    case Op::concat:
      return concat({x, y}, dim);
    case Op::stack:
      return stack({x, y});
    case Op::repeat:
      return repeat(x, dim, repeat_count(step));
    case Op::reshape:
      return reshape(x, Shape{x.columns(), x.rows()});
    case Op::transpose:
      return Tensor<Real>(transpose(x));
    case Op::gather:
      return gather(x, gathered(step, shape[1]));
    case Op::matmul:
      return matmul(x, y);
    case Op::matmul_transposed:
      return matmul(transpose(x), y);
    case Op::count:
      break;
  }
  return a;
}

/// Numbers without pattern in [-1, 1].
inline double weight(std::size_t i) { return std::sin(1 + 12.9898 * static_cast<double>(i)); }

/// What is wrong with the tape's run of a program; nothing if all is well.
template <class F>
std::string fault(Tape<Real>& tape, const Program& program, F cube) {
  {
    const auto scope = tape.scope();
    tape.full(Shape{1 << 14}, Real(7));  // which results would show that are not computed
  }
  const auto scope = tape.scope();
  std::vector<std::unique_ptr<Parameter<Real>>> parameters;
  std::vector<Value> values;
  for (const Leaf& leaf : program.leaves) {
    std::vector<Real> numbers;
    for (const Jet& x : leaf.elements) numbers.push_back(static_cast<Real>(x.x));
    parameters.push_back(nullptr);
    if (leaf.form.is_scalar) {
      values.push_back(tape.variable(numbers[0]));
    } else if (leaf.kind == Kind::variable) {
      values.push_back(tape.variable(leaf.form.shape, numbers));
    } else if (leaf.kind == Kind::constant) {
      values.push_back(tape.constant(leaf.form.shape, numbers));
    } else {
      parameters.back() = std::make_unique<Parameter<Real>>(leaf.form.shape, "w");
      std::copy(numbers.begin(), numbers.end(), parameters.back()->data());
      values.push_back(tape.parameter(*parameters.back()));
    }
  }
  for (const Step& step : program.steps) {
    const Value &a = values[step.a], &b = values[step.b];
    values.push_back(record_step(tape, fitted(step, a.form(), b.form()), a, b, cube));
  }

  std::vector<Array> expected;
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (k < program.leaves.size()) {
      expected.push_back({program.leaves[k].form, program.leaves[k].elements});
    } else {
      const Step& step = program.steps[k - program.leaves.size()];
      const Array &a = expected[step.a], &b = expected[step.b];
      expected.push_back(evaluate(fitted(step, a.form, b.form), a, b));
    }
    const Form form = values[k].form();
    const std::string name = "x" + std::to_string(k);
    if (form.is_scalar != expected[k].form.is_scalar) return name + " is of another kind";
    if (form.shape != expected[k].form.shape)
      return name + " has the shape " + to_string(form.shape);
    for (std::size_t i = 0; i < expected[k].elements.size(); ++i) {
      const double x = form.is_scalar ? values[k].scalar.value() : values[k].tensor.data()[i],
                   right = std::exchange(expected[k].elements[i].x, x);
      if (!(std::abs(x - right) <= value_tolerance * (1 + std::abs(right))))
        return name + ": element " + std::to_string(i) + " is " + std::to_string(x) + ", not " +
               std::to_string(right);
    }
  }

  const Value& y = values.back();
  double forward = 0, scale = 0;
  Eigen::MatrixX<Real> w(y.is_scalar ? 1 : y.tensor.rows(), y.is_scalar ? 1 : y.tensor.columns());
  for (std::size_t i = 0; i < expected.back().elements.size(); ++i) {
    w.data()[i] = static_cast<Real>(weight(i));
    forward += w.data()[i] * expected.back().elements[i].t;
    scale += std::abs(w.data()[i] * expected.back().elements[i].t);
  }
  if (y.is_scalar ? y.scalar.is_constant() : y.tensor.is_constant())
    return forward == 0 ? "" : "the result is a constant";
  for (const double sweep : {1.0, 2.0}) {  // gradients start anew, those of parameters add up
    y.is_scalar ? tape.backward(y.scalar, w(0)) : tape.backward(y.tensor, w);
    double backward = 0;
    for (std::size_t k = 0; k < program.leaves.size(); ++k) {
      const Leaf& leaf = program.leaves[k];
      if (leaf.kind == Kind::constant) continue;
      for (std::size_t i = 0; i < leaf.elements.size(); ++i) {
        const double gradient = leaf.form.is_scalar        ? values[k].scalar.grad()
                                : parameters[k] != nullptr ? parameters[k]->grad().data()[i] / sweep
                                                           : values[k].tensor.grad().data()[i];
        backward += gradient * leaf.elements[i].t;
        scale += std::abs(gradient * leaf.elements[i].t);
      }
    }
    if (!(std::abs(forward - backward) <= adjoint_tolerance * (scale + adjoint_unit)))
      return "sweep " + std::to_string(int(sweep)) + ": <J v, w> = " + std::to_string(forward) +
             ", <v, J^T w> = " + std::to_string(backward);
  }
  return "";
}

}  // namespace program
