// Training steps of small networks (forward, backward, update; floats, one thread), written with
// layers and optimizers, against the same steps written by hand (hand_networks.hpp) with the same
// matrix product, and with Eigen's. Both must arrive at the same parameters.
//
//     taskset -c 0 ./network_benchmark [figures.csv [name]]        only networks of that name

#include "hand_networks.hpp"
#include "harness.hpp"
#include "networks.hpp"

namespace {

using namespace gradtape;

std::FILE* csv = nullptr;
std::string selected;
bool right = true;

/// Our parameters become those of the hand-written network, whose slab holds them in our order.
template <class Model>
void copy_parameters(const Model& model, hand::Slab& slab) {
  Eigen::Map<Eigen::ArrayXf> values = {slab.all().data(), slab.all().size()};
  Index at = 0;
  for_each_parameter(model, [&](const std::string&, const Parameter<float>& x) {
    values.segment(at, x.size()) = x.value().reshaped().array();
    at += (x.size() + 15) / 16 * 16;
  });
}

template <class Model>
bool are_equal(const std::string& name, const Model& model, const hand::Slab& slab) {
  bool equal = true;
  Index at = 0;
  for_each_parameter(model, [&](const std::string& part, const Parameter<float>& x) {
    const auto other = slab.all().segment(at, x.size());
    const float difference = (x.value().reshaped().array() - other).abs().maxCoeff(),
                size = other.abs().maxCoeff();
    at += (x.size() + 15) / 16 * 16;
    if (difference <= 1e-3f * (size + 0.1f)) return;
    std::printf("%s: %s differs by %g\n", name.c_str(), part.c_str(), double(difference));
    equal = false;
  });
  return equal;
}

/// Times ours(i) against by_hand(i), batches i = 0, 1, .. in turn.
template <class Model, class Hand, class Ours, class ByHand>
void run(const std::string& name, const Model& model, Hand& network, int batches, int rounds,
         Ours&& ours, ByHand&& by_hand) {
  copy_parameters(model, network.t.values);
  for (int i = 0; i < 3; ++i) {
    const float a = ours(i % batches), b = by_hand(i % batches);
    if (!(std::abs(a - b) <= 1e-4f * (1 + std::abs(b)))) {
      std::printf("%s: the loss is %g, by hand %g\n", name.c_str(), double(a), double(b));
      right = false;
    }
  }
  right = are_equal(name, model, network.t.values) && right;
  int i = 0, j = 0;
  benchmark::compare(
      name, [&] { ours(i++ % batches); }, [&] { by_hand(j++ % batches); }, csv, rounds);
  const double ours_bytes = static_cast<double>(model.tape.bytes()) + network.t.gradients.bytes();
  std::printf("%-28s %11.0f kB %11.0f kB %8.3f\n", "    memory", ours_bytes / 1e3,
              network.bytes() / 1e3, ours_bytes / network.bytes());
}

bool is_selected(const std::string& name) { return name.find(selected) != std::string::npos; }

void classifier(const std::string& name, Index inputs, Index width, Index n,
                bool in_one_loop = false) {
  if (!is_selected(name)) return;
  Random random(1);
  std::vector<networks::Points> data;
  for (int i = 0; i < 16; ++i) data.emplace_back(inputs, n, random);
  networks::Classifier model(inputs, width, random);
  hand::Classifier network(inputs, width, n, in_one_loop);
  run(
      name, model, network, 16, 201,
      [&](int i) { return model.step(data[std::size_t(i)].x, data[std::size_t(i)].y); },
      [&](int i) { return network.step(data[std::size_t(i)].x, data[std::size_t(i)].y, 0.05f); });
}

struct Sizes {
  Index vocabulary, dimension, window, hidden, samples;
};

template <class Optimizer, class HandStep>
void window_model(const std::string& name, const Sizes& s, bool has_tanh, int rounds,
                  const typename Optimizer::Options& options, HandStep&& hand_step) {
  if (!is_selected(name)) return;
  Random random(2);
  std::vector<Eigen::MatrixXi> windows;
  std::vector<Eigen::VectorXi> next;
  for (int i = 0; i < 16; ++i) {
    windows.push_back(networks::draw_words(s.vocabulary, s.window, s.samples, random));
    next.push_back(networks::draw_words(s.vocabulary, s.samples, 1, random).col(0));
  }
  networks::WindowModel<Optimizer> model(s.vocabulary, s.dimension, s.window, s.hidden, has_tanh,
                                         random, options);
  hand::WindowModel network(s.vocabulary, s.dimension, s.window, s.hidden, s.samples,
                            std::is_same_v<Optimizer, optim::Adam>,
                            has_tanh ? hand::Activation::tanh : hand::Activation::relu);
  run(
      name, model, network, 16, rounds,
      [&](int i) { return model.step(windows[std::size_t(i)], next[std::size_t(i)]); },
      [&](int i) {
        return hand_step(network, windows[std::size_t(i)], next[std::size_t(i)],
                         static_cast<float>(options.learning_rate));
      });
}

void lstm(const std::string& name) {
  if (!is_selected(name)) return;
  const Index vocabulary = 65, dimension = 64, hidden = 128, steps = 32, n = 16;
  Random random(3);
  std::vector<Eigen::MatrixXi> words, next;
  for (int i = 0; i < 16; ++i) {
    words.push_back(networks::draw_words(vocabulary, steps, n, random));
    next.push_back(networks::draw_words(vocabulary, steps, n, random));
  }
  networks::LstmModel model(vocabulary, dimension, hidden, random);
  hand::LstmModel network(vocabulary, dimension, hidden, steps, n);
  run(
      name, model, network, 16, 101,
      [&](int i) { return model.step(words[std::size_t(i)], next[std::size_t(i)]); },
      [&](int i) { return network.step(words[std::size_t(i)], next[std::size_t(i)], 1e-4f); });
}

}  // namespace

int main(int argc, char** argv) {
  csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  if (argc > 2) selected = argv[2];
  benchmark::header("training step", "gradtape", "by hand");
  for (const Index n : {1, 32, 256})
    classifier("classifier 2-16-1, n " + std::to_string(n), 2, 16, n);
  for (const Index n : {1, 32, 256})
    classifier("the same in one loop, n " + std::to_string(n), 2, 16, n, true);
  const auto sgd = [](auto& network, const auto&... x) { return network.sgd_step(x...); };
  const auto adam = [](auto& network, const auto&... x) { return network.adam_step(x...); };
  const Sizes small{27, 10, 3, 200, 32}, large{10000, 64, 5, 256, 128};
  for (const bool uses_eigen : {false, true}) {
    hand::uses_eigen = uses_eigen;
    const std::string by_eigen = uses_eigen ? ", Eigen" : "";
    classifier("classifier 30-128-1, n 64" + by_eigen, 30, 128, 64);
    window_model<optim::Sgd>("window model, 27 words" + by_eigen, small, true, 201,
                             {.learning_rate = 0.01}, sgd);
    window_model<optim::Sgd>("window model, 10000 words" + by_eigen, large, false, 31,
                             {.learning_rate = 0.01}, sgd);
    window_model<optim::Adam>("the same with Adam" + by_eigen, large, false, 31,
                              {.learning_rate = 1e-4}, adam);
    lstm("LSTM model, 65 words" + by_eigen);
  }
  if (csv != nullptr) std::fclose(csv);
  return right ? 0 : 1;
}
