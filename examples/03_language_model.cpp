/// \file
/// A feed-forward neural language model: from the last N words (or characters) to the next.
///
///     x = [E(:,w_1); ..; E(:,w_N)]        the window's words as vectors, one below the other
///     h = tanh(W1 x + b1)
///     z = W2 h + b2
///     P(word v comes next) = softmax(z)_v,     loss: the mean of -log P(the word that came)
///
/// Shapes and code are in common/language_model.hpp.  Trained on 80 % of a text, and compared on
/// the rest with interpolated Kneser-Ney n-gram models, which count: perplexity exp(loss), side by
/// side. The parameters that do best on the development part are kept.  Fails unless the perplexity
/// there is below 3/4 of the unigram model's.  Source: Bengio et al. (2003), A neural probabilistic
/// language model, JMLR 3.
/// Next: 04_variable_length_text.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>

#include "corpus.hpp"
#include "interrupt.hpp"
#include "language_model.hpp"
#include "learning_curve.hpp"
#include "progress.hpp"
#include "report.hpp"

#if __has_include(<nlohmann/json.hpp>)
#include "gradtape/io/safetensors.hpp"
#define EXAMPLE_HAS_JSON
#endif

using namespace gradtape;
using namespace examples;
using text::Batch, text::Windows;

struct Settings {
  std::string text = GRADTAPE_EXAMPLES_DATA "/stories.txt", level = "char", optimizer = "adam";
  Architecture architecture;
  Index batch = 64;
  long steps = 12000;
  double learning_rate = 0;  // 0: by the optimizer
  std::string schedule = "step";
  Dropout dropout;
  double label_smoothing = 0, weight_decay = 0.01, clip = 0;
  int evaluations = 20, patience = 0, min_count = 0, largest_order = 5;
  int samples = -1;
  std::string prompt, neighbours;
  Sampling sampling;
  std::uint64_t seed = 1;
  std::string save, resume, report, curve, plot;
};

/// Calls f(name, value) for what a file keeps of the settings, by the names of the options: what
/// the model is, and how it is trained.
template <class F>
void for_each_model_setting(Settings& s, F&& f) {
  f("level", s.level);
  f("window", s.architecture.window);
  f("embedding", s.architecture.embedding);
  f("hidden", s.architecture.hidden);
  f("tie", s.architecture.tied);
  f("optimizer", s.optimizer);
  f("seed", s.seed);
}
template <class F>
void for_each_training_setting(Settings& s, F&& f) {
  f("batch", s.batch);
  f("steps", s.steps);
  f("learning-rate", s.learning_rate);
  f("schedule", s.schedule);
  f("weight-decay", s.weight_decay);
  f("dropout", s.dropout.hidden);
  f("input-dropout", s.dropout.input);
  f("label-smoothing", s.label_smoothing);
  f("clip", s.clip);
  f("evaluations", s.evaluations);
  f("patience", s.patience);
}

/// Any optimizer.
struct Stepper {
  std::function<void()> step;
  std::function<void(double)> rate, clip;
  std::function<std::vector<NamedArray>()> arrays;

  template <class Optimizer>
  explicit Stepper(std::shared_ptr<Optimizer> optimizer)
      : step([=] { optimizer->step(); }),
        rate([=](double value) { optimizer->learning_rate(value); }),
        clip([=](double limit) { optimizer->clip_grad_norm(limit); }),
        arrays([=] { return optimizer->named_arrays(); }) {}
};

Stepper stepper(const Settings& s, LanguageModel& model) {
  if (s.optimizer == "sgd") {
    return Stepper(
        std::make_shared<optim::Sgd>(model, optim::SgdOptions{.learning_rate = s.learning_rate}));
  }
  if (s.optimizer == "adam") {
    return Stepper(
        std::make_shared<optim::Adam>(model, optim::AdamOptions{.learning_rate = s.learning_rate}));
  }
  return Stepper(std::make_shared<optim::AdamW>(
      model,
      optim::AdamWOptions{.learning_rate = s.learning_rate, .weight_decay = s.weight_decay}));
}

/// What training leaves, and a file keeps.
struct State {
  std::int64_t step = 0, without_gain = 0;  // the latter counts evaluations
  double best_dev = std::numeric_limits<double>::infinity();
  std::vector<Eigen::MatrixXf> best;  // parameters at that point
};

double rate_at(const Settings& s, long step) {
  if (s.schedule == "constant") return s.learning_rate;
  if (s.schedule == "step") return s.learning_rate * (2 * step < s.steps ? 1 : 0.1);
  return optim::schedule::warmup_cosine(step, s.steps / 50, s.steps, s.learning_rate);
}

void copy_parameters(LanguageModel& model, std::vector<Eigen::MatrixXf>& to) {
  to.clear();
  for_each_parameter(model, [&](const auto&, auto& p) { to.emplace_back(p.value()); });
}
void restore_parameters(LanguageModel& model, const std::vector<Eigen::MatrixXf>& from) {
  std::size_t i = 0;
  for_each_parameter(model, [&](const auto&, auto& p) { p.value() = from.at(i++); });
}

#ifdef EXAMPLE_HAS_JSON
std::vector<NamedArray> arrays_of(LanguageModel& model, const Stepper& optimizer, State& state) {
  std::vector<NamedArray> arrays =
      io::join({{"", named_arrays(model)}, {"optimizer.", optimizer.arrays()}});
  arrays.push_back(named_array("training.step", Shape{}, &state.step));
  arrays.push_back(named_array("training.without_gain", Shape{}, &state.without_gain));
  arrays.push_back(named_array("training.best_dev_loss", Shape{}, &state.best_dev));
  std::size_t i = 0;
  for_each_parameter(model, [&](const std::string& name, auto& p) {
    arrays.push_back(named_array("best." + name, p.shape(), state.best.at(i++).data()));
  });
  return arrays;
}

io::Metadata metadata_of(Settings s, const Vocabulary& vocabulary) {
  io::Metadata metadata{{"format", "gradtape language model"},
                        {"vocabulary", vocabulary.to_text()}};
  const auto keep = [&](const char* name, const auto& value) {
    std::ostringstream text;
    text.precision(std::numeric_limits<double>::max_digits10);
    text << value;
    metadata[name] = text.str();
  };
  for_each_model_setting(s, keep);
  for_each_training_setting(s, keep);
  return metadata;
}

/// Sets what the file keeps, but for how to train only what no option says.
Vocabulary restore_settings(const CLI::App& app, Settings& s) {
  const io::Metadata metadata = io::SafetensorsFile(s.resume).metadata();
  const auto field = [&](const std::string& name) {
    const auto found = metadata.find(name);
    if (found == metadata.end())
      throw FileError(s.resume + ": no model of this program: its metadata have no " + name);
    return found->second;
  };
  const auto restore = [&](const char* name, auto& value) {
    std::istringstream text(field(name));
    if (!(text >> value)) throw FileError(s.resume + ": its " + name + " cannot be read");
  };
  for_each_model_setting(s, restore);
  for_each_training_setting(s, [&](const std::string& name, auto& value) {
    if (app.count("--" + name) == 0) restore(name.c_str(), value);
  });
  return Vocabulary::from_text(field("vocabulary"), s.resume);
}
#endif

/// Random windows, all of an interval drawn from its own random numbers, so that training that is
/// resumed between two goes on as it would have.  Returns the steps a second.
double train(LanguageModel& model, const Stepper& optimizer, const Windows& train_part,
             const Windows& dev_part, const Settings& s, State& state, LearningCurve& curve,
             const std::function<void()>& save) {
  Tape<float> tape;
  Batch batch(train_part.window(), s.batch);
  Progress progress(s.steps);
  const Interrupt interrupt;
  const CrossEntropyOptions<float> loss_options{.label_smoothing =
                                                    static_cast<float>(s.label_smoothing)};
  double seconds = 0;
  long done = 0;
  std::printf("    step   train loss   dev loss\n");
  while (state.step < s.steps && !Interrupt::is_wished()) {
    long interval = state.step * s.evaluations / s.steps;
    const auto end_of = [&](long i) { return s.steps * (i + 1) / s.evaluations; };
    while (end_of(interval) <= state.step) ++interval;
    const long last = end_of(interval), first = state.step;
    Random random(s.seed * 1000003 + static_cast<std::uint64_t>(interval));
    const Stopwatch watch;
    double sum = 0;
    while (state.step < last && !Interrupt::is_wished()) {
      train_part.sample(batch, random);
      optimizer.rate(rate_at(s, state.step));
      auto scope = tape.scope();
      const Tensor z = model(tape, batch.inputs(), s.dropout, &random);
      Var loss = softmax_cross_entropy(z, batch.targets(), loss_options);
      tape.backward(loss);
      if (s.clip > 0) optimizer.clip(s.clip);
      optimizer.step();
      sum += loss.value();
      progress.update(++state.step, loss.value());
    }
    seconds += watch.seconds();
    done += state.step - first;
    progress.erase();
    const double dev = evaluate(model, dev_part);
    const double mean = sum / static_cast<double>(state.step - first);
    std::printf("%8ld   %10.4f   %8.4f\n", static_cast<long>(state.step), mean, dev);
    std::fflush(stdout);
    curve.add(static_cast<long>(state.step), mean, dev);
    state.without_gain = dev < state.best_dev ? 0 : state.without_gain + 1;
    if (dev < state.best_dev) {
      state.best_dev = dev;
      copy_parameters(model, state.best);
    }
    save();
    if (s.patience > 0 && state.without_gain >= s.patience) {
      std::printf("no gain in %ld evaluations: training ends\n",
                  static_cast<long>(state.without_gain));
      break;
    }
  }
  if (Interrupt::is_wished()) std::printf("interrupted: training ends\n");
  return seconds > 0 ? static_cast<double>(done) / seconds : 0;
}

struct Table {
  Report& report;
  const Corpus& corpus;

  Table(Report& r, const Corpus& c) : report(r), corpus(c) {
    std::printf("\n%-26s %10s %10s %10s\n", "perplexity", "train", "dev", "test");
  }
  void row(const std::string& name, double train, double dev, double test) const {
    std::printf("%-26s %10.3f %10.3f %10.3f\n", name.c_str(), std::exp(train), std::exp(dev),
                std::exp(test));
  }
  /// Returns the smallest loss on the development part.
  double kneser_ney(int largest_order) const {
    double best = std::numeric_limits<double>::infinity();
    for (int order = 1; order <= largest_order; ++order) {
      const text::KneserNey model(corpus.train, corpus.vocabulary.size(),
                                  {.order = order, .modified = true});
      const double dev = model.loss(corpus.dev);
      row("Kneser-Ney " + std::to_string(order) + "-gram", model.loss(corpus.train), dev,
          model.loss(corpus.test));
      report.add("kneser_ney_dev_loss_" + std::to_string(order), dev);
      best = std::min(best, dev);
    }
    return best;
  }
};

/// Mean loss on the development part of the words' frequencies, each counted once more than seen.
double unigram_loss(const Windows& train, const Windows& dev, Index words) {
  Eigen::VectorXd count = Eigen::VectorXd::Ones(words);
  for (Index i = 0; i < train.size(); ++i) ++count(train.target(i));
  double sum = 0;
  for (Index i = 0; i < dev.size(); ++i) sum -= std::log(count(dev.target(i)));
  return sum / static_cast<double>(dev.size()) + std::log(count.sum());
}

/// "dog gets" was never seen, "cat gets fed" was: what a model that counts and one that knows what
/// is alike say to "gets fed" behind "the dog".
void show_unseen_pair(const LanguageModel& model, const Corpus& corpus, Report& report) {
  const std::vector<Id> ids = corpus.vocabulary.ids({"the", "dog", "gets", "fed"});
  if (std::ranges::count(ids, Vocabulary::unknown) > 0) return;
  const text::KneserNey trigram(corpus.train, corpus.vocabulary.size(), {.order = 3});
  double counted = 1, learned = 1;
  for (std::size_t n = 2; n < ids.size(); ++n) {
    const std::vector<Id> history(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(n));
    counted *= trigram.probability(history, ids[n]);
    learned *= next_word(model, window_behind(history, model.architecture.window))(ids[n]);
  }
  std::printf(
      "\nP(gets fed | the dog), \"dog gets\" never seen: %.2g by the model, %.2g by trigrams\n",
      learned, counted);
  report.add("unseen_pair_model", learned);
  report.add("unseen_pair_trigram", counted);
}

void show_neighbours(const LanguageModel& model, const Vocabulary& vocabulary,
                     const std::string& words) {
  std::stringstream list(words);
  for (std::string word; std::getline(list, word, ',');) {
    const Id id = vocabulary.id(word);
    std::printf("%s:", word.c_str());
    if (id == Vocabulary::unknown) std::printf(" not in the vocabulary");
    for (const Id other : neighbours(model, id, 6))
      std::printf(" %s", vocabulary.word(other).c_str());
    std::printf("\n");
  }
}

int run(const Settings& s, LanguageModel& model, const Corpus& corpus) {
  const Stopwatch watch;
  const Stepper optimizer = stepper(s, model);
  const Windows train_part = windows_of(corpus.train, s.architecture.window);
  const Windows dev_part = windows_of(corpus.dev, s.architecture.window);
  const Windows test_part = windows_of(corpus.test, s.architecture.window);
  std::printf(
      "%td windows to learn from, %td and %td held out; %td words known, %td parameters\n\n",
      train_part.size(), dev_part.size(), test_part.size(), corpus.vocabulary.size(),
      parameter_count(model));
  State state;
  copy_parameters(model, state.best);
  std::function<void()> save = [] {};
#ifdef EXAMPLE_HAS_JSON
  if (!s.resume.empty()) io::load_safetensors(s.resume, arrays_of(model, optimizer, state));
  if (!s.save.empty()) {
    const io::Metadata metadata = metadata_of(s, corpus.vocabulary);
    save = [&, metadata] {
      io::save_safetensors(s.save, arrays_of(model, optimizer, state), metadata);
    };
  }
#endif
  LearningCurve curve;
  const double rate = train(model, optimizer, train_part, dev_part, s, state, curve, save);
  restore_parameters(model, state.best);

  Report report;
  const double unigram = unigram_loss(train_part, dev_part, corpus.vocabulary.size());
  const double train_loss = evaluate(model, train_part), dev_loss = evaluate(model, dev_part);
  const double test_loss = evaluate(model, test_part);
  const Table table(report, corpus);
  const double counted = table.kneser_ney(s.largest_order);
  table.row("this model", train_loss, dev_loss, test_loss);
  std::printf("loss: train %.4f, dev %.4f, test %.4f nats a word; best Kneser-Ney on dev %.4f\n",
              train_loss, dev_loss, test_loss, counted);
  if (level_of(s.level) == Level::words) show_unseen_pair(model, corpus, report);
  if (!s.neighbours.empty()) show_neighbours(model, corpus.vocabulary, s.neighbours);
  std::printf("\n");
  Random random(s.seed);
  const Level level = level_of(s.level);
  const int samples = s.samples >= 0 ? s.samples : level == Level::names ? 20 : 5;
  for (int i = 0; i < samples; ++i) {
    const auto text =
        sample(model, corpus.vocabulary.ids(cut(s.prompt, level)), s.sampling, random);
    std::vector<std::string> words;
    for (const Id id : text) words.push_back(corpus.vocabulary.word(id));
    std::cout << join(words, level) << '\n';
  }

  report.add("train_loss", train_loss);
  report.add("dev_loss", dev_loss);
  report.add("test_loss", test_loss);
  report.add("dev_perplexity", std::exp(dev_loss));
  report.add("unigram_perplexity", std::exp(unigram));
  report.add("steps_per_second", rate);
  report.add("seconds", watch.seconds());
  report.write(s.report);
  if (!s.curve.empty()) io::write_file(s.curve, curve.csv());
  if (!s.plot.empty()) curve.plot(s.plot);
  if (dev_loss < unigram + std::log(0.75)) return 0;
  std::cerr << "Failed: the perplexity must be below 3/4 of the unigram model's\n";
  return 1;
}

void add_options(CLI::App& app, Settings& s) {
  app.option_defaults()->always_capture_default();
  app.add_option("--text", s.text, "The text to learn");
  app.add_option("--level", s.level, "Predict characters or words; line-names: characters of lines")
      ->check(CLI::IsMember({"char", "word", "line-names"}));
  app.add_option("--min-count", s.min_count,
                 "Rarer words count as unknown; 0: 2 for words, else 1");
  app.add_option("--window", s.architecture.window, "N, words of history")
      ->check(CLI::Range(1, 1000));
  app.add_option("--embedding", s.architecture.embedding, "D, numbers a word")
      ->check(CLI::Range(1, 10000));
  app.add_option("--hidden", s.architecture.hidden, "H, hidden units")
      ->check(CLI::Range(1, 100000));
  app.add_flag("--tie,!--untie", s.architecture.tied,
               "Use the embedding as the output layer's weights too");
  app.add_option("--batch", s.batch, "Windows a step")->check(CLI::Range(1, 100000));
  app.add_option("--steps", s.steps, "Steps of training")->check(CLI::Range(1L, 1000000000L));
  app.add_option("--optimizer", s.optimizer, "How to step")
      ->check(CLI::IsMember({"sgd", "adam", "adamw"}));
  app.add_option("--learning-rate", s.learning_rate, "0: 0.1 for sgd, else 0.001")
      ->check(CLI::Range(0.0, 100.0));
  app.add_option("--schedule", s.schedule, "Of the rate; step: a tenth from the middle on")
      ->check(CLI::IsMember({"constant", "step", "cosine"}));
  app.add_option("--weight-decay", s.weight_decay, "Of adamw")->check(CLI::Range(0.0, 10.0));
  app.add_option("--dropout", s.dropout.hidden, "Probability, of h")->check(CLI::Range(0.0, 1.0));
  app.add_option("--input-dropout", s.dropout.input, "Probability, of x")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--label-smoothing", s.label_smoothing,
                 "Share of the target spread over all words")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--clip", s.clip, "Largest norm of the gradient; 0: any")
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--evaluations", s.evaluations, "On the development part, while training")
      ->check(CLI::Range(1, 10000));
  app.add_option("--patience", s.patience,
                 "Evaluations without gain that end training; 0: none does")
      ->check(CLI::Range(0, 10000));
  app.add_option("--kneser-ney", s.largest_order, "Compare with n-grams up to this order")
      ->check(CLI::Range(1, 20));
  app.add_option("--sample", s.samples, "Texts to draw at the end; -1: by the level");
  app.add_option("--prompt", s.prompt, "What the texts begin with");
  app.add_option("--temperature", s.sampling.temperature,
                 "Of the texts: below 1 likely words become likelier, above 1 rarer")
      ->check(CLI::Range(0.01, 100.0));
  app.add_option("--top-k", s.sampling.top_k, "Draw from the likeliest k words; 0: from all");
  app.add_option("--neighbours", s.neighbours, "Show the words nearest to these: dog,apple");
  app.add_option("--save", s.save, "Keep model and training in a file (safetensors)");
  app.add_option("--resume", s.resume,
                 "Go on from such a file: its model, vocabulary and seed count, and its settings\n"
                 "of training where no option says otherwise.  Killed training goes on from the\n"
                 "last evaluation as it would have; after Ctrl-C the windows drawn are others");
  app.add_option("--curve", s.curve, "Write the losses on the way as CSV");
  app.add_option("--plot", s.plot, "Draw them (.svg or .png, with gnuplot)");
  app.add_option("--seed", s.seed, "Of all random numbers");
  app.add_option("--report", s.report, "Write the final figures as key,value lines");
}

/// What does best on the bundled stories, for options that are not given.
void choose_for_stories(const CLI::App& app, Settings& s) {
  const auto set = [&](const char* option, auto& value, const auto& preset) {
    if (app.count(option) == 0) value = preset;
  };
  s.level = "word";
  set("--window", s.architecture.window, 4);
  set("--embedding", s.architecture.embedding, 64);
  set("--hidden", s.architecture.hidden, 128);
  set("--tie", s.architecture.tied, true);
  set("--steps", s.steps, 6000);
  set("--optimizer", s.optimizer, "adamw");
  set("--learning-rate", s.learning_rate, 0.002);
  set("--schedule", s.schedule, "cosine");
  set("--weight-decay", s.weight_decay, 0.3);
  set("--dropout", s.dropout.hidden, 0.5);
  set("--input-dropout", s.dropout.input, 0.5);
  set("--neighbours", s.neighbours, "dog,apple,red,river,says");
}

int run(int argc, char** argv) {
  Settings s;
  CLI::App app(
      "A feed-forward language model: trains on a text, tests on the rest, and writes.\n"
      "With neither --text nor --level, what does best on the bundled stories is chosen.");
  add_options(app, s);
  CLI11_PARSE(app, argc, argv);
  if (app.count("--text") + app.count("--level") + app.count("--resume") == 0)
    choose_for_stories(app, s);
  std::optional<Vocabulary> saved;
#ifdef EXAMPLE_HAS_JSON
  if (!s.resume.empty()) saved = restore_settings(app, s);
#else
  if (!s.save.empty() || !s.resume.empty())
    throw FileError("--save and --resume need nlohmann/json (apt-get install nlohmann-json3-dev)");
#endif
  if (s.learning_rate == 0) s.learning_rate = s.optimizer == "sgd" ? 0.1 : 0.001;
  if (s.min_count == 0) s.min_count = s.level == "word" ? 2 : 1;

  const Corpus corpus(s.text, level_of(s.level), s.min_count, s.seed, saved ? &*saved : nullptr);
  Random random(s.seed);
  LanguageModel model(corpus.vocabulary.size(), s.architecture, random);
  return run(s, model, corpus);
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "03_language_model: " << error.what() << '\n';
    return 1;
  }
}
