/// \file
/// The two-layer network, trained to tell two classes apart.
///
///     z1 = W1 x + b1          x (k,n), W1 (H,k), b1 (H) -> (H,n)       a column a sample
///     a1 = ReLU(z1)           slope 0 for z < 0, 1 for z >= 0
///     z2 = W2 a1 + b2         W2 (1,H), b2 (1) -> (1,n)
///     a2 = sigmoid(z2)        the probability of class 1
///     L  = -(y log a2 + (1 - y) log(1 - a2))          y (1,n), 0 or 1;   hence  dL/dz2 = a2 - y
///
/// The samples are two moons, made by the program, or rows of a CSV file.  Printed are dL/dz2 from
/// the tape beside the formula, and the accuracy on held-out samples of two networks, one trained
/// sample by sample, one in mini-batches.  Fails if the two derivatives differ, if an accuracy is
/// below 98 % on the moons, or below that of always guessing the commoner class on a file.
/// Next: 03_language_model.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <gradtape/gradtape.hpp>
#include <iostream>
#include <span>

#include "progress.hpp"
#include "report.hpp"
#include "samples.hpp"

using namespace gradtape;
using examples::Samples;

struct Classifier {
  Parameter<double> W1, b1, W2, b2;

  Classifier(Index inputs, Index hidden, Random& random)
      : W1(Shape{hidden, inputs}), b1(Shape{hidden}), W2(Shape{1, hidden}), b2(Shape{1}) {
    nn::initialize::kaiming_normal(W1, random, nn::gain::relu);
    nn::initialize::kaiming_normal(W2, random, nn::gain::linear);
  }

  /// z2
  Tensor<double> operator()(const Tensor<double>& x) const {
    Tensor z1 = matmul(W1, x) + b1;
    Tensor a1 = relu(z1);
    return matmul(W2, a1) + b2;
  }

  void members(auto&& member) {
    member("W1", W1), member("b1", b1), member("W2", W2), member("b2", b2);
  }
};

/// The largest differences of the tape's dL/dz2 from a2 - y, sample by sample: by the chain rule
/// through a2, whose 1 - a2 cancels where a2 is near 1, and by the loss on logits, which is exact.
std::pair<double, double> check_derivative(const Classifier& model, const Samples& samples) {
  Tape<double> tape;
  double by_chain = 0, by_logits = 0;
  std::printf("dL/dz2:   through a2         on logits          a2 - y\n");
  for (Index i = 0; i < samples.size(); ++i) {
    auto scope = tape.scope();
    Tensor z2 = model(tape.constant(samples.inputs.middleCols(i, 1)));
    Tensor a2 = sigmoid(z2);
    const auto y = samples.targets.middleCols(i, 1);
    tape.backward(binary_cross_entropy(a2, y));
    const double chain = z2.grad()(0);
    tape.backward(binary_cross_entropy_with_logits(z2, y));
    const double logits = z2.grad()(0), formula = a2.value()(0) - y(0);
    if (i < 3) std::printf("%19.15f%19.15f%19.15f\n", chain, logits, formula);
    by_chain = std::max(by_chain, std::abs(chain - formula));
    by_logits = std::max(by_logits, std::abs(logits - formula));
  }
  std::printf("Largest difference from a2 - y: %.1e through a2, %.1e on logits\n\n", by_chain,
              by_logits);
  return {by_chain, by_logits};
}

template <class Optimizer>
void train(const Classifier& model, Optimizer& optimizer, const Samples& samples, Index batch_size,
           int epochs, Random& random) {
  Tape<double> tape;
  data::Batches batches(samples.size(), batch_size);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    batches.shuffle(random);
    for (const std::span<const Index> numbers : batches) {
      const Samples batch = examples::choose(samples, numbers);
      auto scope = tape.scope();
      Tensor z2 = model(tape.constant(batch.inputs));
      Var loss = binary_cross_entropy_with_logits(z2, batch.targets);
      tape.backward(loss);
      optimizer.step();
    }
  }
}

/// Share of the samples that are on the right side of a2 = 1/2.
double accuracy(const Classifier& model, const Samples& samples) {
  Tape<double> tape;
  const Tensor z2 = model(tape.constant(samples.inputs));
  const auto right = (z2.value().array() > 0) == (samples.targets.array() > 0.5);
  return static_cast<double>(right.count()) / static_cast<double>(samples.size());
}

int run(int argc, char** argv) {
  std::string data, target, report_path;
  Index hidden = 32;
  int epochs = 40;
  std::uint64_t seed = 1;
  CLI::App app("The two-layer network on two moons, or on two classes from a CSV file");
  auto* file = app.add_option("--data", data, "CSV file: a line of column names, then rows");
  auto* column = app.add_option("--target", target, "Its column of classes; the others are inputs");
  file->needs(column), column->needs(file);
  app.option_defaults()->always_capture_default();
  app.add_option("--hidden", hidden, "H, units of the hidden layer")->check(CLI::Range(1, 10000));
  app.add_option("--epochs", epochs, "Passes over the samples")->check(CLI::Range(1, 1000000));
  app.add_option("--seed", seed, "Of all random numbers");
  app.add_option("--report", report_path, "Write the final figures as key,value lines");
  CLI11_PARSE(app, argc, argv);

  const examples::Stopwatch watch;
  Random random(seed);
  auto [training, held_out] = examples::split(
      data.empty() ? examples::two_moons(2000, 0.1, random) : examples::read_csv(data, target),
      0.75, random);
  examples::standardise(training, held_out);
  std::cout << training.size() << " samples to learn from, " << held_out.size() << " held out\n\n";
  Classifier by_sample(training.inputs.rows(), hidden, random);
  Classifier by_batch(training.inputs.rows(), hidden, random);
  const auto [by_chain, by_logits] = check_derivative(by_sample, training);

  optim::Sgd sgd(by_sample, {.learning_rate = 0.05});
  train(by_sample, sgd, training, 1, epochs, random);
  optim::Adam adam(by_batch, {.learning_rate = 0.01});
  train(by_batch, adam, training, 32, epochs, random);

  double train_accuracy = 1, test_accuracy = 1;  // of the worse network
  for (const auto& [how, model] : {std::pair("sample by sample, SGD    ", &by_sample),
                                   std::pair("batches of 32, Adam      ", &by_batch)}) {
    const double seen = accuracy(*model, training), unseen = accuracy(*model, held_out);
    std::printf("%s accuracy %.2f %% seen, %.2f %% held out\n", how, 100 * seen, 100 * unseen);
    train_accuracy = std::min(train_accuracy, seen);
    test_accuracy = std::min(test_accuracy, unseen);
  }

  examples::Report report;
  report.add("train_accuracy", train_accuracy);
  report.add("test_accuracy", test_accuracy);
  report.add("seconds", watch.seconds());
  report.write(report_path);

  const double share = held_out.targets.mean(), guessing = std::max(share, 1 - share);
  const double wanted = data.empty() ? 0.98 : guessing;
  if (by_chain <= 1e-12 && by_logits <= 1e-15 && test_accuracy >= wanted) return 0;
  std::cerr << "Failed: dL/dz2 must be a2 - y to rounding, and the accuracy held out at least "
            << 100 * wanted << " %\n";
  return 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "02_two_layer_classifier: " << error.what() << '\n';
    return 1;
  }
}
