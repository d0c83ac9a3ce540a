// Language models of equal size, trained on the same text and measured alike.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "corpus.hpp"
#include "gnuplot.hpp"
#include "language_model.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "sequence_models.hpp"

namespace examples {

/// What a program that compares models can be told.
struct ComparisonOptions {
  std::string text = GRADTAPE_EXAMPLES_DATA "/stories.txt", prompt = "The ", report, plot;
  double epochs = 20;  // how often each model reads the text
  double dropout = 0;
  std::uint64_t seed = 1;

  void add_to(CLI::App& app) {
    app.option_defaults()->always_capture_default();
    app.add_option("--text", text, "The text to learn, character by character");
    app.add_option("--epochs", epochs, "How often each model reads it")
        ->check(CLI::Range(0.1, 1000.0));
    app.add_option("--dropout", dropout, "Probability, in training")->check(CLI::Range(0.0, 0.9));
    app.add_option("--prompt", prompt, "What the written texts begin with");
    app.add_option("--seed", seed, "Of all random numbers");
    app.add_option("--plot", plot, "Draw the perplexities on the way (.svg or .png, with gnuplot)");
    app.add_option("--report", report, "Write the final figures as key,value lines");
  }
};

/// What suits a model: found by trying, on the development part.
struct Training {
  double learning_rate;
  Index samples;  // streams, or windows, side by side
  double weight_decay = 0.1, clip = 1;
  int evaluations = 10;
};

struct Point {
  double epoch, dev_perplexity;
};

struct Result {
  std::string name;
  Index parameters = 0;
  double train = 0, dev = 0, test = 0;  // nats a character
  double characters_per_second = 0;     // in training
  std::vector<Point> curve;
};

/// The feed-forward model in training: random windows.
struct WindowLearner {
  static constexpr const char* name = "feed-forward";
  LanguageModel& model;
  Dropout dropout;
  gradtape::text::Windows windows;
  gradtape::text::Batch batch;

  WindowLearner(LanguageModel& m, Dropout d, const Corpus& corpus, Index samples)
      : model(m),
        dropout(d),
        windows(windows_of(corpus.train, m.architecture.window)),
        batch(m.architecture.window, samples) {}

  Index words() const { return windows.size(); }
  /// Mean loss of a step, and how many characters it predicts.
  std::pair<gradtape::Var<float>, Index> loss(Tape<float>& tape, Random& random) {
    windows.sample(batch, random);
    const Tensor z = model(tape, batch.inputs(), dropout, &random);
    return {softmax_cross_entropy(z, batch.targets()), batch.size()};
  }
  double evaluate(const Corpus::Texts& texts) const {
    return examples::evaluate(model, windows_of(texts, model.architecture.window));
  }
};

/// A model over sequences in training: epochs of all texts in random order.
template <class Model>
struct StreamLearner {
  static constexpr const char* name = Model::name;
  Model& model;
  Streams streams;
  typename Model::Memory memory;

  StreamLearner(Model& m, const Corpus& corpus, Index samples)
      : model(m), streams(corpus.train, m.pieces(samples)) {}

  Index words() const { return streams.size(); }
  std::pair<gradtape::Var<float>, Index> loss(Tape<float>& tape, Random& random) {
    while (!streams.next()) streams.shuffle(random);
    const Tensor z = model(tape, streams, memory, &random);
    return {softmax_cross_entropy(z, streams.targets()), streams.predicted()};
  }
  double evaluate(const Corpus::Texts& texts) const {
    Tape<float> tape;
    const auto no_grad = tape.no_grad();
    Streams pieces(texts, model.evaluation_pieces());
    typename Model::Memory from_start;
    double sum = 0;
    while (pieces.next()) {
      const auto scope = tape.scope();
      const gradtape::Var loss = softmax_cross_entropy(model(tape, pieces, from_start),
                                                       pieces.targets(), gradtape::reduce::sum);
      sum += loss.value();
    }
    return sum / static_cast<double>(pieces.size());
  }
};

/// Trains with AdamW, a warm-up and a cosine.
template <class Learner>
Result train(Learner learner, const Corpus& corpus, double epochs, const Training& t,
             std::uint64_t seed) {
  Random random(seed);
  const double words = static_cast<double>(learner.words()), total = epochs * words;
  Result result;
  result.name = learner.name;
  result.parameters = gradtape::parameter_count(learner.model);
  gradtape::optim::AdamW optimizer(learner.model, {.weight_decay = t.weight_decay});
  Tape<float> tape;
  Progress progress(static_cast<long>(total));
  double done = 0, seconds = 0;
  for (int evaluation = 1; evaluation <= t.evaluations; ++evaluation) {
    const Stopwatch watch;
    while (done < total * evaluation / t.evaluations) {
      optimizer.learning_rate(gradtape::optim::schedule::warmup_cosine(
          static_cast<Index>(done), static_cast<Index>(total / 20), static_cast<Index>(total),
          t.learning_rate));
      const auto scope = tape.scope();
      const auto [loss, count] = learner.loss(tape, random);
      tape.backward(loss);
      optimizer.clip_grad_norm(t.clip);
      optimizer.step();
      done += static_cast<double>(count);
      progress.update(static_cast<long>(done), loss.value());
    }
    seconds += watch.seconds();
    progress.erase();
    result.dev = learner.evaluate(corpus.dev);
    result.curve.push_back({done / words, std::exp(result.dev)});
  }
  result.train = learner.evaluate(corpus.train);
  result.test = learner.evaluate(corpus.test);
  result.characters_per_second = done / seconds;
  return result;
}

/// The n-gram model of the order that does best on the development part.
inline Result kneser_ney(const Corpus& corpus, int largest_order) {
  Result best;
  best.dev = std::numeric_limits<double>::infinity();
  for (int order = 1; order <= largest_order; ++order) {
    const gradtape::text::KneserNey model(corpus.train, corpus.vocabulary.size(),
                                          {.order = order, .modified = true});
    const double dev = model.loss(corpus.dev);
    if (dev < best.dev) {
      best.name = "Kneser-Ney " + std::to_string(order) + "-gram";
      best.train = model.loss(corpus.train);
      best.dev = dev;
      best.test = model.loss(corpus.test);
    }
  }
  return best;
}

// The models in training, each with what suits it.

inline Result learn(LanguageModel& model, const Corpus& corpus, const ComparisonOptions& o) {
  const Training training{.learning_rate = 0.006, .samples = 64};
  const Dropout dropout{o.dropout, o.dropout};
  return train(WindowLearner(model, dropout, corpus, training.samples), corpus, o.epochs, training,
               o.seed);
}
inline Result learn(LstmModel& model, const Corpus& corpus, const ComparisonOptions& o) {
  const Training training{.learning_rate = 0.02, .samples = 8};
  return train(StreamLearner(model, corpus, training.samples), corpus, o.epochs, training, o.seed);
}
inline Result learn(TransformerModel& model, const Corpus& corpus, const ComparisonOptions& o) {
  const Training training{.learning_rate = 0.015, .samples = 8};
  return train(StreamLearner(model, corpus, training.samples), corpus, o.epochs, training, o.seed);
}

/// The size h for which make(h) comes nearest to a number of parameters, which grows with h.
template <class Make>
auto make_of_size(Index parameters, Make&& make) {
  Index low = 1, high = 2;
  while (gradtape::parameter_count(make(high)) < parameters) low = high, high *= 2;
  while (high - low > 1) {
    const Index middle = (low + high) / 2;
    (gradtape::parameter_count(make(middle)) < parameters ? low : high) = middle;
  }
  const Index too_few = parameters - gradtape::parameter_count(make(low));
  return make(gradtape::parameter_count(make(high)) - parameters < too_few ? high : low);
}

inline LanguageModel feed_forward_of_size(Index parameters, Index words,
                                          const ComparisonOptions& o) {
  return make_of_size(parameters, [&](Index hidden) {
    Random random(o.seed);
    return LanguageModel(words, {.window = 8, .embedding = 32, .hidden = hidden}, random);
  });
}
inline LstmModel lstm_of_size(Index parameters, Index words, const ComparisonOptions& o) {
  return make_of_size(parameters, [&](Index hidden) {
    Random random(o.seed);
    return LstmModel(words, {.hidden = hidden, .dropout = o.dropout}, random);
  });
}

/// Perplexity on the development part against epochs, the n-grams' as a level line; an empty path:
/// nowhere.
inline void draw(const std::vector<Result>& results, const std::string& path) {
  if (path.empty()) return;
  std::string csv, commands =
                       "set grid\nset xlabel 'epochs'\nset xrange [0:]\n"
                       "set ylabel 'perplexity of a character, development part'\nplot ";
  for (const Result& r : results) {
    const std::size_t block = static_cast<std::size_t>(&r - results.data());
    commands += (block == 0 ? "" : ", ") + ("ARG2 index " + std::to_string(block)) +
                " using 1:2 with " + (r.curve.empty() ? "lines" : "linespoints") + " title '" +
                r.name + "'";
    const std::vector<Point> level{{0, std::exp(r.dev)},
                                   {results.back().curve.back().epoch, std::exp(r.dev)}};
    for (const Point& p : r.curve.empty() ? level : r.curve)
      csv += std::to_string(p.epoch) + ',' + std::to_string(p.dev_perplexity) + '\n';
    csv += "\n\n";
  }
  draw_with_gnuplot(path, csv, commands + '\n');
}

/// Results as a table, for people, and as figures, for scripts.
inline void show(const std::vector<Result>& results, Report& report) {
  std::printf("%-19s %10s   %-28s %10s\n", "", "", "  perplexity of a character", "characters");
  std::printf("%-19s %10s   %8s %8s %8s    %10s\n", "model", "parameters", "train", "dev", "test",
              "a second");
  for (const Result& r : results) {
    std::printf("%-19s %10s   %8.3f %8.3f %8.3f    ", r.name.c_str(),
                r.parameters > 0 ? std::to_string(r.parameters).c_str() : "-", std::exp(r.train),
                std::exp(r.dev), std::exp(r.test));
    std::printf("%10s\n", r.parameters > 0
                              ? std::to_string(std::lround(r.characters_per_second)).c_str()
                              : "-");
    report.add(r.name + " parameters", static_cast<double>(r.parameters));
    report.add(r.name + " dev_loss", r.dev);
    report.add(r.name + " test_loss", r.test);
    report.add(r.name + " test_perplexity", std::exp(r.test));
    report.add(r.name + " characters_per_second", r.characters_per_second);
  }
  const auto least = [](const Result& a, const Result& b) { return a.test < b.test; };
  std::printf("Least on the test part: %s.\n\nperplexity on the development part, on the way:\n",
              std::ranges::min_element(results, least)->name.c_str());
  for (const Result& r : results) {
    if (r.curve.empty()) continue;
    std::printf("%-19s", r.name.c_str());
    for (const Point& p : r.curve) std::printf(" %5.2f", p.dev_perplexity);
    std::printf("\n");
  }
}

/// Whether the models are of equal size, to 2 %, and each is better than pairs of characters; says
/// what is not so.
inline bool are_as_expected(const std::vector<Result>& results, const Corpus& corpus) {
  const gradtape::text::KneserNey pairs(corpus.train, corpus.vocabulary.size(), {.order = 2});
  const double limit = pairs.loss(corpus.test);
  bool is_right = true;
  Index least = std::numeric_limits<Index>::max(), most = 0;
  for (const Result& r : results) {
    if (!(r.test < limit)) {
      is_right = false;
      std::fprintf(stderr, "Failed: test perplexity %.3f of %s, bigrams have %.3f\n",
                   std::exp(r.test), r.name.c_str(), std::exp(limit));
    }
    if (r.parameters == 0) continue;
    least = std::min(least, r.parameters);
    most = std::max(most, r.parameters);
  }
  if (static_cast<double>(most) > 1.02 * static_cast<double>(least)) {
    is_right = false;
    std::fprintf(stderr, "Failed: %td and %td parameters differ by more than 2 %%\n", least, most);
  }
  return is_right;
}

/// A text as it is read.
inline std::string spelled(const std::vector<Id>& text, const Corpus& corpus) {
  std::string spelling;
  for (const Id id : text) spelling += corpus.vocabulary.word(id);
  return spelling;
}
inline std::vector<Id> ids_of(const std::string& text, const Corpus& corpus) {
  return corpus.vocabulary.ids(cut(text, Level::characters));
}

}  // namespace examples
