// A Var does not become a number by itself, and scalar types do not mix.
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"

using namespace gradtape;

int main() {
  Tape<double> tape;
  Tape<float> single;
  Var x = tape.variable(2.0);
  Var s = single.variable(2.0f);
  Tensor t = tape.full(Shape{3, 3}, 1.0);
  Tensor u = single.full(Shape{3, 3}, 1.0f);
  Parameter<float> w(Shape{3, 3});
#if CASE == 0
  double y = x.value();
  Var z = s * 2.0 + 1;
  Tensor v = u * 2.0 + w + s;
  return y > 0 && z > 0 && v.size() > 0;
#elif CASE == 1
  double y = x;
#elif CASE == 2
  double y = 2.0 * x;
#elif CASE == 3
  if (x) return 1;
#elif CASE == 4
  Var<float> y = x;
#elif CASE == 5
  Var y = x * s;
#elif CASE == 6
  Tensor y = t * u;
#elif CASE == 7
  Tensor y = t * w;
#elif CASE == 8
  Tensor y = t * s;
#elif CASE == 9
  Tensor y = matmul(t, u);
#endif
}

// expect: 1 Var<double>.*double|double.*Var<double>
// expect: 2 ScalarExpr.*double|double.*ScalarExpr
// expect: 3 Var<double>.*bool
// expect: 4 Var<double>.*Var<float>|Var<float>.*Var<double>
// expect: 5 operands of different scalar types .such as float and double. in one formula: convert
// expect: 6 operands of different scalar types .such as float and double. in one formula: convert
// expect: 7 operands of different scalar types .such as float and double. in one formula: convert
// expect: 8 operands of different scalar types .such as float and double. in one formula: convert
// expect: 9 operands of different scalar types .such as float and double. in one formula: convert
