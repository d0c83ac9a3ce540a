#include "gradtape/nn/carried_state.hpp"

#include <tuple>

#include "catch.hpp"
#include "gradtape/nn/gru.hpp"
#include "gradtape/nn/lstm.hpp"
#include "gradtape/ops/reduce.hpp"
#include "wave.hpp"

using namespace gradtape;
using Eigen::MatrixXd;

namespace {

constexpr Index D = 2, H = 3, n = 2, T = 3, windows = 3;
using Layers = std::tuple<nn::Gru<double>, nn::Lstm<double>>;

/// Steps of one long sequence.
Tensor<double> sequence(Tape<double>& tape, Index first, Index count) {
  const Tensor all = tape.constant(Shape{D, T * windows, n}, wave::values(5, D * T * windows * n));
  return slice(all, Dim(1), first, count);
}

template <class Layer>
MatrixXd gradients(Layer& layer) {
  std::vector<double> all;
  for_each_parameter(layer, [&](const std::string&, Parameter<double>& w) {
    all.insert(all.end(), w.grad().data(), w.grad().data() + w.size());
    w.zero_grad();
  });
  return Eigen::Map<Eigen::VectorXd>(all.data(), std::ssize(all));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("carried state: values of one long sequence, gradients of a window", "",
                        Layers) {
  Random random(1);
  TestType layer(D, H, random);
  nn::CarriedState<TestType> carried;
  Tape<double> tape, whole;
  const auto [y, end] = layer(sequence(whole, 0, T * windows));
  whole.backward(sum(square(slice(y, Dim(1), T * (windows - 1), T))));
  const MatrixXd full = gradients(layer);

  // the witness of truncation: the last state as a constant, on the tape of the whole sequence
  auto state = layer.cell.initial_state(whole, n);
  for (Index w = 0; w < windows; ++w) {
    const auto before = nn::map_state(state, [](const Tensor<double>& s) { return detach(s); });
    const auto expected = layer(sequence(whole, T * w, T), before);
    state = expected.state;
    whole.backward(sum(square(expected.outputs)));
    const MatrixXd truncated = gradients(layer);

    const auto scope = tape.scope();
    CHECK(carried.on(tape).has_value() == (w > 0));
    const auto window = layer(sequence(tape, T * w, T), carried.on(tape));
    carried.keep(window.state);
    const Tensor<double> same = slice(y, Dim(1), T * w, T);
    CHECK(window.outputs.value().isApprox(same.value(), 1e-14));
    tape.backward(sum(square(window.outputs)));
    const MatrixXd got = gradients(layer);
    CHECK((got - truncated).norm() <= 1e-14);
    if (w == windows - 1) CHECK((got - full).norm() > 1e-3);  // what truncation leaves out
  }
  const auto scope = tape.scope();
  const auto last = carried.on(tape);
  REQUIRE(last.has_value());
  CHECK(nn::hidden_of(*last).is_constant());
  CHECK(nn::hidden_of(*last).value().isApprox(nn::hidden_of(end).value(), 1e-14));
}

TEST_CASE("carried state: of all samples or one it is forgotten") {
  Tape<double> tape;
  nn::CarriedState<nn::LstmCell<double>> carried;
  carried.reset(7);  // there is none
  const Tensor h = wave::variable(tape, 1, Shape{H, n}), c = wave::variable(tape, 2, Shape{H, n});
  carried.keep({h, c});
  carried.reset(1);
  for (int i = 0; i < 2; ++i) {
    const auto state = carried.on(tape);
    REQUIRE(state.has_value());
    CHECK(state->h.value().col(0) == h.value().col(0));
    CHECK(state->c.value().col(0) == c.value().col(0));
    CHECK(state->h.value().col(1).isZero(0));
    CHECK(state->c.value().col(1).isZero(0));
    if (i == 0) carried.keep(*state);
  }
  CHECK_THROWS_WITH(carried.reset(2), "carried_state: sample 2 of a state [3, 2]");
  CHECK_THROWS_AS(carried.reset(-1), ShapeError);

  // other samples in other number; one alone
  const Tensor one = wave::variable(tape, 3, Shape{H});
  carried.keep({one, one});
  CHECK(carried.on(tape)->c.value() == one.value());
  carried.reset(0);
  CHECK(carried.on(tape)->c.value().isZero(0));
  CHECK(carried.on(tape)->c.shape() == Shape{H});

  CHECK_THROWS_WITH(carried.keep({h, one}),
                    "carried_state: parts of a state are [3, 2] and [3]: they must have the same "
                    "shape");
  CHECK(!carried.on(tape));
  carried.keep({h, c});
  carried.reset();
  CHECK(!carried.on(tape));
}
