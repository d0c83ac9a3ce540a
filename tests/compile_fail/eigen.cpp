// A product of a plain Eigen matrix and one of Vars stops in one line.
#include "gradtape/diff/eigen.hpp"

#include "gradtape/ops/elementwise.hpp"

using namespace gradtape;
using Matrix = Eigen::Matrix<Var<double>, Eigen::Dynamic, Eigen::Dynamic>;

int main() {
  const Matrix m = Matrix::Constant(2, 2, Var<double>(1.0));
  const Eigen::MatrixXd plain = Eigen::MatrixXd::Ones(2, 2);
#if CASE == 0
  const Matrix y = plain.cast<Var<double>>() * m + plain;
#elif CASE == 1
  const Matrix y = plain * m;
#elif CASE == 2
  const Matrix y = m * plain;
#endif
}

// expect: 1 a product of matrices of two number types: convert one of them, plain.cast<Var<double>>
// expect: 2 a product of matrices of two number types: convert one of them, plain.cast<Var<double>>
