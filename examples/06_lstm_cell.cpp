/// \file
/// The long short-term memory cell, and a language model that carries its state through a text.
///
///     i, f, g, o = W_k x + U_k h + b_k        x (D,n), h and c (H,n), W_k (H,D), U_k (H,H), b_k (H)
///     c' = sigmoid(f) c + sigmoid(i) tanh(g)  keep some of the cell, write something into it
///     h' = sigmoid(o) tanh(c')                read it.          dc'/dc = sigmoid(f): near 1, a
///                                             gradient passes many steps without vanishing
///
/// First one step with H = n = 1, from the four sums on, drawn with its values and gradients.  Then
/// the two formulas as they stand, a node each, beside the same cell from nine single operations:
/// equal.  They keep two arrays instead of nine, and compute the functions again on the way back:
/// which is faster depends on the size and the machine.  Then a character model, trained by
/// truncated backpropagation through time (pieces of 32 characters; the state goes on from one to
/// the next, gradients do not), beside the feed-forward model of example 03 with as many parameters,
/// and n-grams, which count.  Fails if the cells differ, the sizes do by more than 2 %, or a model
/// is no better than bigrams.
/// Source: Hochreiter and Schmidhuber (1997), Long short-term memory.  Next: 07_transformer.

#include <CLI/CLI.hpp>
#include <gradtape/gradtape.hpp>
#include <iostream>

#include "comparison.hpp"

using namespace gradtape;
using namespace examples;

template <class X>  // X: Var or Tensor
struct Step {
  X i, f, g, o, c;      // operands
  X next_c = c, h = c;  // results, computed by one of the following

  void in_two_nodes() {
    next_c = sigmoid(f) * c + sigmoid(i) * tanh(g);
    h = sigmoid(o) * tanh(next_c);
  }
  void in_single_operations() {
    const X input = sigmoid(i), forget = sigmoid(f), candidate = tanh(g), output = sigmoid(o);
    const X kept = forget * c, written = input * candidate;
    next_c = kept + written;
    const X squashed = tanh(next_c);
    h = output * squashed;
    input.name("input"), forget.name("forget"), candidate.name("candidate"), output.name("output");
    kept.name("kept"), written.name("written"), squashed.name("tanh c'");
    next_c.name("c'"), h.name("h'");
  }
};

void draw_step(const std::string& svg, bool must_draw) {
  Tape<double> tape;
  tape.trace(true);  // keeps every operation and value for the drawing
  Step<Var<double>> step{tape.variable(0.2, "i"), tape.variable(1.4, "f"), tape.variable(-0.7, "g"),
                         tape.variable(0.5, "o"), tape.variable(0.8, "c")};
  step.in_single_operations();
  tape.backward(step.h);
  const io::GraphOptions options{.digits = 3};
  std::printf("One step; the gradient is that of h':\n%s\n", io::to_text(tape, options).c_str());
  try {
    io::write_svg(tape, svg, options);
    std::printf("Drawn: %s\n\n", svg.c_str());
  } catch (const FileError& error) {
    if (must_draw) throw;
    std::printf("No picture: %s\n\n", error.what());
  }
}

struct Outcome {
  std::vector<Eigen::MatrixXd> results;  // c', h', and the gradients of a weighted sum of both
  std::size_t nodes = 0;
  double microseconds = 0;
};

template <class Compute>
Outcome run_cell(Compute&& compute) {
  constexpr int rounds = 40;
  Random random(7);
  std::vector<Eigen::MatrixXd> operands(5, Eigen::MatrixXd(64, 32));
  for (auto& m : operands) m = m.unaryExpr([&](double) { return random.normal(); });
  Tape<double> tape;
  Outcome outcome;
  const Stopwatch watch;
  for (int round = 0; round < rounds; ++round) {
    const auto scope = tape.scope();
    const auto operand = [&](std::size_t k) { return tape.variable(operands[k]); };
    Step<Tensor<double>> step{operand(0), operand(1), operand(2), operand(3), operand(4)};
    const std::size_t before = tape.node_count();
    compute(step);
    outcome.nodes = tape.node_count() - before;
    tape.backward(mean(step.h) + 0.5 * mean(step.next_c));
    if (round == rounds - 1) {
      outcome.results = {step.next_c.value(), step.h.value()};
      for (const auto& x : {step.i, step.f, step.g, step.o, step.c})
        outcome.results.emplace_back(x.grad());
    }
  }
  outcome.microseconds = 1e6 * watch.seconds() / rounds;
  return outcome;
}

/// The largest difference between the cell in two nodes and the one in nine.
double compare_cells(Report& report) {
  Outcome two, nine;
  for (int k = 0; k < 5; ++k) {  // in turn, as the machine may have other work; the fastest counts
    const auto better = [](const Outcome& a, Outcome& b) {
      if (b.nodes == 0 || a.microseconds < b.microseconds) b = a;
    };
    better(run_cell([](auto& step) { step.in_two_nodes(); }), two);
    better(run_cell([](auto& step) { step.in_single_operations(); }), nine);
  }
  double difference = 0;
  for (std::size_t k = 0; k < two.results.size(); ++k)
    difference = std::max(difference, (two.results[k] - nine.results[k]).cwiseAbs().maxCoeff());
  std::printf("The same cell, H = 64, n = 32, forward and backward:\n");
  for (const auto& [name, x] : {std::pair("as in the formulas", two), {"single operations", nine}})
    std::printf("  %-18s  %zu nodes  %6.1f microseconds\n", name, x.nodes, x.microseconds);
  std::printf("  largest difference of values and gradients: %.2g\n\n", difference);
  report.add("cell_difference", difference);
  report.add("cell_nodes", static_cast<double>(two.nodes));
  report.add("cell_speed_up", nine.microseconds / two.microseconds);
  return difference;
}

int run(int argc, char** argv) {
  ComparisonOptions options;
  Index hidden = 64;
  std::string svg = "lstm_cell.svg";
  CLI::App app("The LSTM cell: a step drawn, the cell in two nodes, a character model");
  options.add_to(app);
  app.add_option("--hidden", hidden, "H, of the character model")->check(CLI::Range(2, 10000));
  const CLI::Option* wants_svg = app.add_option("--svg", svg, "The step as a picture");
  CLI11_PARSE(app, argc, argv);

  Report report;
  draw_step(svg, wants_svg->count() > 0);
  const double difference = compare_cells(report);

  const Corpus corpus(options.text, Level::characters, 1, options.seed);
  const Index words = corpus.vocabulary.size();
  Random random(options.seed);
  LstmModel lstm(words, {.hidden = hidden, .dropout = options.dropout}, random);
  LanguageModel window = feed_forward_of_size(parameter_count(lstm), words, options);
  const std::vector<Result> results{kneser_ney(corpus, 8), learn(window, corpus, options),
                                    learn(lstm, corpus, options)};
  show(results, report);
  draw(results, options.plot);

  const std::vector<Id> prompt = ids_of(options.prompt, corpus);
  const Sampling sampling;
  std::cout << "\nThe feed-forward model writes, with eight characters before its eyes:\n  "
            << spelled(sample(window, prompt, sampling, random), corpus)
            << "\nThe LSTM writes, with its state:\n  "
            << spelled(sample(lstm, prompt, sampling, random), corpus) << '\n';

  report.write(options.report);
  const bool are_equal = difference <= 1e-14;
  if (!are_equal) std::cerr << "Failed: the two cells differ by " << difference << '\n';
  return are_as_expected(results, corpus) && are_equal ? 0 : 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "06_lstm_cell: " << error.what() << '\n';
    return 1;
  }
}
