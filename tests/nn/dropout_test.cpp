#include "gradtape/nn/dropout.hpp"

#include <limits>

#include "catch.hpp"
#include "gradtape/diff/gradient_check.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Eigen::MatrixXd;

TEST_CASE("dropout: every element is 0 or scaled up, and so is its gradient") {
  Tape<double> tape;
  Random random(3);
  const Tensor x = tape.variable(MatrixXd::Constant(40, 10, 3.0));
  const Tensor y = dropout(x, 0.25, random);
  const Tensor z = y + dropout(x, 0.25, random);  // another choice
  CHECK(((y.value().array() == 0) || (y.value().array() == 4)).all());
  CHECK((y.value().array() == 0).any());
  CHECK((y.value().array() == 4).any());
  CHECK((z.value().array() == 4).any());

  const MatrixXd seed = MatrixXd::Constant(40, 10, 6.0);
  tape.backward(y, seed);
  CHECK(x.grad() == 2 * y.value());  // the same elements: 6 / 0.75 where y is 3 / 0.75
}

TEST_CASE("dropout: the share of what is left out, and the mean of the result") {
  const double p = GENERATE(0.5, 0.1, 1.0 / 3, 0.9);
  const Index n = 200000;
  Random random(7);
  Tape<double> tape;
  const Tensor y = dropout(tape.full({n}, 1), p, random);
  const double share = static_cast<double>((y.value().array() == 0).count()) / double(n);
  // five standard deviations
  CHECK(std::abs(share - p) < 5 * std::sqrt(p * (1 - p) / double(n)));
  CHECK(std::abs(y.value().mean() - 1) < 5 * std::sqrt(p / (1 - p) / double(n)));
}

TEST_CASE("dropout: neighbours, and elements four apart, are left out independently") {
  const Index n = 200000;
  Random random(8);
  Tape<double> tape;
  const Tensor y = dropout(tape.full({n}, 1), 0.5, random);
  const Eigen::ArrayXd sign = y.value().col(0).array() - 1;
  for (const Index lag : {1, 2, 3, 4}) {
    const double correlation = (sign.head(n - lag) * sign.tail(n - lag)).mean();
    CHECK(std::abs(correlation) < 5 / std::sqrt(double(n)));
  }
}

TEST_CASE("dropout: a probability that 16 bits do not tell from its neighbours") {
  // 2^-18: the first 16 binary digits are 0; on average 4 of 2^20
  const Index n = 1 << 20;
  Random random(5);
  Index count = 0;
  std::vector<float> chosen(static_cast<std::size_t>(n));
  for (int i = 0; i < 16; ++i) {
    gradtape::detail::draw_events(0x1p-18, random, chosen.data(), n);
    for (const float x : chosen) count += x != 0;
  }
  CHECK(count > 64 - 5 * 8);
  CHECK(count < 64 + 5 * 8);
}

TEST_CASE("dropout: equal seeds choose alike") {
  Tape<double> tape;
  const Tensor x = tape.full({30, 4}, 1);
  Random random(1), same(1), other(2);
  const Tensor a = dropout(x, 0.5, random), b = dropout(x, 0.5, same), c = dropout(x, 0.5, other);
  CHECK(a.value() == b.value());
  CHECK(a.value() != c.value());
  // the first bits of the standard's engine with seed 1, 0x2245.., of which the last 16 decide
  // first
  std::mt19937_64 engine(1);
  const std::uint64_t bits = engine();
  for (int i = 0; i < 4; ++i) CHECK((a.data()[i] == 0) == ((bits >> (16 * i) & 0xffff) < 0x8000));
}

TEST_CASE("dropout: none and all") {
  Tape<double> tape;
  Random random(1);
  MatrixXd values = MatrixXd::Random(5, 3), seed = MatrixXd::Random(5, 3);
  const Tensor x = tape.variable(values);
  const Tensor all = dropout(x, 0, random);
  CHECK(all.value() == values);
  tape.backward(all, seed);
  CHECK(x.grad() == seed);
  const Tensor none = dropout(x, 1, random);
  CHECK(none.value().isZero(0));
  tape.backward(none, seed);
  CHECK(x.grad().isZero(0));
}

TEST_CASE("dropout: what is left out contributes nothing, also where it is NaN or infinite") {
  constexpr double inf = std::numeric_limits<double>::infinity();
  Tape<double> tape;
  Random random(1);
  const Tensor x = tape.variable(Eigen::Vector3d(inf, -inf, std::nan("")));
  const Tensor y = dropout(x, 1, random);
  CHECK(y.value().isZero(0));
  tape.backward(y, Eigen::Vector3d(1, 2, 3));
  CHECK(x.grad().isZero(0));
}

TEST_CASE("dropout: in evaluation the identity") {
  Tape<double> tape;
  Random random(1);
  const nn::Dropout layer(0.5);
  const Tensor x = tape.variable(Eigen::Vector3d(1, 2, 3));
  const std::size_t nodes = tape.node_count();
  const Tensor y = layer(x);
  CHECK(tape.node_count() == nodes);
  CHECK(y.data() == x.data());
  const Tensor z = layer(x * 2);
  CHECK(z.value() == Eigen::Vector3d(2, 4, 6));

  Random same(1);
  const Tensor a = layer(x, random), b = dropout(x, 0.5, same);
  CHECK(a.value() == b.value());
}

TEST_CASE("dropout: gradients against differences, fused with what surrounds it") {
  check_gradients(
      [](Tape<double>&, const auto& x) {
        Random random(2);
        const nn::Dropout layer(0.4);
        Tensor y = x[0] + layer(square(x[0]), random) * x[1];
        return sum(square(y));
      },
      {{"x", MatrixXd::Random(6, 4)}, {"b", MatrixXd::Random(6, 1)}})
      .require();
}

TEST_CASE("dropout: empty, of rank 3, floats") {
  Tape<float> tape;
  Random random(1);
  CHECK(Tensor(dropout(tape.full({3, 0}, 1), 0.5, random)).size() == 0);
  const Tensor x = tape.full({3, 2, 5}, 1);
  const Tensor y = dropout(x, 0.2, random);
  CHECK(y.shape() == Shape{3, 2, 5});
  CHECK(((y.value().array() == 0) || (y.value().array() == 1.25f)).all());
}

TEST_CASE("dropout: probabilities that are none") {
  Tape<double> tape;
  Random random(1);
  const Tensor x = tape.full({3}, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double p : {-0.1, 1.1, nan}) {
    CHECK_THROWS_AS(dropout(x, p, random), DomainError);
    CHECK_THROWS_AS(nn::Dropout(p), DomainError);
  }
  CHECK_THROWS_WITH(nn::Dropout(1.5),
                    ContainsSubstring("dropout: a probability of 1.5: it must be in [0, 1]"));
  const Parameter<double> w(Shape{3});
  CHECK_THROWS_AS(dropout(w, 0.5, random), TapeError);
}
