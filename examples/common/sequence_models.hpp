// Language models over sequences: an LSTM and a Transformer, both with
//
//     model(tape, streams, memory, random)     logits (V,T,n) of a piece of every stream
//     model.read(tape, words, memory)          of one text that goes on behind what memory holds
//
// A memory holds what was read: the LSTM's state, the Transformer's keys and values.
#pragma once

#include <limits>
#include <vector>

#include "gradtape/gradtape.hpp"
#include "language_model.hpp"

namespace examples {

using gradtape::Tape, gradtape::Tensor, gradtape::Random, gradtape::Shape;
using gradtape::text::Streams, gradtape::text::StreamsOptions;

using Ids = Eigen::Map<const Eigen::Matrix<Id, Eigen::Dynamic, 1>>;

/// What has to be known to make either model anew.  Dropout in training only.
struct SequenceArchitecture {
  Index embedding = 32;  // D
  Index hidden = 64;     // H, of the LSTM; the Transformer works in D numbers
  Index layers = 2, heads = 2, positions = 32;  // of the Transformer
  double dropout = 0;
};

///     x_t = E(:,w_t)                         E (D,V), words w (T,n) -> (D,T,n)
///     h_t, c_t = lstm(x_t, h_t-1, c_t-1)     -> (H,T,n)
///     z_t = W h_t + b                        W (V,H), b (V) -> (V,T,n)
struct LstmModel {
  using Memory = gradtape::nn::CarriedState<gradtape::nn::Lstm<float>>;
  static constexpr const char* name = "LSTM";

  gradtape::nn::Embedding<float> embedding;
  gradtape::nn::Lstm<float> lstm;
  gradtape::nn::Linear<float> output;
  double dropout;

  LstmModel(Index words, const SequenceArchitecture& a, Random& random)
      : embedding(words, a.embedding, random),
        lstm(a.embedding, a.hidden, random),
        output(a.hidden, words, random, 0.1),
        dropout(a.dropout) {}

  /// Truncated backpropagation through time: gradients stay within the piece, the state goes on.
  Tensor<float> operator()(Tape<float>& tape, const Streams& streams, Memory& memory,
                           Random* random = nullptr) const {
    for (Index j = 0; j < streams.lengths().size(); ++j)
      if (streams.begins(j)) memory.reset(j);
    const Tensor x = dropped(embedding(tape, streams.inputs()), random);
    const auto [h, state] = lstm(x, streams.lengths(), memory.on(tape));
    memory.keep(state);
    return output(dropped(h, random));
  }
  Tensor<float> read(Tape<float>& tape, const Ids& words, Memory& memory) const {
    const Tensor x =
        reshape(embedding(tape, words), Shape{embedding.weight.shape()[0], words.size(), 1});
    const auto [h, state] = lstm(x, memory.on(tape));
    memory.keep(state);
    return output(h);
  }

  /// Words that it can see: all.
  Index longest() const { return std::numeric_limits<Index>::max(); }
  StreamsOptions pieces(Index samples) const { return {.steps = 32, .samples = samples}; }
  StreamsOptions evaluation_pieces() const { return pieces(64); }

  void members(auto&& member) {
    member("embedding", embedding), member("lstm", lstm), member("output", output);
  }

 private:
  Tensor<float> dropped(const Tensor<float>& x, Random* random) const {
    if (random == nullptr || dropout == 0) return x;
    return gradtape::dropout(x, dropout, *random);
  }
};

///     x_t = E(:,w_t) + P(:,t)                E (D,V), P (D,C), t = 0 .. T-1, T <= C -> (D,T,n)
///     x = block(x), several times            see nn/transformer.hpp
///     z_t = E^T norm(x_t) + b                b (V) -> (V,T,n): tied, the output reads E
struct TransformerModel {
  using Memory = std::vector<gradtape::nn::KeyValueCache<float>>;
  static constexpr const char* name = "Transformer";

  gradtape::nn::Embedding<float> embedding, position;
  std::vector<gradtape::nn::TransformerBlock<float>> blocks;
  gradtape::nn::LayerNorm<float> norm;
  gradtape::Parameter<float> bias;
  double dropout;

  TransformerModel(Index words, const SequenceArchitecture& a, Random& random)
      : embedding(words, a.embedding, random),
        position(a.positions, a.embedding, random),
        norm(a.embedding),
        bias(Shape{words}),
        dropout(a.dropout) {
    // smaller than usual, as the output reads them, too: at first words are about equally likely
    embedding.weight.value() *= 0.2f;
    position.weight.value() *= 0.2f;
    for (Index i = 0; i < a.layers; ++i)
      blocks.emplace_back(a.embedding,
                          gradtape::nn::TransformerOptions{.heads = a.heads, .dropout = a.dropout},
                          random);
  }

  Index longest() const { return position.weight.shape()[1]; }

  Tensor<float> operator()(Tape<float>& tape, const Streams& streams, Memory&,
                           Random* random = nullptr) const {
    Tensor x = at_positions(embedding(tape, streams.inputs()), 0);
    if (random == nullptr) {
      for (const auto& block : blocks) x = block(x);
    } else {
      x = gradtape::dropout(x, dropout, *random);
      for (const auto& block : blocks) x = block(x, *random);
    }
    return logits(x);
  }
  Tensor<float> read(Tape<float>& tape, const Ids& words, Memory& memory) const {
    memory.resize(blocks.size());
    const Shape shape{norm.gain.size(), words.size(), 1};
    Tensor x = at_positions(reshape(embedding(tape, words), shape), memory.front().size());
    for (std::size_t i = 0; i < blocks.size(); ++i) x = blocks[i](x, memory[i]);
    return logits(x);
  }

  StreamsOptions pieces(Index samples) const { return {.steps = longest(), .samples = samples}; }
  /// Every prediction but those at the beginning of a text has half of the positions before it.
  StreamsOptions evaluation_pieces() const { return {longest(), 16, longest() / 2}; }

  void members(auto&& member) {
    member("embedding", embedding), member("position", position);
    member("blocks", blocks), member("norm", norm), member("bias", bias);
  }

 private:
  /// x (D,T,n) and the vectors of the positions from `first` on.
  Tensor<float> at_positions(const Tensor<float>& x, Index first) const {
    const Index d = x.shape()[0], t = x.shape()[1];
    const Tensor p = slice(x.tape().parameter(position.weight), gradtape::Dim(1), first, t);
    return x + reshape(p, Shape{d, t, 1});
  }
  Tensor<float> logits(const Tensor<float>& x) const {
    const Tensor h = norm(x);
    return matmul(transpose(x.tape().parameter(embedding.weight)), h) + bias;
  }
};

/// A text drawn from a model that reads each word once and remembers it or, for comparison, forgets
/// all and reads them again for every word.  Where it can see no more words, it goes on from half as
/// many, the last ones.
template <class Model>
std::vector<Id> sample(const Model& model, std::vector<Id> text, const Sampling& sampling,
                       Random& random, int longest = 400, bool remembers = true) {
  Tape<float> tape;
  const auto no_grad = tape.no_grad();
  typename Model::Memory memory;
  std::vector<Id> words{Vocabulary::boundary};
  Index first = 0, read = 0;  // in words: what the memory begins with, and what it ends before
  return write(std::move(text), longest, random, [&](const std::vector<Id>& behind) {
    words.insert(words.end(), behind.begin() + std::ssize(words) - 1, behind.end());
    const Index count = std::ssize(words);
    const bool is_full = count - first > model.longest();
    if (is_full) first = count - model.longest() / 2;
    if (is_full || !remembers) {
      memory = {};
      read = first;
    }
    const auto scope = tape.scope();
    const Tensor z = model.read(tape, Ids(words.data() + read, count - read), memory);
    read = count;
    const Tensor last = slice(z, gradtape::Dim(1), z.shape()[1] - 1, 1);
    return next_word(reshape(last, Shape{z.shape()[0]}), sampling);
  });
}

}  // namespace examples
