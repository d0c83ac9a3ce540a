#pragma once
// What the tests of the element-wise operations share: one line for each operation, and where these
// lines are.

#include <gradtape/core/record.hpp>
#include <gradtape/diff/dual.hpp>
#include <gradtape/ops/elementwise.hpp>
#include <span>

namespace elementwise {

using gradtape::Dual;
using gradtape::Tensor;
using gradtape::Var;

// How far a result may be from the exact one, in units of its last place.
struct Bound {
  double value = 1, slope = 2;
  // Further units where exp(-x^2) or the like is computed from a rounded x^2: for each x^2.
  double per_square = 0;
  // Also allowed: this many units in the last place of 1, where a result near 0 is the difference
  // of terms of that size, ...
  double value_near_0 = 0, slope_near_0 = 0;
  // ... this many smallest normal numbers, where results below that number lose digits or become 0,
  double tiny = 0;
  // ... and an infinite slope where the value is infinite, of which the slope is a multiple.
  bool overflows = false;
};

struct Operation {
  const char* name;
  int arity;
  Bound bound;
  Var<double> (*of_doubles)(const Var<double>*);
  Var<float> (*of_floats)(const Var<float>*);
  Var<Var<double>> (*nested)(const Var<Var<double>>*);
  Dual<double> (*forward)(const Dual<double>*);
  Tensor<double> (*of_double_tensors)(const Tensor<double>*);
  Tensor<float> (*of_float_tensors)(const Tensor<float>*);
};

template <int Arity, class F>
struct Call {
  template <class X>
  static X run(const X* x) {
    if constexpr (Arity == 1) {
      return F()(x[0]);
    } else if constexpr (Arity == 2) {
      return F()(x[0], x[1]);
    } else {
      return F()(x[0], x[1], x[2]);
    }
  }
};

template <int Arity, class F>
Operation operation(const char* name, const Bound& bound, F) {
  using C = Call<Arity, F>;
  return {name,
          Arity,
          bound,
          C::template run<Var<double>>,
          C::template run<Var<float>>,
          C::template run<Var<Var<double>>>,
          C::template run<Dual<double>>,
          C::template run<Tensor<double>>,
          C::template run<Tensor<float>>};
}

std::span<const Operation> arithmetic();
std::span<const Operation> functions();
std::span<const Operation> activations();

}  // namespace elementwise
