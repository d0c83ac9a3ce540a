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
