// A two-layer classifier of texts, and four ways to make a text a vector of fixed size.  The formulas
// are at the head of 04_variable_length_text.cpp.
#pragma once

#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "gradtape/gradtape.hpp"
#include "reviews.hpp"

namespace examples {

using Eigen::Index;

using Texts = std::vector<std::vector<gradtape::text::Id>>;

struct Settings {
  Index embedding = 32, hidden = 32, folds = 5, batch = 16;
  int epochs = 40, patience = 6;
  double learning_rate = 3e-3, dropout = 0.5;
  std::uint64_t seed = 1;
};

enum class Way { pad, mean, max, lstm };
constexpr std::array ways{Way::pad, Way::mean, Way::max, Way::lstm};
constexpr std::array names{"pad", "mean", "max", "LSTM"};

struct Classifier {
  Way way;
  Index length;  // T where reviews are padded; 0: as long as the longest of a batch
  gradtape::nn::Embedding<float> embedding;
  std::optional<gradtape::nn::Lstm<float>> lstm;
  gradtape::nn::Linear<float> hidden, output;

  Classifier(Way w, Index words, Index longest, const Settings& s, gradtape::Random& random)
      : way(w),
        length(w == Way::pad ? longest : 0),
        embedding(words, s.embedding, random, {gradtape::text::Vocabulary::padding}),
        hidden(s.embedding * std::max<Index>(length, 1), s.hidden, random,
               gradtape::nn::gain::relu),
        output(s.hidden, 1, random) {
    embedding.weight.value() *= 0.1f;  // what is not learned shall not drown what is
    if (way == Way::lstm) lstm.emplace(s.embedding, s.embedding, random);
  }

  /// v (F,n)
  gradtape::Tensor<float> fix(gradtape::Tape<float>& tape,
                              const gradtape::text::PaddedTexts& reviews) const {
    const gradtape::Tensor x = embedding(tape, reviews.ids());  // (D,T,n)
    switch (way) {
      case Way::pad:
        return reshape(x, gradtape::Shape{x.rows() * length, reviews.size()});
      case Way::mean:
        return gradtape::mean_pooling(x, reviews.lengths());
      case Way::max:
        return gradtape::max_pooling(x, reviews.lengths());
      default:
        return (*lstm)(x, reviews.lengths()).state.h;
    }
  }
  /// z2 (1,n)
  gradtape::Tensor<float> operator()(const gradtape::Tensor<float>& v) const {
    return output(relu(hidden(v)));
  }

  void members(auto&& member) {
    member("embedding", embedding), member("lstm", lstm);
    member("hidden", hidden), member("output", output);
  }
};

inline Texts ids(const gradtape::text::Vocabulary& vocabulary, const std::vector<Words>& texts) {
  Texts result;
  for (const Words& words : texts) result.push_back(vocabulary.ids(words));
  return result;
}

/// A classifier, and the words that it knows.
struct Model {
  gradtape::text::Vocabulary vocabulary;
  Classifier classifier;

  /// z2 (1,n)
  gradtape::Tensor<float> logits(gradtape::Tape<float>& tape,
                                 const std::vector<Words>& texts) const {
    const auto padded = gradtape::text::pad(ids(vocabulary, texts), {.length = classifier.length});
    return classifier(classifier.fix(tape, padded));
  }
  /// P(class 1) of each text.
  Eigen::RowVectorXf operator()(const std::vector<Words>& texts) const {
    gradtape::Tape<float> tape;
    const gradtape::Tensor p = sigmoid(logits(tape, texts));
    return p.value();
  }
};

inline Eigen::RowVectorXf row(const std::vector<float>& x) {
  return Eigen::Map<const Eigen::RowVectorXf>(x.data(), std::ssize(x));
}

/// Learns until the loss on the development part has not become less for some epochs, and returns
/// the model that was best there.
inline Model train(Way way, const Reviews& seen, const Reviews& dev, const Settings& s,
                   gradtape::Random& random) {
  gradtape::text::WordCounts counts;
  Index longest = 1;
  for (const Words& words : seen.texts) {
    counts.add(words);
    longest = std::max(longest, std::ssize(words));
  }
  // words that came once are unknown: they are what the vector of unknown words is learned from
  const auto vocabulary = counts.freeze({.min_count = 2, .specials = 3});
  Model model{vocabulary, Classifier(way, vocabulary.size(), longest, s, random)};
  Model best{vocabulary, Classifier(way, vocabulary.size(), longest, s, random)};
  gradtape::optim::Adam optimizer(model.classifier, {.learning_rate = s.learning_rate});

  const Texts texts = ids(vocabulary, seen.texts);
  gradtape::data::Batches batches(seen.size(), s.batch);
  gradtape::text::PaddedTexts padded;
  gradtape::Tape<float> tape;
  float least = std::numeric_limits<float>::infinity();
  for (int epoch = 0, at = 0; epoch < s.epochs && epoch - at <= s.patience; ++epoch) {
    batches.shuffle(random);
    for (const std::span<const Index> batch : batches) {
      padded.choose(texts, batch, {.length = model.classifier.length});
      auto scope = tape.scope();
      const gradtape::Tensor v = dropout(model.classifier.fix(tape, padded), s.dropout, random);
      gradtape::Var loss =
          binary_cross_entropy_with_logits(model.classifier(v), row(seen.choose(batch).targets));
      tape.backward(loss);
      optimizer.step();
    }
    auto scope = tape.scope();
    const gradtape::Var loss =
        binary_cross_entropy_with_logits(model.logits(tape, dev.texts), row(dev.targets));
    if (loss.value() < least) {
      least = loss.value();
      at = epoch;
      gradtape::copy_values(model.classifier, best.classifier);
    }
  }
  return best;
}

}  // namespace examples
