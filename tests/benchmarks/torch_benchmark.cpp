// The training steps of network_benchmark.cpp against the same networks in LibTorch, each as its
// users write it; one thread.
//
//     taskset -c 0 ./torch_benchmark [figures.csv [name]]        only networks of that name

#include <torch/torch.h>

#include "harness.hpp"
#include "networks.hpp"

namespace {

namespace F = torch::nn::functional;
using gradtape::Index;

std::FILE* csv = nullptr;
std::string selected;

bool is_selected(const std::string& name) { return name.find(selected) != std::string::npos; }

/// A matrix whose columns are samples, as rows.
template <class Matrix>
torch::Tensor rows(const Matrix& x, torch::IntArrayRef sizes) {
  using T = typename Matrix::Scalar;
  const auto type = std::is_same_v<T, float> ? torch::kFloat32 : torch::kInt32;
  const torch::Tensor copy = torch::from_blob(const_cast<T*>(x.data()), sizes, type).clone();
  return std::is_same_v<T, float> ? copy : copy.to(torch::kLong);
}

struct Classifier : torch::nn::Module {
  torch::nn::Linear hidden, output;
  Classifier(Index inputs, Index width)
      : hidden(register_module("hidden", torch::nn::Linear(inputs, width))),
        output(register_module("output", torch::nn::Linear(width, 1))) {}
  torch::Tensor forward(const torch::Tensor& x) { return output(torch::relu(hidden(x))); }
};

struct WindowModel : torch::nn::Module {
  torch::nn::Embedding embedding;
  torch::nn::Linear hidden, output;
  bool has_tanh;
  WindowModel(Index words, Index dimension, Index window, Index width, bool with_tanh)
      : embedding(register_module("embedding", torch::nn::Embedding(words, dimension))),
        hidden(register_module("hidden", torch::nn::Linear(window * dimension, width))),
        output(register_module("output", torch::nn::Linear(width, words))),
        has_tanh(with_tanh) {}
  torch::Tensor forward(const torch::Tensor& windows) {
    const torch::Tensor z = hidden(embedding(windows).flatten(1));
    return output(has_tanh ? torch::tanh(z) : torch::relu(z));
  }
};

struct LstmModel : torch::nn::Module {
  torch::nn::Embedding embedding;
  torch::nn::LSTM lstm;
  torch::nn::Linear output;
  LstmModel(Index words, Index dimension, Index width)
      : embedding(register_module("embedding", torch::nn::Embedding(words, dimension))),
        lstm(register_module("lstm", torch::nn::LSTM(dimension, width))),
        output(register_module("output", torch::nn::Linear(width, words))) {}
  torch::Tensor forward(const torch::Tensor& words) {
    return output(std::get<0>(lstm(embedding(words))).flatten(0, 1));
  }
};

template <class Ours, class Step>
void run(const std::string& name, int rounds, Ours&& ours, Step&& step) {
  int i = 0, j = 0;
  benchmark::compare(
      name, [&] { step(std::size_t(i++ % 16)); }, [&] { ours(std::size_t(j++ % 16)); }, csv,
      rounds);
}

void classifier(const std::string& name, Index inputs, Index width, Index n) {
  if (!is_selected(name)) return;
  gradtape::Random random(1);
  std::vector<networks::Points> data;
  std::vector<torch::Tensor> x, y;
  for (int i = 0; i < 16; ++i) {
    data.emplace_back(inputs, n, random);
    x.push_back(rows(data.back().x, {n, inputs}));
    y.push_back(rows(data.back().y, {n, 1}));
  }
  networks::Classifier ours(inputs, width, random);
  Classifier theirs(inputs, width);
  torch::optim::SGD optimizer(theirs.parameters(), 0.05);
  run(
      name, 101, [&](std::size_t i) { ours.step(data[i].x, data[i].y); },
      [&](std::size_t i) {
        optimizer.zero_grad();
        F::binary_cross_entropy_with_logits(theirs.forward(x[i]), y[i]).backward();
        optimizer.step();
      });
}

template <class Optimizer, class TorchOptimizer, class TorchOptions>
void window_model(const std::string& name, Index vocabulary, Index dimension, Index window,
                  Index width, Index n, bool has_tanh, double rate, int rounds) {
  if (!is_selected(name)) return;
  gradtape::Random random(2);
  std::vector<Eigen::MatrixXi> windows;
  std::vector<Eigen::VectorXi> next;
  std::vector<torch::Tensor> x, y;
  for (int i = 0; i < 16; ++i) {
    windows.push_back(networks::draw_words(vocabulary, window, n, random));
    next.push_back(networks::draw_words(vocabulary, n, 1, random).col(0));
    x.push_back(rows(windows.back(), {n, window}));
    y.push_back(rows(next.back(), {n}));
  }
  networks::WindowModel<Optimizer> ours(vocabulary, dimension, window, width, has_tanh, random,
                                        {.learning_rate = rate});
  WindowModel theirs(vocabulary, dimension, window, width, has_tanh);
  TorchOptimizer optimizer(theirs.parameters(), TorchOptions(rate));
  run(
      name, rounds, [&](std::size_t i) { ours.step(windows[i], next[i]); },
      [&](std::size_t i) {
        optimizer.zero_grad();
        F::cross_entropy(theirs.forward(x[i]), y[i]).backward();
        optimizer.step();
      });
}

void lstm(const std::string& name) {
  if (!is_selected(name)) return;
  const Index vocabulary = 65, dimension = 64, hidden = 128, steps = 32, n = 16;
  gradtape::Random random(3);
  std::vector<Eigen::MatrixXi> words, next;
  std::vector<torch::Tensor> x, y;  // steps first, its fastest order
  for (int i = 0; i < 16; ++i) {
    words.push_back(networks::draw_words(vocabulary, steps, n, random));
    next.push_back(networks::draw_words(vocabulary, steps, n, random));
    x.push_back(rows(words.back(), {n, steps}).t().contiguous());
    y.push_back(rows(next.back(), {n, steps}).t().flatten().contiguous());
  }
  networks::LstmModel ours(vocabulary, dimension, hidden, random);
  LstmModel theirs(vocabulary, dimension, hidden);
  torch::optim::Adam optimizer(theirs.parameters(), torch::optim::AdamOptions(1e-4));
  run(
      name, 51, [&](std::size_t i) { ours.step(words[i], next[i]); },
      [&](std::size_t i) {
        optimizer.zero_grad();
        F::cross_entropy(theirs.forward(x[i]), y[i]).backward();
        optimizer.step();
      });
}

/// y = a sigmoid(b) + tanh(c) exp(-a), and its gradient.
void elementwise(Index n) {
  const std::string name = "element-wise, " + std::to_string(n);
  if (!is_selected(name)) return;
  gradtape::Random random(4);
  std::vector<Eigen::VectorXf> operands(3, Eigen::VectorXf(n));
  std::vector<torch::Tensor> x;
  for (Eigen::VectorXf& operand : operands) {
    for (float& value : operand) value = static_cast<float>(random.uniform(-2, 2));
    x.push_back(rows(operand, {n}).requires_grad_());
  }
  const Eigen::VectorXf seed = Eigen::VectorXf::Ones(n);
  const torch::Tensor ones = torch::ones({n});
  gradtape::Tape<float> tape;
  const auto a = tape.variable(operands[0]), b = tape.variable(operands[1]),
             c = tape.variable(operands[2]);
  run(
      name, n > 100000 ? 31 : 101,
      [&](std::size_t) {
        const auto scope = tape.scope();
        const gradtape::Tensor y = a * sigmoid(b) + tanh(c) * exp(-a);
        tape.backward(y, seed);
      },
      [&](std::size_t) {
        for (const torch::Tensor& operand : x) operand.mutable_grad() = torch::Tensor();
        (x[0] * torch::sigmoid(x[1]) + torch::tanh(x[2]) * torch::exp(-x[0])).backward(ones);
      });
}

}  // namespace

int main(int argc, char** argv) {
  csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  if (argc > 2) selected = argv[2];
  torch::set_num_threads(1);
  using gradtape::optim::Adam, gradtape::optim::Sgd;
  benchmark::header("training step", "LibTorch", "gradtape");
  for (const Index n : {1, 32, 256})
    classifier("classifier 2-16-1, n " + std::to_string(n), 2, 16, n);
  classifier("classifier 30-128-1, n 64", 30, 128, 64);
  window_model<Sgd, torch::optim::SGD, torch::optim::SGDOptions>("window model, 27 words", 27, 10,
                                                                 3, 200, 32, true, 0.01, 101);
  window_model<Sgd, torch::optim::SGD, torch::optim::SGDOptions>("window model, 10000 words", 10000,
                                                                 64, 5, 256, 128, false, 0.01, 15);
  window_model<Adam, torch::optim::Adam, torch::optim::AdamOptions>("the same with Adam", 10000, 64,
                                                                    5, 256, 128, false, 1e-4, 15);
  lstm("LSTM model, 65 words");
  for (const Index n : {1000, 32000, 2000000}) elementwise(n);
  if (csv != nullptr) std::fclose(csv);
}
