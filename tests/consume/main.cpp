#include <gradtape/gradtape.hpp>

double slope_at_three();

int main() {
  gradtape::Tape<double> tape;
  auto x = tape.variable(3.0);
  gradtape::Var y = x * x;
  tape.backward(y);
  return x.grad() == 6.0 && slope_at_three() == 6.0 ? 0 : 1;
}
