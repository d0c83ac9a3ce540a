/// \file
/// A small causal Transformer language model, today's usual architecture.
///
///     x = E(:,w_t) + P(:,t)                 E (D,V), P (D,C): words and positions -> (D,T,n), T <= C
///     for each block                        W_o (D,D), W1 (4D,D), W2 (D,4D)
///       x = x + W_o attention(norm(x))      each position reads itself and the earlier ones, by
///                                           V softmax(K^T Q / sqrt(D/heads)) in every head
///       x = x + W2 gelu(W1 norm(x) + b1) + b2
///     z = E^T norm(x) + b                   tied: the output reads the table of words
///
/// Prints one table: perplexity of the feed-forward model, the LSTM and the Transformer, with equal
/// numbers of parameters, trained on the same text as often, beside n-grams.  Then the Transformer
/// writes, with a cache of keys and values and without: the same characters, and faster.  On a text
/// as short as the bundled one it does not win: what it is known for needs far more.  Fails if the
/// cache changes a character, sizes differ by more than 2 %, or a model is no better than bigrams.
/// Source: Vaswani et al. (2017), Attention is all you need.  Next: 08_learning_by_hand.

#include <CLI/CLI.hpp>
#include <gradtape/gradtape.hpp>
#include <iostream>

#include "comparison.hpp"

using namespace gradtape;
using namespace examples;

/// Whether texts written with and without the cache are the same; how much faster the cache is.
bool compare_sampling(const TransformerModel& model, const Corpus& corpus,
                      const ComparisonOptions& options, Report& report) {
  const std::vector<Id> prompt = ids_of(options.prompt, corpus);
  constexpr int texts = 10, shown = 3;
  int same = 0;
  double characters = 0, seconds[2] = {};
  std::printf("\nThe Transformer writes:\n");
  for (int i = 0; i < texts; ++i) {
    std::vector<Id> text[2];
    for (const bool remembers : {false, true}) {
      Random random(options.seed + static_cast<std::uint64_t>(i));
      const Stopwatch watch;
      text[remembers] = sample(model, prompt, {}, random, 400, remembers);
      seconds[remembers] += watch.seconds();
    }
    same += text[0] == text[1];
    characters += static_cast<double>(text[0].size() - prompt.size());
    if (i < shown) std::printf("  %s\n", spelled(text[1], corpus).c_str());
  }
  std::printf(
      "With a cache of keys and values %.0f characters a second, without %.0f: %.1f times as "
      "many;\n"
      "%d of %d texts are the same, character by character.\n",
      characters / seconds[1], characters / seconds[0], seconds[0] / seconds[1], same, texts);
  report.add("cache_speed_up", seconds[0] / seconds[1]);
  report.add("same_texts", same);
  return same == texts;
}

int run(int argc, char** argv) {
  ComparisonOptions options;
  SequenceArchitecture architecture;
  CLI::App app("A causal Transformer beside an LSTM and a feed-forward model of equal size");
  options.add_to(app);
  app.add_option("--features", architecture.embedding, "D, numbers a position; heads divide it")
      ->check(CLI::Range(2, 4096));
  app.add_option("--heads", architecture.heads, "Of attention")->check(CLI::Range(1, 4096));
  app.add_option("--layers", architecture.layers, "Blocks")->check(CLI::Range(1, 100));
  app.add_option("--positions", architecture.positions, "C, characters that it sees at most")
      ->check(CLI::Range(2, 4096));
  CLI11_PARSE(app, argc, argv);
  architecture.dropout = options.dropout;

  const Corpus corpus(options.text, Level::characters, 1, options.seed);
  const Index words = corpus.vocabulary.size();
  Random random(options.seed);
  TransformerModel transformer(words, architecture, random);
  const Index parameters = parameter_count(transformer);
  LstmModel lstm = lstm_of_size(parameters, words, options);
  LanguageModel window = feed_forward_of_size(parameters, words, options);
  const std::vector<Result> results{kneser_ney(corpus, 8), learn(window, corpus, options),
                                    learn(lstm, corpus, options),
                                    learn(transformer, corpus, options)};
  Report report;
  show(results, report);
  draw(results, options.plot);
  const bool are_same = compare_sampling(transformer, corpus, options, report);

  report.write(options.report);
  if (!are_same) std::cerr << "Failed: the cache changes what is written\n";
  return are_as_expected(results, corpus) && are_same ? 0 : 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "07_transformer: " << error.what() << '\n';
    return 1;
  }
}
