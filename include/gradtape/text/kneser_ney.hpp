#pragma once
/// \file
/// Interpolated Kneser-Ney smoothing: the n-gram model that a neural one has to beat.  With h the
/// words before w, h' the same without the first, V words in the vocabulary, for every length of h:
///
///     P(w | h) = (c(h w) - D(c(h w))) / c(h)  +  gamma(h) P(w | h'),     P(w | nothing left) = 1/V
///     c(h) = sum over w of c(h w),   gamma(h) = (sum over w of D(c(h w))) / c(h)
///
/// c counts occurrences for the longest h, and for those that begin a text; otherwise the different
/// words that stand before h w.  The discount D, with n_r the number of n-grams with c = r:
///
///     one:        D = n_1 / (n_1 + 2 n_2)
///     modified:   D(1) = 1 - 2 Y n_2/n_1,  D(2) = 2 - 3 Y n_3/n_2,  D(3..) = 3 - 4 Y n_4/n_3,
///                 with Y = n_1 / (n_1 + 2 n_2)
///
/// Sources: Kneser and Ney (1995), Improved backing-off for m-gram language modeling; Chen and
/// Goodman (1998), An empirical study of smoothing techniques for language modeling, TR-10-98,
/// sections 2.7 and 3.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "vocabulary.hpp"

namespace gradtape::text {

/// Options of `KneserNey`.
struct KneserNeyOptions {
  Index order = 5;        ///< words of an n-gram, the predicted one included
  bool modified = false;  ///< three discounts for each length
};

/// The n-grams of some texts, as a tree: those of a length lie sorted side by side, the
/// continuations of one together.  A text begins and ends with `Vocabulary::boundary`.
class KneserNey {
 public:
  /// Counts the n-grams of texts over a vocabulary of that many words.
  /// \throws DomainError unless there is a text and the order is in 1 .. 100; ShapeError for ids
  /// outside of the vocabulary, and for boundaries inside a text.
  KneserNey(const std::vector<std::vector<Id>>& texts, Index words,
            const KneserNeyOptions& options = {})
      : words_(words), levels_(static_cast<std::size_t>(checked_order(options.order)) + 1) {
    const std::vector<Id> stream = join(texts);
    grow(stream);
    for (Level& level : levels_) level.discounts = discounts_of(level.counts, options.modified);
  }

  /// Words of the longest n-grams, as asked for.
  Index order() const { return static_cast<Index>(levels_.size()) - 1; }

  /// P(word | history), the history from its oldest word to its newest; a boundary in it begins the
  /// text, and as the word ends it.
  /// \throws ShapeError for a word outside of the vocabulary.
  double probability(std::span<const Id> history, Id word) const {
    check_id(word);
    history = history.last(std::min(history.size(), levels_.size() - 2));
    const auto boundary = std::find(history.rbegin(), history.rend(), Vocabulary::boundary);
    if (boundary != history.rend()) history = {boundary.base() - 1, history.end()};

    double p = 1 / static_cast<double>(words_);
    for (std::size_t length = 0; length <= history.size(); ++length) {
      const std::uint32_t context = find(history.last(length));
      if (context == none) break;  // then no longer one is there
      const Continuations& next = levels_[length].next[context];
      const Level& level = levels_[length + 1];
      const double total = next.total;
      p *= (level.discounts[0] * next.ones + level.discounts[1] * next.twos +
            level.discounts[2] * next.more) /
           total;
      const std::uint32_t found = find(length, context, word);
      if (found != none) p += (level.counts[found] - level.discount(level.counts[found])) / total;
    }
    return p;
  }

  /// The mean of -log P over the words of some texts and their ends, in nats; exp of it is the
  /// perplexity.  \throws DomainError if there is no text.
  double loss(const std::vector<std::vector<Id>>& texts) const {
    const std::vector<Id> stream = join(texts);
    double sum = 0;
    Index count = 0;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < stream.size(); ++i) {
      if (stream[i] == separator) {
        begin = i + 1;
      } else if (i > begin) {
        sum -= std::log(probability(std::span(stream).subspan(begin, i - begin), stream[i]));
        ++count;
      }
    }
    return sum / static_cast<double>(count);
  }

  /// The discounts D(1), D(2), D(3..) of n-grams of so many words.
  /// \throws ShapeError if there are
  /// none such.
  const std::array<double, 3>& discounts(Index length) const {
    if (length < 1 || length > order()) {
      gradtape::detail::fail<ShapeError>("kneser_ney: discounts of ", length, "-grams in a model ",
                                         "of order ", order());
    }
    return levels_[static_cast<std::size_t>(length)].discounts;
  }

 private:
  static constexpr Id separator = -1;  // between texts
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

  /// What follows an n-gram: the sum of the counts, and how many of them are 1, 2 and more.
  struct Continuations {
    std::uint32_t total = 0, ones = 0, twos = 0, more = 0;
  };

  /// The n-grams of a length: number i has a last word, a count, and its continuations in the next
  /// level from first[i] up to first[i + 1].
  struct Level {
    std::vector<Id> last;
    std::vector<std::uint32_t> counts, first;
    std::vector<Continuations> next;
    std::array<double, 3> discounts{};

    double discount(std::uint32_t count) const { return discounts[std::min(count, 3u) - 1]; }
  };

  static Index checked_order(Index order) {
    if (order < 1 || order > 100)
      gradtape::detail::fail<DomainError>("kneser_ney: order ", order, " is not in 1 .. 100");
    return order;
  }

  void check_id(Id id) const {
    if (id < 0 || id >= words_) {
      gradtape::detail::fail<ShapeError>("kneser_ney: id ", id, " is outside of the vocabulary of ",
                                         words_, " words");
    }
  }

  /// All texts with their boundaries, and separators around each.
  std::vector<Id> join(const std::vector<std::vector<Id>>& texts) const {
    if (texts.empty()) gradtape::detail::fail<DomainError>("kneser_ney: no text");
    std::vector<Id> stream{separator};
    for (const std::vector<Id>& text : texts) {
      stream.push_back(Vocabulary::boundary);
      for (const Id id : text) {
        check_id(id);
        if (id == Vocabulary::boundary)
          gradtape::detail::fail<ShapeError>("kneser_ney: a boundary inside a text");
        stream.push_back(id);
      }
      stream.push_back(Vocabulary::boundary);
      stream.push_back(separator);
    }
    if (stream.size() >= none)
      gradtape::detail::fail<DomainError>("kneser_ney: more than 4294967294 words");
    return stream;
  }

  /// Of two places in the stream, how many words from there on are the same, the separator left
  /// out, up to the order.
  std::size_t common(const std::vector<Id>& stream, std::size_t a, std::size_t b) const {
    std::size_t n = 0;
    while (n + 1 < levels_.size() && stream[a + n] == stream[b + n] && stream[a + n] != separator)
      ++n;
    return n;
  }

  /// Makes the tree from all places of the stream, sorted by the words that follow.
  void grow(const std::vector<Id>& stream) {
    std::vector<std::uint32_t> places;
    for (std::size_t i = 0; i < stream.size(); ++i) {
      if (stream[i] != separator) places.push_back(static_cast<std::uint32_t>(i));
    }
    std::sort(places.begin(), places.end(), [&](std::uint32_t a, std::uint32_t b) {
      const std::size_t n = common(stream, a, b);
      return n + 1 < levels_.size() && stream[a + n] < stream[b + n];
    });

    levels_[0].first.push_back(0);
    // for every length and word: the n-gram that it was last seen to stand before
    std::vector<std::vector<std::uint32_t>> seen(
        levels_.size(), std::vector<std::uint32_t>(static_cast<std::size_t>(words_), none));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::size_t place = places[i];
      const std::size_t known = i == 0 ? 0 : common(stream, places[i - 1], place);
      for (std::size_t n = 1; n < levels_.size(); ++n) {
        const Id word = stream[place + n - 1], before = stream[place - 1];
        if (word == separator) break;
        Level& level = levels_[n];
        if (n > known) {
          level.last.push_back(word);
          level.counts.push_back(0);
          if (n < levels_.size() - 1)
            level.first.push_back(static_cast<std::uint32_t>(levels_[n + 1].last.size()));
        }
        if (n == 1 && before == separator) continue;  // the beginning is never predicted
        const auto ngram = static_cast<std::uint32_t>(level.last.size() - 1);
        if (n == levels_.size() - 1 || before == separator) {
          ++level.counts.back();
        } else if (std::uint32_t& last = seen[n][static_cast<std::size_t>(before)]; last != ngram) {
          last = ngram;
          ++level.counts.back();
        }
      }
    }
    for (std::size_t n = 0; n + 1 < levels_.size(); ++n) {
      levels_[n].first.push_back(static_cast<std::uint32_t>(levels_[n + 1].last.size()));
      count_continuations(levels_[n], levels_[n + 1].counts);
    }
  }

  static void count_continuations(Level& level, const std::vector<std::uint32_t>& counts) {
    level.next.resize(level.first.size() - 1);
    for (std::size_t i = 0; i < level.next.size(); ++i) {
      Continuations& next = level.next[i];
      for (std::uint32_t k = level.first[i]; k < level.first[i + 1]; ++k) {
        next.total += counts[k];
        ++(counts[k] == 1 ? next.ones : counts[k] == 2 ? next.twos : next.more);
      }
    }
  }

  /// Where the counts of counts do not make a discount above 0, the one before it is taken, and 1/2
  /// as the first: without a discount, what was not seen would be impossible.
  static std::array<double, 3> discounts_of(const std::vector<std::uint32_t>& counts,
                                            bool modified) {
    std::array<double, 5> n{};
    for (const std::uint32_t c : counts) {
      if (c < n.size()) ++n[c];
    }
    const double y = n[1] > 0 ? n[1] / (n[1] + 2 * n[2]) : 0.5;
    std::array<double, 3> discounts{y, y, y};  // 1 - 2 Y n_2/n_1 is Y
    if (!modified || n[1] == 0) return discounts;
    for (std::size_t r = 2; r <= 3; ++r) {
      const auto rank = static_cast<double>(r);
      const double discount = rank - (rank + 1) * y * n[r + 1] / n[r];
      discounts[r - 1] = discount > 0 ? discount : discounts[r - 2];
    }
    return discounts;
  }

  /// The continuation of an n-gram by a word.
  std::uint32_t find(std::size_t length, std::uint32_t ngram, Id word) const {
    const Level& level = levels_[length];
    const auto begin = levels_[length + 1].last.begin();
    const auto end = begin + level.first[ngram + 1];
    const auto found = std::lower_bound(begin + level.first[ngram], end, word);
    return found != end && *found == word ? static_cast<std::uint32_t>(found - begin) : none;
  }

  /// An n-gram that has continuations.
  std::uint32_t find(std::span<const Id> words) const {
    std::uint32_t ngram = 0;
    for (std::size_t n = 0; n < words.size() && ngram != none; ++n)
      ngram = find(n, ngram, words[n]);
    return ngram != none && levels_[words.size()].next[ngram].total > 0 ? ngram : none;
  }

  Index words_;
  std::vector<Level> levels_;  // number n: the n-grams of n words; number 0: the empty one
};

}  // namespace gradtape::text
