#pragma once
/// \file
/// The Transformer's block: attention lets positions read one another, then a small network works
/// on each by itself.  Both only add to what there is.
///
///     u = x + attention(norm(x)),     y = u + W2 gelu(W1 norm(u) + b1) + b2
///
/// The norms come before (pre-norm), so that from the loss back to every block there is a path of
/// additions alone: deep stacks train without warm-up.  Behind the last block stands one more norm.
///
/// Sources: Vaswani et al. (2017), Attention is all you need; Xiong et al. (2020), On layer
/// normalization in the Transformer architecture, ICML.

#include "attention.hpp"
#include "dropout.hpp"
#include "layer_norm.hpp"
#include "linear.hpp"

namespace gradtape::nn {

/// Options of `TransformerBlock`.
struct TransformerOptions {
  Index heads = 4;     ///< of the attention, a divisor of the features
  Index hidden = 0;    ///< units of the network; 0: four times the features
  double dropout = 0;  ///< probability, of what attention and network add
};

/// A block in which a position sees itself and the earlier ones.       x (D,T,n) -> (D,T,n)
///
///     u = x + drop(attention(norm(x)))                            a `CausalSelfAttention`
///     y = u + drop(W2 gelu(W1 norm(u) + b1) + b2)                 W1 (H,D), W2 (D,H)
///
/// Without dropout this is PyTorch's TransformerEncoderLayer with norm_first and a causal mask.  As
/// padding stands behind the texts, no position of a text sees any.
template <class T>
struct TransformerBlock {
  LayerNorm<T> attention_norm;       ///< before the attention
  CausalSelfAttention<T> attention;  ///< D features
  LayerNorm<T> network_norm;         ///< before the network
  Linear<T> expand;                  ///< W1 (H,D), b1
  Linear<T> contract;                ///< W2 (D,H), b2
  double dropout;                    ///< probability in training, of what is added

  /// The layers, each with its own initial values.
  /// \throws ShapeError unless the number of heads divides D, DomainError unless dropout is in
  /// [0, 1].
  TransformerBlock(Index features, const TransformerOptions& options, Random& random)
      : attention_norm(features),
        attention(features, options.heads, random),
        network_norm(features),
        expand(features, hidden(features, options), random, gain::relu),
        contract(hidden(features, options), features, random),
        dropout(options.dropout) {
    gradtape::detail::check_dropout(dropout);
  }

  /// Evaluation.  \throws ShapeError unless x is (D,T,n).
  Tensor<T> operator()(const Tensor<T>& x) const {
    return block(
        x, [&](const Tensor<T>& z) { return attention(z); }, kept);
  }
  /// Training: elements of what is added are dropped out.
  Tensor<T> operator()(const Tensor<T>& x, Random& random) const {
    if (dropout == 0) return (*this)(x);
    return block(
        x, [&](const Tensor<T>& z) { return attention(z); },
        [&](const Tensor<T>& z) { return gradtape::dropout(z, dropout, random); });
  }
  /// Evaluation of positions that follow those in the cache; see `CausalSelfAttention`.
  Tensor<T> operator()(const Tensor<T>& x, KeyValueCache<T>& cache) const {
    return block(
        x, [&](const Tensor<T>& z) { return attention(z, cache); }, kept);
  }

  void members(auto&& member) {
    member("attention_norm", attention_norm);
    member("attention", attention);
    member("network_norm", network_norm);
    member("expand", expand);
    member("contract", contract);
  }

 private:
  static Index hidden(Index features, const TransformerOptions& options) {
    return options.hidden == 0 ? 4 * features : options.hidden;
  }
  static const Tensor<T>& kept(const Tensor<T>& z) { return z; }

  template <class Attention, class Drop>
  Tensor<T> block(const Tensor<T>& x, Attention&& attend, Drop&& drop) const {
    attention.attention.check("x", x);
    const Tensor<T> a = attend(attention_norm(x));
    const Tensor<T> u = x + drop(a);
    const Tensor<T> h = gelu(expand(network_norm(u)));
    const Tensor<T> z = contract(h);
    return u + drop(z);
  }
};

}  // namespace gradtape::nn
