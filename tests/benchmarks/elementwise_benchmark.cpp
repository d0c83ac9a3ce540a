// One formula, y = a sigmoid(b) + tanh(c) exp(-a), and its gradient: against tiles of 32 elements
// written out by hand, values first and then, computed again, slopes.
//
//     taskset -c 0 ./elementwise_benchmark [figures.csv]

#include <gradtape/autodiff.hpp>

#include "harness.hpp"

namespace {

using namespace gradtape;
using Eigen::VectorXf;

/// What stands in the registers of a tile.
struct Values {
  using Tile = Eigen::Array<float, 32, 1>;
  Tile a, sigmoid, tanh, exp;

  Values(const VectorXf* x, Index i) : a(x[0].segment<32>(i)) {
    sigmoid = 1 / (1 + (-x[1].segment<32>(i).array()).exp());
    tanh = x[2].segment<32>(i).array().tanh();
    exp = (-a).exp();
  }
};

void by_hand(const VectorXf* x, const VectorXf& seed, VectorXf& y, VectorXf* gradient) {
  for (Index i = 0; i < y.size(); i += 32) {
    const Values v(x, i);
    y.segment<32>(i) = v.a * v.sigmoid + v.tanh * v.exp;
  }
  for (Index i = 0; i < y.size(); i += 32) {
    const Values v(x, i);
    const Values::Tile y_bar = seed.segment<32>(i);
    gradient[0].segment<32>(i) = y_bar * (v.sigmoid - v.tanh * v.exp);
    gradient[1].segment<32>(i) = y_bar * v.a * v.sigmoid * (1 - v.sigmoid);
    gradient[2].segment<32>(i) = y_bar * v.exp * (1 - v.tanh * v.tanh);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::FILE* const csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  bool right = true;
  benchmark::header("elements", "gradtape", "tiles");
  for (const Index n : {1024, 32000, 100000, 320000, 2000000}) {
    VectorXf x[3], gradient[3], y(n);
    const VectorXf seed = VectorXf::Ones(n);
    for (VectorXf& operand : x) operand = 2 * VectorXf::Random(n);
    for (VectorXf& part : gradient) part.resize(n);
    Tape<float> tape;
    const Tensor a = tape.variable(x[0]), b = tape.variable(x[1]), c = tape.variable(x[2]);
    const auto ours = [&] {
      const auto scope = tape.scope();
      const Tensor result = a * sigmoid(b) + tanh(c) * exp(-a);
      tape.backward(result, seed);
      return result.value()(n - 1);
    };
    by_hand(x, seed, y, gradient);
    right = std::abs(ours() - y[n - 1]) < 1e-5f && a.grad().isApprox(gradient[0], 1e-5f) &&
            b.grad().isApprox(gradient[1], 1e-5f) && c.grad().isApprox(gradient[2], 1e-5f) && right;
    benchmark::compare(
        std::to_string(n), ours, [&] { by_hand(x, seed, y, gradient); }, csv,
        n > 100000 ? 31 : 201);
  }
  if (csv != nullptr) std::fclose(csv);
  return right ? 0 : 1;
}
