#pragma once
/// \file
/// Texts of different lengths side by side, a column each.
///
///     a b c, d          with `_` for the padding:   a d       lengths 3, 1
///                                                   b _
///                                                   c _

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "vocabulary.hpp"

namespace gradtape::text {

/// How texts are brought to one length.
struct PaddingOptions {
  Index length = 0;       ///< T; 0: that of the longest text, but at least 1
  bool keep_end = false;  ///< true: a text that is too long loses its beginning, not its end
  Id padding = Vocabulary::padding;  ///< what stands behind the end of a text
};

/// Texts filled up to the same length behind their ends.
class PaddedTexts {
 public:
  Index size() const { return std::ssize(lengths_); }  ///< number of texts
  /// (T,n), a column a text.
  auto ids() const { return ids_.topLeftCorner(length_, size()); }
  /// Of the texts, as far as they were kept; 0 for an empty text.
  std::span<const Index> lengths() const { return lengths_; }

  /// Replaces its content by the texts of these numbers, such as `data::Batches` deals out.  What
  /// is not larger than an earlier content needs no new memory.
  /// \throws ShapeError for a number that is no text's, or a negative length.
  void choose(const std::vector<std::vector<Id>>& texts, std::span<const Index> numbers,
              const PaddingOptions& options = {}) {
    if (options.length < 0)
      gradtape::detail::fail<ShapeError>("padding: a length of ", options.length);
    Index longest = 1;
    for (const Index i : numbers) {
      if (i < 0 || i >= std::ssize(texts))
        gradtape::detail::fail<ShapeError>("padding: number ", i, " of ", texts.size(), " texts");
      longest = std::max(longest, std::ssize(texts[static_cast<std::size_t>(i)]));
    }
    length_ = options.length > 0 ? options.length : longest;
    lengths_.resize(numbers.size());
    if (ids_.rows() < length_ || ids_.cols() < size())
      ids_.resize(std::max(ids_.rows(), length_), std::max(ids_.cols(), size()));

    for (Index j = 0; j < size(); ++j) {
      const std::vector<Id>& text =
          texts[static_cast<std::size_t>(numbers[static_cast<std::size_t>(j)])];
      const Index n = std::min(length_, std::ssize(text));
      lengths_[static_cast<std::size_t>(j)] = n;
      const auto begin = options.keep_end ? text.end() - n : text.begin();
      Id* const column = ids_.col(j).data();
      std::fill(std::copy(begin, begin + n, column), column + length_, options.padding);
    }
  }

 private:
  Index length_ = 0;
  Eigen::Matrix<Id, Eigen::Dynamic, Eigen::Dynamic> ids_;
  std::vector<Index> lengths_;
};

/// All of some texts.  \throws ShapeError for a negative length.
inline PaddedTexts pad(const std::vector<std::vector<Id>>& texts,
                       const PaddingOptions& options = {}) {
  std::vector<Index> numbers(texts.size());
  std::iota(numbers.begin(), numbers.end(), 0);
  PaddedTexts padded;
  padded.choose(texts, numbers, options);
  return padded;
}

}  // namespace gradtape::text
