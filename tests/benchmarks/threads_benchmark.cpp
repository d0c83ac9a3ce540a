// Training steps of the same networks on two threads (parallel/threads.hpp) against one.  Not to be
// pinned to one CPU.

#include "gradtape/parallel/threads.hpp"
#include "harness.hpp"
#include "networks.hpp"

namespace {

using namespace gradtape;

std::FILE* csv = nullptr;
detail::Workers* helpers = nullptr;

/// Times step(i), batches i = 0, 1, .. in turn, with helpers and without.
template <class Step>
void run(const std::string& name, int rounds, Step&& step) {
  int i = 0, j = 0;
  const auto together = [&] {
    detail::workers = helpers;
    step(i++ % 16);
    detail::workers = nullptr;
  };
  benchmark::compare(
      name, together, [&] { step(j++ % 16); }, csv, rounds);
}

void classifier(const std::string& name, Index inputs, Index width, Index n) {
  Random random(1);
  std::vector<networks::Points> data;
  for (int i = 0; i < 16; ++i) data.emplace_back(inputs, n, random);
  networks::Classifier model(inputs, width, random);
  run(name, 201, [&](int i) { model.step(data[std::size_t(i)].x, data[std::size_t(i)].y); });
}

template <class Optimizer>
void window_model(const std::string& name, Index vocabulary, Index dimension, Index window,
                  Index hidden, Index samples, int rounds) {
  Random random(2);
  std::vector<Eigen::MatrixXi> windows;
  std::vector<Eigen::VectorXi> next;
  for (int i = 0; i < 16; ++i) {
    windows.push_back(networks::draw_words(vocabulary, window, samples, random));
    next.push_back(networks::draw_words(vocabulary, samples, 1, random).col(0));
  }
  networks::WindowModel<Optimizer> model(vocabulary, dimension, window, hidden, true, random,
                                         {.learning_rate = 1e-4});
  run(name, rounds, [&](int i) { model.step(windows[std::size_t(i)], next[std::size_t(i)]); });
}

void lstm(const std::string& name) {
  const Index vocabulary = 65, steps = 32, n = 16;
  Random random(3);
  std::vector<Eigen::MatrixXi> words, next;
  for (int i = 0; i < 16; ++i) {
    words.push_back(networks::draw_words(vocabulary, steps, n, random));
    next.push_back(networks::draw_words(vocabulary, steps, n, random));
  }
  networks::LstmModel model(vocabulary, 64, 128, random);
  run(name, 101, [&](int i) { model.step(words[std::size_t(i)], next[std::size_t(i)]); });
}

}  // namespace

int main(int argc, char** argv) {
  csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  const Threads threads(2);
  helpers = std::exchange(detail::workers, nullptr);
  benchmark::header("training step", "two threads", "one");
  for (const Index n : {1, 32, 256})
    classifier("classifier 2-16-1, n " + std::to_string(n), 2, 16, n);
  classifier("classifier 30-128-1, n 64", 30, 128, 64);
  window_model<optim::Sgd>("window model, 27 words", 27, 10, 3, 200, 32, 201);
  window_model<optim::Sgd>("window model, 10000 words", 10000, 64, 5, 256, 128, 31);
  window_model<optim::Adam>("the same with Adam", 10000, 64, 5, 256, 128, 31);
  lstm("LSTM model, 65 words");
  detail::workers = helpers;  // as `threads` left it
  if (csv != nullptr) std::fclose(csv);
}
