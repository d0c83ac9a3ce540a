// Numbers are mpmath's at 40 digits, derivatives by differences at that precision:
//
//   from mpmath import mp, mpf, exp, log
//   mp.dps = 40
//   Z = [[.5, -1.25, 2, .25], [1.5, 0, -.75, 1], [-2, 3, .5, -.125]]          # columns
//   T, w = [2, 1, 3], [mpf(1)/2, mpf(2), mpf(1), mpf(3)/2]
//   Q = [[.125, .25, .5, .125], [1, 0, 0, 0], [.25, .25, .25, .25]]
//   def lp(z): s = log(sum(exp(mpf(x)) for x in z)); return [mpf(x) - s for x in z]
//   def losses(Z, w, e):
//       return [-(1-e)*w[t]*lp(z)[t] - e/4*sum(w[c]*lp(z)[c] for c in range(4)) for z, t in zip(Z,
//       T)]
//   def plain(Z): return sum(losses(Z, [1]*4, 0))/3
//   def full(Z): return sum(losses(Z, w, mpf(1)/10))/sum(w[t] for t in T)
//   def soft(Z, Q=Q): return -sum(q*l for z, c in zip(Z, Q) for q, l in zip(c, lp(z)))/3
//   def grad(f, A):
//       h, g = mpf(10)**-15, []
//       for i in range(len(A)):
//           for j in range(len(A[0])):
//               def at(d): B = [[mpf(x) for x in c] for c in A]; B[i][j] += d; return f(B)
//               g.append((at(h) - at(-h))/(2*h))
//       return g
//   def show(n, x): print(n, ', '.join(mp.nstr(v, 17) for v in (x if isinstance(x, list) else
//   [x]))) show('plain', plain(Z)); show('plain z_bar', grad(plain, Z)) show('full', full(Z));
//   show('full z_bar', grad(full, Z)); show('full losses', losses(Z, w, mpf(1)/10)) show('soft',
//   soft(Z)); show('soft z_bar', grad(soft, Z)); show('soft q_bar', grad(lambda q: soft(Z, q), Q))
//   show('softmax', [exp(l) for z in Z for l in lp(z)]); show('log_softmax', [l for z in Z for l in
//   lp(z)])

#include "gradtape/ops/cross_entropy.hpp"

#include <functional>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "gradtape/ops/matmul.hpp"
#include "numeric.hpp"

using namespace gradtape;
using Catch::Matchers::Message;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const MatrixXd scores{{.5, 1.5, -2}, {-1.25, 0, 3}, {2, -.75, .5}, {.25, 1, -.125}};
const std::vector<int> classes{2, 1, 3};
const std::vector<double> class_weights{.5, 2, 1, 1.5};

MatrixXd columns_of_4(std::initializer_list<double> values) {
  MatrixXd result(4, Index(values.size()) / 4);
  std::copy(values.begin(), values.end(), result.data());
  return result;
}

using numeric::check_close;
using numeric::check_scalar;
using numeric::check_tensor;
using numeric::Tensors;

}  // namespace

TEST_CASE("softmax cross-entropy of classes") {
  const auto plain_slope = columns_of_4(
      {0.051805978719120674, 0.0090025292163314396, -0.10115504472968383, 0.040346536794231717,
       0.17225994319609849, -0.29489694462082845, 0.01815606443593958, 0.10448093698879038,
       0.0019827523680682509, 0.29426654266312385, 0.024154868749561977, -0.32040416378075407});
  Tape<double> tape;
  Tensor x = tape.variable(scores);
  SECTION("plain") {
    Var l = softmax_cross_entropy(x, classes);
    CHECK(l.value() == Approx(1.923810937042949).epsilon(1e-15));
    tape.backward(l);
    check_close(x.grad(), plain_slope, 1e-14);
    // twice: assigned first, then added
    tape.backward(Var(l + softmax_cross_entropy(x, Eigen::Vector3i(2, 1, 3), reduce::sum)));
    check_close(x.grad(), (4 * plain_slope).eval(), 1e-14);
  }
  SECTION("smoothed and weighted") {
    const auto slope = columns_of_4(
        {0.032622974346954683, -0.0049593828132846274, -0.046900391676395062, 0.019236800142725007,
         0.21828914932388196, -0.36178441226339651, 0.017744727137233572, 0.12575053580228099,
         -0.0008280712825106644, 0.278250989174294, 0.018196732048180388, -0.29561964993996373});
    const CrossEntropyOptions<double> options{.label_smoothing = 0.1,
                                              .class_weights = class_weights};
    Var l = softmax_cross_entropy(x, classes, options);
    CHECK(l.value() == Approx(2.0851391809211318).epsilon(1e-15));
    tape.backward(l);
    check_close(x.grad(), slope, 1e-14);
    Tensor each = softmax_cross_entropy(x, classes, options, reduce::none);
    CHECK(each.shape() == Shape{3});
    check_close(each.value(),
                Eigen::Vector3d(0.61755336413136063, 4.1207663366664149, 4.6448066133473177),
                1e-15);
    // the mean divides by the weights of the classes, 1 + 2 + 1.5
    tape.backward(each, Eigen::Vector3d(1, 1, 1));
    check_close(x.grad(), (4.5 * slope).eval(), 1e-14);
  }
  SECTION("single precision") {
    Tape<float> single;
    Tensor y = single.variable(scores.cast<float>().eval());
    Var l = softmax_cross_entropy(y, classes);
    CHECK(l.value() == Approx(1.923810937042949).epsilon(3e-7));
    single.backward(l);
    check_close(y.grad(), plain_slope, 1e-6);
  }
  SECTION("without gradient") {
    CHECK(softmax_cross_entropy(tape.constant(scores), classes).is_constant());
    const auto no_grad = tape.no_grad();
    CHECK(softmax_cross_entropy(x, classes).value() == Approx(1.923810937042949).epsilon(1e-15));
  }
}

TEST_CASE("softmax cross-entropy beside other uses of the scores") {
  // long double: small slopes are differences of numbers thirty times as large
  using Exact = Eigen::Matrix<long double, 4, 3>;
  const Exact e = scores.cast<long double>().array().exp();
  const MatrixXd p = (e.array().rowwise() / e.colwise().sum().array()).matrix().cast<double>();
  const MatrixXd q = columns_of_4({.125, .25, .5, .125, 1, 0, 0, 0, .25, .25, .25, .25}),
                 factor = columns_of_4({1, -2, 3, -4, 5, -6, 7, -8, 9, -10, 11, -12});
  MatrixXd hot = MatrixXd::Zero(4, 3);
  for (Index i = 0; i < 3; ++i) hot(classes[std::size_t(i)], i) = 1;
  Tape<double> tape;
  Tensor x = tape.variable(scores);
  const bool of_classes = GENERATE(true, false);
  const auto loss = [&] {
    return of_classes ? softmax_cross_entropy(x, classes, reduce::sum)
                      : softmax_cross_entropy(x, q, reduce::sum);
  };
  const MatrixXd slope = p - (of_classes ? hot : q);
  SECTION("of which one is swept before it") {
    Var l = loss();
    tape.backward(Var(l + dot(x, tape.constant(factor))));
    check_close(x.grad(), (slope + factor).eval(), 1e-14);
  }
  SECTION("of which one is swept after it") {
    Var other = dot(x, tape.constant(factor));
    tape.backward(Var(other + loss()));
    check_close(x.grad(), (slope + factor).eval(), 1e-14);
  }
  SECTION("swept several times") {
    Var l = loss();
    for (int i = 0; i < 3; ++i) {
      tape.backward(l);
      check_close(x.grad(), slope, 1e-14);
    }
  }
  SECTION("of which one is swept in between") {
    Var l = loss(), other = dot(x, tape.constant(factor));
    tape.backward(other);
    check_close(x.grad(), factor, 1e-14);
    tape.backward(l);
    check_close(x.grad(), slope, 1e-14);
  }
  SECTION("after a sweep whose gradient is still read") {
    tape.backward(dot(x, tape.constant(factor)));
    Var l = loss();
    check_close(x.grad(), factor, 1e-14);
    tape.backward(l);
    check_close(x.grad(), slope, 1e-14);
  }
  SECTION("after a sweep that did not reach them") {
    tape.backward(Var(2 * tape.variable(1.0)));
    Var l = loss();
    check_close(x.grad(), MatrixXd::Zero(4, 3).eval(), 0);
    tape.backward(l);
    check_close(x.grad(), slope, 1e-14);
  }
  SECTION("two of its kind") {
    Var l = loss(), other = softmax_cross_entropy(x, q, reduce::sum);
    tape.backward(l);
    check_close(x.grad(), slope, 1e-14);
    tape.backward(Var(l + other));
    check_close(x.grad(), (slope + p - q).eval(), 1e-14);
  }
  SECTION("that are a parameter") {
    Parameter<double> w(scores);
    for (int i = 1; i <= 2; ++i) {
      tape.backward(of_classes ? softmax_cross_entropy(tape.parameter(w), classes, reduce::sum)
                               : softmax_cross_entropy(tape.parameter(w), q, reduce::sum));
      check_close(w.grad(), (i * slope).eval(), 1e-14);
    }
  }
}

TEST_CASE("softmax cross-entropy: derivatives") {
  const std::vector<int> seven{1, 0, 4, -100, 2, 2, 3};
  const std::vector<double> w{.5, 0, 1, 2, 1.5};
  const Shape shape{5, 7};
  const CrossEntropyOptions<double> options{.label_smoothing = 0.2, .class_weights = w};
  check_scalar({shape}, [&](const Tensors& x) { return softmax_cross_entropy(x[0], seven); });
  check_scalar({shape},
               [&](const Tensors& x) { return softmax_cross_entropy(x[0], seven, options); });
  check_tensor({shape}, [&](const Tensors& x) {
    return softmax_cross_entropy(x[0], seven, {.label_smoothing = 0.3}, reduce::none);
  });
  check_tensor({shape}, [&](const Tensors& x) {
    return softmax_cross_entropy(x[0], seven, options, reduce::none);
  });
  check_scalar({shape, shape}, [&](const Tensors& x) { return softmax_cross_entropy(x[0], x[1]); });
  check_tensor({Shape{37, 3}, Shape{37, 3}},
               [&](const Tensors& x) { return softmax_cross_entropy(x[0], x[1], reduce::none); });
  check_scalar({shape}, [&](const Tensors& x) { return nll(x[0], seven); });
  check_tensor({shape}, [&](const Tensors& x) {
    return nll(x[0], seven, {.class_weights = w}, reduce::none);
  });
}

TEST_CASE("blocks of columns of any length") {
  for (const Index v : {1, 2, 27, 33, 300, 5000}) {
    const Index n = v > 1000 ? 3 : 301;
    const MatrixXd z = 4 * numeric::numbers(v * n, 2).reshaped(v, n);
    std::vector<Index> t;
    for (Index i = 0; i < n; ++i) t.push_back(i * 7 % v);
    const MatrixXd e = z.array().exp();
    const Eigen::RowVectorXd s = e.colwise().sum();
    MatrixXd slope = e.array().rowwise() / s.array();
    double loss = 0;
    for (Index i = 0; i < n; ++i) {
      loss += std::log(s(i)) - z(t[std::size_t(i)], i);
      slope(t[std::size_t(i)], i) -= 1;
    }
    Tape<float> tape;
    Tensor x = tape.variable(z.cast<float>().eval());
    Var l = softmax_cross_entropy(x, t, reduce::sum);
    tape.backward(l);
    CHECK(l.value() == Approx(loss).epsilon(1e-6).margin(1e-6));
    CHECK((x.grad().cast<double>() - slope).cwiseAbs().maxCoeff() < 2e-6);
    const auto no_grad = tape.no_grad();
    CHECK(softmax_cross_entropy(x, t, reduce::sum).value() == l.value());
  }
}

TEST_CASE("samples that are ignored count for nothing") {
  Tape<double> tape;
  MatrixXd z(4, 5);
  z << scores.col(0), MatrixXd::Constant(4, 1, 7), scores.col(1), scores.col(2),
      MatrixXd::Constant(4, 1, 1e300);
  Tensor x = tape.variable(z), y = tape.variable(scores);
  const std::vector<int> some{2, -100, 1, 3, -100}, other{2, 0, 1, 3, 0}, none(5, -100);
  Var l = softmax_cross_entropy(x, some);
  tape.backward(Var(l + softmax_cross_entropy(y, classes)));
  CHECK(l.value() == Approx(1.923810937042949).epsilon(1e-15));
  const MatrixXd g = x.grad();
  CHECK(g.col(1).isZero(0));
  CHECK(g.col(4).isZero(0));
  check_close(MatrixXd(g(Eigen::seqN(0, 4), std::vector<int>{0, 2, 3})), y.grad(), 1e-15);

  CHECK(softmax_cross_entropy(x, other, {.ignore_index = 0}).value() == l.value());
  CHECK(softmax_cross_entropy(x, some, reduce::none).value()(1) == 0);
  const std::vector<double> w{1, 1, 1, 1};
  CHECK(softmax_cross_entropy(x, some, {.class_weights = w}).value() == l.value());

  SECTION("all of them: loss and gradient are 0") {
    Var zero = softmax_cross_entropy(x, none), of_nll = nll(x, none);
    CHECK(zero.value() == 0);
    CHECK(of_nll.value() == 0);
    tape.backward(Var(zero + of_nll));
    CHECK(x.grad().isZero(0));
  }
}

TEST_CASE("softmax cross-entropy with the wrong label, far out") {
  Tape<double> tape;
  Tensor x = tape.variable(MatrixXd{{1e4, -1e4, 1e308}, {-1e4, 1e4, 0}});
  Tensor l = softmax_cross_entropy(x, {1, 1, 0}, reduce::none);
  CHECK(l.value() == Eigen::Vector3d(2e4, 0, 0));
  tape.backward(l, Eigen::Vector3d(1, 1, 1));
  CHECK(x.grad() == MatrixXd{{1, 0, 0}, {-1, 0, 0}});
  // masked scores, smoothed or in a distribution with share 0
  Tensor masked = tape.variable(Eigen::Vector3d(1, -inf, 1));
  CHECK(softmax_cross_entropy(masked, {2}).value() == Approx(0.69314718055994531).epsilon(1e-15));
  Var soft = softmax_cross_entropy(masked, Eigen::Vector3d(.5, 0, .5));
  CHECK(soft.value() == Approx(0.69314718055994531).epsilon(1e-15));
  tape.backward(soft);
  CHECK(masked.grad() == Eigen::Vector3d(0, 0, 0));
}

TEST_CASE("softmax cross-entropy of distributions") {
  const auto q = columns_of_4({.125, .25, .5, .125, 1, 0, 0, 0, .25, .25, .25, .25});
  const auto z_slope = columns_of_4(
      {0.010139312052454007, -0.074330804117001894, 0.065511621936982836, -0.0013201298724349497,
       -0.16107339013723484, 0.038436388712504882, 0.01815606443593958, 0.10448093698879038,
       -0.081350580965265082, 0.21093320932979051, -0.059178464583771356, -0.070404163780754074});
  const auto q_slope = columns_of_4(
      {0.62054580947361321, 1.2038791428069465, 0.12054580947361321, 0.70387914280694655,
       0.22004611890327531, 0.72004611890327531, 0.97004611890327531, 0.38671278556994197,
       1.7082190086660605, 0.041552341999393835, 0.87488567533272717, 1.0832190086660605});
  Tape<double> tape;
  Tensor x = tape.variable(scores), t = tape.variable(q);
  CHECK(softmax_cross_entropy(x, q).value() == Approx(1.673810937042949).epsilon(1e-15));
  Var l = softmax_cross_entropy(x, t);
  CHECK(l.value() == Approx(1.673810937042949).epsilon(1e-15));
  tape.backward(l);
  check_close(x.grad(), z_slope, 1e-14);
  check_close(t.grad(), q_slope, 1e-14);
  CHECK_THROWS_MATCHES(softmax_cross_entropy(x, q.leftCols(2)), ShapeError,
                       Message("softmax_cross_entropy: the prediction is [4, 3], the target is "
                               "[4, 2]: a loss does not broadcast, shapes must be equal"));
}

TEST_CASE("negative log-likelihood") {
  Tape<double> tape;
  Tensor y = tape.variable(scores);
  Tensor l = nll(y, {2, -100, 3}, {.class_weights = class_weights}, reduce::none);
  CHECK(l.value() == Eigen::Vector3d(-2, 0, .1875));
  CHECK(nll(y, {2, -100, 3}, {.class_weights = class_weights}).value() ==
        Approx(-1.8125 / 2.5).epsilon(1e-15));
  CHECK(nll(y, {2, 1, 3}, reduce::sum).value() == -1.875);
  tape.backward(l, Eigen::Vector3d(1, 10, 100));
  MatrixXd expected = MatrixXd::Zero(4, 3);
  expected(2, 0) = -1;
  expected(3, 2) = -150;
  CHECK(y.grad() == expected);
}

TEST_CASE("samples of more dimensions, and a single one") {
  Tape<double> tape;
  const MatrixXd z = numeric::numbers(24, 1).reshaped(4, 6);
  Tensor x = tape.variable(Shape{4, 2, 3}, z.reshaped()), flat = tape.variable(z);
  const Eigen::Matrix<int, 2, 3> t{{0, 1, 2}, {3, 0, 1}};
  Tensor l = softmax_cross_entropy(x, t, reduce::none);
  CHECK(l.shape() == Shape{2, 3});
  CHECK(l.value().reshaped() ==
        softmax_cross_entropy(flat, {0, 3, 1, 0, 2, 1}, reduce::none).value());
  CHECK_THROWS_AS(softmax_cross_entropy(x, t.transpose()), ShapeError);
  Tensor one = tape.variable(VectorXd(z.col(0)));
  CHECK(softmax_cross_entropy(one, {0}, reduce::none).shape() == Shape{});
  CHECK(softmax_cross_entropy(one, {0}).value() == l.value()(0, 0));
}

TEST_CASE("losses of classes refuse what does not fit, and tell why") {
  Tape<double> tape;
  Tensor x = tape.variable(scores).name("z");
  CHECK_THROWS_MATCHES(
      softmax_cross_entropy(x, {0, 4, 1}), ShapeError,
      Message("softmax_cross_entropy: target 4 of sample 1 is not a class of z, which has 4"));
  CHECK_THROWS_AS(nll(x, {0, -1, 1}), ShapeError);
  CHECK_THROWS_MATCHES(softmax_cross_entropy(x, {0, 1}), ShapeError,
                       Message("softmax_cross_entropy: z is [4, 3], the targets are [2]: there "
                               "must be one for each column (3)"));
  const std::vector<double> two{1, 1};
  CHECK_THROWS_MATCHES(nll(x, {0, 1, 2}, {.class_weights = two}), ShapeError,
                       Message("nll: 2 class weights for 4 classes of z"));
  CHECK_THROWS_AS(softmax_cross_entropy(x, {0, 1, 2}, {.label_smoothing = 1.5}), DomainError);
}

TEST_CASE("losses of an empty batch of classes") {
  Tape<double> tape;
  const MatrixXd nothing(4, 0);
  Tensor x = tape.variable(nothing);
  const std::vector<int> no_targets;
  CHECK_THROWS_AS(softmax_cross_entropy(x, no_targets), DomainError);
  CHECK_THROWS_AS(softmax_cross_entropy(x, nothing), DomainError);
  CHECK_THROWS_AS(nll(x, no_targets), DomainError);
  CHECK(nll(x, no_targets, reduce::sum).value() == 0);
  Var l = softmax_cross_entropy(x, no_targets, reduce::sum);
  CHECK(l.value() == 0);
  tape.backward(l);
  CHECK(x.grad().size() == 0);
  // no classes, and a sample that is ignored
  Tensor none = tape.variable(MatrixXd(0, 1));
  CHECK(softmax_cross_entropy(none, {-100}).value() == 0);
  CHECK_THROWS_AS(softmax_cross_entropy(none, {0}), ShapeError);
}
