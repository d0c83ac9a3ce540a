// Texts of two classes, from a file with a label in front of each, or from two files, one per class.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gradtape/data/split.hpp"
#include "gradtape/io/file.hpp"
#include "gradtape/text/tokens.hpp"

namespace examples {

using Words = std::vector<std::string>;

inline Words words_of(std::string_view text) {
  return gradtape::text::words(text, {.lower_case = true});
}

struct Reviews {
  std::array<std::string, 2> classes;  // their names
  std::vector<Words> texts;
  std::vector<float> targets;  // 0 or 1, of each text

  Eigen::Index size() const { return std::ssize(texts); }
  void add(std::string_view text, float target) {
    texts.push_back(words_of(text));
    targets.push_back(target);
  }
  Reviews choose(std::span<const Eigen::Index> numbers) const {
    return {classes, gradtape::data::choose(texts, numbers),
            gradtape::data::choose(targets, numbers)};
  }
};

/// Calls f(line, number) for each line that is not empty, from 1.
template <class F>
void for_each_line(const std::string& path, F&& f) {
  std::istringstream content(gradtape::io::read_file(path));
  std::string line;
  for (int number = 1; std::getline(content, line); ++number) {
    std::string_view text = line;
    if (number == 1 && text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // byte order mark
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (!text.empty()) f(text, number);
  }
}

/// Reads lines `label TAB text`, whose text may be empty; the two labels are class 0 and 1 in the
/// order of their bytes.  Of two files, each line of the first is a text of class 0, of the second
/// of class 1, and the classes have the files' names.
/// \throws gradtape::FileError with the file and the line for one without a label or a TAB, for a
/// third label, and for files without texts of two classes.
inline Reviews read_reviews(const std::vector<std::string>& paths) {
  using gradtape::FileError;
  Reviews reviews;
  if (paths.size() == 2) {
    for (const std::size_t k : {0u, 1u}) {
      const auto before = reviews.size();
      const auto target = static_cast<float>(k);
      for_each_line(paths[k], [&](std::string_view line, int) { reviews.add(line, target); });
      if (reviews.size() == before) throw FileError(paths[k] + ": there is no text in it");
      reviews.classes[k] = std::filesystem::path(paths[k]).stem().string();
    }
    return reviews;
  }
  const std::string& path = paths.at(0);
  std::vector<std::string> labels;  // in the order of their appearance
  for_each_line(path, [&](std::string_view line, int number) {
    const auto fail = [&](const std::string& rule) {
      throw FileError(path + ":" + std::to_string(number) + ": " + rule);
    };
    const std::size_t tab = line.find('\t');
    if (tab == line.npos || tab == 0) fail("a line must be a label, a TAB and a text");
    const std::string_view label = line.substr(0, tab);
    auto found = std::find(labels.begin(), labels.end(), label);
    if (found == labels.end()) {
      if (labels.size() == 2) {
        fail("\"" + std::string(label) + "\" is a third label beside \"" + labels[0] + "\" and \"" +
             labels[1] + "\": there must be two");
      }
      found = labels.emplace(labels.end(), label);
    }
    reviews.add(line.substr(tab + 1), found == labels.begin() ? 0.f : 1.f);
  });
  if (labels.size() != 2) throw FileError(path + ": there must be texts with two labels");
  if (labels[1] < labels[0]) {
    std::swap(labels[0], labels[1]);
    for (float& target : reviews.targets) target = 1 - target;
  }
  reviews.classes = {labels[0], labels[1]};
  return reviews;
}

/// Whether one of the words denies something.
inline bool has_negation(const Words& words) {
  constexpr std::array negations{"not",     "no",  "never",   "nothing", "nobody", "none",
                                 "neither", "nor", "nowhere", "without", "cannot", "hardly"};
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
    return word.ends_with("n't") || word.ends_with("n\u2019t") ||
           std::find(negations.begin(), negations.end(), word) != negations.end();
  });
}

}  // namespace examples
