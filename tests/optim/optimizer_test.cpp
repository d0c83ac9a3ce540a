#include "gradtape/optim/optimizer.hpp"

#include <cstring>
#include <map>

#include "catch.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/optim/adagrad.hpp"
#include "gradtape/optim/adam.hpp"
#include "gradtape/optim/lion.hpp"
#include "gradtape/optim/rmsprop.hpp"
#include "gradtape/optim/sgd.hpp"
#include "optim/push.hpp"

using namespace gradtape;
using Eigen::Vector2d;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

struct Layer {
  Parameter<double> weight{Eigen::MatrixXd{{1, 2}, {3, 4}}}, bias{Vector2d(5, 6)};
  void members(auto&& member) {
    member("weight", weight);
    member("bias", bias);
  }
};

struct Model {
  Layer hidden, output;
  Parameter<double>* tied = &hidden.weight;
  void members(auto&& member) {
    member("hidden", hidden);
    member("output", output);
    member("tied", tied);
  }
  void push_ones() {
    for (Layer* layer : {&hidden, &output}) {
      push(layer->weight, Eigen::MatrixXd::Ones(2, 2));
      push(layer->bias, Vector2d::Ones());
    }
  }
};

/// Something of everything: float and double, tied, looked up, several pieces, nothing.
struct Mixed {
  Parameter<double> table{Eigen::MatrixXd::Constant(3, 4, 0.5)}, unused{Shape{2}};
  Parameter<float> wide{Eigen::VectorXf::LinSpaced(1100, -1, 1)}, empty{Shape{0}};
  Parameter<double>* tied = &table;
  void members(auto&& member) {
    member("table", table);
    member("unused", unused);
    member("wide", wide);
    member("empty", empty);
    member("tied", tied);
  }
};

}  // namespace

TEST_CASE("optimizer: options of parts of a model") {
  Model model;
  optim::Sgd optimizer(model, {.learning_rate = 0.5, .weight_decay = 1});
  optimizer.group(model.output, [](auto& options) { options.learning_rate *= 0.5; });
  optimizer.group_if([](std::string_view name, const Shape&) { return name.ends_with("bias"); },
                     [](auto& options) { options.weight_decay = 0; });
  model.push_ones();
  optimizer.step();
  CHECK(model.hidden.weight.value() == Eigen::MatrixXd{{0, 0.5}, {1, 1.5}});  // w - (1 + w) / 2
  CHECK(model.hidden.bias.value() == Vector2d(4.5, 5.5));
  CHECK(model.output.weight.value() == Eigen::MatrixXd{{0.5, 1.25}, {2, 2.75}});
  CHECK(model.output.bias.value() == Vector2d(4.75, 5.75));

  // a new rate for all keeps the ratio
  optimizer.learning_rate(1);
  CHECK(optimizer.options().learning_rate == 1);
  model.push_ones();
  optimizer.step();
  CHECK(model.hidden.bias.value() == Vector2d(3.5, 4.5));
  CHECK(model.output.bias.value() == Vector2d(4.25, 5.25));

  // of one parameter; the tied one is changed once
  optimizer.group(model.output.bias, [](auto& options) { options.learning_rate = 2; });
  optimizer.group(model, [](auto& options) { options.learning_rate *= 0.5; });
  optimizer.group_if([](std::string_view, const Shape& shape) { return shape.rank() == 2; },
                     [](auto& options) { options.weight_decay = 0; });
  model.hidden.weight.value().setZero();
  model.push_ones();
  optimizer.step();
  CHECK(model.hidden.bias.value() == Vector2d(3, 4));
  CHECK(model.output.bias.value() == Vector2d(3.25, 4.25));
  CHECK(model.hidden.weight.value() == Eigen::MatrixXd::Constant(2, 2, -0.5));
}

TEST_CASE("optimizer: a part gets the memories that its options need") {
  Model model;
  optim::Sgd optimizer(model, {.learning_rate = 1});
  const auto count = [&] { return optimizer.named_arrays().size(); };
  CHECK(count() == 4);
  optimizer.group(model.output, [](auto& options) { options.momentum = 0.5; });
  CHECK(count() == 6);
  for (int i = 0; i < 2; ++i) {
    model.push_ones();
    optimizer.step();
  }
  CHECK(model.hidden.bias.value() == Vector2d(3, 4));
  CHECK(model.output.bias.value() == Vector2d(2.5, 3.5));  // 1, then 1.5
  optimizer.group(model.output, [](auto& options) { options.momentum = 0; });
  CHECK(count() == 4);
}

TEST_CASE("optimizer: groups that are refused") {
  Model model, other;
  optim::Adam optimizer(model);
  const auto nothing = [](auto&) {};
  CHECK_THROWS_WITH(
      optimizer.group(other.hidden, nothing),
      "Adam: group: the parameter \"weight\" is none of those that the optimizer changes");
  CHECK_THROWS_WITH(
      optimizer.group_if([](std::string_view, const Shape&) { return false; }, nothing),
      "Adam: group_if: no parameter is selected");
  CHECK_THROWS_WITH(optimizer.group(model, [](auto& options) { options.beta1 = 1; }),
                    "Adam: beta1 is 1: it must be at least 0 and below 1");
  optimizer.learning_rate(0);
  CHECK_NOTHROW(optimizer.group(model, nothing));
  CHECK_THROWS_WITH(optimizer.group(model, [](auto& options) { options.learning_rate = 1; }),
                    "Adam: group: learning_rate of hidden.weight is 0: there is no ratio that it "
                    "could keep to another one");
}

namespace {

template <class Optimizer>
void check_refused(std::initializer_list<typename Optimizer::Options> refused) {
  Parameter<double> w(Shape{1});
  for (const auto& options : refused) CHECK_THROWS_AS(Optimizer(w, options), DomainError);
  CHECK_NOTHROW(Optimizer(w, {.learning_rate = 0}));
}

}  // namespace

TEST_CASE("optimizer: options outside of their range") {
  Parameter<double> w(Shape{1});
  CHECK_THROWS_WITH(optim::Sgd(w, {.learning_rate = -0.5}),
                    "Sgd: learning_rate is -0.5: it must be at least 0 and finite");
  CHECK_THROWS_WITH(optim::Sgd(w, {.nesterov = true}), "Sgd: nesterov needs a momentum above 0");
  CHECK_THROWS_WITH(optim::AdamW(w, {.beta2 = 1.5}),
                    "AdamW: beta2 is 1.5: it must be at least 0 and below 1");
  check_refused<optim::Sgd>({{.learning_rate = not_a_number},
                             {.learning_rate = infinity},
                             {.momentum = 1},
                             {.momentum = -0.1},
                             {.weight_decay = -1}});
  check_refused<optim::Adagrad>(
      {{.learning_rate = -1}, {.epsilon = -1}, {.weight_decay = not_a_number}});
  check_refused<optim::RmsProp>({{.learning_rate = -1},
                                 {.smoothing = 1},
                                 {.epsilon = infinity},
                                 {.momentum = 1},
                                 {.weight_decay = -1}});
  check_refused<optim::Adam>({{.learning_rate = -1},
                              {.beta1 = not_a_number},
                              {.beta2 = -0.1},
                              {.epsilon = -1},
                              {.weight_decay = infinity}});
  check_refused<optim::Lion>(
      {{.learning_rate = -1}, {.beta1 = 1}, {.beta2 = 1}, {.weight_decay = -1}});

  optim::Sgd optimizer(w, {.learning_rate = 0.5});
  CHECK_THROWS_AS(optimizer.learning_rate(-1), DomainError);
  CHECK_THROWS_AS(optimizer.learning_rate(not_a_number), DomainError);
  CHECK(optimizer.learning_rate() == 0.5);
}

TEST_CASE("optimizer: what it remembers has names") {
  const auto names = [](auto&& optimizer) {
    std::string text;
    for (const NamedArray& array : optimizer.named_arrays()) {
      text += array.name + to_string(array.shape) + (array.type == ArrayType::int64 ? "i " : " ");
    }
    return text;
  };
  Model model;
  CHECK(names(optim::Sgd(model, {.momentum = 0.5})) ==
        "hidden.weight.velocity[2, 2] hidden.weight.step[]i hidden.bias.velocity[2] "
        "hidden.bias.step[]i output.weight.velocity[2, 2] output.weight.step[]i "
        "output.bias.velocity[2] output.bias.step[]i ");
  Parameter<float> w(Shape{1});
  CHECK(names(optim::Sgd(w)) == "step[]i ");
  CHECK(names(optim::Adagrad(w)) == "squares[1] step[]i ");
  CHECK(names(optim::RmsProp(w)) == "mean_square[1] step[]i ");
  CHECK(names(optim::RmsProp(w, {.momentum = 0.1, .centered = true})) ==
        "mean_square[1] mean[1] velocity[1] step[]i ");
  CHECK(names(optim::Adam(w)) == "first_moment[1] second_moment[1] step[]i ");
  CHECK(names(optim::AdamW(w, {.amsgrad = true})) ==
        "first_moment[1] second_moment[1] largest_second_moment[1] step[]i ");
  CHECK(names(optim::Lion(w)) == "momentum[1] step[]i ");

  optim::Adam optimizer(w);
  push(w, Eigen::MatrixXf{{1}});
  optimizer.step();
  const auto arrays = optimizer.named_arrays();
  CHECK(arrays[0].type == ArrayType::float32);
  CHECK(*static_cast<float*>(arrays[0].data) == 0.1f);
  CHECK(*static_cast<std::int64_t*>(arrays[2].data) == 1);
  *static_cast<std::int64_t*>(arrays[2].data) = -1;
  CHECK_NOTHROW(optimizer.step());
  push(w, Eigen::MatrixXf{{1}});
  CHECK_THROWS_WITH(optimizer.step(), "Adam: the number of updates of \"\" is -1");

  Parameter<long double> wide(Shape{1});
  optim::Adam of_wide(wide);
  of_wide.step();
  CHECK_THROWS_AS(of_wide.named_arrays(), FileError);
}

namespace {

void train(Mixed& model, auto& optimizer, int from, int to) {
  for (int t = from; t < to; ++t) {
    Tape<double> tape;
    const Tensor y = gather(tape.parameter(model.table), {t % 4, (t * t) % 3});
    tape.backward(y, (y.value().array() * 2 + 0.1 * t).matrix().eval());
    push(model.wide, (model.wide.value().array().cube() + 0.01f).matrix().eval());
    optimizer.step();
  }
}

void copy(const std::vector<NamedArray>& from, const std::vector<NamedArray>& to) {
  std::map<std::string, NamedArray> by_name;
  for (const auto& array : to) by_name.emplace(array.name, array);
  CHECK(by_name.size() == from.size());
  for (const auto& array : from) {
    const NamedArray& target = by_name.at(array.name);
    CHECK((target.type == array.type && target.shape == array.shape));
    const std::size_t bytes = array.type == ArrayType::float32 ? 4 : 8;
    std::memcpy(target.data, array.data, static_cast<std::size_t>(array.shape.size()) * bytes);
  }
}

template <class Optimizer>
void check_resumes(const typename Optimizer::Options& options) {
  Mixed whole, first, second;
  Optimizer optimizer(whole, options);
  train(whole, optimizer, 0, 10);

  Optimizer before(first, options);
  train(first, before, 0, 5);
  second.table.value().setConstant(7);
  Optimizer after(second, options);
  copy(named_arrays(first), named_arrays(second));
  copy(before.named_arrays(), after.named_arrays());
  train(second, after, 5, 10);
  CHECK(second.table.value() == whole.table.value());
  CHECK(second.wide.value() == whole.wide.value());
  CHECK(second.table.value() != first.table.value());
}

}  // namespace

TEST_CASE("optimizer: goes on bit for bit") {
  check_resumes<optim::Sgd>({});
  check_resumes<optim::Sgd>({.momentum = 0.9, .nesterov = true, .weight_decay = 0.1});
  check_resumes<optim::Adagrad>({.weight_decay = 0.1});
  check_resumes<optim::RmsProp>({});
  check_resumes<optim::RmsProp>({.momentum = 0.5, .centered = true, .lazy = true});
  check_resumes<optim::Adam>({.weight_decay = 0.1});
  check_resumes<optim::AdamW>({.amsgrad = true});
  check_resumes<optim::AdamW>({.lazy = true});
  check_resumes<optim::Lion>({.learning_rate = 0.01, .weight_decay = 0.1});
}

TEST_CASE("optimizer: gradients of NaN and infinity stay visible") {
  const auto after = [](auto optimizer_of, double g) {
    Parameter<double> w(Vector2d(1, 1));
    auto optimizer = optimizer_of(w);
    push(w, Vector2d(g, 0.5));
    optimizer.step();
    push(w, Vector2d(0.5, 0.5));
    optimizer.step();
    CHECK(std::isfinite(w.value()(1)));
    return w.value()(0);
  };
  const auto check = [&](auto optimizer_of) {
    CHECK(std::isnan(after(optimizer_of, not_a_number)));
    CHECK(std::isfinite(after(optimizer_of, 0.5)));
  };
  check([](auto& w) { return optim::Sgd(w, {.momentum = 0.5}); });
  check([](auto& w) { return optim::Adagrad(w); });
  check([](auto& w) { return optim::RmsProp(w, {.momentum = 0.5, .centered = true}); });
  check([](auto& w) { return optim::Adam(w, {.amsgrad = true}); });
  check([](auto& w) { return optim::Lion(w); });
  CHECK(after([](auto& w) { return optim::Sgd(w); }, infinity) == -infinity);
}

TEST_CASE("rmsprop: a constant gradient has no deviation, and rounding makes no NaN of it") {
  Parameter<double> w(Eigen::VectorXd::Zero(50).eval());
  optim::RmsProp optimizer(w, {.smoothing = 0.5, .epsilon = 1, .centered = true});
  for (int t = 0; t < 200; ++t) {
    push(w, (1 + Eigen::VectorXd::LinSpaced(50, 0, 1).array()).matrix().eval());
    optimizer.step();
  }
  CHECK(w.value().allFinite());
}

TEST_CASE("lion: the signs") {
  const double tiny = std::numeric_limits<double>::denorm_min();
  Parameter<double> w(Eigen::Vector4d(1, 1, 1, 1));
  optim::Lion optimizer(w, {.learning_rate = 0.25, .beta1 = 0});
  push(w, Eigen::Vector4d(0, tiny, -tiny, -1e308));
  optimizer.step();
  CHECK(w.value() == Eigen::Vector4d(1, 0.75, 1.25, 1.25));
}

// m_2 = beta2 (1 - beta2) g_1 + (1 - beta2) g_2; the sign is that of beta1 m_1 + (1 - beta1) g_2,
// which for g_1 = 1 is 0 at g_2 = -0.09.
TEST_CASE("lion: the momentum, and where its sign turns") {
  Parameter<double> w(Eigen::Vector2d(1, 1));
  optim::Lion optimizer(w, {.learning_rate = 0.25, .beta1 = 0.9, .beta2 = 0.99});
  const NamedArray array = optimizer.named_arrays().at(0);
  REQUIRE(array.name == "momentum");
  const Eigen::Map<const Eigen::Vector2d> m(static_cast<const double*>(array.data));
  push(w, Eigen::Vector2d(1, 1));
  optimizer.step();
  CHECK(m.isApproxToConstant(0.01, 1e-14));
  push(w, Eigen::Vector2d(-0.0896, -0.0904));
  optimizer.step();
  CHECK(w.value() == Eigen::Vector2d(0.5, 1));
  CHECK(m(0) == Approx(0.009004).epsilon(1e-14));
  CHECK(m(1) == Approx(0.008996).epsilon(1e-14));
}
