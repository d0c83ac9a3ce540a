// A text cut into words, numbered, and dealt out in three parts: 80 % to learn from, 10 % to choose
// by (development), 10 % to test on.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gradtape/gradtape.hpp"

namespace examples {

/// What a word of the model is: a character, a word, or a character of a line whose place among the
/// others means nothing.
enum class Level { characters, words, names };

inline Level level_of(const std::string& name) {
  return name == "word" ? Level::words : name == "line-names" ? Level::names : Level::characters;
}

inline std::vector<std::string> cut(const std::string& text, Level level) {
  return level == Level::words ? gradtape::text::words(text) : gradtape::text::characters(text);
}

/// Words with the spaces that belong between them.
inline std::string join(const std::vector<std::string>& words, Level level) {
  std::string joined;
  bool in_quotes = false, needs_space = false;
  for (const std::string& word : words) {
    const bool is_quote = word == "\"";
    const bool closes = (is_quote && in_quotes) || word.find_first_of(".,;:!?") == 0;
    if (level == Level::words && needs_space && !closes) joined += ' ';
    joined += word;
    if (is_quote) in_quotes = !in_quotes;
    needs_space = !(is_quote && in_quotes);
  }
  return joined;
}

struct Corpus {
  using Texts = std::vector<std::vector<gradtape::text::Id>>;

  gradtape::text::Vocabulary vocabulary;
  Texts train, dev, test;

  /// Words that occur less than `min_count` times stand for those that never do.  A vocabulary that
  /// is given, a saved model's, is taken instead.
  Corpus(const std::string& path, Level level, int min_count, std::uint64_t seed,
         const gradtape::text::Vocabulary* given = nullptr) {
    const std::string content = gradtape::io::read_file(path);
    std::vector<std::string> texts = level == Level::names ? gradtape::text::lines(content)
                                                           : gradtape::text::paragraphs(content);
    if (texts.size() < 10) texts = gradtape::text::lines(content);
    if (texts.size() < 10) throw gradtape::FileError(path + ": fewer than ten lines");
    gradtape::Random random(seed);
    const auto n = std::ssize(texts);
    const gradtape::data::Split parts =
        level == Level::names ? gradtape::data::split(n, random) : gradtape::data::split(n);
    gradtape::text::WordCounts seen;
    for (const std::string& t : gradtape::data::choose(texts, parts.train)) seen.add(cut(t, level));
    vocabulary = given != nullptr ? *given : seen.freeze({.min_count = min_count});
    for (auto [to, numbers] : {std::pair(&train, &parts.train), std::pair(&dev, &parts.dev),
                               std::pair(&test, &parts.test)}) {
      for (const std::string& t : gradtape::data::choose(texts, *numbers))
        to->push_back(vocabulary.ids(cut(t, level)));
    }
  }
};

inline gradtape::text::Windows windows_of(const Corpus::Texts& texts, gradtape::Index window) {
  gradtape::text::Windows windows(window);
  for (const auto& text : texts) windows.add(text);
  return windows;
}

}  // namespace examples
