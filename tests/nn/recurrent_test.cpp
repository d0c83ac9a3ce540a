// What all recurrent layers have in common; their formulas are in recurrent_parity_test.cpp.

#include <limits>
#include <tuple>

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/nn/gru.hpp"
#include "gradtape/nn/lstm.hpp"
#include "gradtape/nn/rnn.hpp"
#include "gradtape/ops/reduce.hpp"
#include "wave.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Lengths = std::vector<int>;

namespace {

constexpr Index D = 2, H = 3;
using Layers = std::tuple<nn::Rnn<double>, nn::Lstm<double>, nn::Gru<double>>;

/// A layer's state of one tensor or two.
void make(const Tensor<double>& h, const Tensor<double>&, Tensor<double>& state) { state = h; }
void make(const Tensor<double>& h, const Tensor<double>& c, nn::LstmState<double>& state) {
  state = {h, c};
}
std::vector<Tensor<double>> parts(const Tensor<double>& h) { return {h}; }
std::vector<Tensor<double>> parts(const nn::LstmState<double>& state) { return {state.h, state.c}; }

template <class Layer>
struct Case {
  using State = typename Layer::State;

  Random random{1};
  Layer layer{D, H, random};
  Tape<double> tape;

  State state(double a, Index n) {
    State s;
    make(wave::variable(tape, a, Shape{H, n}), wave::variable(tape, a + 1, Shape{H, n}), s);
    return s;
  }
};

/// A weighted sum that depends on every element.
Var<double> weighted_sum(const Tensor<double>& y) {
  return sum(y * wave::constant(y.tape(), 8, y.shape()));
}

/// Steps 0 .. length - 1 of a sample of (rows,T,n), a row a feature.
MatrixXd sample(const Tensor<double>& x, Index j, Index length) {
  return x.value().middleCols(x.shape()[1] * j, length);
}

/// Writes NaN to the memory that the tape will give out next.
void fill_with_nan(Tape<double>& tape) {
  const auto scope = tape.scope();
  const Index size = 20000;
  std::fill_n(tape.workspace(size), size, std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("recurrent: gradients", "", Layers) {
  Case<TestType> at;
  std::vector<CheckedInput> inputs{{"x", wave::values(5, D * 9).reshaped(D, 9)},
                                   {"h", wave::values(6, H * 3).reshaped(H, 3)},
                                   {"c", wave::values(7, H * 3).reshaped(H, 3)}};
  std::vector<Parameter<double>*> weights;
  for_each_parameter(at.layer, [&](const std::string& name, Parameter<double>& w) {
    wave::fill(w, double(inputs.size()));
    inputs.push_back({name, w.value()});
    weights.push_back(&w);
  });
  const auto f = [&](Tape<double>&, const std::vector<Tensor<double>>& x) {
    Var<double> loss = 0.0;
    for (std::size_t k = 0; k < weights.size(); ++k) loss += sum(wave::bind(*weights[k], x[3 + k]));
    typename TestType::State state;
    make(x[1], x[2], state);
    const auto [y, last] = at.layer(reshape(x[0], Shape{D, 3, 3}), Lengths{3, 1, 0}, state);
    loss += weighted_sum(y);
    for (const Tensor<double>& part : parts(last)) loss += weighted_sum(part);
    return loss;
  };
  const CheckReport report = check_gradients(f, inputs);
  INFO(report.text());
  CHECK(report.passed);
  CHECK(report.compared == D * 9 + 2 * H * 3 + parameter_count(at.layer));
}

TEMPLATE_LIST_TEST_CASE("recurrent: a layer is its cell, step by step", "", Layers) {
  Case<TestType> at;
  const Index T = 4, n = 2;
  const Tensor x = wave::variable(at.tape, 5, Shape{D, T, n});
  const auto initial = at.state(6, n);
  const auto [y, last] = at.layer(x, initial);
  CHECK(y.shape() == Shape{H, T, n});
  auto state = initial;
  for (Index t = 0; t < T; ++t) {
    state = at.layer.cell(reshape(slice(x, Dim(1), t, 1), Shape{D, n}), state);
    const Tensor<double> out = reshape(slice(y, Dim(1), t, 1), Shape{H, n});
    CHECK(out.value().isApprox(nn::hidden_of(state).value(), 1e-14));
  }
  for (std::size_t k = 0; k < parts(last).size(); ++k)
    CHECK(parts(last)[k].value().isApprox(parts(state)[k].value(), 1e-14));

  // a single sample as vectors, from the initial state of zeros
  const Tensor<double> vector = wave::variable(at.tape, 5, Shape{D});
  auto zero = at.layer.cell.initial_state(at.tape, 1);
  for (const Tensor<double>& part : parts(zero)) CHECK(part.value().isZero(0));
  const Tensor<double> z = at.tape.full(Shape{H}, 0.0);
  make(z, z, zero);
  const auto one = at.layer.cell(vector, zero);
  CHECK(nn::hidden_of(one).shape() == Shape{H});
  CHECK(nn::hidden_of(one).value().isApprox(sample(at.layer(x).outputs, 0, 1), 1e-14));
}

// The steps keep the packed weight, forward and backward; a cell by itself does not.
TEST_CASE("recurrent: states large enough for the weight to be packed") {
  const Index h = 66, T = 3, n = 5;
  Random random(1);
  nn::Rnn<double> layer(D, h, random);
  Tape<double> tape;
  const Tensor x = wave::variable(tape, 5, Shape{D, T, n});
  const auto [y, last] = layer(x);
  tape.backward(weighted_sum(last));
  const Parameter<double>& u = layer.cell.recurrent_weight;
  const MatrixXd value = last.value(), x_bar = x.grad(), u_bar = u.grad();

  for_each_parameter(layer, [](const std::string&, Parameter<double>& w) { w.zero_grad(); });
  auto state = layer.cell.initial_state(tape, n);
  for (Index t = 0; t < T; ++t)
    state = layer.cell(reshape(slice(x, Dim(1), t, 1), Shape{D, n}), state);
  tape.backward(weighted_sum(state));
  CHECK(state.value().isApprox(value, 1e-14));
  CHECK(x.grad().isApprox(x_bar, 1e-13));
  CHECK(u.grad().isApprox(u_bar, 1e-13));
}

TEMPLATE_LIST_TEST_CASE("recurrent: padding has no influence, NaN or not", "", Layers) {
  Case<TestType> at;
  const Index T = 4;
  const Lengths lengths{2, 4, 0, 1, 3};
  const auto n = Index(lengths.size());
  const auto make_input = [&](double padding) {
    Eigen::VectorXd values = wave::values(5, D * T * n);
    for (Index j = 0; j < n; ++j) {
      const Index length = lengths[std::size_t(j)];
      values.segment(D * (T * j + length), D * (T - length)).setConstant(padding);
    }
    return at.tape.variable(Shape{D, T, n}, values);
  };
  const Tensor<double> x = make_input(std::numeric_limits<double>::quiet_NaN());
  const auto initial = at.state(6, n);
  const auto [y, last] = at.layer(x, lengths, initial);
  REQUIRE(y.shape() == Shape{H, T, n});

  Var<double> loss = weighted_sum(y);
  for (const Tensor<double>& part : parts(last)) loss += weighted_sum(part);
  at.tape.backward(loss);
  const MatrixXd x_bar = x.grad();
  for_each_parameter(at.layer, [](const std::string&, auto& w) { CHECK(w.grad().allFinite()); });

  for (Index j = 0; j < n; ++j) {
    const Index length = lengths[std::size_t(j)];
    CAPTURE(j, length);
    CHECK(sample(y, j, T).rightCols(T - length).isZero(0));
    CHECK(x_bar.middleCols(T * j + length, T - length).isZero(0));
    CHECK((length == 0 || !x_bar.middleCols(T * j, length).isZero(1e-6)));
    // alone and unpadded
    const Tensor<double> alone = at.tape.constant(
        Shape{D, length, 1}, std::span(x.data() + D * T * j, std::size_t(D * length)));
    auto start = initial;
    make(columns(parts(initial).front(), j, 1), columns(parts(initial).back(), j, 1), start);
    const auto [expected, state] = at.layer(alone, start);
    CHECK(expected.shape() == Shape{H, length, 1});
    CHECK((sample(y, j, length) - expected.value()).norm() <= 1e-14);
    for (std::size_t k = 0; k < parts(last).size(); ++k)
      CHECK((parts(last)[k].value().col(j) - parts(state)[k].value()).norm() <= 1e-14);
  }
}

TEMPLATE_LIST_TEST_CASE("recurrent: empty sequences, samples and steps", "", Layers) {
  Case<TestType> at;
  const auto check = [&](Index T, Index n, const Lengths* lengths) {
    CAPTURE(T, n, lengths != nullptr);
    const Tensor x = wave::variable(at.tape, 5, Shape{D, T, n});
    const auto initial = at.state(6, n);
    const auto [y, last] =
        lengths == nullptr ? at.layer(x, initial) : at.layer(x, *lengths, initial);
    CHECK(y.shape() == Shape{H, T, n});
    CHECK(y.value().isZero(0));
    Var<double> loss = sum(y);
    for (std::size_t k = 0; k < parts(last).size(); ++k) {
      CHECK(parts(last)[k].value() == parts(initial)[k].value());
      loss += weighted_sum(parts(last)[k]);
    }
    at.tape.backward(loss);
    const Tensor<double> h = nn::hidden_of(initial);
    if (h.size() > 0) CHECK((h.grad() - wave::values(8, H * n).reshaped(H, n)).norm() == 0);
    const auto [y_of_zero, zero] = lengths == nullptr ? at.layer(x) : at.layer(x, *lengths);
    for (const Tensor<double>& part : parts(zero)) {
      CHECK(part.shape() == Shape{H, n});
      CHECK(part.value().isZero(0));
    }
  };
  const Lengths none, zeros{0, 0};
  check(0, 2, nullptr);
  check(0, 2, &zeros);
  check(3, 2, &zeros);
  check(3, 0, nullptr);
  check(3, 0, &none);
  check(0, 0, nullptr);

  const Tensor x = wave::variable(at.tape, 5, Shape{D, 1, 2});
  const auto [y, last] = at.layer(x, Lengths{1, 1});
  CHECK(y.shape() == Shape{H, 1, 2});
  CHECK(y.value() == nn::hidden_of(last).value());
}

TEMPLATE_LIST_TEST_CASE("recurrent: a sequence in two windows", "", Layers) {
  Case<TestType> at;
  const Tensor first = wave::variable(at.tape, 5, Shape{D, 3, 2}),
               second = wave::variable(at.tape, 6, Shape{D, 2, 2});
  const auto [whole, end] = at.layer(concat({first, second}, Dim(1)));
  const auto [y1, middle] = at.layer(first);
  const auto [y2, last] = at.layer(second, middle);
  CHECK(concat({y1, y2}, Dim(1)).value().isApprox(whole.value(), 1e-14));

  // truncated: the same values, and nothing flows back into the first window
  auto carried = middle;
  make(detach(parts(middle).front()), detach(parts(middle).back()), carried);
  const auto [y3, truncated] = at.layer(second, carried);
  CHECK(y3.value() == y2.value());
  at.tape.backward(weighted_sum(y2));
  CHECK(!first.grad().isZero(1e-6));
  at.tape.backward(weighted_sum(y3));
  CHECK(first.grad().isZero(0));
  CHECK(!second.grad().isZero(1e-6));
}

TEMPLATE_LIST_TEST_CASE("recurrent: gradients of a thousand steps are finite", "", Layers) {
  Case<TestType> at;
  const Tensor x = wave::variable(at.tape, 5, Shape{D, 1000, 2});
  const auto [y, last] = at.layer(x, Lengths{1000, 999});
  CHECK(y.value().allFinite());
  at.tape.backward(weighted_sum(y));
  CHECK(x.grad().allFinite());
  CHECK(!x.grad().col(0).isZero(1e-9));
  for_each_parameter(at.layer, [](const std::string&, auto& w) {
    CHECK(w.grad().allFinite());
    CHECK(!w.grad().isZero(1e-6));
  });
}

TEMPLATE_LIST_TEST_CASE("recurrent: without recording, and traced", "", Layers) {
  Case<TestType> at;
  const Tensor x = wave::variable(at.tape, 5, Shape{D, 3, 2});
  const MatrixXd expected = at.layer(x, Lengths{3, 1}).outputs.value();
  {
    const auto guard = at.tape.no_grad();
    const Tensor y = at.layer(x, Lengths{3, 1}).outputs;
    CHECK(y.is_constant());
    CHECK(y.value() == expected);
  }
  at.tape.trace(true);
  const Tensor y = at.layer(x, Lengths{3, 1}).outputs;
  CHECK(y.value().isApprox(expected, 1e-14));
  at.tape.backward(weighted_sum(y));
  CHECK(x.grad().allFinite());
}

TEMPLATE_LIST_TEST_CASE("recurrent: shapes that do not fit", "", Layers) {
  Case<TestType> at;
  const std::string name = decltype(at.layer.cell)::name;
  const auto input = [&](const Shape& shape) { return at.tape.full(shape, 0.5); };
  const Tensor x = input({D, 4, 2});
  const auto state = [&](const Shape& h, const Shape& c) {
    auto s = at.layer.cell.initial_state(at.tape, 1);
    make(input(h), input(c), s);
    return s;
  };
  const std::string weight = to_string(at.layer.cell.input_weight.shape());

  CHECK_THROWS_AS(at.layer(input({3, 4, 2})), ShapeError);
  CHECK_THROWS_WITH(at.layer(input({3, 4, 2}).name("words")),
                    name + ": words is [3, 4, 2], input_weight is " + weight +
                        ": x must be [2, T, n], features by steps by samples");
  CHECK_THROWS_WITH(at.layer(input({D, 4})), ContainsSubstring(name + ": x is [2, 4], input_"));
  CHECK_THROWS_WITH(at.layer(x, Lengths{1, 2, 3}), name + ": 3 lengths for 2 samples");
  CHECK_THROWS_WITH(at.layer(x, Lengths{}), name + ": 0 lengths for 2 samples");
  CHECK_THROWS_WITH(at.layer(x, Lengths{4, 5}),
                    name + ": length 5 of sample 1 is outside of " + "0 .. 4, the number of steps");
  CHECK_THROWS_WITH(at.layer(x, Lengths{-1, 4}), ContainsSubstring("length -1 of sample 0"));
  CHECK_THROWS_WITH(at.layer(x, state({H, 3}, {H, 2})),
                    name + ": the state h is [3, 3], x is [2, 4, 2]: h must be [3, 2]");

  const auto fitting = state({H, 2}, {H, 2});
  CHECK_THROWS_WITH(at.layer.cell(input({3, 2}), fitting),
                    name + ": x is [3, 2], input_weight is " + weight +
                        ": x must be [2, n], features by samples");
  CHECK_THROWS_WITH(at.layer.cell(input({D, 3}), fitting),
                    name + ": the state h is [3, 2], x is [2, 3]: h must be [3, 3]");
  CHECK_THROWS_WITH(at.layer.cell(x, fitting), ContainsSubstring(name + ": x is [2, 4, 2]"));
}

TEST_CASE("lstm: a cell's state that does not fit, and one of its parts alone") {
  Case<nn::Lstm<double>> at;
  const Tensor x = wave::variable(at.tape, 5, Shape{D, 2});
  const Tensor h = wave::variable(at.tape, 6, Shape{H, 2});
  CHECK_THROWS_WITH(at.layer.cell(x, {h, at.tape.full(Shape{H, 1}, 0.0)}),
                    "lstm: the state c is [3, 1], x is [2, 2]: c must be [3, 2]");

  // a loss of c only: the output gate takes no part
  const auto f = [&](Tape<double>&, const std::vector<Tensor<double>>& in) {
    return weighted_sum(at.layer.cell(in[0], {in[1], in[2]}).c);
  };
  CHECK(check_gradients(f, {{"x", x.value()}, {"h", h.value()}, {"c", MatrixXd(-h.value())}}));
  at.layer.cell.recurrent_weight.zero_grad();
  at.tape.backward(weighted_sum(at.layer.cell(x, {h, h}).c));
  CHECK(at.layer.cell.recurrent_weight.grad().bottomRows(H).isZero(0));
  CHECK(!at.layer.cell.recurrent_weight.grad().topRows(H).isZero(1e-6));
}

// As copies, and read by a formula where they stand.
TEST_CASE("recurrent: gates that take no part get no gradient") {
  Tape<double> tape;
  const Tensor steps = wave::variable(tape, 1, Shape{6, 2, 3});  // (3 H, n, T)
  const Tensor one = wave::variable(tape, 2, Shape{6, 2});       // of a single step
  const MatrixXd seed = wave::values(3, 4).reshaped(2, 2);
  const auto check = [&](const Tensor<double>& gate, const Tensor<double>& x, Index k,
                         Index column) {
    CAPTURE(k, column);
    CHECK(gate.value() == x.value().block(2 * k, column, 2, 2));
    tape.backward(gate, seed);
    MatrixXd expected = MatrixXd::Zero(x.rows(), x.columns());
    expected.block(2 * k, column, 2, 2) = seed;
    CHECK(x.grad() == expected);
  };
  const auto gate = detail::gates<3>(Shape{2, 2}, 1, steps),
             part = detail::gates<3>(Shape{2, 2}, 0, one);
  for (Index k = 0; k < 3; ++k) {
    check(gate[std::size_t(k)], steps, k, 2);
    check(gate[std::size_t(k)] * 1.0, steps, k, 2);
    check(part[std::size_t(k)], one, k, 0);
    check(part[std::size_t(k)] * 1.0, one, k, 0);
  }
}

// Rows that fill no register, some of them, and many; beside a column and a number.
TEST_CASE("recurrent: formulas of gates are those of copies of them") {
  for (const Index h : {1, 3, 8, 37, 130}) {
    for (const Index n : {1, 2, 19}) {
      CAPTURE(h, n);
      Tape<double> tape;
      const Tensor x = wave::variable(tape, 1, Shape{3 * h, n, 2}),
                   column = wave::variable(tape, 2, Shape{h, 1});
      const Eigen::MatrixXd seed = wave::values(3, h * n).reshaped(h, n);
      const auto f = [&](const auto& a, const auto& b, const auto& c) {
        const Tensor<double> y = sigmoid(a) * tanh(b) + c * column * 2.0 + b;
        tape.backward(y, seed);
        return y.value().eval();
      };
      for (const Index t : {0, 1}) {
        const auto [a, b, c] = detail::gates<3>(Shape{h, n}, t, x);
        const Tensor<double> a_copy = a, b_copy = b, c_copy = c;
        const Eigen::MatrixXd y = f(a_copy, b_copy, c_copy), x_bar = x.grad(),
                              column_bar = column.grad();
        CHECK(f(a, b, c).isApprox(y, 1e-14));
        CHECK(x.grad().isApprox(x_bar, 1e-14));
        CHECK(column.grad().isApprox(column_bar, 1e-13));
        CHECK(!x_bar.isZero(1e-3));
      }
    }
  }
}

// z_t = x_t + U h_t, each alone and all together, with operands that need no gradient: the sums are
// made in place of x, and U gets what all steps contribute in one product.
TEST_CASE("recurrent: sums of steps of which some are not reached") {
  const MatrixXd u = wave::values(1, 15).reshaped(5, 3), x = wave::values(2, 30).reshaped(5, 6),
                 seed = wave::values(4, 10).reshaped(5, 2);
  for (int variables = 1; variables < 8; ++variables) {
    CAPTURE(variables);
    Tape<double> tape;
    const auto operand = [&](int bit, const MatrixXd& value) {
      return (variables & bit) != 0 ? tape.variable(value) : tape.constant(value);
    };
    const Tensor a = operand(1, x), b = operand(2, u);
    const detail::StepSums<double> sums(reshape(1.0 * a, {5, 2, 3}), b);
    std::vector<Tensor<double>> h, z;
    for (Index t = 0; t < 3; ++t) {
      h.push_back(operand(4, wave::values(5 + int(t), 6).reshaped(3, 2)));
      z.push_back(detail::gates<1>(Shape{5, 2}, 0, sums(t, h.back()))[0]);
      CHECK(z.back().value().isApprox(x.middleCols(2 * t, 2) + u * h.back().value(), 1e-14));
    }
    const Tensor all = stack(z, Dim(2));
    const auto check = [&](const MatrixXd& seeds) {
      MatrixXd u_bar = MatrixXd::Zero(5, 3);
      for (Index t = 0; t < 3; ++t) {
        const MatrixXd z_bar = seeds.middleCols(2 * t, 2);
        u_bar += z_bar * h[std::size_t(t)].value().transpose();
        if ((variables & 4) != 0)
          CHECK(h[std::size_t(t)].grad().isApprox(u.transpose() * z_bar, 1e-14));
      }
      if ((variables & 1) != 0) CHECK(a.grad() == seeds);
      if ((variables & 2) != 0) CHECK(b.grad().isApprox(u_bar, 1e-14));
    };
    for (Index t = 0; t < 3; ++t) {
      MatrixXd seeds = MatrixXd::Zero(5, 6);
      seeds.middleCols(2 * t, 2) = seed;
      tape.backward(z[std::size_t(t)], seed);
      check(seeds);
    }
    const MatrixXd seeds = wave::values(9, 30).reshaped(5, 6);
    tape.backward(all, seeds);
    check(seeds);
  }
}

// In memory that holds NaN: what no step has written counts as zero.
TEST_CASE("recurrent: sums of steps of which some are never made") {
  const MatrixXd u = wave::values(1, 15).reshaped(5, 3), x = wave::values(2, 30).reshaped(5, 6),
                 seed = wave::values(4, 10).reshaped(5, 2);
  Tape<double> tape;
  fill_with_nan(tape);
  const Tensor a = tape.variable(x), b = tape.variable(u), h = wave::variable(tape, 5, Shape{3, 2});
  const detail::StepSums<double> sums(reshape(1.0 * a, {5, 2, 3}), b);
  const Tensor<double> z = detail::gates<1>(Shape{5, 2}, 0, sums(1, h))[0];
  tape.backward(z, seed);
  MatrixXd a_bar = MatrixXd::Zero(5, 6);
  a_bar.middleCols(2, 2) = seed;
  CHECK(a.grad() == a_bar);
  CHECK(b.grad().isApprox(seed * h.value().transpose(), 1e-14));
  CHECK(h.grad().isApprox(u.transpose() * seed, 1e-14));
}

TEST_CASE("recurrent: padding and tracing in memory that holds NaN") {
  Random random(1);
  nn::Lstm<double> layer(D, H, random);
  Tape<double> tape;
  const std::vector<int> lengths{3, 1, 0};
  const auto gradients = [&] {
    for_each_parameter(layer, [](const std::string&, Parameter<double>& w) { w.zero_grad(); });
    const Tensor x = wave::variable(tape, 5, Shape{D, 4, 3});
    const auto [y, last] = layer(x, lengths);
    tape.backward(weighted_sum(y));
    return std::pair(MatrixXd(x.grad()), MatrixXd(layer.cell.recurrent_weight.grad()));
  };
  const auto [x_bar, u_bar] = gradients();
  CHECK(x_bar.allFinite());
  CHECK(!x_bar.isZero(1e-6));
  for (const bool traces : {false, true}) {
    CAPTURE(traces);
    tape.clear();
    fill_with_nan(tape);
    tape.trace(traces);
    const auto [x_again, u_again] = gradients();
    CHECK(x_again.isApprox(x_bar, 1e-14));
    CHECK(u_again.isApprox(u_bar, 1e-14));
  }
}

// What is recorded after a layer contributes first.
TEST_CASE("recurrent: inputs that are used elsewhere, too") {
  Random random(1);
  const nn::Rnn<double> layer(D, H, random);
  Tape<double> tape;
  const Tensor x = wave::variable(tape, 5, Shape{D, 4, 3});
  tape.backward(weighted_sum(layer(x).outputs));
  const MatrixXd alone = x.grad();
  const auto all = layer(x).outputs;
  const Var loss = sum(x * 3.0);
  tape.backward(weighted_sum(all) + loss);
  CHECK(x.grad().isApprox((alone.array() + 3).matrix(), 1e-14));
}

TEST_CASE("recurrent: initial weights, and names of parameters") {
  Random random(1);
  nn::Lstm<double> lstm(30, 20, random);
  const auto& cell = lstm.cell;
  CHECK(cell.input_weight.shape() == Shape{80, 30});
  CHECK(cell.recurrent_weight.shape() == Shape{80, 20});
  CHECK(cell.bias.value().middleRows(20, 20).isOnes(0));
  CHECK(cell.bias.value().topRows(20).isZero(0));
  CHECK(cell.bias.value().bottomRows(40).isZero(0));
  // Glorot's bound for a gate of 20 neurons, not for 80
  const double bound = std::sqrt(6.0 / (30 + 20));
  for (Index gate = 0; gate < 4; ++gate) {
    const MatrixXd w = cell.input_weight.value().middleRows(20 * gate, 20);
    CHECK(w.cwiseAbs().maxCoeff() < bound);
    CHECK(w.cwiseAbs().maxCoeff() > 0.95 * bound);
    CHECK(std::abs(w.mean()) < 0.1 * bound);
    const MatrixXd u = cell.recurrent_weight.value().middleRows(20 * gate, 20);
    CHECK((u * u.transpose()).isIdentity(1e-12));
  }

  const auto names = [](auto&& layer) {
    std::vector<std::string> all;
    for_each_parameter(layer, [&](const std::string& name, auto& w) {
      CHECK(w.name() == name);
      all.push_back(name);
    });
    return all;
  };
  const std::vector<std::string> three{"input_weight", "recurrent_weight", "bias"};
  CHECK(names(lstm) == three);
  CHECK(names(nn::Rnn<double>(2, 3, random)) == three);
  std::vector<std::string> four = three;
  four.push_back("recurrent_bias");
  CHECK(names(nn::Gru<double>(2, 3, random)) == four);
}
