#pragma once
/// \file
/// A text as examples for a model with a fixed window:  N words  ->  the next word.
///
///     e m m a     with N = 3, | a boundary:     ||| -> e,  ||e -> m,  |em -> m,  emm -> a,  mma ->
///     |
///
/// Source: Bengio et al. (2003), A neural probabilistic language model, JMLR 3.

#include <algorithm>
#include <span>
#include <vector>

#include "../core/random.hpp"
#include "vocabulary.hpp"

namespace gradtape::text {

/// Examples side by side, a column a sample.
struct Batch {
  Eigen::Matrix<Id, Eigen::Dynamic, Eigen::Dynamic> inputs;  // (N,n)
  Eigen::Matrix<Id, Eigen::Dynamic, 1> targets;              // (n)

  Batch(Index window, Index samples) : inputs(window, samples), targets(samples) {}
  Index size() const { return targets.size(); }
};

/// All windows of some texts; no window reaches from one text into another.
class Windows {
 public:
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

  std::span<const Id> input(Index i) const {
    return {stream_.data() + start(i), static_cast<std::size_t>(window_)};
  }
  Id target(Index i) const { return stream_[start(i) + static_cast<std::size_t>(window_)]; }

  /// Fills a batch with windows drawn at random, each time any of them.
  /// \throws DomainError if there are none.
  void sample(Batch& batch, Random& random) const {
    for (Index j = 0; j < batch.size(); ++j) copy(random.index(size()), batch, j);
  }

  /// Fills a batch with neighbouring windows, from number `first` on; it gets smaller if fewer are
  /// left.
  void slice(Batch& batch, Index first) const {
    const Index n = std::clamp<Index>(size() - first, 0, batch.size());
    if (n != batch.size()) batch = Batch(window_, n);
    for (Index j = 0; j < n; ++j) copy(first + j, batch, j);
  }

 private:
  std::size_t start(Index i) const { return starts_[static_cast<std::size_t>(i)]; }

  void copy(Index i, Batch& batch, Index column) const {
    const std::span<const Id> words = input(i);
    std::copy(words.begin(), words.end(), batch.inputs.col(column).data());
    batch.targets(column) = target(i);
  }

  Index window_;
  std::vector<Id> stream_;           // the texts, each with its boundaries
  std::vector<std::size_t> starts_;  // of the windows in the stream
};

}  // namespace gradtape::text
