#include "gradtape/ops/shape_ops.hpp"

#include "catch.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/matmul.hpp"
#include "ops/numeric.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using X = std::vector<Tensor<double>>;

TEST_CASE("shape operations: derivatives against finite differences", "[shape_ops]") {
  numeric::check({{2, 6}}, [](const X& x) { return reshape(x[0], {3, -1}); });
  numeric::check({{2, 3}}, [](const X& x) { return flatten(x[0] * x[0]); });
  numeric::check({{2, 1, 3}}, [](const X& x) { return squeeze(x[0]); });
  numeric::check({{2, 3}}, [](const X& x) { return unsqueeze(x[0], Dim(1)); });
  numeric::check({{2, 5}}, [](const X& x) { return columns(x[0], 1, 3); });
  numeric::check({{5, 2}}, [](const X& x) { return rows(x[0], 1, 3); });
  for (const int d : {0, 1, 2}) {
    INFO("dimension " << d);
    numeric::check({{3, 3, 3}}, [d](const X& x) { return slice(x[0], Dim(d), 1, 2); });
    numeric::check({{2, 2, 2}, {2, 2, 2}}, [d](const X& x) {
      return concat({x[0], x[1], x[0]}, Dim(d));
    });
    numeric::check({{2, 3}, {2, 3}}, [d](const X& x) { return stack({x[0], x[1], x[0]}, Dim(d)); });
    numeric::check({{2, 3, 2}}, [d](const X& x) { return repeat(x[0], Dim(d), 3); });
  }
  numeric::check({{2, 3}}, [](const X& x) {  // overlapping parts of one tensor
    return Tensor<double>(columns(x[0], 0, 2) * columns(x[0], 1, 2));
  });
  numeric::check({{3}}, [](const X& x) { return broadcast_to(x[0], {3, 4}); });
  numeric::check({{1, 3}}, [](const X& x) { return broadcast_to(x[0], {2, 3, 2}); });
  numeric::check({{2, 1, 2, 1}}, [](const X& x) { return broadcast_to(x[0], {2, 3, 2, 2}); });
}

TEST_CASE("reshape: renames the dimensions in place", "[shape_ops]") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd{{1, 2, 3}, {4, 5, 6}});
  const Tensor y = reshape(x, {3, -1});
  CHECK(y.value() == MatrixXd{{1, 5}, {4, 3}, {2, 6}});  // columns one after another
  CHECK(y.data() == x.data());
  CHECK(flatten(x).value() == VectorXd{{1, 4, 2, 5, 3, 6}});
  CHECK(reshape(x, Shape{1, 6}).shape() == Shape{1, 6});
  CHECK(reshape(x, {-1}).shape() == Shape{6});
  CHECK(squeeze(reshape(x, {1, 6, 1})).shape() == Shape{6});
  CHECK(squeeze(reshape(x, {1, 6, 1}), Dim(0)).shape() == Shape{6, 1});
  CHECK(unsqueeze(x, Dim(0)).shape() == Shape{1, 2, 3});
  CHECK(unsqueeze(x, Dim(-1)).shape() == Shape{2, 3, 1});
  tape.backward(y, MatrixXd{{1, 2}, {3, 4}, {5, 6}});
  CHECK(y.grad() == MatrixXd{{1, 2}, {3, 4}, {5, 6}});  // its own, not x's
  CHECK(x.grad() == MatrixXd{{1, 5, 4}, {3, 2, 6}});
  CHECK(reshape(tape.variable(MatrixXd(0, 3)), {3, 0}).shape() == Shape{3, 0});
}

TEST_CASE("slices, concat, stack, repeat, broadcast_to: values", "[shape_ops]") {
  Tape<double> tape;
  const Tensor x = tape.variable(MatrixXd{{1, 2, 3}, {4, 5, 6}});
  const Tensor v = tape.variable(VectorXd{{7, 8}});
  CHECK(columns(x, 1, 2).value() == MatrixXd{{2, 3}, {5, 6}});
  CHECK(rows(x, 1, 1).value() == MatrixXd{{4, 5, 6}});
  CHECK(slice(x, Dim(-1), 2, 1).value() == VectorXd{{3, 6}});
  CHECK(slice(x, Dim(0), 0, 0).shape() == Shape{0, 3});
  CHECK(rows(v, 1, 1).value()(0, 0) == 8);
  CHECK(concat({x, x}, Dim(0)).value() == MatrixXd{{1, 2, 3}, {4, 5, 6}, {1, 2, 3}, {4, 5, 6}});
  CHECK(concat<double>({columns(x, 0, 1), x * 2}, Dim(1)).value() ==
        MatrixXd{{1, 2, 4, 6}, {4, 8, 10, 12}});
  const std::vector<Tensor<double>> list{v, v, v};
  CHECK(concat(list, Dim(0)).value() == VectorXd{{7, 8, 7, 8, 7, 8}});
  CHECK(stack(list).value() == MatrixXd{{7, 7, 7}, {8, 8, 8}});
  CHECK(stack({v, v}, Dim(0)).value() == MatrixXd{{7, 8}, {7, 8}});
  CHECK(stack({x, x}).shape() == Shape{2, 3, 2});
  CHECK(repeat(v, Dim(0), 2).value() == VectorXd{{7, 8, 7, 8}});
  CHECK(repeat(x, Dim(1), 2).value() == MatrixXd{{1, 2, 3, 1, 2, 3}, {4, 5, 6, 4, 5, 6}});
  CHECK(repeat(x, Dim(1), 0).shape() == Shape{2, 0});
  CHECK(broadcast_to(v, {2, 3}).value() == MatrixXd{{7, 7, 7}, {8, 8, 8}});
  CHECK(broadcast_to(columns(x, 0, 1), {2, 2}).value() == MatrixXd{{1, 1}, {4, 4}});
  CHECK(broadcast_to(rows(x, 0, 1), {2, 3}).value() == MatrixXd{{1, 2, 3}, {1, 2, 3}});
  const Tensor same = concat({x, x}, Dim(1));
  tape.backward(same, MatrixXd{{1, 2, 3, 10, 20, 30}, {4, 5, 6, 40, 50, 60}});
  CHECK(x.grad() == MatrixXd{{11, 22, 33}, {44, 55, 66}});
}

TEST_CASE("detach: shares the value, stops the gradient", "[shape_ops]") {
  Tape<double> tape;
  const Tensor x = tape.variable(VectorXd{{2, 3}});
  const Tensor d = detach(x);
  CHECK(d.is_constant());
  CHECK(d.data() == x.data());
  tape.backward(dot(x, d));  // were it x, 2 x
  CHECK(x.grad() == VectorXd{{2, 3}});
  CHECK(detach(x * x).value() == VectorXd{{4, 9}});
}

TEST_CASE("shape operations: constants stay constants", "[shape_ops]") {
  Tape<double> tape;
  const Tensor c = tape.constant(MatrixXd{{1, 2}, {3, 4}}), x = tape.variable(VectorXd{{1, 2}});
  for (const Tensor<double>& y :
       {reshape(c, {4}), columns(c, 0, 1), concat({c, c}, Dim(0)), stack({c, c}),
        repeat(c, Dim(0), 2), broadcast_to(c, {2, 2, 2}), reshape(detach(x), {1, 2})}) {
    CHECK(y.is_constant());
  }
  const auto off = tape.no_grad();
  CHECK(reshape(x, {1, 2}).is_constant());
  CHECK(concat({x, x}, Dim(0)).is_constant());
}

TEST_CASE("shape operations: errors", "[shape_ops]") {
  Tape<double> tape, other;
  const Tensor x = tape.variable(MatrixXd(2, 3).setOnes()), v = tape.variable(VectorXd{{1, 2}});
  CHECK_THROWS_WITH(reshape(x, {4, 2}), "reshape: [2, 3] has 6 elements, [4, 2] has 8");
  CHECK_THROWS_WITH(reshape(x, {-1, -1}), "reshape: only one size may be -1");
  CHECK_THROWS_WITH(reshape(x, {4, -1}), ContainsSubstring("6 elements do not divide"));
  CHECK_THROWS_WITH(reshape(x, {0, -1}), ContainsSubstring("6 elements do not divide"));
  CHECK_THROWS_WITH(reshape(x, {-2, 3}), ContainsSubstring("size -2 of dimension 0 is negative"));
  CHECK_THROWS_WITH(reshape(x, {1, 1, 1, 1, 6}), ContainsSubstring("rank 5"));
  CHECK_THROWS_WITH(columns(x, 2, 2),
                    "columns: 2 from 2 on are not inside of dimension 1 of [2, 3]");
  CHECK_THROWS_WITH(rows(x, -1, 1), ContainsSubstring("rows: 1 from -1 on"));
  CHECK_THROWS_AS(slice(x, Dim(0), 0, 3), ShapeError);
  CHECK_THROWS_AS(slice(x, Dim(0), 1, std::numeric_limits<Index>::max()), ShapeError);
  CHECK_THROWS_WITH(columns(v, 0, 1), "columns: there is no dimension 1 in a tensor of rank 1");
  CHECK_THROWS_WITH(concat({x, v}, Dim(0)),
                    "concat: [2, 3] and [2] differ in another dimension than 0");
  CHECK_THROWS_WITH(concat(std::vector<Tensor<double>>(), Dim(0)), "concat: there are no tensors");
  CHECK_THROWS_WITH(stack({x, v}), "stack: [2, 3] and [2] must be the same shape");
  const Tensor full = reshape(x, {1, 2, 1, 3});
  CHECK_THROWS_WITH(stack({full, full}), "stack: [1, 2, 1, 3] has the largest rank already");
  CHECK_THROWS_WITH(unsqueeze(full, Dim(0)),
                    "unsqueeze: [1, 2, 1, 3] has the largest rank already");
  CHECK_THROWS_WITH(squeeze(x, Dim(0)), "squeeze: dimension 0 of [2, 3] must have size 1");
  CHECK_THROWS_WITH(broadcast_to(x, {2, 4}), ContainsSubstring("broadcast_to: [2, 3] and [2, 4]"));
  CHECK_THROWS_WITH(broadcast_to(x, {2}), "broadcast_to: [2, 3] does not fit into [2]");
  CHECK_THROWS_WITH(repeat(x, Dim(0), -1), "repeat: the count -1 is negative");
  CHECK_THROWS_WITH(repeat(x, Dim(1), Index{1} << 62),
                    "repeat: [2, 3] 4611686018427387904 times along dimension 1 has too many "
                    "elements");
  CHECK_THROWS_WITH(repeat(x, Dim(1), Index{1} << 61), ContainsSubstring("too many elements"));
  CHECK_THROWS_AS(concat({v, other.variable(VectorXd{{1}})}, Dim(0)), TapeError);
}

TEST_CASE("shape operations: of nothing, however often, takes no time", "[shape_ops]") {
  const Index often = Index{1} << 60;
  Tape<double> tape;
  const Tensor none = tape.variable(MatrixXd(0, 2), "none");
  const Tensor many = repeat(none, Dim(1), often);
  CHECK(many.shape() == Shape{0, 2 * often});
  const Tensor part = columns(many, 1, often);
  const Tensor most = repeat(none, Dim(1), Index{1} << 61);
  CHECK_THROWS_WITH(concat({most, most}, Dim(1)),
                    ContainsSubstring("concat: the sizes of dimension 1"));
  const Tensor spread = broadcast_to(unsqueeze(none, Dim(2)), {0, 2, often});
  CHECK(concat({part, part}, Dim(1)).shape() == Shape{0, 2 * often});
  for (const Tensor<double>& y : {many, part, spread})
    tape.backward(y, MatrixXd(y.rows(), y.columns()));
  CHECK(none.grad().size() == 0);
  CHECK(repeat(tape.variable(VectorXd(0)), Dim(0), often).shape() == Shape{0});
  CHECK(repeat(tape.variable(VectorXd{{1, 2}}), Dim(0), 0).shape() == Shape{0});
}
