#pragma once
/// \file
/// Mini-batches: every sample once in an epoch, in a new order each time.
///
///     data::Batches batches(samples.cols(), 32);
///     for (int epoch = 0; epoch < epochs; ++epoch) {
///       batches.shuffle(random);
///       for (std::span<const Index> batch : batches) ..      the numbers of its samples
///     }

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "../core/random.hpp"
#include "../core/shape.hpp"

namespace gradtape::data {

/// Options of `Batches`.
struct BatchesOptions {
  bool drop_last = false;  ///< leaves out the last batch if it is smaller than the others
};

/// The numbers 0 .. n-1 in batches, in their order at first.  Nothing is allocated after the
/// construction.
class Batches {
 public:
  /// The last batch is smaller if the size does not divide the number of samples.
  /// \throws DomainError unless there are samples, batches of at least one, and one that is not
  /// dropped.
  Batches(Index samples, Index batch_size, const BatchesOptions& options = {})
      : batch_size_(batch_size), used_(samples) {
    if (samples < 1 || batch_size < 1) {
      gradtape::detail::fail<DomainError>("batches: of ", batch_size, " from ", samples,
                                          " samples: both numbers must be at least 1");
    }
    if (options.drop_last) used_ -= samples % batch_size;
    if (used_ == 0) {
      gradtape::detail::fail<DomainError>("batches: the only one, of ", samples, " samples, is ",
                                          "smaller than ", batch_size, ", and would be dropped");
    }
    order_.resize(static_cast<std::size_t>(samples));
    std::iota(order_.begin(), order_.end(), 0);
  }

  /// Begins an epoch: an order that the state of the generator alone decides.
  void shuffle(Random& random) {
    std::iota(order_.begin(), order_.end(), 0);
    random.shuffle(order_);
  }

  /// Number of batches.
  Index size() const { return (used_ + batch_size_ - 1) / batch_size_; }

  /// The numbers of the samples in batch i.
  /// \throws ShapeError for a number that is no batch's.
  std::span<const Index> operator[](Index i) const {
    if (i < 0 || i >= size())
      gradtape::detail::fail<ShapeError>("batches: number ", i, " of ", size(), " batches");
    const Index first = i * batch_size_;
    return std::span(order_).subspan(
        static_cast<std::size_t>(first),
        static_cast<std::size_t>(std::min(batch_size_, used_ - first)));
  }

  /// For a `for` over the batches.
  class Iterator {
   public:
    /// \cond  what a `for` needs
    Iterator(const Batches& batches, Index i) : batches_(&batches), i_(i) {}
    std::span<const Index> operator*() const { return (*batches_)[i_]; }
    Iterator& operator++() {
      ++i_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;
    /// \endcond

   private:
    const Batches* batches_;
    Index i_;
  };

  Iterator begin() const { return {*this, 0}; }     ///< at the first batch
  Iterator end() const { return {*this, size()}; }  ///< behind the last one

 private:
  Index batch_size_, used_;
  std::vector<Index> order_;
};

}  // namespace gradtape::data
