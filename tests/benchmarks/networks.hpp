#pragma once
// The networks that are measured, written as a user writes them, and their data.

#include <gradtape/gradtape.hpp>

namespace networks {

using namespace gradtape;

/// inputs - hidden - 1 for two classes.
struct Classifier {
  nn::Linear<float> hidden, output;
  optim::Sgd optimizer;
  Tape<float> tape;

  Classifier(Index inputs, Index width, Random& random)
      : hidden(inputs, width, random, nn::gain::relu),
        output(width, 1, random),
        optimizer(*this, {.learning_rate = 0.05}) {}
  void members(auto&& member) {
    member("hidden", hidden);
    member("output", output);
  }

  float step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y) {
    const auto scope = tape.scope();
    const Tensor logits = output(relu(hidden(tape.constant(x))));
    const Var loss = binary_cross_entropy_with_logits(logits, y);
    tape.backward(loss);
    optimizer.step();
    return loss.value();
  }
};

/// Embeddings of a window of words - hidden - scores of the next word.
template <class Optimizer>
struct WindowModel {
  nn::Embedding<float> embedding;
  nn::Linear<float> hidden, output;
  bool has_tanh;
  Optimizer optimizer;
  Tape<float> tape;

  WindowModel(Index words, Index dimension, Index window, Index width, bool with_tanh,
              Random& random, const typename Optimizer::Options& options)
      : embedding(words, dimension, random),
        hidden(window * dimension, width, random),
        output(width, words, random, 0.1),
        has_tanh(with_tanh),
        optimizer(*this, options) {}
  void members(auto&& member) {
    member("embedding", embedding);
    member("hidden", hidden);
    member("output", output);
  }

  float step(const Eigen::MatrixXi& windows, const Eigen::VectorXi& next) {
    const auto scope = tape.scope();
    const auto z = hidden(embedding.window(tape, windows));
    const Tensor<float> a = has_tanh ? Tensor<float>(tanh(z)) : Tensor<float>(relu(z));
    const Var loss = softmax_cross_entropy(output(a), next);
    tape.backward(loss);
    optimizer.step();
    return loss.value();
  }
};

/// Embedding - LSTM - scores of the next word.
struct LstmModel {
  nn::Embedding<float> embedding;
  nn::Lstm<float> lstm;
  nn::Linear<float> output;
  optim::Adam optimizer;
  Tape<float> tape;

  LstmModel(Index words, Index dimension, Index width, Random& random)
      : embedding(words, dimension, random),
        lstm(dimension, width, random),
        output(width, words, random, 0.1),
        optimizer(*this, {.learning_rate = 1e-4}) {}
  void members(auto&& member) {
    member("embedding", embedding);
    member("lstm", lstm);
    member("output", output);
  }

  float step(const Eigen::MatrixXi& words, const Eigen::MatrixXi& next) {
    const auto scope = tape.scope();
    const auto [outputs, state] = lstm(embedding(tape, words));
    const Var loss = softmax_cross_entropy(output(outputs), next);
    tape.backward(loss);
    optimizer.step();
    return loss.value();
  }
};

/// Points inside and outside of a ball.
struct Points {
  Eigen::MatrixXf x, y;
  Points(Index inputs, Index n, Random& random) : x(inputs, n), y(1, n) {
    for (float& value : x.reshaped()) value = static_cast<float>(random.uniform(-1.5, 1.5));
    for (Index j = 0; j < n; ++j)
      y(0, j) = x.col(j).squaredNorm() > 0.75f * static_cast<float>(inputs) ? 1.0f : 0.0f;
  }
};

/// Word numbers with a few frequent ones, as texts have.
inline Eigen::MatrixXi draw_words(Index vocabulary, Index rows, Index n, Random& random) {
  Eigen::MatrixXi words(rows, n);
  for (int& word : words.reshaped()) {
    const double u = random.uniform();
    word = static_cast<int>(static_cast<double>(vocabulary) * u * u * u);
  }
  return words;
}

}  // namespace networks
