#include "gradtape/core/fused.hpp"

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"

using namespace gradtape;

// A tensor of one element looks like a broadcast one in all dimensions, but its gradient is still
// assigned by the first contribution, also where memory of an earlier recording is used again.
TEST_CASE("fused: gradients of tensors of one element start anew in every recording") {
  Tape<double> tape;
  for (const double v : {3.0, 5.0, 7.0}) {
    auto scope = tape.scope();
    const Tensor x = tape.variable(Eigen::Matrix<double, 1, 1>(v));
    const Tensor y = x * x;
    const Tensor z = y + 4;
    tape.backward(z);
    CHECK(y.grad()(0) == 1);
    CHECK(x.grad()(0) == 2 * v);
  }
}
