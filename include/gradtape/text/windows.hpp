#pragma once
/// \file
/// A text as examples for a model with a fixed window:  N words  ->  the next word.
///
///     e m m a   with N = 3, | a boundary:   ||| -> e,  ||e -> m,  |em -> m,  emm -> a,  mma -> |
///
/// Source: Bengio et al. (2003), A neural probabilistic language model, JMLR 3.

#include <algorithm>
#include <span>
#include <vector>

#include "../core/random.hpp"
#include "vocabulary.hpp"

namespace gradtape::text {

/// Examples side by side, a column a sample: at most as many as it was made for, so that filling it
/// allocates nothing.
class Batch {
 public:
  /// Room for that many samples of a window of N words.
  Batch(Index window, Index samples)
      : size_(samples), inputs_(window, samples), targets_(samples) {}

  Index size() const { return size_; }                     ///< n, examples that are in it
  Index capacity() const { return targets_.size(); }       ///< the most that fit in
  auto inputs() const { return inputs_.leftCols(size_); }  ///< (N,n), the oldest word first
  auto targets() const { return targets_.head(size_); }    ///< (n), the words that follow

 private:
  friend class Windows;

  Index size_;
  Eigen::Matrix<Id, Eigen::Dynamic, Eigen::Dynamic> inputs_;
  Eigen::Matrix<Id, Eigen::Dynamic, 1> targets_;
};

/// All windows of some texts; no window reaches from one text into another.
class Windows {
 public:
  /// Windows of N words; texts come by `add`.
  /// \throws ShapeError unless the window has at least one word.
  explicit Windows(Index window) : window_(window) {
    if (window < 1) {
      gradtape::detail::fail<ShapeError>("windows: a window of ", window,
                                         " words: it must have at least one");
    }
  }

  /// Appends a text: its words and its end are what is to be predicted.
  void add(std::span<const Id> text) {
    stream_.insert(stream_.end(), static_cast<std::size_t>(window_), Vocabulary::boundary);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      starts_.push_back(stream_.size() - static_cast<std::size_t>(window_));
      stream_.push_back(i < text.size() ? text[i] : Vocabulary::boundary);
    }
  }

  /// Words in a window.
  Index window() const { return window_; }
  /// Number of windows.
  Index size() const { return static_cast<Index>(starts_.size()); }

  /// The words of window i, the oldest first.
  /// \throws ShapeError for a number that is no window's, as `target` does.
  std::span<const Id> input(Index i) const {
    return {stream_.data() + start(i), static_cast<std::size_t>(window_)};
  }
  /// The word that follows window i.
  Id target(Index i) const { return stream_[start(i) + static_cast<std::size_t>(window_)]; }

  /// Fills a batch with windows drawn at random, each time any of them.
  /// \throws DomainError if there are none.
  void sample(Batch& batch, Random& random) const {
    fill(batch, batch.capacity(), [&](Index) { return random.index(size()); });
  }

  /// Fills a batch with neighbouring windows, from number `first` on, or with those that are left.
  void slice(Batch& batch, Index first) const {
    fill(batch, std::clamp<Index>(size() - first, 0, batch.capacity()),
         [&](Index j) { return first + j; });
  }

  /// Fills a batch with the windows of these numbers, such as `data::Batches` deals out.
  /// \throws ShapeError if they are more than the batch has room for, or one is no window's.
  void choose(Batch& batch, std::span<const Index> numbers) const {
    const Index n = std::ssize(numbers);
    if (n > batch.capacity()) {
      gradtape::detail::fail<ShapeError>("windows: ", n, " windows for a batch of at most ",
                                         batch.capacity());
    }
    fill(batch, n, [&](Index j) { return numbers[static_cast<std::size_t>(j)]; });
  }

 private:
  std::size_t start(Index i) const {
    if (i < 0 || i >= size())
      gradtape::detail::fail<ShapeError>("windows: number ", i, " of ", size(), " windows");
    return starts_[static_cast<std::size_t>(i)];
  }

  template <class Number>
  void fill(Batch& batch, Index n, Number&& number) const {
    if (batch.inputs_.rows() != window_) {
      gradtape::detail::fail<ShapeError>("windows: windows of ", window_, " words for a batch of ",
                                         batch.inputs_.rows());
    }
    batch.size_ = n;
    for (Index j = 0; j < n; ++j) {
      const Index i = number(j);
      const std::span<const Id> words = input(i);
      std::copy(words.begin(), words.end(), batch.inputs_.col(j).data());
      batch.targets_(j) = target(i);
    }
  }

  Index window_;
  std::vector<Id> stream_;           // the texts, each with its boundaries
  std::vector<std::size_t> starts_;  // of the windows in the stream
};

}  // namespace gradtape::text
