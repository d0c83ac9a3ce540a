// The second translation unit with every header in it: linking fails on a function that is not
// inline.
#include <gradtape/gradtape.hpp>

double slope_at_three();

double slope_at_three() {
  gradtape::Tape<double> tape;
  gradtape::Var<double> x = tape.variable(3.0);
  gradtape::Var<double> y = x * x;
  tape.backward(y);
  return x.grad();
}
