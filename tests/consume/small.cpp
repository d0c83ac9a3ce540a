#include <gradtape/core/var.hpp>
#include <gradtape/ops/arithmetic.hpp>

int main() {
  gradtape::Tape<double> tape;
  auto x = tape.variable(3.0);
  gradtape::Var y = x * x;
  tape.backward(y);
  return x.grad() == 6.0 ? 0 : 1;
}
