// Conventions at kinks, poles and extremes of operations that are not element-wise, in float and
// double, as far as the operation's own test does not have them; tests/README.md says which test has
// which. The rows of element-wise operations in elementwise_oracle.inc say `[table: ...]`.

#include <limits>

#include "catch.hpp"
#include "gradtape/ops/cross_entropy.hpp"
#include "gradtape/ops/losses.hpp"
#include "gradtape/ops/shape_ops.hpp"
#include "gradtape/ops/softmax.hpp"
#include "gradtape/ops/statistics.hpp"

using namespace gradtape;

namespace {

// Exact, or to a few rounding errors where that is given.
template <class T>
void check_elements(const Eigen::MatrixX<T>& got, const Eigen::MatrixX<T>& expected,
                    T rounding = 0) {
  REQUIRE(got.size() == expected.size());
  for (Index i = 0; i < got.size(); ++i) {
    INFO("element " << i << " is " << got(i) << ", should be " << expected(i));
    CHECK((got(i) == expected(i) ||
           std::abs(got(i) - expected(i)) <= rounding * std::abs(expected(i))));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("conventions: softmax, log_softmax and logsumexp far out", "", float, double) {
  using T = TestType;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  constexpr T eps = std::numeric_limits<T>::epsilon(), ln2 = T(0.69314718055994530942L);
  for (const T far : {T(1000), std::numeric_limits<T>::max() * T(0.5)}) {
    INFO(far);
    Tape<T> tape;
    const Tensor x = tape.variable(Vector{{far, -far, far}});
    const Vector seed{{1, 2, 3}};
    const Tensor p = softmax(x), y = log_softmax(x);
    check_elements<T>(p.value(), Vector{{T(0.5), 0, T(0.5)}});
    tape.backward(p, seed);
    check_elements<T>(x.grad(), Vector{{T(-0.5), 0, T(0.5)}});  // p (seed - 2)
    check_elements<T>(y.value(), Vector{{-ln2, -2 * far - ln2, -ln2}}, eps);
    tape.backward(y, seed);
    check_elements<T>(x.grad(), Vector{{-2, 2, 0}});  // seed - 6 p
    const Var l = logsumexp(x);
    CHECK(l.value() == far + ln2);
    tape.backward(l);
    check_elements<T>(x.grad(), Vector{{T(0.5), 0, T(0.5)}});
  }
}

TEMPLATE_TEST_CASE("conventions: cross-entropies at the ends and with the wrong label", "", float,
                   double) {
  using T = TestType;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  constexpr T eps = std::numeric_limits<T>::epsilon();
  Tape<T> tape;
  const Tensor z = tape.variable(Vector{{T(1e4), T(-1e4), 0}});
  const Var wrong = softmax_cross_entropy(z, {1});
  CHECK(wrong.value() == T(2e4));
  tape.backward(wrong);
  check_elements<T>(z.grad(), Vector{{1, -1, 0}});

  const Tensor p = tape.variable(Vector{{0, 1, 0, 1}});
  const Tensor clamped = binary_cross_entropy(p, Vector{{1, 0, 0, 1}}, reduce::none);
  const T most = -std::log(eps);
  check_elements<T>(clamped.value(), Vector{{most, most, eps, eps}}, 2 * eps);
  tape.backward(clamped, Vector{{1, 1, 1, 1}});
  check_elements<T>(p.grad(), Vector{{-1 / eps, 1 / eps, 1, -1}}, 2 * eps);
}

TEST_CASE("conventions: overlapping slices add") {
  Tape<double> tape;
  const Tensor x = tape.variable(Eigen::VectorXd{{1, 2, 3, 4, 5}});
  const Tensor y = 2 * slice(x, Dim(0), 0, 3) + 10 * slice(x, Dim(0), 1, 3);
  CHECK(y.value() == Eigen::VectorXd{{22, 34, 46}});
  tape.backward(y, Eigen::VectorXd::Ones(3));
  CHECK(x.grad() == Eigen::VectorXd{{2, 12, 12, 10, 0}});
}
