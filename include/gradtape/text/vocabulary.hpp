#pragma once
/// \file
/// The words that a model knows, numbered.
///
///     text::WordCounts counts;                        counts of any number of texts
///     for (const auto& text : texts) counts.add(text);
///     const text::Vocabulary vocabulary = counts.freeze({.min_count = 3});
///
/// A vocabulary never changes: what is not in it is `unknown`.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../core/shape.hpp"
#include "../io/file.hpp"
#include "tokens.hpp"

namespace gradtape::text {

/// The number of a word in a vocabulary.
using Id = std::int32_t;

/// Which words get an id.
struct VocabularyOptions {
  Index min_count = 1;  ///< what is rarer is left out
  Index max_size = 0;   ///< most words beside the special ones, the frequent ones first; 0: all
  Index specials = 2;   ///< the first so many of `<s>`, `<unk>`, `<pad>`, `</s>`: 2, 3 or 4
};

namespace detail {

struct WordHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view word) const {
    return std::hash<std::string_view>()(word);
  }
};

/// Words as keys, found by any text without a copy of it.
template <class Value>
using WordMap = std::unordered_map<std::string, Value, WordHash, std::equal_to<>>;

/// A word on a line of a file: control characters, what is not UTF-8, the backslash, and a `<` at
/// the beginning, which marks the special words, as \xHH.
inline std::string escaped(std::string_view word) {
  std::string result;
  const bool is_marked = word.starts_with('<');
  while (!word.empty()) {
    const std::string_view c = take_character(word);
    const auto byte = static_cast<unsigned char>(c[0]);
    const bool is_broken = c.size() == 1 && byte >= 0x80;
    if (byte < 0x20 || byte == 0x7F || is_broken || c == "\\" || (is_marked && result.empty())) {
      constexpr std::string_view digits = "0123456789ABCDEF";
      result.append("\\x").append({digits[byte >> 4], digits[byte & 0xF]});
    } else {
      result += c;
    }
  }
  return result;
}

/// The word that `escaped` made a text of.
/// \throws FileError for other escapes.
inline std::string unescaped(const std::string& place, std::string_view text) {
  std::string result;
  while (!text.empty()) {
    if (text[0] != '\\') {
      result += text[0];
      text.remove_prefix(1);
      continue;
    }
    unsigned byte = 0;
    const std::string_view digits = text.starts_with("\\x") ? text.substr(2, 2) : "";
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || end != digits.data() + 2 || error != std::errc())
      gradtape::detail::fail<FileError>(place, ": a backslash without xHH behind it");
    result += static_cast<char>(byte);
    text.remove_prefix(4);
  }
  return result;
}

}  // namespace detail

/// Words (or characters, or whatever a text was cut into) and their ids: the special ones, then
/// those of the texts from the most frequent to the rarest, equally frequent ones in the order of
/// their bytes.
class Vocabulary {
 public:
  /// What stands before the beginning of a text, and behind its end where there is no `</s>`.
  static constexpr Id boundary = 0;
  /// What stands for all that is not in the vocabulary.
  static constexpr Id unknown = 1;
  /// What fills up short texts, with 3 special words or more.
  static constexpr Id padding = 2;
  /// What stands behind the end of a text, with 4 special words.
  static constexpr Id end = 3;

  /// The special words alone.
  Vocabulary() : Vocabulary(std::vector<std::string>()) {}

  /// The words of one text.  See `WordCounts` for the words of many, and for errors.
  explicit Vocabulary(const std::vector<std::string>& text, const VocabularyOptions& options = {});

  /// Number of ids, the special ones included.
  Index size() const { return static_cast<Index>(words_.size()); }
  /// Number of special ids: those below it.
  Index specials() const { return specials_; }

  /// `unknown` if the word is not in the vocabulary.
  Id id(std::string_view word) const {
    const auto found = ids_.find(word);
    return found != ids_.end() ? found->second : unknown;
  }
  /// The id of each word.
  std::vector<Id> ids(const std::vector<std::string>& text) const {
    std::vector<Id> result(text.size());
    std::transform(text.begin(), text.end(), result.begin(),
                   [this](const auto& w) { return id(w); });
    return result;
  }

  /// The word of an id.
  /// \throws ShapeError for a number that is no id.
  const std::string& word(Id id) const { return words_[checked(id)]; }
  /// How often it stood in the texts; of `unknown`, all that was left out.
  Index count(Id id) const { return counts_[checked(id)]; }

  /// A line for each word in the order of the ids: the word, a tab, its count.  Valid UTF-8,
  /// whatever the words are: control characters, bytes that are not UTF-8, the backslash, and a `<`
  /// that begins an ordinary word are written as `\xHH`.
  std::string to_text() const {
    std::string text;
    for (Id id = 0; id < size(); ++id) {
      text += id < specials_ ? word(id) : detail::escaped(word(id));
      text += "\t" + std::to_string(count(id)) + "\n";
    }
    return text;
  }

  /// The vocabulary that `to_text` made a text of.
  /// \throws FileError with the name and the line of what is wrong.
  static Vocabulary from_text(std::string_view text, const std::string& name = "vocabulary");

  /// Writes `to_text` to a file.
  /// \throws FileError if the file cannot be written; then the old one is kept.
  void save(const std::string& path) const { io::write_file(path, to_text()); }
  /// What `save` has written.
  /// \throws FileError if it cannot be read, or for a line that is wrong.
  static Vocabulary load(const std::string& path) { return from_text(io::read_file(path), path); }

 private:
  friend class WordCounts;
  static constexpr std::string_view special_words[]{"<s>", "<unk>", "<pad>", "</s>"};

  explicit Vocabulary(Index specials) : specials_(specials) {
    for (Index i = 0; i < specials; ++i) append(special_words[i], 0);
  }

  void append(std::string_view word, Index count) {
    words_.emplace_back(word);
    counts_.push_back(count);
  }

  /// Whether it is not there yet.
  bool add(std::string_view word, Index count) {
    if (size() == std::numeric_limits<Id>::max())
      gradtape::detail::fail<DomainError>("vocabulary: more words than an id can number");
    if (!ids_.emplace(word, static_cast<Id>(words_.size())).second) return false;
    append(word, count);
    return true;
  }

  std::size_t checked(Id id) const {
    if (id < 0 || id >= size()) {
      gradtape::detail::fail<ShapeError>("vocabulary: id ", id, " is outside of its ", size(),
                                         " words");
    }
    return static_cast<std::size_t>(id);
  }

  Index specials_;
  std::vector<std::string> words_;
  std::vector<Index> counts_;
  detail::WordMap<Id> ids_;  // without the special words, which no text can spell
};

/// Counts the words of texts, until they are frozen into a vocabulary.
class WordCounts {
 public:
  /// Takes in a text, already cut into words.
  void add(const std::vector<std::string>& text) {
    for (const std::string& word : text) ++counts_[word];
  }

  /// Different words so far.
  Index size() const { return static_cast<Index>(counts_.size()); }

  /// The vocabulary of what has been counted so far; counting may go on.
  /// \throws DomainError unless there are 2, 3 or 4 special words and the other options are not
  /// negative.
  Vocabulary freeze(const VocabularyOptions& options = {}) const {
    if (options.specials < 2 || options.specials > 4) {
      gradtape::detail::fail<DomainError>("vocabulary: ", options.specials,
                                          " special words: there are 2, 3 or 4");
    }
    if (options.min_count < 0 || options.max_size < 0) {
      gradtape::detail::fail<DomainError>("vocabulary: min_count ", options.min_count,
                                          " and max_size ", options.max_size,
                                          " must not be negative");
    }
    std::vector<std::pair<std::string_view, Index>> sorted(counts_.begin(), counts_.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    Vocabulary result(options.specials);
    for (const auto& [word, count] : sorted) {
      const bool is_full =
          options.max_size > 0 && result.size() - options.specials >= options.max_size;
      if (count >= options.min_count && !is_full) {
        result.add(word, count);
      } else {
        result.counts_[Vocabulary::unknown] += count;
      }
    }
    return result;
  }

 private:
  detail::WordMap<Index> counts_;
};

inline Vocabulary::Vocabulary(const std::vector<std::string>& text,
                              const VocabularyOptions& options)
    : specials_(0) {
  WordCounts counts;
  counts.add(text);
  *this = counts.freeze(options);
}

inline Vocabulary Vocabulary::from_text(std::string_view text, const std::string& name) {
  Vocabulary result(Index{0});
  Index line_number = 0;
  while (!text.empty()) {
    const std::string place = gradtape::detail::concat(name, ":", ++line_number);
    const std::size_t line_end = text.find('\n');
    if (line_end == text.npos) gradtape::detail::fail<FileError>(place, ": the line is cut off");
    const std::string_view line = text.substr(0, line_end);
    text.remove_prefix(line_end + 1);

    const std::size_t tab = std::min(line.find('\t'), line.size());
    const std::string_view word = line.substr(0, tab),
                           digits = line.substr(std::min(tab + 1, line.size()));
    Index count = -1;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (count < 0 || stop != digits.data() + digits.size() || error != std::errc())
      gradtape::detail::fail<FileError>(place, ": a word, a tab and its count must be there");

    if (word.starts_with('<')) {
      const Index i = result.size();
      if (i >= 4 || i > result.specials_ || word != special_words[i])
        gradtape::detail::fail<FileError>(place, ": ", std::string(word),
                                          " is not the special word that belongs here");
      result.append(word, count);
      ++result.specials_;
    } else if (!result.add(detail::unescaped(place, word), count)) {
      gradtape::detail::fail<FileError>(place, ": the word stands on an earlier line already");
    }
  }
  if (result.specials_ < 2)
    gradtape::detail::fail<FileError>(name, ": it does not begin with <s> and <unk>");
  return result;
}

}  // namespace gradtape::text
