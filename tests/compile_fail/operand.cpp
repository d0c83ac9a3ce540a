// What is no operand of an operation is refused where it is written, and the message names it.
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"

using namespace gradtape;

int main() {
  Tape<double> tape;
  Var x = tape.variable(2.0);
  Tensor t = tape.full(Shape{3, 3}, 1.0);
#if CASE == 0
  Tensor y = matmul(t, 2.0 * t) * tape.constant(Eigen::MatrixXd::Ones(3, 3)) * x;
#elif CASE == 1
  Tensor y = matmul(x, t);
#elif CASE == 2
  Tensor y = t * Eigen::MatrixXd::Ones(3, 3);
#elif CASE == 3
  if (t > 1.0) return 1;
#endif
}

// expect: 1 no matching function for call to .*matmul
// expect: 2 operator[*].*Tensor<double>|invalid operands.*Tensor<double>
// expect: 3 TensorExpr.*bool
