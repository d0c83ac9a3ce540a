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

// An operation with operands of every type, and with operands of every kind.
struct Operation {
  const char* name;
  int arity;
  Bound bound;
  Var<double> (*of_doubles)(const Var<double>*);
  Var<float> (*of_floats)(const Var<float>*);
  Var<long double> (*of_long_doubles)(const Var<long double>*);
  Var<Var<double>> (*nested)(const Var<Var<double>>*);
  Var<Dual<double>> (*of_duals)(const Var<Dual<double>>*);
  Dual<double> (*forward)(const Dual<double>*);
  Tensor<double> (*of_double_tensors)(const Tensor<double>*);
  Tensor<float> (*of_float_tensors)(const Tensor<float>*);
  Tensor<long double> (*of_long_double_tensors)(const Tensor<long double>*);
  Tensor<Dual<double>> (*of_dual_tensors)(const Tensor<Dual<double>>*);
  Tensor<Var<double>> (*nested_tensors)(const Tensor<Var<double>>*);
  // of formulas, each x[i] times 1, the result being a formula that is named later
  Var<double> (*of_formulas)(const Var<double>*);
  Tensor<double> (*of_tensor_formulas)(const Tensor<double>*);
  // all operands but the one of that number being plain numbers; none if there is one operand
  Var<double> (*among_numbers[3])(const Var<double>&, const double*);
  Tensor<double> (*tensor_among_numbers[3])(const Tensor<double>&, const double*);
};

template <int Arity, class F>
struct Call {
  template <class X>
  static X run(const X* x) {
    return with(x[0], x[Arity > 1 ? 1 : 0], x[Arity > 2 ? 2 : 0]);
  }
  template <class X>
  static X of_formulas(const X* x) {
    const auto y = with(x[0] * 1, x[Arity > 1 ? 1 : 0] * 1, x[Arity > 2 ? 2 : 0] * 1);
    return y;
  }
  template <int I, class X>
  static X among_numbers(const X& x, const double* number) {
    if constexpr (I == 0) {
      return with(x, number[1], number[2]);
    } else if constexpr (I == 1) {
      return with(number[0], x, number[2]);
    } else {
      return with(number[0], number[1], x);
    }
  }

 private:
  static auto with(const auto& a, [[maybe_unused]] const auto& b, [[maybe_unused]] const auto& c) {
    if constexpr (Arity == 1) {
      return F()(a);
    } else if constexpr (Arity == 2) {
      return F()(a, b);
    } else {
      return F()(a, b, c);
    }
  }
};

template <int Arity, class F>
Operation operation(const char* name, const Bound& bound, F) {
  using C = Call<Arity, F>;
  Operation y{.name = name,
              .arity = Arity,
              .bound = bound,
              .of_doubles = C::template run<Var<double>>,
              .of_floats = C::template run<Var<float>>,
              .of_long_doubles = C::template run<Var<long double>>,
              .nested = C::template run<Var<Var<double>>>,
              .of_duals = C::template run<Var<Dual<double>>>,
              .forward = C::template run<Dual<double>>,
              .of_double_tensors = C::template run<Tensor<double>>,
              .of_float_tensors = C::template run<Tensor<float>>,
              .of_long_double_tensors = C::template run<Tensor<long double>>,
              .of_dual_tensors = C::template run<Tensor<Dual<double>>>,
              .nested_tensors = C::template run<Tensor<Var<double>>>,
              .of_formulas = C::template of_formulas<Var<double>>,
              .of_tensor_formulas = C::template of_formulas<Tensor<double>>,
              .among_numbers = {},
              .tensor_among_numbers = {}};
  const auto add_numbers = [&y]<int... I>(std::integer_sequence<int, I...>) {
    ((y.among_numbers[I] = C::template among_numbers<I, Var<double>>), ...);
    ((y.tensor_among_numbers[I] = C::template among_numbers<I, Tensor<double>>), ...);
  };
  if constexpr (Arity > 1) add_numbers(std::make_integer_sequence<int, Arity>());
  return y;
}

std::span<const Operation> arithmetic();
std::span<const Operation> functions();
std::span<const Operation> activations();

template <class F>
void for_each_operation(F&& f) {
  for (const auto& table : {arithmetic(), functions(), activations()}) {
    for (const Operation& operation : table) f(operation);
  }
}

}  // namespace elementwise
