#include "gradtape/ops/selection.hpp"

#include <algorithm>

#include "catch.hpp"
#include "gradtape/core/record.hpp"

using namespace gradtape;

namespace {

// Numeric code that knows nothing of this library.
template <class S>
S larger(const S& a, const S& b) {
  using std::max;
  return max(a, b);
}
template <class S>
S smaller(const S& a, const S& b) {
  using std::min;
  return min(a, b);
}

}  // namespace

TEST_CASE("max, min: beside std::max the library's are found, which share a tie") {
  Tape<double> tape;
  const Var<double> x = tape.variable(2.0), y = tape.variable(2.0);
  tape.backward(larger(x, y));
  CHECK(x.grad() == 0.5);
  CHECK(y.grad() == 0.5);
  tape.backward(smaller(x, y));
  CHECK(x.grad() == 0.5);
  CHECK(y.grad() == 0.5);
  CHECK(larger(1.0, 2.0) == 2.0);
}

TEST_CASE("max, min: two expressions of one type, mixtures, numbers of any type") {
  using std::max, std::min;
  Tape<double> tape;
  const Var<double> x = tape.variable(2.0), y = tape.variable(3.0);
  const Var<double> same = max(2.0 * x, 2.0 * y);
  CHECK(same.value() == 6);
  tape.backward(same);
  CHECK(x.grad() == 0);
  CHECK(y.grad() == 2);
  const Var<double> tie = min(x * y, y * x);
  tape.backward(tie);
  CHECK(x.grad() == 3);
  CHECK(y.grad() == 2);
  const Var<double> mixed = max(x, 2.0 * x) + max(x, 1) + max(5, x) + min(x, 7.5f);
  CHECK(mixed.value() == 4 + 2 + 5 + 2);
  tape.backward(mixed);
  CHECK(x.grad() == 2 + 1 + 0 + 1);
}

TEST_CASE("max, min: tensors beside std::max") {
  using std::max, std::min;
  Tape<double> tape;
  const Tensor<double> a = tape.variable(Eigen::Vector3d(1, 2, 3));
  const Tensor<double> b = tape.variable(Eigen::Vector3d(3, 2, 1));
  const Tensor<double> y = max(a, b) + 10.0 * min(a, b);
  CHECK(y.value() == Eigen::Vector3d(13, 22, 13));
  tape.backward(y, Eigen::Vector3d(1, 1, 1));
  CHECK(a.grad() == Eigen::Vector3d(10, 5.5, 1));
  CHECK(b.grad() == Eigen::Vector3d(1, 5.5, 10));
  const Tensor<double> z = max(2.0 * a, 2.0 * b);
  CHECK(z.value() == Eigen::Vector3d(6, 4, 6));
}

TEST_CASE("where: a branch that is not taken contributes exactly 0") {
  Tape<double> tape;
  const Tensor<double> x = tape.variable(Eigen::Vector3d(-1, 0, 4));
  const Tensor<double> y = where(x > 0, 1.0 / x, 3.0 * x);
  CHECK(y.value() == Eigen::Vector3d(-3, 0, 0.25));
  tape.backward(y, Eigen::Vector3d(1, 1, 1));
  CHECK(x.grad() == Eigen::Vector3d(3, 3, -0.0625));
  const Var<double> s = tape.variable(0.0);
  tape.backward(Var<double>(where(s > 0, 1.0 / s, 3.0 * s)));
  CHECK(s.grad() == 3);
}

TEST_CASE("comparisons of tensors are constants, of scalars plain bools") {
  Tape<double> tape;
  const Tensor<double> a = tape.variable(Eigen::Vector3d(1, 2, 3));
  const Tensor<double> less = a < 2, less_equal = a <= 2, equal = a == 2;
  const Tensor<double> greater = a > 2, greater_equal = 2 <= a, not_equal = a != 2;
  CHECK(less.value() == Eigen::Vector3d(1, 0, 0));
  CHECK(less_equal.value() == Eigen::Vector3d(1, 1, 0));
  CHECK(equal.value() == Eigen::Vector3d(0, 1, 0));
  CHECK(greater.value() == Eigen::Vector3d(0, 0, 1));
  CHECK(greater_equal.value() == Eigen::Vector3d(0, 1, 1));
  CHECK(not_equal.value() == Eigen::Vector3d(1, 0, 1));
  CHECK_THROWS_AS(tape.backward(less, Eigen::Vector3d(1, 1, 1)), TapeError);
  const Var<double> x = tape.variable(2.0);
  static_assert(std::is_same_v<decltype(x < 3), bool>);
  CHECK((x < 3 && x <= 2.0 * x && !(x > 2) && x == 2 && x != 1.0));
}
