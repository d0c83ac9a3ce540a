// Numbers are mpmath's at 40 digits:
//
//   from mpmath import mp, mpf, exp, log
//   mp.dps = 40
//   def show(x): print([mp.nstr(v, 17) for v in x])
//   P=[.125,.5,.875,.25]; Y=[0,1,.75,.5]
//   show([-(y*log(mpf(p)) + (1-y)*log(1-mpf(p))) for p,y in zip(P,Y)])
//   L=[.5,-2,0,30,-30,-3]; YL=[.25,1,1,1,0,0]
//   show([log(1+exp(mpf(z)))-z*y for z,y in zip(L,YL)])
//   show([1/(1+exp(-mpf(z)))-y for z,y in zip(L,YL)])

#include "gradtape/ops/losses.hpp"

#include <functional>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "numeric.hpp"

using namespace gradtape;
using Catch::Matchers::Message;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

using numeric::check_close;
using numeric::check_scalar;
using numeric::check_tensor;
using numeric::Tensors;

// Derivatives to both operands of a loss, for all reductions, with and without weights.
template <class Loss>
void check_elementwise(Loss&& loss) {
  const Shape shape{3, 14};  // longer than a tile, and not a multiple of it
  const MatrixXd w = numeric::numbers(42, 5).cwiseAbs().reshaped(3, 14);
  check_scalar({shape, shape}, [&](const Tensors& x) { return loss(x); });
  check_scalar({shape, shape}, [&](const Tensors& x) { return loss(x, reduce::mean, w); });
  check_tensor({shape, shape}, [&](const Tensors& x) { return loss(x, reduce::none); });
  check_tensor({shape, shape}, [&](const Tensors& x) { return loss(x, reduce::none, w); });

  Tape<double> tape;
  const std::vector<Tensor<double>> x{tape.variable(shape, numeric::numbers(42, 1)),
                                      tape.variable(shape, numeric::numbers(42, 2))};
  const MatrixXd all = loss(x, reduce::none).value();
  CHECK(loss(x, reduce::sum).value() == Approx(all.sum()).epsilon(1e-14));
  CHECK(loss(x, reduce::mean).value() == Approx(all.mean()).epsilon(1e-14));
  CHECK(loss(x, reduce::sum, w).value() == Approx(all.cwiseProduct(w).sum()).epsilon(1e-14));
  CHECK(loss(x, reduce::mean, w).value() == Approx(all.cwiseProduct(w).mean()).epsilon(1e-14));
  check_close(loss(x, reduce::none, w).value(), all.cwiseProduct(w).eval(), 1e-14);
}

}  // namespace

TEST_CASE("element-wise losses: values") {
  Tape<double> tape;
  const Eigen::Vector4d t(1, 0, -3, 2);
  Tensor x = tape.variable(Eigen::Vector4d(1, 2, -3.5, -1));  // differences 0, 2, -1/2, -3
  CHECK(mse(x, t, reduce::none).value() == Eigen::Vector4d(0, 4, .25, 9));
  CHECK(mse(x, t).value() == 13.25 / 4);
  CHECK(mae(x, t, reduce::none).value() == Eigen::Vector4d(0, 2, .5, 3));
  CHECK(mae(x, t, reduce::sum).value() == 5.5);
  CHECK(huber(x, t, 1, reduce::none).value() == Eigen::Vector4d(0, 1.5, .125, 2.5));
  CHECK(huber(x, t, 2, reduce::none).value() == Eigen::Vector4d(0, 2, .125, 4));
  CHECK(mse(x, t, reduce::sum, Eigen::Vector4d(1, .5, 4, 0)).value() == 3);

  tape.backward(mae(x, t, reduce::sum));
  CHECK(x.grad() == Eigen::Vector4d(0, 1, -1, -1));
  tape.backward(huber(x, t, 2, reduce::sum));
  CHECK(x.grad() == Eigen::Vector4d(0, 2, -.5, -2));
  tape.backward(mse(x, t), 2);
  CHECK(x.grad() == Eigen::Vector4d(0, 2, -.5, -3));
}

TEST_CASE("element-wise losses: derivatives") {
  check_elementwise([](const auto& x, auto... how) { return mse(x[0], x[1], how...); });
  check_elementwise([](const auto& x, auto... how) { return mae(x[0], x[1], how...); });
  check_elementwise([](const auto& x, auto... how) {
    if constexpr (sizeof...(how) == 0) {
      return huber(x[0], x[1], 0.4);
    } else {
      return huber(x[0], x[1], 0.4, how...);
    }
  });
  check_elementwise([](const auto& x, auto... how) {
    const Tensor<double> p = 0.5 + 0.4 * x[0];
    return binary_cross_entropy(p, x[1], how...);
  });
  check_elementwise([](const auto& x, auto... how) {
    return binary_cross_entropy_with_logits(x[0] * 3.0, x[1], how...);
  });
}

TEST_CASE("the same tensor as prediction and target") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2));
  Var l = mse(x, x);
  tape.backward(l);
  CHECK(l.value() == 0);
  CHECK(x.grad() == Eigen::Vector2d(0, 0));
}

TEST_CASE("binary cross-entropy of probabilities") {
  Tape<double> tape;
  Tensor p = tape.variable(Eigen::Vector4d(.125, .5, .875, .25));
  const Eigen::Vector4d t(0, 1, .75, .5);
  check_close(binary_cross_entropy(p, t, reduce::none).value(),
              Eigen::Vector4d(0.13353139262452262, 0.69314718055994531, 0.62000892988835095,
                              0.83698821678583577),
              1e-15);

  // clamped to [eps, 1 - eps]: -log(eps), and the slopes there
  const double eps = std::numeric_limits<double>::epsilon();
  Tensor q = tape.variable(Eigen::Vector4d(0, 1, 0, 1));
  Tensor l = binary_cross_entropy(q, Eigen::Vector4d(1, 0, 0, 1), reduce::none);
  check_close(l.value(), Eigen::Vector4d(36.04365338911715, 36.04365338911715, eps, eps), 1e-14);
  tape.backward(l, Eigen::Vector4d(1, 1, 1, 1));
  check_close(q.grad(), Eigen::Vector4d(-1 / eps, 1 / eps, 1, -1), 1e-14);

  Tensor wrong = tape.variable(Eigen::Vector2d(std::nan(""), -3));
  CHECK(std::isnan(binary_cross_entropy(wrong, Eigen::Vector2d(0, 0), reduce::none).value()(0)));
  CHECK(std::isfinite(binary_cross_entropy(wrong, Eigen::Vector2d(0, 0), reduce::none).value()(1)));
}

TEST_CASE("binary cross-entropy of logits") {
  Tape<double> tape;
  VectorXd z(6), t(6), expected(6), slope(6);
  z << .5, -2, 0, 30, -30, -3;
  t << .25, 1, 1, 1, 0, 0;
  expected << 0.84907698418010668, 2.1269280110429725, 0.69314718055994531, 9.3576229688397368e-14,
      9.3576229688397368e-14, 0.048587351573742059;
  slope << 0.37245933120185456, -0.88079707797788244, -0.5, -9.357622968839299e-14,
      9.357622968839299e-14, 0.047425873177566781;
  Tensor x = tape.variable(z);
  Tensor l = binary_cross_entropy_with_logits(x, t, reduce::none);
  tape.backward(l, VectorXd::Ones(6));
  // to relative precision, also where the answer is nearly right
  for (Index i = 0; i < 6; ++i) {
    CHECK(l.value()(i) == Approx(expected(i)).epsilon(1e-14));
    CHECK(x.grad()(i) == Approx(slope(i)).epsilon(1e-14));
  }
}

TEMPLATE_TEST_CASE("binary cross-entropy of logits far out", "", float, double, long double) {
  using T = TestType;
  using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
  const T big = std::numeric_limits<T>::max();
  Vector z(6), t(6), expected(6), slope(6);
  // exp(-far) is 0 in all types
  const T far = std::is_same_v<T, long double> ? T(20000) : T(10000);
  z << -far, far, far, -far, -big, big;
  t << 1, 0, 1, 0, 1, 1;
  expected << far, far, 0, 0, big, 0;
  slope << -1, 1, 0, 0, -1, 0;
  Tape<T> tape;
  Tensor x = tape.variable(z);
  Tensor l = binary_cross_entropy_with_logits(x, t, reduce::none);
  CHECK(l.value() == expected);
  tape.backward(l, Vector::Ones(6));
  CHECK(x.grad() == slope);
  Tensor head = tape.variable(z.head(4).eval());
  CHECK(binary_cross_entropy_with_logits(head, t.head(4)).value() == far / 2);
}

TEST_CASE("binary cross-entropy of scalars") {
  Tape<double> tape;
  Var z = tape.variable(-2.0), p = tape.variable(0.875);
  Var l = binary_cross_entropy_with_logits(z, 1), m = binary_cross_entropy(p, 0.75);
  tape.backward(Var(l + m));
  CHECK(l.value() == Approx(2.1269280110429725).epsilon(1e-15));
  CHECK(z.grad() == Approx(-0.88079707797788244).epsilon(1e-15));
  CHECK(p.grad() == Approx((0.875 - 0.75) / (0.875 * 0.125)).epsilon(1e-15));
}

TEST_CASE("losses refuse what does not fit, and tell why") {
  Tape<double> tape;
  Tensor x = tape.variable(MatrixXd(MatrixXd::Zero(4, 3))).name("z");
  CHECK_THROWS_MATCHES(mse(x, VectorXd::Zero(4)), ShapeError,
                       Message("mse: z is [4, 3], the target is [4]: a loss does not broadcast, "
                               "shapes must be equal"));
  CHECK_THROWS_AS(binary_cross_entropy_with_logits(x, MatrixXd::Zero(1, 3)), ShapeError);
  CHECK_THROWS_MATCHES(mae(x, x, reduce::mean, VectorXd::Zero(4)), ShapeError,
                       Message("mae: z is [4, 3], the weight tensor is [4]: a loss does not "
                               "broadcast, shapes must be equal"));
  CHECK_THROWS_AS(huber(x, x, 0), DomainError);
}

TEST_CASE("losses of an empty batch") {
  Tape<double> tape;
  const MatrixXd nothing(4, 0);
  Tensor x = tape.variable(nothing);
  CHECK_THROWS_MATCHES(mse(x, nothing), DomainError, Message("mse: the mean of an empty batch"));
  Var l = mse(x, nothing, reduce::sum);
  CHECK(l.value() == 0);
  tape.backward(l);
  CHECK(x.grad().size() == 0);
  CHECK(mse(x, nothing, reduce::none).shape() == Shape{4, 0});
}

TEST_CASE("weights are constants") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2)), w = tape.variable(Eigen::Vector2d(3, 4));
  const Eigen::Vector2d t(0, 0);
  Tensor each = mse(x, t, reduce::none, w);
  tape.backward(Var(mse(x, t, reduce::sum, w) + mse(each, t, reduce::sum)));
  CHECK(w.grad() == Eigen::Vector2d(0, 0));
  CHECK(x.grad() == Eigen::Vector2d(6 + 2 * 3 * 6, 16 + 2 * 16 * 16));
}
