/// \file
/// Examples of the reference: parameters, models, optimizers.

#include "catch.hpp"
#include "gradtape/data/batches.hpp"
#include "gradtape/nn/linear.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/losses.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/optim/adagrad.hpp"
#include "gradtape/optim/adam.hpp"
#include "gradtape/optim/lbfgs.hpp"
#include "gradtape/optim/lion.hpp"
#include "gradtape/optim/rmsprop.hpp"
#include "gradtape/optim/schedules.hpp"
#include "gradtape/optim/sgd.hpp"

using namespace gradtape;

TEST_CASE("reference: a parameter, and steps by hand") {
  Tape<double> tape;
  //! [parameter]
  Parameter w(Eigen::Vector2d(1, -1), "w");
  for (int step = 0; step < 50; ++step) {
    auto scope = tape.scope();
    Tensor x = tape.constant(Eigen::Vector2d(3, 0.5));
    Var loss = sum(square(w - x));  // a parameter is an operand like any tensor
    tape.backward(loss);            // adds to w.grad()
    w.value() -= 0.25 * w.grad();
    w.zero_grad();
  }
  //! [parameter]
  CHECK(w.value().isApprox(Eigen::Vector2d(3, 0.5), 1e-12));
}

namespace {

//! [model]
struct Classifier {
  nn::Linear<float> hidden, output;

  explicit Classifier(Random& random) : hidden(2, 8, random), output(8, 1, random) {}

  Tensor<float> operator()(const Tensor<float>& x) const { return output(tanh(hidden(x))); }
  void members(auto&& member) {
    member("hidden", hidden);
    member("output", output);
  }
};
//! [model]

}  // namespace

TEST_CASE("reference: training") {
  // exclusive or: no straight line parts the two classes
  const Eigen::MatrixXf x{{0, 0, 1, 1}, {0, 1, 0, 1}}, y{{0, 1, 1, 0}};
  float last = 0;
  //! [training]
  Random random(42);
  Classifier model(random);
  optim::Adam optimizer(model, {.learning_rate = 3e-2});
  data::Batches batches(x.cols(), 2);
  Tape<float> tape;
  for (int epoch = 0; epoch < 100; ++epoch) {
    batches.shuffle(random);
    for (std::span<const Index> batch : batches) {
      auto scope = tape.scope();  // forgets the recording at the end, keeps the memory
      Tensor logits = model(tape.constant(x(Eigen::seqN(0, 2), batch)));
      Var loss = binary_cross_entropy_with_logits(logits, y(Eigen::seqN(0, 1), batch));
      tape.backward(loss);
      optimizer.step();  // applies the gradients and clears them
      last = loss.value();
    }
  }
  //! [training]
  CHECK(last < 0.1f);
}

TEST_CASE("reference: optimizers") {
  Random random(1);
  Classifier model(random);
  {
    //! [sgd]
    optim::Sgd optimizer(model, {.learning_rate = 0.1, .momentum = 0.9});
    //! [sgd]
  }
  {
    //! [adagrad]
    optim::Adagrad optimizer(model, {.learning_rate = 0.1});
    //! [adagrad]
  }
  {
    //! [rmsprop]
    optim::RmsProp optimizer(model, {.learning_rate = 1e-3});
    //! [rmsprop]
  }
  {
    //! [lion]
    optim::Lion optimizer(model, {.learning_rate = 1e-4, .weight_decay = 0.1});
    //! [lion]
  }
  {
    //! [adam]
    optim::Adam optimizer(model, {.learning_rate = 1e-2});
    //! [adam]
  }
  //! [adamw]
  optim::AdamW optimizer(model, {.weight_decay = 0.1});
  //! [adamw]

  const Index steps = 200;
  //! [schedule]
  for (Index step = 0; step < steps; ++step) {
    optimizer.learning_rate(optim::schedule::warmup_cosine(step, 100, steps, 1e-3));
    // record, backward, optimizer.step()
  }
  //! [schedule]
  CHECK(optimizer.learning_rate() == Approx(1e-3 * (1 + std::cos(0.99 * M_PI)) / 2));

  const double held_out = 0.7;
  optimizer.learning_rate(1e-3);
  //! [plateau]
  optim::ReduceOnPlateau plateau(optimizer.learning_rate(), {.patience = 3});
  for (int epoch = 0; epoch < 10; ++epoch) {
    // train; then by the loss of data that is not trained on:
    optimizer.learning_rate(plateau(held_out));
  }
  //! [plateau]
  CHECK(optimizer.learning_rate() == Approx(1e-5));

  //! [group]
  optimizer.group(model.output, [](auto& options) { options.learning_rate *= 0.1; });
  //! [group]
  //! [group_if]
  optimizer.group_if([](std::string_view, const Shape& shape) { return shape.rank() < 2; },
                     [](auto& options) { options.weight_decay = 0; });
  //! [group_if]
}

TEST_CASE("reference: a small problem on all data") {
  Random random(1);
  nn::Linear<double> model(1, 1, random);
  Tape<double> tape;
  //! [lbfgs]
  const Eigen::MatrixXd x{{0, 1, 2}}, y{{1, 3, 5}};
  optim::Lbfgs optimizer(model);
  const optim::LbfgsResult result = optimizer.step([&] {
    auto scope = tape.scope();
    Var loss = mse(model(tape.constant(x)), y);
    tape.backward(loss);
    return loss.value();
  });
  //! [lbfgs]
  CHECK(result.loss < 1e-12);
  CHECK(model.weight.value()(0, 0) == Approx(2));
}
