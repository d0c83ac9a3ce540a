/// \file
/// A feed-forward neural language model: from the last N words (or characters) to the next.
///
///     x = [E(:,w_1); ..; E(:,w_N)]        w (N,n), E (D,V) -> (D N, n)      a column a sample
///     h = tanh(W1 x + b1)                 W1 (H, D N), b1 (H) -> (H,n)
///     z = W2 h + b2                       W2 (V,H), b2 (V) -> (V,n)
///     P(word v comes next) = softmax(z)_v,     loss: the mean of -log P(the word that came)
///
/// Trained on the first 80 % of a text's paragraphs (or lines, in random order), tested on the
/// rest. Printed are the losses on the way, the perplexity exp(loss) beside that of the unigram
/// model, which knows the words' frequencies and no history, and text sampled from the model. Fails
/// unless the perplexity on the development set is below 3/4 of the unigram model's. Source: Bengio
/// et al. (2003), A neural probabilistic language model, JMLR 3.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <gradtape/gradtape.hpp>
#include <iostream>
#include <numeric>

#include "progress.hpp"
#include "report.hpp"

using namespace gradtape;
using text::Batch, text::Id, text::Vocabulary, text::Windows;

struct Settings {
  std::string text = GRADTAPE_EXAMPLES_DATA "/stories.txt", level = "char", optimizer = "adam";
  std::string report;
  Index window = 8, embedding = 32, hidden = 400, batch = 64;
  long steps = 12000;
  double learning_rate = 0;  // 0: by the optimizer
  float temperature = 0.7f;  // of the samples
  std::uint64_t seed = 1;
};

struct LanguageModel {
  nn::Embedding<float> embedding;
  nn::Linear<float> hidden, output;

  LanguageModel(Index words, const Settings& s, Random& random)
      : embedding(words, s.embedding, random),
        hidden(s.window * s.embedding, s.hidden, random, nn::gain::tanh),
        output(s.hidden, words, random, 0.1) {}

  /// The logits z.
  template <Indices I>
  Tensor<float> operator()(Tape<float>& tape, const I& windows) const {
    Tensor h = tanh(hidden(embedding.window(tape, windows)));
    return output(h);
  }

  void members(auto&& member) {
    member("embedding", embedding), member("hidden", hidden), member("output", output);
  }
};

/// A text cut into words, numbered, in three parts.
struct Corpus {
  Vocabulary vocabulary;
  Windows train, dev, test;

  Corpus(const Settings& settings, Random& random)
      : train(settings.window), dev(settings.window), test(settings.window) {
    const std::string content = io::read_file(settings.text);
    const bool by_line = settings.level == "line-names", by_word = settings.level == "word";
    std::vector<std::string> texts = by_line ? text::lines(content) : text::paragraphs(content);
    if (texts.size() < 10) texts = text::lines(content);
    if (texts.size() < 10) throw FileError(settings.text + ": fewer than ten lines");
    const auto cut = [by_word](const std::string& t) {
      return by_word ? text::words(t) : text::characters(t);
    };
    const Index n = std::ssize(texts);
    const data::Split parts = by_line ? data::split(n, random) : data::split(n);
    text::WordCounts seen;
    for (const std::string& t : data::choose(texts, parts.train)) seen.add(cut(t));
    // words that occur once stand for those that never do
    vocabulary = seen.freeze({.min_count = by_word ? 2 : 1});
    for (auto [windows, numbers] : {std::pair(&train, &parts.train), std::pair(&dev, &parts.dev),
                                    std::pair(&test, &parts.test)}) {
      for (const std::string& t : data::choose(texts, *numbers))
        windows->add(vocabulary.ids(cut(t)));
    }
  }
};

/// Mean loss of the model, in nats a word.
double evaluate(const LanguageModel& model, const Windows& windows) {
  Tape<float> tape;
  const auto no_grad = tape.no_grad();
  Batch batch(windows.window(), 512);
  double sum = 0;
  for (Index i = 0; i < windows.size(); i += batch.size()) {
    auto scope = tape.scope();
    windows.slice(batch, i);
    const Var loss =
        softmax_cross_entropy(model(tape, batch.inputs()), batch.targets(), reduce::sum);
    sum += loss.value();
  }
  return sum / static_cast<double>(windows.size());
}

/// Mean loss on the development set of the words' frequencies, each counted once more than seen.
double evaluate_unigram(const Corpus& corpus) {
  Eigen::VectorXd count = Eigen::VectorXd::Ones(corpus.vocabulary.size());
  for (Index i = 0; i < corpus.train.size(); ++i) ++count(corpus.train.target(i));
  double sum = 0;
  for (Index i = 0; i < corpus.dev.size(); ++i) sum -= std::log(count(corpus.dev.target(i)));
  return sum / static_cast<double>(corpus.dev.size()) + std::log(count.sum());
}

/// Words with the spaces that belong between them.
std::string join(const std::vector<std::string>& words) {
  std::string joined;
  bool in_quotes = false, needs_space = false;
  for (const std::string& word : words) {
    const bool is_quote = word == "\"";
    const bool closes = (is_quote && in_quotes) || word.find_first_of(".,;:!?") == 0;
    if (needs_space && !closes) joined += ' ';
    joined += word;
    if (is_quote) in_quotes = !in_quotes;
    needs_space = !(is_quote && in_quotes);
  }
  return joined;
}

/// A text drawn from the model, word by word, until it ends.
std::string sample(const LanguageModel& model, const Corpus& corpus, const Settings& settings,
                   Random& random) {
  Tape<float> tape;
  const auto no_grad = tape.no_grad();
  std::vector<Id> window(static_cast<std::size_t>(settings.window), Vocabulary::boundary);
  std::vector<std::string> words;
  while (words.size() < 400) {
    auto scope = tape.scope();
    const Tensor p = softmax(model(tape, window) / settings.temperature);
    Eigen::VectorXf weights = p.value();
    weights(Vocabulary::unknown) = 0;
    const Id next = static_cast<Id>(random.choose(weights));
    if (next == Vocabulary::boundary) break;
    words.push_back(corpus.vocabulary.word(next));
    window.erase(window.begin());
    window.push_back(next);
  }
  if (settings.level == "word") return join(words);
  return std::accumulate(words.begin(), words.end(), std::string());
}

/// Minimises the loss on random windows, from the middle on at a tenth of the learning rate.
/// Returns the steps a second.
template <class Optimizer>
double train(const LanguageModel& model, Optimizer& optimizer, const Corpus& corpus,
             const Settings& settings, Random& random) {
  Tape<float> tape;
  Batch batch(settings.window, settings.batch);
  examples::Progress progress(settings.steps);
  double seconds = 0;
  long step = 0;
  std::printf("    step   train loss   dev loss\n");
  for (int tenth = 1; tenth <= 10; ++tenth) {
    if (tenth == 6) optimizer.learning_rate(optimizer.learning_rate() / 10);
    const long first = step, last = settings.steps * tenth / 10;
    const examples::Stopwatch watch;
    double sum = 0;
    while (step < last) {
      corpus.train.sample(batch, random);
      auto scope = tape.scope();
      Var loss = softmax_cross_entropy(model(tape, batch.inputs()), batch.targets());
      tape.backward(loss);
      optimizer.step();
      sum += loss.value();
      progress.update(++step, loss.value());
    }
    seconds += watch.seconds();
    progress.erase();
    std::printf("%8ld   %10.4f   %8.4f\n", step, sum / static_cast<double>(last - first),
                evaluate(model, corpus.dev));
    std::fflush(stdout);
  }
  return static_cast<double>(step) / seconds;
}

int run(int argc, char** argv) {
  Settings s;
  CLI::App app("A feed-forward language model: trains on a text, tests on the rest, and writes");
  app.option_defaults()->always_capture_default();
  app.add_option("--text", s.text, "The text to learn");
  app.add_option("--level", s.level, "Predict characters or words; line-names: characters of lines")
      ->check(CLI::IsMember({"char", "word", "line-names"}));
  app.add_option("--window", s.window, "N, words of history")->check(CLI::Range(1, 1000));
  app.add_option("--embedding", s.embedding, "D, numbers a word")->check(CLI::Range(1, 10000));
  app.add_option("--hidden", s.hidden, "H, hidden units")->check(CLI::Range(1, 100000));
  app.add_option("--batch", s.batch, "Windows a step")->check(CLI::Range(1, 100000));
  app.add_option("--steps", s.steps, "Steps of training")->check(CLI::Range(10L, 1000000000L));
  app.add_option("--optimizer", s.optimizer, "How to step")->check(CLI::IsMember({"sgd", "adam"}));
  app.add_option("--learning-rate", s.learning_rate,
                 "Of the first half, then a tenth of it; 0: 0.1 for sgd, 0.001 for adam")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--temperature", s.temperature,
                 "Of the samples: below 1 likely words become likelier, above 1 rarer")
      ->check(CLI::Range(0.01, 100.0));
  app.add_option("--seed", s.seed, "Of all random numbers");
  app.add_option("--report", s.report, "Write the final figures as key,value lines");
  CLI11_PARSE(app, argc, argv);
  if (s.learning_rate == 0) s.learning_rate = s.optimizer == "sgd" ? 0.1 : 0.001;

  const examples::Stopwatch watch;
  Random random(s.seed);
  const Corpus corpus(s, random);
  LanguageModel model(corpus.vocabulary.size(), s, random);
  std::printf(
      "%td windows to learn from, %td and %td held out; %td words known, %td parameters\n\n",
      corpus.train.size(), corpus.dev.size(), corpus.test.size(), corpus.vocabulary.size(),
      parameter_count(model));

  double steps_per_second = 0;
  if (s.optimizer == "sgd") {
    optim::Sgd optimizer(model, {.learning_rate = s.learning_rate});
    steps_per_second = train(model, optimizer, corpus, s, random);
  } else {
    optim::Adam optimizer(model, {.learning_rate = s.learning_rate});
    steps_per_second = train(model, optimizer, corpus, s, random);
  }

  const double train_loss = evaluate(model, corpus.train), dev_loss = evaluate(model, corpus.dev);
  const double test_loss = evaluate(model, corpus.test), unigram = evaluate_unigram(corpus);
  std::printf("\nloss: train %.4f, dev %.4f, test %.4f nats a word\n", train_loss, dev_loss,
              test_loss);
  std::printf("perplexity on dev: %.2f; of the unigram model %.2f\n\n", std::exp(dev_loss),
              std::exp(unigram));
  const int samples = s.level == "line-names" ? 20 : 5;
  for (int i = 0; i < samples; ++i) {
    std::cout << sample(model, corpus, s, random) << '\n';
  }

  examples::Report report;
  report.add("train_loss", train_loss);
  report.add("dev_loss", dev_loss);
  report.add("test_loss", test_loss);
  report.add("dev_perplexity", std::exp(dev_loss));
  report.add("unigram_perplexity", std::exp(unigram));
  report.add("steps_per_second", steps_per_second);
  report.add("seconds", watch.seconds());
  report.write(s.report);
  if (std::exp(dev_loss) < 0.75 * std::exp(unigram)) return 0;
  std::cerr << "Failed: the perplexity must be below 3/4 of the unigram model's\n";
  return 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "03_language_model: " << error.what() << '\n';
    return 1;
  }
}
