// The feed-forward language model of example 03: what it computes, how it is measured, sampled and
// kept in a file.
#pragma once

#include <algorithm>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "gradtape/gradtape.hpp"

namespace examples {

using gradtape::Index;
using gradtape::text::Id;
using gradtape::text::Vocabulary;

/// Probabilities of elements of x and of h.
struct Dropout {
  double input = 0, hidden = 0;
};

/// What has to be known to make the model anew.
struct Architecture {
  Index window = 8, embedding = 32, hidden = 400;
  bool tied = false;  // the output layer's rows are the embedding's columns
};

///     x = [E(:,w_1); ..; E(:,w_N)]        w (N,n), E (D,V) -> (D N, n)
///     h = tanh(W1 x + b1)                 W1 (H, D N), b1 (H) -> (H,n)
///     z = W2 h + b2                       W2 (V,H), b2 (V) -> (V,n)
///         or, tied, E^T (P h) + b2        P (D,H)
struct LanguageModel {
  Architecture architecture;
  gradtape::nn::Embedding<float> embedding;
  gradtape::nn::Linear<float> hidden, output;
  gradtape::Parameter<float> bias;  // b2 where the weights are tied

  LanguageModel(Index words, const Architecture& a, gradtape::Random& random)
      : architecture(a),
        embedding(words, a.embedding, random),
        hidden(a.window * a.embedding, a.hidden, random, gradtape::nn::gain::tanh),
        output(a.hidden, a.tied ? a.embedding : words, random, 0.1),
        bias(gradtape::Shape{a.tied ? words : 0}) {}

  /// The logits z.  For training, elements of x and h are dropped out.
  template <gradtape::Indices I>
  gradtape::Tensor<float> operator()(gradtape::Tape<float>& tape, const I& windows,
                                     Dropout dropout = {},
                                     gradtape::Random* random = nullptr) const {
    gradtape::Tensor x = embedding.window(tape, windows);
    if (dropout.input > 0) x = gradtape::dropout(x, dropout.input, *random);
    gradtape::Tensor h = tanh(hidden(x));
    if (dropout.hidden > 0) h = gradtape::dropout(h, dropout.hidden, *random);
    if (!architecture.tied) return output(h);
    return matmul(transpose(embedding.weight), output(h)) + bias;
  }

  void members(auto&& member) {
    member("embedding", embedding), member("hidden", hidden), member("output", output);
    if (architecture.tied) member("bias", bias);
  }
};

/// Mean loss of the model, in nats a word.
inline double evaluate(const LanguageModel& model, const gradtape::text::Windows& windows) {
  gradtape::Tape<float> tape;
  const auto no_grad = tape.no_grad();
  gradtape::text::Batch batch(windows.window(), 512);
  double sum = 0;
  for (Index i = 0; i < windows.size(); i += batch.size()) {
    auto scope = tape.scope();
    windows.slice(batch, i);
    const gradtape::Var loss =
        softmax_cross_entropy(model(tape, batch.inputs()), batch.targets(), gradtape::reduce::sum);
    sum += loss.value();
  }
  return sum / static_cast<double>(windows.size());
}

/// How to draw the next word: temperatures below 1 make likely words likelier; of a number above 0,
/// only so many of the likeliest are drawn from.
struct Sampling {
  float temperature = 0.7f;
  Index top_k = 0;
};

/// P(next word) from its logits (V), with what `sampling` makes of it; no unknown words.
inline Eigen::VectorXf next_word(const gradtape::Tensor<float>& logits, const Sampling& sampling) {
  const gradtape::Tensor p = softmax(logits / sampling.temperature);
  Eigen::VectorXf weights = p.value();
  weights(Vocabulary::unknown) = 0;
  if (sampling.top_k > 0 && sampling.top_k < weights.size()) {
    std::vector<float> sorted(weights.begin(), weights.end());
    std::nth_element(sorted.begin(), sorted.begin() + (sampling.top_k - 1), sorted.end(),
                     std::greater<>());
    const float least = sorted[static_cast<std::size_t>(sampling.top_k - 1)];
    weights = (weights.array() < least).select(0, weights);
  }
  return weights / weights.sum();
}
/// P(next word | window)
inline Eigen::VectorXf next_word(const LanguageModel& model, const std::vector<Id>& window,
                                 const Sampling& sampling = {1, 0}) {
  gradtape::Tape<float> tape;
  const auto no_grad = tape.no_grad();
  return next_word(model(tape, window), sampling);
}

/// The window before the word that follows a text.
inline std::vector<Id> window_behind(const std::vector<Id>& text, Index window) {
  std::vector<Id> result(static_cast<std::size_t>(window), Vocabulary::boundary);
  const std::size_t n = std::min(text.size(), result.size());
  std::copy(text.end() - static_cast<std::ptrdiff_t>(n), text.end(),
            result.end() - static_cast<std::ptrdiff_t>(n));
  return result;
}

/// A text drawn word by word until it ends or has `longest` more words; next(text) gives the
/// probabilities behind a text.
template <class Next>
std::vector<Id> write(std::vector<Id> text, int longest, gradtape::Random& random, Next&& next) {
  for (int i = 0; i < longest; ++i) {
    const auto word = static_cast<Id>(random.choose(next(std::as_const(text))));
    if (word == Vocabulary::boundary) break;
    text.push_back(word);
  }
  return text;
}
inline std::vector<Id> sample(const LanguageModel& model, std::vector<Id> text,
                              const Sampling& sampling, gradtape::Random& random,
                              int longest = 400) {
  return write(std::move(text), longest, random, [&](const std::vector<Id>& behind) {
    return next_word(model, window_behind(behind, model.architecture.window), sampling);
  });
}

/// The words whose vectors have the smallest angle to a word's, nearest first.
inline std::vector<Id> neighbours(const LanguageModel& model, Id word, std::size_t count) {
  const Eigen::MatrixXf vectors = model.embedding.weight.value().colwise().normalized();
  const Eigen::VectorXf cosine = vectors.transpose() * vectors.col(word);
  std::vector<Id> order(static_cast<std::size_t>(vectors.cols()));
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](Id id) { return id == word || id <= Vocabulary::unknown; });
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](Id a, Id b) { return cosine(a) > cosine(b); });
  order.resize(count);
  return order;
}

}  // namespace examples
