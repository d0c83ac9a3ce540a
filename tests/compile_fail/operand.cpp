// What is no operand of an operation is refused where it is written, and the message names it.
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"

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
#elif CASE == 4
  const Eigen::MatrixXd m = Eigen::MatrixXd::Ones(3, 3);
  Tensor y = m - t * t;
#elif CASE == 5
  const Eigen::MatrixXd m = Eigen::MatrixXd::Ones(3, 3);
  Tensor y = matmul(m, t);
#elif CASE == 6
  Var y = sum(x * x);
#endif
}

// expect: 1 an operand is no tensor: put a matrix on the tape first, tape.constant.matrix.; a scalar
// expect: 2 an operand is no tensor: put a matrix on the tape first, tape.constant.matrix.
// expect: 3 TensorExpr.*bool
// expect: 4 an operand is no tensor: put a matrix on the tape first, tape.constant.matrix.
// expect: 5 an operand is no tensor: put a matrix on the tape first, tape.constant.matrix.
// expect: 6 a scalar has no elements to reduce
