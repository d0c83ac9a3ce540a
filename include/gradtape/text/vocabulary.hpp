#pragma once
/// \file
/// The words that a model knows, numbered.

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../core/shape.hpp"

namespace gradtape::text {

/// The number of a word in a vocabulary.
using Id = std::int32_t;

struct VocabularyOptions {
  Index min_count = 1;  // what is rarer is left out
  Index max_size = 0;   // most words beside the special ones, the frequent ones first; 0: all
};

/// Words (or characters, or whatever a text was cut into) and their ids: two special ones, then
/// those of a text from the most frequent to the rarest, equally frequent ones in the order of
/// their bytes.
class Vocabulary {
 public:
  /// What stands before the beginning and behind the end of a text.
  static constexpr Id boundary = 0;
  /// What stands for all that is not in the vocabulary.
  static constexpr Id unknown = 1;

  Vocabulary() : Vocabulary(std::vector<std::string>()) {}

  explicit Vocabulary(const std::vector<std::string>& text, const VocabularyOptions& options = {}) {
    std::map<std::string_view, Index> counts;
    for (const std::string& word : text) ++counts[word];
    std::vector<std::pair<std::string_view, Index>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });

    add("<s>", 0);
    add("<unk>", 0);
    for (const auto& [word, count] : sorted) {
      const bool is_full = options.max_size > 0 && size() - 2 >= options.max_size;
      if (count >= options.min_count && !is_full) {
        ids_.emplace(word, static_cast<Id>(words_.size()));
        add(word, count);
      } else {
        counts_[unknown] += count;
      }
    }
  }

  /// Number of ids, the special ones included.
  Index size() const { return static_cast<Index>(words_.size()); }

  /// `unknown` if the word is not in the vocabulary.
  Id id(const std::string& word) const {
    const auto found = ids_.find(word);
    return found != ids_.end() ? found->second : unknown;
  }
  std::vector<Id> ids(const std::vector<std::string>& text) const {
    std::vector<Id> result(text.size());
    std::transform(text.begin(), text.end(), result.begin(),
                   [this](const auto& w) { return id(w); });
    return result;
  }

  /// \throws ShapeError for a number that is no id.
  const std::string& word(Id id) const { return words_[checked(id)]; }
  /// How often it stood in the text; of `unknown`, all that was left out.
  Index count(Id id) const { return counts_[checked(id)]; }

 private:
  void add(std::string_view word, Index count) {
    words_.emplace_back(word);
    counts_.push_back(count);
  }

  std::size_t checked(Id id) const {
    if (id < 0 || id >= size()) {
      gradtape::detail::fail<ShapeError>("vocabulary: id ", id, " is outside of its ", size(),
                                         " words");
    }
    return static_cast<std::size_t>(id);
  }

  std::vector<std::string> words_;
  std::vector<Index> counts_;
  std::unordered_map<std::string, Id> ids_;
};

}  // namespace gradtape::text
