#pragma once
// Training steps as one writes them by hand on Eigen when speed is all that counts: every buffer
// taken once, biases laid down before a product adds to them, softmax and its gradient in the
// logits' memory, derivatives of activations applied where the adjoint stands, all weights' updates
// one flat pass. No checks, no other sizes than those announced. A column is a sample.

#include <sys/mman.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <gradtape/ops/product.hpp>
#include <memory>
#include <vector>

namespace hand {

using Index = Eigen::Index;
using Matrix = Eigen::Map<Eigen::MatrixXf, Eigen::Aligned64>;
using Column = Eigen::Map<Eigen::ArrayXf, Eigen::Aligned16>;
using Words = Eigen::MatrixXi;

/// Memory handed out piece by piece, zero at first, in huge pages if it is large.
class Slab {
 public:
  explicit Slab(Index size) : data_(allocate(rounded(size) + 64 * 16)) {}

  Matrix take(Index rows, Index columns = 1) {
    float* const start = data_.get() + used_;
    used_ += rounded(rows * columns);
    return {start, rows, columns};
  }
  Column all() const { return {data_.get(), used_}; }
  double bytes() const { return 4.0 * static_cast<double>(used_); }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };

  static Index rounded(Index size) { return (size + 15) / 16 * 16; }
  static float* allocate(Index size) {
    constexpr std::size_t page = std::size_t{2} << 20;
    const std::size_t bytes = (static_cast<std::size_t>(size) * 4 + page - 1) / page * page;
    void* const memory = std::aligned_alloc(page, bytes);
    if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (bytes > 2 * page) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    std::fill_n(static_cast<float*>(memory), bytes / 4, 0.0f);
    return static_cast<float*>(memory);
  }

  std::unique_ptr<float, Free> data_;
  Index used_ = 0;
};

using Factor = gradtape::detail::Matrix<float>;
using PackedFactor = gradtape::detail::PackedFactor<float>;

inline Factor plain(const auto& x) { return {x.data(), x.rows(), x.cols()}; }
inline Factor transposed(const auto& x) { return plain(x).transpose(); }

/// Whether products are Eigen's; else they are the library's.
inline bool uses_eigen = false;

/// C = A B, or C += A B.
inline void multiply(Matrix c, const Factor& a, const Factor& b, bool assign = true,
                     PackedFactor* packed = nullptr) {
  if (!uses_eigen) return gradtape::detail::multiply(c.data(), a, b, assign, packed);
  const auto by_eigen = [&](const auto& left, const auto& right) {
    if (assign) {
      c.noalias() = left * right;
    } else {
      c.noalias() += left * right;
    }
  };
  const auto stored = [](const Factor& x) {
    const Factor y = x.transposed ? x.transpose() : x;
    return Eigen::Map<const Eigen::MatrixXf>(y.data, y.rows, y.columns);
  };
  const auto left = stored(a), right = stored(b);
  if (a.transposed) {
    by_eigen(left.transpose(), right);
  } else if (b.transposed) {
    by_eigen(left, right.transpose());
  } else {
    by_eigen(left, right);
  }
}

/// Parameters, gradients and Adam's moments, each one slab in the same order.
template <class Weights>
struct Trained {
  Slab values, gradients, first_moments, second_moments;
  Weights w, g;
  long steps = 0;

  template <class... Sizes>
  Trained(Index size, bool adam, Sizes... sizes)
      : values(size),
        gradients(size),
        first_moments(adam ? size : 0),
        second_moments(adam ? size : 0),
        w(values, sizes...),
        g(gradients, sizes...) {
    if (adam) {
      Weights(first_moments, sizes...);
      Weights(second_moments, sizes...);
    }
  }

  void sgd(float rate, Index first = 0) {
    const Index n = values.all().size() - first;
    values.all().tail(n) -= rate * gradients.all().tail(n);
  }

  void adam(float rate) {
    const float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
    ++steps;
    const float step = rate / (1 - std::pow(beta1, float(steps)));
    const float scale = 1 / std::sqrt(1 - std::pow(beta2, float(steps)));
    const Index size = values.all().size(), piece = 2048;  // stays in the first-level cache
    for (Index i = 0; i < size; i += piece) {
      const Index n = std::min(piece, size - i);
      const auto part = [&](Slab& slab) { return Column(slab.all().data() + i, n); };
      const Column grad = part(gradients);
      Column m = part(first_moments), v = part(second_moments), value = part(values);
      m = beta1 * m + (1 - beta1) * grad;
      v = beta2 * v + (1 - beta2) * grad.square();
      value -= step * m / (scale * v.sqrt() + epsilon);
    }
  }
};

/// A register of elements, for what Eigen does not vectorise: a selection.
#ifdef __AVX512F__
constexpr Index lanes = 16;
#else
constexpr Index lanes = 8;
#endif
using Vector [[gnu::vector_size(4 * lanes), gnu::may_alias]] = float;
inline Vector& at(Matrix& x, Index i, Index j = 0) {
  return *reinterpret_cast<Vector*>(x.data() + i + j * x.rows());
}
inline const Vector& at(const Matrix& x, Index i, Index j = 0) {
  return *reinterpret_cast<const Vector*>(x.data() + i + j * x.rows());
}
inline float sum_of(const Vector& x) {
  return Eigen::Map<const Eigen::Array<float, lanes, 1>, 4 * lanes>(
             reinterpret_cast<const float*>(&x))
      .sum();
}

inline void sum_columns(Matrix& sum, const Matrix& x) {
  sum.col(0) = x.col(0);
  for (Index j = 1; j < x.cols(); ++j) sum.col(0) += x.col(j);
}

/// The mean cross-entropy of softmax(z); z becomes the gradient.
template <class Target>
float softmax_cross_entropy(Matrix& z, Target&& target) {
  const float share = 1 / static_cast<float>(z.cols());
  float loss = 0;
  for (Index j = 0; j < z.cols(); ++j) {
    Eigen::Map<Eigen::ArrayXf> column(&z(0, j), z.rows());
    const Index word = target(j);
    const float score = column[word], largest = column.maxCoeff();
    column = (column - largest).exp();
    const float sum = column.sum();
    loss += std::log(sum) + largest - score;
    column *= share / sum;
    column[word] -= share;
  }
  return loss * share;
}

struct Layers {
  Matrix w1, b1, w2, b2;
  Layers(Slab& slab, Index inputs, Index hidden, Index outputs)
      : w1(slab.take(hidden, inputs)),
        b1(slab.take(hidden)),
        w2(slab.take(outputs, hidden)),
        b2(slab.take(outputs)) {}
};

/// inputs - hidden - 1, ReLU, sigmoid and binary cross-entropy, gradient descent.  hidden is a
/// multiple of 16.
class Classifier {
 public:
  Trained<Layers> t;

  /// \param in_one_loop  one loop for all layers forward, one backward; for two inputs
  Classifier(Index inputs, Index hidden, Index samples, bool in_one_loop = false)
      : t(hidden * (inputs + 2) + 128, false, inputs, hidden, 1),
        in_one_loop_(in_one_loop),
        buffers_(2 * (hidden + 1) * samples + 128),
        a_(buffers_.take(hidden, samples)),
        d_(buffers_.take(hidden, samples)),
        z_(buffers_.take(1, samples)),
        dz_(buffers_.take(1, samples)) {}

  double bytes() const { return buffers_.bytes() + t.gradients.bytes(); }

  float step(const Eigen::MatrixXf& x, const Eigen::MatrixXf& y, float rate) {
    in_one_loop_ ? forward_of_pairs(x) : forward(x);
    const float loss = cross_entropy(y);
    t.g.b2(0, 0) = dz_.sum();
    in_one_loop_ ? backward_of_pairs(x) : backward(x);
    t.sgd(rate);
    return loss;
  }

 private:
  // two inputs: one pass over the samples each, written out, as packing costs more than a product

  void forward_of_pairs(const Eigen::MatrixXf& x) {
    const Layers& w = t.w;
    for (Index j = 0; j < x.cols(); ++j) {
      Vector sum{};
      for (Index i = 0; i < a_.rows(); i += lanes) {
        const Vector z = at(w.b1, i) + at(w.w1, i) * x(0, j) + at(w.w1, i, 1) * x(1, j),
                     a = z > 0 ? z : Vector{};
        at(a_, i, j) = a;
        sum += a * at(w.w2, i);
      }
      z_(0, j) = w.b2(0, 0) + sum_of(sum);
    }
  }

  void backward_of_pairs(const Eigen::MatrixXf& x) {
    for (Index i = 0; i < a_.rows(); i += lanes) {
      const Vector w2 = at(t.w.w2, i);
      Vector first{}, second{}, b{}, g2{};
      for (Index j = 0; j < x.cols(); ++j) {
        const Vector a = at(a_, i, j), d = a > 0 ? w2 * dz_(0, j) : Vector{};
        g2 += a * dz_(0, j);
        b += d;
        first += d * x(0, j);
        second += d * x(1, j);
      }
      at(t.g.w1, i) = first;
      at(t.g.w1, i, 1) = second;
      at(t.g.b1, i) = b;
      at(t.g.w2, i) = g2;
    }
  }

  void forward(const Eigen::MatrixXf& x) {
    const Layers& w = t.w;
    if (x.rows() == 2) {
      for (Index j = 0; j < x.cols(); ++j) {
        const auto z = w.b1.col(0) + w.w1.col(0) * x(0, j) + w.w1.col(1) * x(1, j);
        a_.col(j) = z.cwiseMax(0.0f);
      }
      for (Index j = 0; j < x.cols(); ++j) z_(0, j) = w.b2(0, 0) + w.w2.row(0).dot(a_.col(j));
      return;
    }
    a_.colwise() = w.b1.col(0);
    multiply(a_, plain(w.w1), plain(x), false);
    a_ = a_.cwiseMax(0.0f);
    z_.setConstant(w.b2(0, 0));
    multiply(z_, plain(w.w2), plain(a_), false);
  }

  void backward(const Eigen::MatrixXf& x) {
    for (Index j = 0; j < a_.cols(); ++j) {
      for (Index i = 0; i < a_.rows(); i += lanes)
        at(d_, i, j) = at(a_, i, j) > 0 ? at(t.w.w2, i) * dz_(0, j) : Vector{};
    }
    sum_columns(t.g.b1, d_);
    if (x.rows() == 2) {
      auto g2 = t.g.w2.row(0).transpose();
      g2.setZero();
      t.g.w1.setZero();
      for (Index j = 0; j < x.cols(); ++j) {
        g2 += a_.col(j) * dz_(0, j);
        t.g.w1.col(0) += d_.col(j) * x(0, j);
        t.g.w1.col(1) += d_.col(j) * x(1, j);
      }
      return;
    }
    multiply(t.g.w2, plain(dz_), transposed(a_));
    multiply(t.g.w1, plain(d_), transposed(x));
  }

  /// Leaves (sigmoid(z) - y) / n in dz.
  float cross_entropy(const Eigen::MatrixXf& y) {
    const Index n = z_.cols();
    const float share = 1 / static_cast<float>(n);
    if (n < 4) {
      float loss = 0;
      for (Index j = 0; j < n; ++j) {
        const float z = z_(0, j), e = std::exp(-std::abs(z)), r = 1 / (1 + e);
        loss += std::max(z, 0.0f) - z * y(0, j) + std::log1p(e);
        dz_(0, j) = ((z >= 0 ? r : e * r) - y(0, j)) * share;
      }
      return loss * share;
    }
    Column z(z_.data(), n), dz(dz_.data(), n);
    const Eigen::Map<const Eigen::ArrayXf> target(y.data(), n);
    dz = (-z.abs()).exp();
    const float loss = (z.max(0.0f) - z * target + (1 + dz).log()).sum() * share;
    dz = ((z >= 0).select(1 / (1 + dz), dz / (1 + dz)) - target) * share;
    return loss;
  }

  bool in_one_loop_;
  Slab buffers_;
  Matrix a_, d_, z_, dz_;
};

enum class Activation { tanh, relu };

struct WindowWeights {
  Matrix e;
  Layers layers;
  WindowWeights(Slab& slab, Index words, Index dimension, Index window, Index hidden)
      : e(slab.take(dimension, words)), layers(slab, window * dimension, hidden, words) {}
};

/// The embeddings of a window of words - hidden - scores of the next word.  hidden is a multiple of 16 with ReLU.
class WindowModel {
 public:
  Trained<WindowWeights> t;

  WindowModel(Index words, Index dimension, Index window, Index hidden, Index samples, bool adam,
              Activation activation)
      : t(words * (dimension + hidden + 1) + hidden * (window * dimension + 1) + 128, adam, words,
          dimension, window, hidden),
        activation_(activation),
        buffers_((2 * window * dimension + 2 * hidden + words) * samples + 128),
        x_(buffers_.take(window * dimension, samples)),
        dx_(buffers_.take(window * dimension, samples)),
        a_(buffers_.take(hidden, samples)),
        da_(buffers_.take(hidden, samples)),
        z_(buffers_.take(words, samples)) {
    touched_.reserve(static_cast<std::size_t>(window * samples));
  }

  double bytes() const { return buffers_.bytes() + t.gradients.bytes(); }

  /// The embeddings that were not used keep their values.
  float sgd_step(const Words& windows, const Eigen::VectorXi& next, float rate) {
    const float loss = gradient(windows, next);
    t.sgd(rate, t.w.layers.w1.data() - t.w.e.data());
    scatter(windows, t.w.e, -rate);
    return loss;
  }
  float adam_step(const Words& windows, const Eigen::VectorXi& next, float rate) {
    const float loss = gradient(windows, next);
    for (const int word : touched_) t.g.e.col(word).setZero();
    touched_.assign(windows.data(), windows.data() + windows.size());
    scatter(windows, t.g.e, 1);
    t.adam(rate);
    return loss;
  }

 private:
  float gradient(const Words& windows, const Eigen::VectorXi& next) {
    const Layers& w = t.w.layers;
    Layers& g = t.g.layers;
    const Index d = t.w.e.rows();
    for (Index k = 0; k < windows.size(); ++k)
      Matrix(x_.data(), d, windows.size()).col(k) = t.w.e.col(windows.data()[k]);
    a_.colwise() = w.b1.col(0);
    multiply(a_, plain(w.w1), plain(x_), false);
    auto a = a_.array(), da = da_.array();
    if (activation_ == Activation::tanh) {
      a = a.tanh();
    } else {
      a = a.max(0.0f);
    }
    z_.colwise() = w.b2.col(0);
    multiply(z_, plain(w.w2), plain(a_), false);
    const float loss = softmax_cross_entropy(z_, [&](Index j) { return next[j]; });

    multiply(da_, transposed(w.w2), plain(z_));
    if (activation_ == Activation::tanh) {
      da *= 1 - a.square();
    } else {
      for (Index i = 0; i < da_.size(); i += lanes)
        at(da_, i) = at(a_, i) > 0 ? at(da_, i) : Vector{};
    }
    multiply(g.w2, plain(z_), transposed(a_));
    sum_columns(g.b2, z_);
    multiply(g.w1, plain(da_), transposed(x_));
    sum_columns(g.b1, da_);
    multiply(dx_, transposed(w.w1), plain(da_));
    return loss;
  }

  void scatter(const Words& windows, Matrix& e, float factor) {
    const Matrix dx(dx_.data(), e.rows(), windows.size());
    for (Index k = 0; k < windows.size(); ++k) e.col(windows.data()[k]) += factor * dx.col(k);
  }

  Activation activation_;
  Slab buffers_;
  Matrix x_, dx_, a_, da_, z_;
  std::vector<int> touched_;
};

struct LstmWeights {
  Matrix e, wx, wh, b, wo, bo;
  LstmWeights(Slab& slab, Index words, Index dimension, Index hidden)
      : e(slab.take(dimension, words)),
        wx(slab.take(4 * hidden, dimension)),
        wh(slab.take(4 * hidden, hidden)),
        b(slab.take(4 * hidden)),
        wo(slab.take(words, hidden)),
        bo(slab.take(words)) {}
};

/// Embedding - LSTM - scores of the next word, Adam. Column t n + j is sample j at step t: a step of
/// all samples is contiguous, and the weights' gradients are one product over all steps each.
class LstmModel {
 public:
  Trained<LstmWeights> t;

  LstmModel(Index words, Index dimension, Index hidden, Index steps, Index samples)
      : t(words * (dimension + hidden + 1) + 4 * hidden * (dimension + hidden + 1) + 128, true,
          words, dimension, hidden),
        h_(hidden),
        steps_(steps),
        n_(samples),
        buffers_(steps * samples * (2 * dimension + 12 * hidden + words) + 3 * hidden * samples +
                 PackedFactor::size(4 * hidden, hidden) + 256),
        x_(take(dimension)),
        dx_(take(dimension)),
        gate_(take(4 * hidden)),
        dgate_(take(4 * hidden)),
        cell_(buffers_.take(hidden, (steps + 1) * samples)),
        state_(buffers_.take(hidden, (steps + 1) * samples)),
        tanh_cell_(take(hidden)),
        dstate_(take(hidden)),
        z_(take(words)),
        dcell_(buffers_.take(hidden, samples)),
        packed_weight_(buffers_.take(PackedFactor::size(4 * hidden, hidden))) {}

  double bytes() const { return buffers_.bytes() + t.gradients.bytes(); }

  /// \param words  a column a sample; `next` likewise.
  float step(const Words& words, const Words& next, float rate) {
    forward(words);
    const float loss = softmax_cross_entropy(z_, [&](Index k) { return next(k / n_, k % n_); });
    backward(words);
    t.adam(rate);
    return loss;
  }

 private:
  Matrix take(Index rows) { return buffers_.take(rows, steps_ * n_); }
  int word(const Words& words, Index k) const { return words(k / n_, k % n_); }
  Matrix step_of(Matrix& x, Index step) { return {&x(0, step * n_), x.rows(), n_}; }
  Column part(Matrix& x, Index row, Index column, Index rows) { return {&x(row, column), rows}; }

  void forward(const Words& words) {
    const LstmWeights& w = t.w;
    packed_ = PackedFactor(packed_weight_.data());
    for (Index k = 0; k < steps_ * n_; ++k) x_.col(k) = w.e.col(word(words, k));
    gate_.colwise() = w.b.col(0);
    multiply(gate_, plain(w.wx), plain(x_), false);
    for (Index s = 0; s < steps_; ++s) {
      if (s > 0)
        multiply(step_of(gate_, s), plain(w.wh), plain(step_of(state_, s)), false, &packed_);
      for (Index k = s * n_; k < (s + 1) * n_; ++k) {
        Column input_forget = part(gate_, 0, k, 2 * h_), i = part(gate_, 0, k, h_),
               f = part(gate_, h_, k, h_), g = part(gate_, 2 * h_, k, h_),
               o = part(gate_, 3 * h_, k, h_), last = part(cell_, 0, k, h_),
               c = part(cell_, 0, k + n_, h_), tanh_c = part(tanh_cell_, 0, k, h_);
        input_forget = 0.5f + 0.5f * (0.5f * input_forget).tanh();
        o = 0.5f + 0.5f * (0.5f * o).tanh();
        g = g.tanh();
        c = f * last + i * g;
        tanh_c = c.tanh();
        part(state_, 0, k + n_, h_) = o * tanh_c;
      }
    }
    z_.colwise() = w.bo.col(0);
    multiply(z_, plain(w.wo), plain(outputs()), false);
  }

  Matrix outputs() { return {&state_(0, n_), h_, steps_ * n_}; }
  Matrix states_before() { return {&state_(0, 0), h_, steps_ * n_}; }

  void backward(const Words& words) {
    const LstmWeights& w = t.w;
    LstmWeights& g = t.g;
    multiply(dstate_, transposed(w.wo), plain(z_));
    multiply(g.wo, plain(z_), transposed(outputs()));
    sum_columns(g.bo, z_);
    dcell_.setZero();
    for (Index s = steps_ - 1; s >= 0; --s) {
      for (Index k = s * n_; k < (s + 1) * n_; ++k) {
        const Column i = part(gate_, 0, k, h_), f = part(gate_, h_, k, h_),
                     u = part(gate_, 2 * h_, k, h_), o = part(gate_, 3 * h_, k, h_),
                     last = part(cell_, 0, k, h_), tanh_c = part(tanh_cell_, 0, k, h_),
                     dh = part(dstate_, 0, k, h_);
        Column dc = part(dcell_, 0, k - s * n_, h_);
        part(dgate_, 3 * h_, k, h_) = dh * tanh_c * o * (1 - o);
        dc += dh * o * (1 - tanh_c.square());
        part(dgate_, 0, k, h_) = dc * u * i * (1 - i);
        part(dgate_, h_, k, h_) = dc * last * f * (1 - f);
        part(dgate_, 2 * h_, k, h_) = dc * i * (1 - u.square());
        dc *= f;
      }
      if (s > 0) {
        multiply(step_of(dstate_, s - 1), transposed(w.wh), plain(step_of(dgate_, s)), false,
                 &packed_);
      }
    }
    multiply(g.wh, plain(dgate_), transposed(states_before()));
    multiply(g.wx, plain(dgate_), transposed(x_));
    sum_columns(g.b, dgate_);
    multiply(dx_, transposed(w.wx), plain(dgate_));
    g.e.setZero();
    for (Index k = 0; k < steps_ * n_; ++k) g.e.col(word(words, k)) += dx_.col(k);
  }

  Index h_, steps_, n_;
  Slab buffers_;
  Matrix x_, dx_, gate_, dgate_, cell_, state_, tanh_cell_, dstate_, z_, dcell_, packed_weight_;
  PackedFactor packed_{nullptr};
};

}  // namespace hand
