#include "gradtape/nn/summary.hpp"

#include <memory>

#include "catch.hpp"

using namespace gradtape;

namespace {

struct Layer {
  Parameter<float> weight{Shape{16, 2}}, bias{Shape{16}};
  void members(auto&& member) {
    member("weight", weight);
    member("bias", bias);
  }
};

struct Model {
  std::shared_ptr<Layer> first = std::make_shared<Layer>(), again = first;
  Buffer<double> mean{Shape{4, 300}};
  Parameter<double> scale{Shape{}}, none{Shape{0}};
  void members(auto&& member) {
    member("first", first);
    member("mean", mean);
    member("again", again);
    member("scale", scale);
    member("none", none);
  }
};

}  // namespace

TEST_CASE("summary: names, shapes, counts; shared ones once, buffers by themselves") {
  const Model model;
  CHECK(summary(model) ==
        "name          shape     count\n"
        "first.weight  [16, 2]      32\n"
        "first.bias    [16]         16\n"
        "mean          [4, 300]   1200  buffer\n"
        "again.weight  [16, 2]      32  same as first.weight\n"
        "again.bias    [16]         16  same as first.bias\n"
        "scale         []            1\n"
        "none          [0]           0\n"
        "parameters                 49\n"
        "buffers                  1200\n");
}

TEST_CASE("summary: a model without buffers, and one without anything") {
  CHECK(summary(Layer()) ==
        "name        shape    count\n"
        "weight      [16, 2]     32\n"
        "bias        [16]        16\n"
        "parameters              48\n");
  CHECK(summary(std::vector<Layer>()) ==
        "name        shape  count\n"
        "parameters             0\n");
}
