// What attention sees and what not; its values and those of several heads are held against PyTorch
// in attention_parity_test.cpp.

#include "gradtape/nn/attention.hpp"

#include <limits>

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/ops/reduce.hpp"
#include "wave.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;
using Lengths = std::vector<int>;
using Tensors = std::vector<Tensor<double>>;

namespace {

CheckedInput input(const char* name, double a, Index rows, Index columns) {
  return {name, wave::values(a, rows * columns).reshaped(rows, columns)};
}

/// A weighted sum that depends on every element.
Var<double> weighted_sum(const Tensor<double>& y) {
  return sum(y * wave::constant(y.tape(), 8, y.shape()));
}

void require_gradients(const std::vector<CheckedInput>& inputs, auto&& f) {
  const CheckReport report =
      check_gradients([&](Tape<double>&, const Tensors& x) { return weighted_sum(f(x)); }, inputs);
  INFO(report.text());
  CHECK(report.passed);
}

}  // namespace

TEST_CASE("attention: two keys by hand") {
  Tape<double> tape;
  // scores (k . q) / sqrt(4) are 3 and 1, so that the weights are sigmoid(2) and sigmoid(-2)
  MatrixXd keys(4, 2), values(1, 2);
  keys << 3, 1, 3, 1, 0, 0, 0, 0;
  values << 10, 20;
  const Tensor q = tape.constant(MatrixXd(Eigen::Vector4d(1, 1, 5, 5)));
  const Tensor y = scaled_dot_product_attention(q, tape.constant(keys), tape.constant(values));
  CHECK(y.shape() == Shape{1, 1});
  CHECK(y.value()(0) == Approx(10 / (1 + std::exp(-2)) + 20 / (1 + std::exp(2))).epsilon(1e-14));
}

TEST_CASE("attention: equal scores give means of what is seen") {
  Tape<double> tape;
  MatrixXd v(1, 4);
  v << 1, 2, 4, 8;
  const Tensor values = tape.constant(v), keys = tape.full(Shape{3, 4}, 0.0);
  const auto attend = [&](Index queries, const Lengths& lengths, bool causal) {
    const Tensor q = wave::variable(tape, 1, Shape{3, queries});
    return MatrixXd(
        scaled_dot_product_attention(q, keys, values, lengths, {.causal = causal}).value());
  };
  const auto row = [](std::initializer_list<double> x) {
    return Eigen::RowVectorXd(Eigen::Map<const Eigen::RowVectorXd>(x.begin(), Index(x.size())));
  };
  CHECK(attend(2, {4}, false) == row({3.75, 3.75}));
  CHECK(attend(2, {2}, false) == row({1.5, 1.5}));
  CHECK(attend(4, {4}, true).isApprox(row({1, 1.5, 7.0 / 3, 3.75}), 1e-15));
  CHECK(attend(4, {2}, true) == row({1, 1.5, 1.5, 1.5}));
  CHECK(attend(2, {4}, true).isApprox(row({7.0 / 3, 3.75}), 1e-15));  // at the last two keys
  CHECK(attend(2, {3}, true).isApprox(row({7.0 / 3, 7.0 / 3}), 1e-15));
  CHECK(attend(6, {4}, true).isApprox(row({0, 0, 1, 1.5, 7.0 / 3, 3.75}), 1e-15));
  CHECK(attend(2, {0}, false) == row({0, 0}));
}

TEST_CASE("attention: a batch is its samples, of heads or not") {
  Tape<double> tape;
  const Tensor q = wave::variable(tape, 1, Shape{3, 2, 2, 3}),
               k = wave::variable(tape, 2, Shape{3, 4, 2, 3}),
               v = wave::variable(tape, 3, Shape{5, 4, 2, 3});
  const Lengths lengths{4, 1, 3};
  const Tensor y = scaled_dot_product_attention(q, k, v, lengths);
  REQUIRE(y.shape() == Shape{5, 2, 2, 3});
  const auto part = [](const Tensor<double>& x, Index j) {
    return Tensor(squeeze(slice(x, Dim(3), j, 1), Dim(3)));
  };
  const auto head = [](const Tensor<double>& x, Index i) {
    return Tensor(squeeze(slice(x, Dim(2), i, 1), Dim(2)));
  };
  for (Index j = 0; j < 3; ++j) {
    const int length = lengths[std::size_t(j)];
    const Tensor qj = part(q, j), kj = part(k, j), vj = part(v, j), yj = part(y, j);
    CHECK(scaled_dot_product_attention(qj, kj, vj, Lengths{length, length})
              .value()
              .isApprox(yj.value(), 1e-14));
    for (Index i = 0; i < 2; ++i) {
      const Tensor z = scaled_dot_product_attention(head(qj, i), columns(head(kj, i), 0, length),
                                                    columns(head(vj, i), 0, length));
      CHECK(z.shape() == Shape{5, 2});
      CHECK(z.value().isApprox(head(yj, i).value(), 1e-14));
    }
  }
}

TEST_CASE("attention: gradients") {
  const std::vector<CheckedInput> inputs{input("q", 1, 3, 4), input("k", 2, 3, 6),
                                         input("v", 3, 2, 6)};
  const auto attend = [](const Tensors& x, const Lengths& lengths, bool causal) {
    return scaled_dot_product_attention(reshape(x[0], Shape{3, 2, 2}),
                                        reshape(x[1], Shape{3, 3, 2}),
                                        reshape(x[2], Shape{2, 3, 2}), lengths, {.causal = causal});
  };
  for (const bool causal : {false, true}) {
    for (const Lengths& lengths : {Lengths{3, 3}, Lengths{2, 0}}) {
      CAPTURE(causal, lengths);
      require_gradients(inputs, [&](const Tensors& x) { return attend(x, lengths, causal); });
    }
  }
  // one tensor in all three places, and scores that something else depends on
  require_gradients({input("x", 1, 2, 3)}, [](const Tensors& x) {
    return scaled_dot_product_attention(x[0], 2 * x[0], x[0] - 1, {.causal = true});
  });
}

TEST_CASE("attention: weights add to the adjoint of their scores") {
  require_gradients({input("z", 1, 3, 2)}, [](const Tensors& x) {
    const Tensor<double> p =
        detail::attention_weights<double>(x[0], 0.5, {3, 2, {.causal = true}, {3, 1}});
    return Tensor<double>(p + square(x[0]));
  });
}

TEST_CASE("attention: what is not seen has no influence, and nothing is seen without NaN") {
  Tape<double> tape;
  const Tensor q = wave::variable(tape, 1, Shape{3, 2, 3}),
               k = wave::variable(tape, 2, Shape{3, 4, 3}),
               v = wave::variable(tape, 3, Shape{3, 4, 3});
  const Lengths lengths{2, 0, 4};
  const Tensor y = scaled_dot_product_attention(q, k, v, lengths);
  CHECK(y.value().middleCols(2, 2).isZero(0));
  tape.backward(weighted_sum(y));
  for (const Tensor<double>& x : {q, k, v}) CHECK(x.grad().allFinite());
  CHECK(q.grad().middleCols(2, 2).isZero(0));
  for (const Tensor<double>& x : {k, v}) {
    CHECK(!x.grad().leftCols(2).isZero(1e-6));
    CHECK(x.grad().middleCols(2, 6).isZero(0));
    CHECK(!x.grad().rightCols(4).isZero(1e-6));
  }
  Eigen::VectorXd keys = wave::values(2, 36), values = wave::values(3, 36);
  keys.segment(6, 18).setConstant(1e6);
  values.segment(6, 18).setConstant(-1e6);
  const Tensor other = scaled_dot_product_attention(q, tape.constant(k.shape(), keys),
                                                    tape.constant(v.shape(), values), lengths);
  CHECK(other.value() == y.value());
}

TEST_CASE("attention: scores far apart") {
  Tape<double> tape;
  MatrixXd keys(1, 3), values(1, 3);
  keys << 1e4, -1e4, 0;
  values << 3, 5, 7;
  const Tensor q = tape.variable(MatrixXd::Constant(1, 1, 1e3), "q"), k = tape.variable(keys),
               v = tape.variable(values);
  const Tensor y = scaled_dot_product_attention(q, k, v);
  CHECK(y.value()(0) == 3);
  tape.backward(y);
  CHECK(q.grad()(0) == 0);
  CHECK(v.grad() == MatrixXd(Eigen::RowVector3d(1, 0, 0)));
}

TEST_CASE("attention: no positions, no samples, no features") {
  Tape<double> tape;
  const auto attend = [&](Index d, Index queries, Index keys, Index n) {
    const Tensor q = wave::variable(tape, 1, Shape{d, queries, n}),
                 k = wave::variable(tape, 2, Shape{d, keys, n}),
                 v = wave::variable(tape, 3, Shape{2, keys, n});
    const Tensor y = scaled_dot_product_attention(q, k, v, {.causal = true});
    tape.backward(weighted_sum(y));
    CHECK(y.shape() == Shape{2, queries, n});
    return MatrixXd(y.value());
  };
  CHECK(attend(3, 2, 0, 2).isZero(0));
  CHECK(attend(3, 0, 2, 2).size() == 0);
  CHECK(attend(3, 2, 2, 0).size() == 0);
  CHECK(attend(0, 1, 2, 1).isApprox((wave::values(3, 2) + wave::values(3 + 1.4, 2)) / 2, 1e-14));

  Random random(1);
  nn::CausalSelfAttention<double> layer(4, 2, random);
  for (const Shape& shape : {Shape{4, 0, 2}, Shape{4, 2, 0}, Shape{4, 1, 1}}) {
    const Tensor x = wave::variable(tape, 1, shape);
    const Tensor y = layer(x);
    CHECK(y.shape() == shape);
    tape.backward(weighted_sum(y));
    CHECK(x.grad().allFinite());
  }
}

TEST_CASE("attention: several heads, gradients") {
  Random random(1);
  nn::MultiHeadAttention<double> attention(4, 2, random);
  std::vector<CheckedInput> inputs{input("q", 5, 4, 4), input("k", 6, 4, 6), input("v", 7, 4, 6)};
  std::vector<Parameter<double>*> weights;
  for_each_parameter(attention, [&](const std::string& name, Parameter<double>& w) {
    wave::fill(w, double(inputs.size()));
    inputs.push_back({name, w.value()});
    weights.push_back(&w);
  });
  CHECK(parameter_count(attention) == 4 * 4 * 4 + 4 * 4);
  require_gradients(inputs, [&](const Tensors& x) {
    Tensor<double> zero = x[0].tape().full(Shape{1}, 0.0);
    for (std::size_t k = 0; k < weights.size(); ++k)
      zero = zero + wave::bind(*weights[k], x[3 + k]);
    const Tensor<double> y =
        attention(reshape(x[0], Shape{4, 2, 2}), reshape(x[1], Shape{4, 3, 2}),
                  reshape(x[2], Shape{4, 3, 2}), Lengths{3, 1}, {.causal = true});
    return Tensor<double>(y + zero);
  });
}

TEST_CASE("causal self-attention: a position does not depend on later ones") {
  Random random(1);
  const nn::CausalSelfAttention<double> layer(6, 3, random);
  const Index T = 5;
  const Eigen::VectorXd values = wave::values(1, 6 * T);
  Tape<double> tape;
  const Tensor x = tape.variable(Shape{6, T, 1}, values);
  const Tensor y = layer(x);
  for (Index t = 0; t < T; ++t) {
    CAPTURE(t);
    Eigen::VectorXd changed = values;
    changed.tail(6 * (T - 1 - t)).array() += 10;
    const Tensor z = layer(tape.constant(x.shape(), changed));
    CHECK(z.value().leftCols(t + 1) == y.value().leftCols(t + 1));
    if (t + 1 < T) CHECK((z.value() - y.value()).rightCols(T - 1 - t).cwiseAbs().minCoeff() > 1e-9);

    tape.backward(sum(columns(y, t, 1)));
    CHECK(x.grad().rightCols(T - 1 - t).isZero(0));
    CHECK(x.grad().leftCols(t + 1).cwiseAbs().minCoeff() > 1e-9);
  }
}

TEST_CASE("causal self-attention: position by position with a cache") {
  Random random(1);
  const nn::CausalSelfAttention<double> layer(6, 3, random);
  Tape<double> tape;
  const Eigen::VectorXd values = wave::values(1, 6 * 5 * 2);
  const Tensor x = tape.constant(Shape{6, 5, 2}, values);
  const Tensor whole = layer(x);
  nn::KeyValueCache<double> cache;
  CHECK(cache.size() == 0);
  for (int run = 0; run < 2; ++run) {
    Index done = 0;
    for (const Index steps : {2, 1, 0, 1, 1}) {
      Tape<double> other;
      const auto guard = other.no_grad();
      const Tensor part = slice(x, Dim(1), done, steps);
      const Tensor y = layer(
          other.constant(part.shape(), std::span(part.data(), std::size_t(part.size()))), cache);
      CHECK(y.shape() == Shape{6, steps, 2});
      CHECK((y.value() - slice(whole, Dim(1), done, steps).value()).norm() < 1e-13);
      done += steps;
      CHECK(cache.size() == done);
    }
    if (run == 0) cache.clear();
  }
  CHECK_THROWS_WITH(layer(tape.full(Shape{6, 1, 3}, 0.5), cache),
                    "attention: the cache holds keys [2, 5, 3, 2], further ones are [2, 1, 3, 3]: "
                    "only the second size may differ");
  CHECK(cache.size() == 5);
}

TEST_CASE("attention: traced") {
  Random random(1);
  const nn::CausalSelfAttention<double> layer(4, 2, random);
  Tape<double> tape;
  tape.trace(true);
  const Tensor x = wave::variable(tape, 1, Shape{4, 3, 2});
  tape.backward(weighted_sum(layer(x)));
  CHECK(x.grad().allFinite());
}

TEST_CASE("attention: shapes that do not fit") {
  Tape<double> tape;
  const auto t = [&](const Shape& shape) { return tape.full(shape, 0.5); };
  const auto attend = [&](const Shape& q, const Shape& k, const Shape& v) {
    return scaled_dot_product_attention(t(q), t(k), t(v));
  };
  CHECK_THROWS_AS(attend({3, 2}, {4, 2}, {3, 2}), ShapeError);
  CHECK_THROWS_WITH(attend({3, 2}, {4, 2}, {3, 2}),
                    "attention: q is [3, 2], k is [4, 2], v is [3, 2]: queries and keys must have "
                    "the same rows");
  CHECK_THROWS_WITH(attend({3, 2}, {3, 2}, {3, 4}),
                    ContainsSubstring("v is [3, 4]: there must be as many values as keys"));
  CHECK_THROWS_WITH(attend({3, 2, 2}, {3, 2, 2}, {3, 2, 3}),
                    ContainsSubstring("dimensions behind the second must be equal"));
  CHECK_THROWS_WITH(attend({3, 2, 2}, {3, 2, 1}, {3, 2, 1}),
                    ContainsSubstring("dimensions behind the second must be equal"));
  CHECK_THROWS_WITH(attend({3}, {3}, {3}), ContainsSubstring("same rank, 2, 3 or 4"));
  CHECK_THROWS_WITH(attend({3, 1}, {3, 1, 1}, {3, 1, 1}), ContainsSubstring("same rank"));
  const Tensor x = t({3, 4, 2});
  CHECK_THROWS_WITH(scaled_dot_product_attention(x, x, x, Lengths{1}),
                    "attention: 1 lengths for 2 samples");
  CHECK_THROWS_WITH(scaled_dot_product_attention(x, x, x, Lengths{1, 5}),
                    ContainsSubstring("length 5 of sample 1 is outside of 0 .. 4"));

  Random random(1);
  using MultiHead = nn::MultiHeadAttention<double>;
  CHECK_THROWS_AS(MultiHead(6, 4, random), ShapeError);
  CHECK_THROWS_WITH(MultiHead(6, 4, random), "attention: 4 heads do not divide the 6 features");
  CHECK_THROWS_WITH(MultiHead(6, 0, random), ContainsSubstring("0 heads"));
  CHECK_THROWS_WITH(nn::CausalSelfAttention<double>(6, 4, random), ContainsSubstring("4 heads"));
  const nn::CausalSelfAttention<double> layer(4, 2, random);
  CHECK_THROWS_WITH(layer(x),
                    "attention: x is [3, 4, 2], input_weight is [12, 4]: it must be "
                    "[4, T, n], features by positions by samples");
  CHECK_THROWS_WITH(layer.attention(t({4, 2, 2}), x, x), ContainsSubstring("key is [3, 4, 2]"));
  CHECK_THROWS_WITH(layer(t({4, 2})), ContainsSubstring("x is [4, 2]"));
}

TEST_CASE("attention: initial weights, and names of parameters") {
  Random random(1);
  nn::CausalSelfAttention<double> layer(30, 3, random);
  std::vector<std::string> names;
  for_each_parameter(layer, [&](const std::string& name, const auto&) { names.push_back(name); });
  CHECK(names ==
        std::vector<std::string>{"input_weight", "input_bias", "output_weight", "output_bias"});
  const double bound = std::sqrt(6.0 / (30 + 30));
  const auto& [w, b, w_out, b_out, heads] = layer.attention;
  CHECK(w.value().cwiseAbs().maxCoeff() < bound);
  CHECK(w.value().cwiseAbs().maxCoeff() > 0.95 * bound);
  CHECK(w_out.value().cwiseAbs().maxCoeff() > 0.95 * bound);
  CHECK(b.value().isZero(0));
  CHECK(b_out.value().isZero(0));
  CHECK(heads == 3);
}
