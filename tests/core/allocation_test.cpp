// From the second training step on, nothing is allocated on the heap: counted in the C library's
// functions, which operator new and Eigen call.

#include <cstdlib>
#include <memory>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/record.hpp"
#include "gradtape/nn/attention.hpp"
#include "gradtape/nn/batch_norm.hpp"
#include "gradtape/nn/carried_state.hpp"
#include "gradtape/nn/dropout.hpp"
#include "gradtape/nn/embedding.hpp"
#include "gradtape/nn/gru.hpp"
#include "gradtape/nn/layer_norm.hpp"
#include "gradtape/nn/linear.hpp"
#include "gradtape/nn/lstm.hpp"
#include "gradtape/nn/pooling.hpp"
#include "gradtape/nn/residual.hpp"
#include "gradtape/nn/rnn.hpp"
#include "gradtape/nn/sequential.hpp"
#include "gradtape/nn/transformer.hpp"
#include "gradtape/ops/cross_entropy.hpp"
#include "gradtape/ops/elementwise.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/losses.hpp"
#include "gradtape/ops/matmul.hpp"
#include "gradtape/ops/reduce.hpp"
#include "gradtape/optim/adam.hpp"
#include "gradtape/optim/lbfgs.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GRADTAPE_TEST_SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRADTAPE_TEST_SANITIZED
#endif
#if defined(__GLIBC__) && !defined(GRADTAPE_TEST_SANITIZED)
#define GRADTAPE_TEST_COUNTS
#endif

namespace {
bool counting = false;
long count = 0;
}  // namespace

#ifdef GRADTAPE_TEST_COUNTS
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t bytes) {
  count += counting;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t n, std::size_t bytes) {
  count += counting;
  return __libc_calloc(n, bytes);
}
void* realloc(void* p, std::size_t bytes) {
  count += counting;
  return __libc_realloc(p, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  count += counting;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  count += counting;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t bytes) {
  count += counting;
  *p = __libc_memalign(alignment, bytes);
  return 0;
}
}
#endif

using namespace gradtape;

namespace {

template <class F>
long allocations(F&& f) {
  count = 0;
  counting = true;
  f();
  counting = false;
  return count;
}

/// One step gets the memory, no later one allocates.
template <class F>
void check_steps(F&& step) {
#ifndef GRADTAPE_TEST_COUNTS
  WARN("allocations are not counted: a sanitizer or a C library other than glibc has malloc");
#endif
  step();
  for (int i = 0; i < 5; ++i) CHECK(allocations(step) == 0);
}

}  // namespace

#ifdef GRADTAPE_TEST_COUNTS
namespace {

// Memory that nobody uses the compiler would not allocate.
void* used(void* memory) {
  static void* volatile user;
  user = memory;
  return user;
}
void use(void* memory) { used(memory); }

}  // namespace

TEST_CASE("allocation: the counter counts") {
  CHECK(allocations([] { use(std::make_unique<int>(1).get()); }) == 1);
  CHECK(allocations([] { use(std::vector<double>(100).data()); }) == 1);
  CHECK(allocations([] { std::free(used(std::aligned_alloc(64, 640))); }) == 1);
  CHECK(allocations([] { use(Eigen::MatrixXd(10, 10).data()); }) == 1);
  CHECK(allocations([] { std::free(used(std::realloc(used(std::malloc(1)), 100000))); }) == 2);
  CHECK(allocations([] { Tape<double>().variable(1.0); }) > 0);
}
#endif

// Operands of such products are copied.
TEST_CASE("allocation: large products") {
  Tape<float> tape;
  const Parameter<float> w(Eigen::MatrixXf::Ones(300, 300));
  const Eigen::MatrixXf x = Eigen::MatrixXf::Ones(300, 300);
  check_steps([&] {
    const auto scope = tape.scope();
    const Tensor y = matmul(w, tape.variable(x));
    tape.backward(y, x);
  });
}

TEST_CASE("allocation: scalars") {
  Tape<double> tape;
  double w = 0.5, b = 0;
  const auto loss_of = [&](const Var<double>& vw, const Var<double>& vb) {
    Var<double> loss = 0.0;
    for (int i = 0; i < 3000; ++i) {
      Var z = vw * (0.001 * i) + vb;
      loss += square(tanh(z) - 0.5) / 3000;
    }
    return loss;
  };
  check_steps([&] {
    const auto scope = tape.scope();
    Var vw = tape.variable(w, "w"), vb = tape.variable(b, "b");
    Var loss = loss_of(vw, vb);
    loss.name("loss");
    tape.backward(loss);
    w -= 0.1 * vw.grad();
    b -= 0.1 * vb.grad();
  });
  Var outside = tape.variable(1.0);
  check_steps([&] {
    const auto scope = tape.scope();
    Var y = loss_of(outside, outside);
    tape.backward(y);
  });
  tape.clear();
  check_steps([&] {
    tape.clear();
    Var vw = tape.variable(w), vb = tape.variable(b);
    tape.backward(loss_of(vw, vb));
  });
}

namespace {

struct Classifier {
  Parameter<float> w1{Eigen::MatrixXf(Eigen::MatrixXf::Random(16, 2)),
                      "a name that is no small string"};
  Parameter<float> b1{Shape{16}, "b1"};
  Parameter<float> w2{Eigen::MatrixXf(Eigen::MatrixXf::Random(1, 16)), "w2"};
  Parameter<float> b2{Shape{1}, "b2"};

  Tensor<float> operator()(const Tensor<float>& x) const {
    Tensor z1 = matmul(w1, x) + b1;
    z1.name("z1");
    Tensor a1 = relu(z1);
    return matmul(w2, a1) + b2;
  }
  void step(float rate) {
    for (Parameter<float>* p : {&w1, &b1, &w2, &b2}) {
      p->value() -= rate * p->grad();
      p->zero_grad();
    }
  }
};

}  // namespace

TEST_CASE("allocation: a classifier") {
  Classifier model;
  Tape<float> tape;
  const Eigen::MatrixXf inputs = Eigen::MatrixXf::Random(2, 32);
  const Eigen::MatrixXf targets = (inputs.row(0).array() > 0).cast<float>().matrix();
  check_steps([&] {
    const auto scope = tape.scope();
    Tensor x = tape.constant(inputs, "x"), t = tape.constant(targets);
    Tensor logits = model(x);
    Var loss = binary_cross_entropy_with_logits(logits, t);
    tape.backward(loss);
    model.step(0.1f);
  });
  check_steps([&] {  // evaluation
    const auto scope = tape.scope();
    const auto guard = tape.no_grad();
    Tensor p = sigmoid(model(tape.constant(inputs)));
    if (!p.value().allFinite()) throw 1;
  });
}

TEST_CASE("allocation: a language model, with lookups, softmax and losses") {
  Random random(1);
  nn::Embedding<float> embedding(27, 4, random);
  nn::Linear<float> hidden(12, 20, random), output(20, 27, random);
  Tape<float> tape;
  std::vector<int> words(3 * 8), next(8);
  const Eigen::Map<const Eigen::Matrix<int, 3, 8>> windows(words.data());
  check_steps([&] {
    for (int& word : words) word = static_cast<int>(random.index(27));
    for (int& word : next) word = static_cast<int>(random.index(27));
    const auto scope = tape.scope();
    Tensor h = tanh(hidden(embedding.window(tape, windows)));
    Tensor z = output(h);
    Tensor p = softmax(z);
    Var loss = softmax_cross_entropy(z, next, {.label_smoothing = 0.1f}) +
               nll(log_softmax(z), next) + mean(square(p - mean(p, Dim(1)))) +
               0.1f * huber(p, p * 0.5f, 1.0f);
    tape.backward(loss);
    for (auto* layer : {&hidden, &output}) {
      layer->weight.zero_grad();
      layer->bias.zero_grad();
    }
    embedding.weight.zero_grad();
  });
}

TEST_CASE("allocation: texts of different lengths, normalised, pooled, with dropout") {
  Random random(1);
  nn::Embedding<float> embedding(27, 4, random, Padding{0});
  nn::Sequential model{nn::LayerNorm<float>(4), nn::Residual{nn::Dropout(0.5)},
                       nn::BatchNorm<float>(4), nn::Dropout(0.1)};
  optim::AdamW optimizer(model);
  Tape<float> tape;
  Eigen::MatrixXi words(5, 8);
  std::vector<int> lengths(8);
  check_steps([&] {
    for (Index i = 0; i < words.size(); ++i) words.data()[i] = static_cast<int>(random.index(27));
    for (int& length : lengths) length = static_cast<int>(random.index(6));
    const auto scope = tape.scope();
    Tensor x = embedding(tape, words);
    Tensor y = model(x, random), z = model(x);
    Tensor pooled = mean_pooling(y, lengths) + max_pooling(y, lengths) + last_pooling(z, lengths);
    tape.backward(mean(square(pooled)));
    optimizer.step();
    embedding.weight.zero_grad();
  });
}

namespace {

struct SequenceModel {
  Random random{1};
  nn::Rnn<float> rnn{6, 6, random};
  nn::Lstm<float> lstm{6, 6, random};
  nn::Gru<float> gru{6, 6, random};
  nn::CausalSelfAttention<float> causal{6, 2, random};
  nn::MultiHeadAttention<float> attention{6, 3, random};
  nn::TransformerBlock<float> block{6, {.heads = 2, .dropout = 0.1}, random};

  void members(auto&& member) {
    member("rnn", rnn);
    member("lstm", lstm);
    member("gru", gru);
    member("causal", causal);
    member("attention", attention);
    member("block", block);
  }
};

}  // namespace

TEST_CASE("allocation: recurrent layers and attention, over sequences with lengths") {
  SequenceModel model;
  nn::CarriedState<nn::Lstm<float>> carried;
  nn::KeyValueCache<float> cache;
  optim::AdamW optimizer(model);
  Tape<float> tape;
  const std::vector<float> inputs(6 * 5 * 4, 0.5f);
  const std::vector<int> lengths{5, 0, 3, 1};
  check_steps([&] {
    const auto scope = tape.scope();
    Tensor x = tape.constant(Shape{6, 5, 4}, inputs);
    const auto [h1, s1] = model.rnn(x, lengths);
    const auto [h2, s2] = model.lstm(h1, lengths, carried.on(tape));
    carried.keep(s2);
    const auto [h3, s3] = model.gru(h2, lengths, s2.h);
    Tensor y = model.causal(h3);
    Tensor z = model.block(model.attention(y, h1, x, lengths), model.random);
    tape.backward(sum(square(z)) + sum(s1 * s3));
    optimizer.step();
    cache.clear();
    model.block(model.block(z, cache), cache);
  });
}

TEST_CASE("allocation: element-wise formulas, scalars among tensors, nested scopes") {
  Tape<double> tape;
  Parameter<double> w(Eigen::MatrixXd(Eigen::MatrixXd::Random(30, 1)));
  const Eigen::MatrixXd inputs = Eigen::MatrixXd::Random(30, 20);
  Tensor outside = tape.constant(inputs);
  check_steps([&] {
    const auto scope = tape.scope();
    Var s = tape.variable(2.0);
    Tensor c = outside;
    for (int t = 0; t < 10; ++t) {
      c = sigmoid(c * w) * c + tanh(w * s) * exp(-square(c));
      const auto inner = tape.scope();
      Tensor look = where(c > 0.0, sqrt(abs(c)), c);
      look.name("a name that is no small string");
      outside.name("nor is this one, given from inside");
    }
    Var loss = mean(square(c)) + s * s;
    tape.backward(loss);
    w.zero_grad();
  });
}

TEST_CASE("allocation: a user's operation whose closure has a destructor") {
  Tape<double> tape;
  const auto shared = std::make_shared<double>(2.0);
  check_steps([&] {
    const auto scope = tape.scope();
    Tensor x = tape.variable(Eigen::Vector3d(1, 2, 3));
    for (int i = 0; i < 40; ++i) {
      x = record(
          "scale", Shape{3}, {x}, [&](MatrixMap<double> y) { y = *shared * x.value(); },
          [x, shared](const Tensor<double>& y) { adjoint(x) += *shared * y.grad(); });
    }
    tape.backward(x, Eigen::Vector3d(1, 1, 1));
  });
}

namespace {

struct Lookup {
  Parameter<double> table{Eigen::MatrixXd(Eigen::MatrixXd::Random(5, 50))}, w{Shape{1, 5}};
  void members(auto&& member) {
    member("a name that is no small string", table);
    member("another name that is no small string", w);
  }
};

}  // namespace

TEST_CASE("allocation: optimizers and clipping") {
  Lookup model;
  Tape<double> tape;
  const std::vector<Index> ids{3, 7, 3, 40};
  const auto loss_of = [&] {
    const auto scope = tape.scope();
    Var loss = mean(square(matmul(model.w, gather(tape.parameter(model.table), ids)) - 1));
    tape.backward(loss);
    return loss.value();
  };
  for (const bool lazy : {false, true}) {
    optim::AdamW adam(model, {.amsgrad = true, .lazy = lazy});
    check_steps([&] {
      loss_of();
      adam.clip_grad_norm(0.1);
      adam.clip_grad_value(0.1);
      adam.learning_rate(0.5 * adam.learning_rate());
      adam.step();
    });
  }
  optim::Lbfgs lbfgs(model, {.max_iterations = 2, .history = 3, .tolerance_gradient = 0});
  check_steps([&] { lbfgs.step(loss_of); });
}
