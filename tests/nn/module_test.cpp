#include "gradtape/nn/module.hpp"

#include <array>
#include <memory>
#include <optional>

#include "catch.hpp"

using namespace gradtape;

namespace {

struct Layer {
  Parameter<float> weight{Shape{2, 3}}, bias{Shape{2}};
  void members(auto&& member) {
    member("weight", weight);
    member("bias", bias);
  }
};

struct Model {
  Layer first;
  std::vector<Layer> layers = std::vector<Layer>(2);
  std::array<Parameter<double>, 2> scales{Parameter<double>(Shape{}), Parameter<double>(Shape{4})};
  std::optional<Layer> absent;
  std::shared_ptr<Layer> shared = std::make_shared<Layer>(), again = shared;
  void members(auto&& member) {
    member("first", first);
    member("layers", layers);
    member("scales", scales);
    member("absent", absent);
    member("shared", shared);
    member("again", again);
  }
};

}  // namespace

TEST_CASE("for_each_parameter: dotted names in the order of the structs") {
  Model model;
  std::vector<std::string> names;
  std::vector<Index> sizes;
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    names.push_back(name);
    sizes.push_back(parameter.size());
    parameter.value().setOnes();
  });
  CHECK(names == std::vector<std::string>{"first.weight", "first.bias", "layers.0.weight",
                                          "layers.0.bias", "layers.1.weight", "layers.1.bias",
                                          "scales.0", "scales.1", "shared.weight", "shared.bias",
                                          "again.weight", "again.bias"});
  CHECK(sizes == std::vector<Index>{6, 2, 6, 2, 6, 2, 1, 4, 6, 2, 6, 2});
  CHECK(model.layers[1].weight.value()(1, 2) == 1);
  CHECK(parameter_count(model) == 4 * 8 + 5);

  model.absent.emplace();
  CHECK(parameter_count(model) == 5 * 8 + 5);
}

TEST_CASE("for_each_parameter: the parameters of a const model are const") {
  const Model model;
  int count = 0;
  for_each_parameter(model, [&](const std::string&, auto& parameter) {
    STATIC_REQUIRE(std::is_const_v<std::remove_reference_t<decltype(parameter)>>);
    ++count;
  });
  CHECK(count == 12);
}

TEST_CASE("for_each_parameter: a parameter is a model") {
  Parameter<double> w(Shape{3});
  for_each_parameter(w, [&](const std::string& name, Parameter<double>& parameter) {
    CHECK(name.empty());
    CHECK(&parameter == &w);
  });
  CHECK(parameter_count(w) == 3);
}

namespace {

struct WithMean {
  Parameter<float> scale{Shape{2}};
  Buffer<double> mean{Shape{2, 3}};
  void members(auto&& member) {
    member("scale", scale);
    member("mean", mean);
  }
};

}  // namespace

TEST_CASE("a buffer is stored with a model and not trained", "[nn]") {
  WithMean model;
  CHECK(model.mean.value().isZero());
  CHECK(parameter_count(model) == 2);
  const std::vector<NamedArray> arrays = named_arrays(model);
  REQUIRE(arrays.size() == 2);
  CHECK(arrays[0].name == "scale");
  CHECK(arrays[0].type == ArrayType::float32);
  CHECK(arrays[1].name == "mean");
  CHECK(arrays[1].type == ArrayType::float64);
  CHECK(arrays[1].shape == Shape{2, 3});
  CHECK(arrays[1].data == model.mean.data());
}

namespace {

struct Mixed {
  std::vector<Parameter<float>> weights;
  Parameter<double> scale{Shape{}};
  Buffer<double> mean{Shape{3}};

  explicit Mixed(std::initializer_list<Index> sizes) {
    for (const Index n : sizes) weights.emplace_back(Shape{n});
  }
  void members(auto&& member) {
    member("weights", weights), member("scale", scale), member("mean", mean);
  }
};

}  // namespace

TEST_CASE("copy_values: parameters and buffers, and nothing shared afterwards") {
  Mixed from({2, 1}), to({2, 1});
  from.weights[0].value() << 1, 2;
  from.weights[1].value() << 3;
  from.scale.value() << 0.1;
  from.mean.value() << 4, 5, 6;
  copy_values(from, to);
  from.weights[0].value().setZero();
  CHECK(to.weights[0].value() == Eigen::Vector2f(1, 2));
  CHECK(to.weights[1].value()(0) == 3);
  CHECK(to.scale.value()(0) == 0.1);
  CHECK(to.mean.value() == Eigen::Vector3d(4, 5, 6));
}

TEST_CASE("copy_values: other shapes are refused, and nothing is changed") {
  Mixed to({2, 1});
  to.weights[0].value().setOnes();
  CHECK_THROWS_WITH(copy_values(Mixed({2, 4}), to),
                    "copy_values: the model to copy to has weights.1 [1] where the other has "
                    "weights.1 [4]");
  CHECK_THROWS_WITH(copy_values(Mixed({2}), to),
                    "copy_values: the model to copy to has weights.1 [1] where the other has "
                    "scale []");
  CHECK(to.weights[0].value() == Eigen::Vector2f(1, 1));
  std::vector<Parameter<float>> two(2), one(1);
  for (auto* list : {&two, &one}) {
    for (auto& p : *list) p = Parameter<float>(Shape{1});
  }
  CHECK_THROWS_WITH(copy_values(two, one),
                    "copy_values: the model to copy to has nothing where the other has 1 [1]");
  CHECK_THROWS_WITH(copy_values(one, two),
                    "copy_values: the model to copy to has 1 [1] and the other has nothing there");
}
