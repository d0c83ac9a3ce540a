#include "gradtape/io/summary.hpp"

#include "catch.hpp"
#include "gradtape/nn/rnn.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/functions.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/linear.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/ops/shape_ops.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;

namespace {

io::OperationTotal total_of(const Tape<double>& tape, std::string_view operation) {
  for (const io::OperationTotal& total : io::operation_totals(tape)) {
    if (total.operation == operation) return total;
  }
  return {};
}

}  // namespace

TEST_CASE("summary: a table of a layer and its loss") {
  Parameter<double> weight(MatrixXd::Ones(4, 3), "W"), bias(MatrixXd::Ones(4, 1), "b");
  Tape<double> tape;
  const Tensor x = tape.constant(MatrixXd::Ones(3, 2), "x");
  const Tensor y = linear(weight, x, reshape(tape.parameter(bias), {4}));
  const Var loss = sum(y * y + 1.0);
  tape.backward(loss);
  // bytes: x 6 numbers; the bias' view 4 (its gradient); 8 values and gradients of y and of the
  // formula; a statement and its adjoint
  const std::string expected =
      "operation   nodes  bytes  flops\n"
      "constant        1     48      0\n"
      "parameter       2      0      0\n"
      "reshape         1     32      0\n"
      "linear          1    128     56\n"  // 2 * 4 * 3 * 2 + 4 * 2
      "add             1    128     16\n"  // two operations on 8 elements
      "sum             1      9      8\n"
      "total           7    345     80\n"
      "tape holds         ";
  const std::string text = io::summary(tape);
  CHECK(text.substr(0, expected.size()) == expected);
  CHECK_THAT(text, ContainsSubstring(" " + std::to_string(tape.bytes()) + "\n"));
  CHECK(tape.bytes() > 345);
}

TEST_CASE("summary: products") {
  Tape<double> tape;
  const Tensor a = tape.constant(Shape{5, 2, 3}, std::vector<double>(30)),
               b = tape.constant(Shape{5, 4, 3}, std::vector<double>(60)),
               v = tape.constant(Eigen::VectorXd::Ones(5));
  CHECK(matmul(transpose(a), b).shape() == Shape{2, 4, 3});
  CHECK(total_of(tape, "matmul").flops == 3 * 2 * 2 * 5 * 4);
  CHECK(total_of(tape, "matmul").bytes == 24 * 8);  // a constant: no gradient
  CHECK(matmul(transpose(a), v).shape() == Shape{2, 1, 3});
  CHECK(total_of(tape, "matmul").flops == 240 + 3 * 2 * 2 * 5);
  CHECK(total_of(tape, "matmul").nodes == 2);
  matmul(tape.constant(MatrixXd(0, 3)), tape.constant(MatrixXd(3, 2)));
  CHECK(total_of(tape, "matmul").flops == 300);
}

TEST_CASE("summary: what is read decides, not what is there") {
  Tape<double> tape;
  const Tensor table = tape.variable(MatrixXd::Ones(2, 100));
  gather(table, std::vector<int>{2, 0, 2});
  CHECK(total_of(tape, "gather").flops == 6);
  const Tensor copy = detach(table);
  CHECK(total_of(tape, "detach").flops == 0);
  CHECK(total_of(tape, "detach").bytes == 0);
  mean(copy);
  mean(table);
  CHECK(total_of(tape, "mean").flops == 200);  // of the constant there is no node
}

TEST_CASE("summary: scalars") {
  Tape<double> tape;
  Var a = tape.variable(1.0), b = tape.variable(2.0), c = tape.variable(3.0);
  Var y = a * (c + 2.0 * b);
  CHECK(total_of(tape, "variable").nodes == 3);
  CHECK(total_of(tape, "variable").bytes == 3);
  CHECK(total_of(tape, "formula").flops == 3);
  CHECK(total_of(tape, "formula").bytes == 1 + 3 * 12);
  tape.backward(y);
  CHECK(total_of(tape, "formula").bytes == 1 + 3 * 12 + 8);

  tape.clear();
  tape.trace(true);
  a = tape.variable(1.0);
  y = a * (a + 2.0 * a);
  CHECK(total_of(tape, "constant").nodes == 1);
  CHECK(total_of(tape, "multiply").nodes == 2);
  CHECK(total_of(tape, "multiply").flops == 2);
  CHECK(total_of(tape, "add").flops == 1);
  CHECK(io::operation_totals(tape).size() == 4);
}

TEST_CASE("summary: formulas traced and not") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd::Ones(3, 2));
  Tensor y = exp(-x) * x + 2.0;
  CHECK(total_of(tape, "add").flops == 4 * 6);
  tape.trace(true);
  y = exp(-x) * x + 2.0;
  CHECK(total_of(tape, "add").flops == 4 * 6 + 6);
  CHECK(total_of(tape, "exp").flops == 6);
}

TEST_CASE("summary: an empty tape") {
  const Tape<double> tape;
  CHECK(io::operation_totals(tape).empty());
  CHECK(io::summary(tape) ==
        "operation   nodes  bytes  flops\n"
        "total           0      0      0\n"
        "tape holds             0\n");
}

TEST_CASE("summary: a recurrent layer adds its products in place") {
  Random random(1);
  const nn::Rnn<double> layer(2, 3, random);
  Tape<double> tape;
  layer(tape.constant(Shape{2, 5, 4}, Eigen::VectorXd::Ones(40)));
  CHECK(total_of(tape, "linear").bytes == 2 * 3 * 20 * sizeof(double));
  CHECK(total_of(tape, "linear").flops == 2 * 3 * 2 * 20 + 3 * 20);
  CHECK(total_of(tape, "steps").nodes == 1);
  CHECK(total_of(tape, "steps").bytes == 0);
  CHECK(total_of(tape, "steps").flops == 0);
  CHECK(total_of(tape, "step").nodes == 5);
  CHECK(total_of(tape, "step").bytes == 0);
  CHECK(total_of(tape, "step").flops == 2 * 3 * 3 * 20);
}
