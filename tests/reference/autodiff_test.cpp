/// \file
/// Examples of the reference: tapes, scalars, tensors, operations, forward mode, checks, drawings.

#include "gradtape/autodiff.hpp"

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/io/graph.hpp"

using namespace gradtape;

TEST_CASE("reference: scalars of a tape") {
  //! [tape]
  Tape<double> tape;
  Var a = tape.variable(3.0), b = tape.variable(1.0), c = tape.variable(-2.0);
  Var e = a + 2.0 * b;  // what gets a name is a node
  Var L = c * e;
  tape.backward(L);
  const double slope = b.grad();  // dL/db = 2 c = -4; e.grad() is there as well
  //! [tape]
  CHECK(L.value() == -10);
  CHECK(slope == -4);
  CHECK(e.grad() == -2);
}

TEST_CASE("reference: tensors of a tape") {
  Tape<double> tape;
  //! [tensor]
  Tensor x = tape.constant(Eigen::Matrix2d{{1, 2}, {3, 4}});    // a column a sample
  Tensor W = tape.variable(Eigen::Matrix2d{{0.5, 0}, {0, 2}});  // with a gradient
  Tensor b = tape.variable(Eigen::Vector2d(1, -1));
  Tensor z = matmul(W, x) + b;             // a product, then one node for what is element-wise
  Var loss = mean(square(relu(z) - 1.0));  // relu, minus, square: one node
  tape.backward(loss);
  const Eigen::MatrixXd slope = W.grad();  // dloss/dW (2,2)
  //! [tensor]
  // relu(z) - 1 = [0.5 1; 4 6], and the derivative of the mean of four squares is half of that
  const Eigen::Matrix2d z_bar{{0.25, 0.5}, {2, 3}};
  CHECK(slope == z_bar * Eigen::Matrix2d{{1, 3}, {2, 4}});
}

TEST_CASE("reference: the life of a recording") {
  Tape<double> tape;
  double slope = 0;
  //! [scope]
  Var x = tape.variable(2.0);
  for (int step = 0; step < 3; ++step) {
    auto scope = tape.scope();  // what is recorded from here on is forgotten at the block's end
    Var y = x * x;
    tape.backward(y);
    slope += x.grad();
  }
  //! [scope]
  CHECK(slope == 12);
  CHECK(tape.statement_count() == 1);
  //! [no_grad]
  auto pause = tape.no_grad();
  Var y = x * x;  // until the end of the block results are constants
  //! [no_grad]
  CHECK(y.is_constant());
}

namespace {

//! [elementwise]
/// y = x / (1 + |x|),  x_bar += y_bar / (1 + |x|)^2
struct Softsign {
  static constexpr std::string_view name = "softsign";
  template <class X>
  static X value(const X& x) {
    using std::abs;
    return x / (1 + abs(x));
  }
  template <class X>
  static X partial(const X& x, const X&) {
    using std::abs;
    const X size = 1 + abs(x);
    return 1 / (size * size);
  }
};

template <Entity X>
auto softsign(const X& x) {
  return elementwise<Softsign>(x);
}
//! [elementwise]

}  // namespace

TEST_CASE("reference: operations of one's own, checked") {
  //! [check_gradients]
  const Eigen::MatrixXd a{{0.5, -1}, {2, 0.25}}, b{{1, 2}, {-0.5, 3}};
  const auto f = [](Tape<double>&, const auto& x) { return sum(softsign(matmul(x[0], x[1]))); };
  const CheckReport report = check_gradients(f, {{"A", a}, {"B", b}});
  report.require();  // throws if an element of the gradient is wrong, and says which
  //! [check_gradients]
  CHECK(report.compared == 8);

  Tape<double> tape;
  Tensor y = softsign(tape.constant(a));
  CHECK(y.value()(0, 1) == -0.5);
}

TEST_CASE("reference: forward mode") {
  //! [dual]
  const Dual<double> x(2.0, 1.0);  // the direction: d/dx
  const Dual<double> y = x * sin(x);
  const double slope = y.tangent();  // sin x + x cos x
  //! [dual]
  CHECK(slope == Approx(0.07700375373139582).epsilon(1e-12));
}

TEST_CASE("reference: a Hessian times a vector") {
  //! [hessian]
  using D = Dual<double>;
  Tape<D> tape;
  Var x = tape.variable(D(1.0, 0.5)), y = tape.variable(D(2.0, -1.0));  // v = (0.5, -1)
  Var f = x * x * y;
  tape.backward(f);
  const double first = x.grad().tangent(), second = y.grad().tangent();  // H v
  //! [hessian]
  // H = [2y 2x; 2x 0] at (1, 2)
  CHECK(first == 4 * 0.5 + 2 * -1);
  CHECK(second == 2 * 0.5);
}

TEST_CASE("reference: a drawing") {
  //! [graph]
  Tape<double> tape;
  tape.trace(true);  // every operation becomes a node of its own, and is checked for NaN
  Var a = tape.variable(3.0, "a"), b = tape.variable(1.0, "b");
  Var y = a * sin(b);
  y.name("y");
  tape.backward(y);
  const std::string table = io::to_text(tape), drawing = io::to_dot(tape);  // for Graphviz
  //! [graph]
  CHECK(table.find("sin(b)") != table.npos);
  CHECK(drawing.starts_with("digraph"));
}
