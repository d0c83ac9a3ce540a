// What cannot be done with an unnamed expression says so in one line.
#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;

template <class S>
S square_root(S a) {
  S x = 1.0;
  for (int i = 0; i < 5; ++i) x = 0.5 * (x + a / x);
  return x;
}

template <class S>
S total(S x) {
  x += 1.0;
  return x;
}

template <class S>
double zero(const S&) {
  S x;
  return x.value();
}

int main() {
  Tape<double> tape;
  Var x = tape.variable(2.0);
  Tensor t = tape.full(Shape{3}, 1.0);
#if CASE == 0
  Var y = 2.0 * x;
  const double slope = y.grad() + square_root(y).value() + total(y).value() + zero(y);
  return (true ? x : 2.0 * x).value() < slope;
#elif CASE == 1
  return (2.0 * x).grad() > 0;
#elif CASE == 2
  return (2.0 * t).grad().size() > 0;
#elif CASE == 3
  return (2.0 * t).value().size() > 0;
#elif CASE == 4
  return square_root(2.0 * x).value() > 0;
#elif CASE == 5
  return total(2.0 * x).value() > 0;
#elif CASE == 6
  return zero(2.0 * x) > 0;
#elif CASE == 7
  auto y = 2.0 * x;
  y = 1.0;
#elif CASE == 8
  auto y = true ? 2.0 * x : 1.0;
#elif CASE == 9
  Var y = 2.0 * t;
#endif
}

// expect: 1 an unnamed expression has no gradient: name it, Var y = ...
// expect: 2 an unnamed expression has no gradient: name it, Tensor y = ...
// expect: 3 a tensor expression is computed when it is named: Tensor y = ...
// expect: 4 an unnamed expression cannot be assigned another value: name it, Var x = ..., before
// expect: 5 an unnamed expression cannot be assigned another value: name it, Var x = ..., before
// expect: 6 an unnamed expression cannot be assigned another value: name it, Var x = ..., before
// expect: 7 an unnamed expression cannot be assigned another value: name it, Var x = ..., before
// expect: 8 an unnamed expression cannot be assigned another value: name it, Var x = ..., before
// expect: 9 a Var is one number: name a tensor formula Tensor y = ...
