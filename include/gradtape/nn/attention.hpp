#pragma once
/// \file
/// Attention: each position reads a weighted mean of the values at the positions that it may see,
/// the more of one the better its key fits the position's query.
///
///     Y = V softmax(K^T Q / sqrt(d)),   a column a position; the softmax runs over the keys
///
/// Source: Vaswani et al. (2017), Attention is all you need, 3.2.

#include "../ops/elementwise.hpp"
#include "../ops/matmul.hpp"
#include "../ops/shape_ops.hpp"
#include "../ops/softmax.hpp"
#include "module.hpp"
#include "sequence.hpp"

namespace gradtape {

/// Options of `scaled_dot_product_attention`.
struct AttentionOptions {
  /// Whether a query sees only the keys up to its own position.  The last query stands at the last
  /// key, so that queries may continue a text whose beginning is among the keys only.
  bool causal = false;
};

namespace detail {

/// How many keys, from the first on, a query sees.
struct Visible {
  Index keys, queries;
  AttentionOptions options;
  Lengths lengths;

  Index operator()(Index query, Index sample) const {
    const Index length = lengths[sample];
    if (!options.causal) return length;
    return std::clamp<Index>(query + 1 + keys - queries, 0, length);
  }
};

/// Softmax of the visible part of each column of scores Z (Tk,Tq,..); 0 for what is not visible.
///     P = softmax(scale Z),   Z_bar += scale P (P_bar - sum_i P_i P_bar_i)
template <class T>
Tensor<T> attention_weights(const Tensor<T>& z, const T& scale, const Visible& visible) {
  const Shape shape = z.shape();
  // f(offset of the column, number of visible elements)
  const auto for_each_column = [=](auto&& f) {
    Index at = 0;
    for (Index j = 0; j < shape[3]; ++j) {
      for (Index i = 0; i < shape[2]; ++i) {
        for (Index query = 0; query < shape[1]; ++query, at += shape[0])
          f(at, visible(query, shape.rank() == 4 ? j : i));
      }
    }
  };
  return record(
      "attention_weights", shape, {z},
      [&](MatrixMap<T> y) {
        for_each_column([&](Index at, Index count) {
          T* const p = y.data() + at;
          std::fill(p + count, p + shape[0], T(0));
          if (count == 0) return;
          ContiguousColumn<T> column(p, count);
          column = ConstContiguousColumn<T>(z.data() + at, count) * scale;
          const T sum = shifted_exponentials(p, p, count, largest(column));
          column /= sum;
        });
      },
      [=](const Tensor<T>& y) {
        if (!adjoint(z).is_needed()) return;
        const GradientTarget<T> target = adjoint(z).target();
        for_each_column([&](Index at, Index count) {
          const ConstContiguousColumn<T> p(y.data() + at, count),
              p_bar(y.grad().data() + at, count);
          ContiguousColumn<T> z_bar(target.data + at, count);
          const T dot = (p * p_bar).sum();
          if (target.first) {
            z_bar = scale * p * (p_bar - dot);
            std::fill(target.data + at + count, target.data + at + shape[0], T(0));
          } else {
            z_bar += scale * p * (p_bar - dot);
          }
        });
      });
}

/// Queries, keys and values on their tape.
/// \throws ShapeError unless they fit.
template <class Q, class K, class V>
auto attention_operands(const Q& queries, const K& keys, const V& values) {
  auto& recording = common_recording("attention", queries, keys, values);
  const auto q = on(recording, queries), k = on(recording, keys), v = on(recording, values);
  const Shape a = q.shape(), b = k.shape(), c = v.shape();
  const bool same_rank = a.rank() >= 2 && b.rank() == a.rank() && c.rank() == a.rank();
  const bool same_batch = a[2] == b[2] && a[3] == b[3] && b[2] == c[2] && b[3] == c[3];
  if (!same_rank || !same_batch || a[0] != b[0] || b[1] != c[1]) {
    fail<ShapeError>("attention: ", title(q, "q"), " is ", to_string(a), ", ", title(k, "k"),
                     " is ", to_string(b), ", ", title(v, "v"), " is ", to_string(c), ": ",
                     !same_rank     ? "all must be of the same rank, 2, 3 or 4"
                     : a[0] != b[0] ? "queries and keys must have the same rows"
                     : b[1] != c[1] ? "there must be as many values as keys"
                                    : "dimensions behind the second must be equal");
  }
  return std::array{q, k, v};
}

/// The number of samples: the last dimension behind the positions.
inline Index sample_count(const Shape& shape) { return shape.rank() == 4 ? shape[3] : shape[2]; }

/// Queries, keys and values that fit.
template <class T>
Tensor<T> record_attention(const std::array<Tensor<T>, 3>& x, const Lengths& lengths,
                           const AttentionOptions& options) {
  using std::sqrt;
  const auto& [q, k, v] = x;
  const T scale = T(1) / sqrt(T(std::max<Index>(q.rows(), 1)));
  const Visible visible{k.shape()[1], q.shape()[1], options, lengths};
  return matmul(v, attention_weights<T>(matmul(transpose(k), q), scale, visible));
}

}  // namespace detail

/// Scaled dot-product attention.      q (d,Tq,..), k (d,Tk,..), v (e,Tk,..) -> (e,Tq,..)
///     Y = V P,   P = softmax(K^T Q / sqrt(d)) over the visible keys, 0 for the others
/// Ranks 3 and 4 are batches, (d,T,n) and (d,T,heads,n).  A query that sees no key gives 0.  What
/// a query does not see has no influence on it, provided it is finite.
/// \throws ShapeError unless the shapes fit.
template <TensorEntity Q, TensorEntity K, TensorEntity V>
auto scaled_dot_product_attention(const Q& q, const K& k, const V& v,
                                  const AttentionOptions& options = {}) {
  const auto x = detail::attention_operands(q, k, v);
  const Shape keys = x[1].shape();
  return detail::record_attention(x, {keys[1], detail::sample_count(keys)}, options);
}
/// Keys from the length of their sample on are padding and not seen.       lengths (n), `Indices`
/// Queries that are padding give something, which is for a loss to leave out.
/// \throws ShapeError also unless there are n lengths, each from 0 to Tk.
template <TensorEntity Q, TensorEntity K, TensorEntity V, Indices I>
auto scaled_dot_product_attention(const Q& q, const K& k, const V& v, const I& lengths,
                                  const AttentionOptions& options = {}) {
  const auto x = detail::attention_operands(q, k, v);
  const Shape keys = x[1].shape();
  const detail::IndexTable table = detail::copy_indices(x[1].tape(), lengths);
  return detail::record_attention(x, {"attention", keys[1], detail::sample_count(keys), table},
                                  options);
}

namespace nn {

/// Attention of several heads, each with rows of its own of projected queries, keys and values.
///
///     [Q; K; V] = W [x_q; x_k; x_v] + b,    Y = W_o [head_1; ..; head_h] + b_o
///     head_i = attention of rows (i - 1) D/h .. i D/h - 1 of Q, K and V
///                             x_q (D,Tq,n), x_k and x_v (D,Tk,n), W (3D,D), W_o (D,D) -> (D,Tq,n)
///
/// The weights are laid out as in PyTorch's MultiheadAttention.
template <class T>
struct MultiHeadAttention {
  Parameter<T> input_weight;   ///< W (3D,D)
  Parameter<T> input_bias;     ///< b (3D)
  Parameter<T> output_weight;  ///< W_o (D,D)
  Parameter<T> output_bias;    ///< b_o (D)
  Index heads;                 ///< their number h, a divisor of D

  /// Weights as `initialize::xavier_uniform` draws them, the blocks of W each by itself; biases 0.
  /// \throws ShapeError unless the number of heads divides D.
  MultiHeadAttention(Index features, Index head_count, Random& random)
      : input_weight(Shape{3 * features, features}, "input_weight"),
        input_bias(Shape{3 * features}, "input_bias"),
        output_weight(Shape{features, features}, "output_weight"),
        output_bias(Shape{features}, "output_bias"),
        heads(head_count) {
    if (heads < 1 || features % heads != 0) {
      gradtape::detail::fail<ShapeError>("attention: ", heads, " heads do not divide the ",
                                         features, " features");
    }
    const auto xavier = [&](Parameter<T>& w) { initialize::xavier_uniform(w, random); };
    gradtape::detail::initialize_blocks(input_weight, 3, xavier);
    xavier(output_weight);
  }

  /// D.
  Index features() const { return output_weight.shape()[0]; }

  ///@{
  /// See `scaled_dot_product_attention`, also for the lengths (n).
  /// \throws ShapeError unless the shapes fit.
  Tensor<T> operator()(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                       const AttentionOptions& options = {}) const {
    const auto [q, k, v] = project(query, key, value);
    return joined(scaled_dot_product_attention(q, k, v, options));
  }
  template <Indices I>
  Tensor<T> operator()(const Tensor<T>& query, const Tensor<T>& key, const Tensor<T>& value,
                       const I& lengths, const AttentionOptions& options = {}) const {
    const auto [q, k, v] = project(query, key, value);
    return joined(scaled_dot_product_attention(q, k, v, lengths, options));
  }
  ///@}

  /// Rows of x (D,T,n) as heads of their own: (D/h, T, h, n).
  Tensor<T> split(const Tensor<T>& x) const {
    const Index t = x.shape()[1], n = x.shape()[2], d = features() / heads;
    return exchanged(reshape(x, Shape{d, heads, t, n}));
  }
  /// What heads give, (D/h, T, h, n), as rows again and projected: (D,T,n).
  Tensor<T> joined(const Tensor<T>& y) const {
    const Tensor<T> x = reshape(exchanged(y), Shape{features(), y.shape()[1], y.shape()[3]});
    return matmul(output_weight, x) + output_bias;
  }

  /// Refuses what is no input.
  /// \throws ShapeError unless x is (D,T,n); the text calls x by its role, unless it has a name.
  void check(const char* role, const Tensor<T>& x) const {
    if (x.rank() == 3 && x.rows() == features()) return;
    gradtape::detail::fail<ShapeError>("attention: ", gradtape::detail::title(x, role), " is ",
                                       to_string(x.shape()), ", input_weight is ",
                                       to_string(input_weight.shape()), ": it must be [",
                                       features(), ", T, n], features by positions by samples");
  }

  void members(auto&& member) {
    member("input_weight", input_weight);
    member("input_bias", input_bias);
    member("output_weight", output_weight);
    member("output_bias", output_bias);
  }

 private:
  static Tensor<T> exchanged(const Tensor<T>& x) {
    const Shape s = x.shape();
    return gradtape::detail::exchange(x, Shape{s[0], s[2], s[1], s[3]},
                                      [](Index, Index) { return true; });
  }

  std::array<Tensor<T>, 3> project(const Tensor<T>& query, const Tensor<T>& key,
                                   const Tensor<T>& value) const {
    return {projected(query, "query", 0), projected(key, "key", 1), projected(value, "value", 2)};
  }
  Tensor<T> projected(const Tensor<T>& x, const char* role, Index block) const {
    check(role, x);
    const Index d = features();
    const Tensor<T> w = x.tape().parameter(input_weight), b = x.tape().parameter(input_bias);
    return split(matmul(rows(w, block * d, d), x) + rows(b, block * d, d));
  }
};

/// Keys and values of the positions so far, for `CausalSelfAttention` to go on from.  They are kept
/// outside of tapes, as constants.
template <class T>
class KeyValueCache {
 public:
  /// Number of positions so far.
  Index size() const { return shape_.rank() == 0 ? 0 : shape_[1]; }
  /// Begins anew; the memory is kept.
  void clear() { shape_ = Shape{}; }

 private:
  template <class>
  friend struct CausalSelfAttention;

  /// Appends further positions; returns all keys and values.      k and v (d,T,h,n)
  std::pair<Tensor<T>, Tensor<T>> extend(Tensor<T> k, Tensor<T> v) {
    const Shape added = k.shape();
    if (shape_.rank() != 0) {
      if (added.with(1, shape_[1]) != shape_) {
        gradtape::detail::fail<ShapeError>("attention: the cache holds keys ", to_string(shape_),
                                           ", further ones are ", to_string(added),
                                           ": only the second size may differ");
      }
      k = concat({k.tape().constant(shape_, keys_), k}, Dim(1));
      v = concat({v.tape().constant(shape_, values_), v}, Dim(1));
    }
    keys_.assign(k.data(), k.data() + k.size());
    values_.assign(v.data(), v.data() + v.size());
    shape_ = k.shape();
    return {k, v};
  }

  Shape shape_;  // of the keys; rank 0: there are none yet
  std::vector<T> keys_, values_;
};

/// Self-attention in which a position sees itself and the earlier ones.    x (D,T,n) -> (D,T,n)
/// Queries, keys and values come from one product; see `MultiHeadAttention`.  As padding stands
/// behind the texts, no position of a text sees any.
template <class T>
struct CausalSelfAttention {
  MultiHeadAttention<T> attention;  ///< files find its parameters without a prefix

  /// Initialised as a `MultiHeadAttention`.
  /// \throws ShapeError unless the number of heads divides D.
  CausalSelfAttention(Index features, Index heads, Random& random)
      : attention(features, heads, random) {}

  /// All positions at once: for training.
  /// \throws ShapeError unless x is (D,T,n).
  Tensor<T> operator()(const Tensor<T>& x) const {
    const auto [q, k, v] = project(x);
    return attention.joined(scaled_dot_product_attention(q, k, v, {.causal = true}));
  }

  /// The same for positions that follow those in the cache, to which they are added: for sampling,
  /// a position at a time (T = 1) behind a prompt.  Gives what the whole text at once would give,
  /// but for rounding.  Derivatives do not go back to what was in the cache.
  /// \throws ShapeError unless x is (D,T,n) with the cache's n.
  Tensor<T> operator()(const Tensor<T>& x, KeyValueCache<T>& cache) const {
    const auto [q, k, v] = project(x);
    const auto [keys, values] = cache.extend(k, v);
    return attention.joined(scaled_dot_product_attention(q, keys, values, {.causal = true}));
  }

  void members(auto&& member) { attention.members(member); }

 private:
  std::array<Tensor<T>, 3> project(const Tensor<T>& x) const {
    attention.check("x", x);
    const Index d = attention.features();
    const Tensor<T> all = matmul(attention.input_weight, x) + attention.input_bias;
    return {attention.split(rows(all, 0, d)), attention.split(rows(all, d, d)),
            attention.split(rows(all, 2 * d, d))};
  }
};

}  // namespace nn
}  // namespace gradtape
