#pragma once
/// \file
/// Texts side by side in pieces of T words, for models over sequences.  A stream reads one text
/// after the other, piece by piece, so that a recurrent model can carry its state on:
///
///     stream 0   |em ma| |ol iv ia|          T = 2, | a boundary, a space the border of a piece
///     stream 1   |av a|  |i| ..
///
/// Each word is to be predicted from those before it in its text, its end too: of the piece "em",
/// the inputs are "|e" and the targets "em".  Where a text ends within a piece, the rest is padding.

#include <numeric>
#include <span>
#include <vector>

#include "../core/random.hpp"
#include "vocabulary.hpp"

namespace gradtape::text {

/// Options of `Streams`.
struct StreamsOptions {
  Index steps = 32;    ///< T, words in a piece
  Index samples = 16;  ///< n, streams
  /// Words of the last piece of a text that are inputs once more, and not to be predicted again:
  /// for models without a state, so that every prediction has that many words before it.
  Index overlap = 0;
};

/// Pieces of all streams, one after the other; filling them allocates nothing.
///
///     streams.shuffle(random);                                an epoch: every text once
///     while (streams.next()) .. inputs(), targets(), lengths()
class Streams {
 public:
  /// A word a row, a stream a column.
  using Ids = Eigen::Matrix<Id, Eigen::Dynamic, Eigen::Dynamic>;
  /// A number for each stream.
  using Lengths = Eigen::Matrix<Id, Eigen::Dynamic, 1>;

  /// Target where there is nothing to predict: `softmax_cross_entropy` ignores it.
  static constexpr Id ignored = -100;

  /// Of texts without boundaries, which are copied; `next` reads the first piece.
  /// \throws ShapeError unless there is a stream, pieces have at least one word and overlap in
  /// less.
  explicit Streams(std::span<const std::vector<Id>> texts, const StreamsOptions& options = {})
      : options_(options) {
    const auto& [steps, samples, overlap] = options;
    if (steps < 1 || samples < 1 || overlap < 0 || overlap >= steps) {
      gradtape::detail::fail<ShapeError>("streams: ", samples, " streams in pieces of ", steps,
                                         " words with an overlap of ", overlap,
                                         ": at least one of each, and less overlap than words");
    }
    words_.push_back(Vocabulary::boundary);
    for (const std::vector<Id>& text : texts) {
      starts_.push_back(std::ssize(words_) - 1);
      words_.insert(words_.end(), text.begin(), text.end());
      words_.push_back(Vocabulary::boundary);
    }
    starts_.push_back(std::ssize(words_) - 1);
    order_.resize(texts.size());
    inputs_.resize(steps, samples);
    targets_.resize(steps, samples);
    lengths_.resize(samples);
    readers_.resize(static_cast<std::size_t>(samples));
    rewind();
  }

  /// Number of words to predict in all texts, ends included.
  Index size() const { return std::ssize(words_) - 1; }

  /// Begins anew, with the texts in their order.
  void rewind() {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::fill(readers_.begin(), readers_.end(), Reader{});
    taken_ = 0;
  }
  /// Begins anew, with the texts in an order that the state of the generator alone decides.
  void shuffle(Random& random) {
    rewind();
    random.shuffle(order_);
  }

  /// Reads the next piece of every stream; false if all texts have been read.
  bool next() {
    inputs_.setConstant(Vocabulary::boundary);
    targets_.setConstant(ignored);
    predicted_ = 0;
    for (Index j = 0; j < options_.samples; ++j) read(j);
    return predicted_ > 0;
  }

  // Of the current piece.

  const Ids& inputs() const { return inputs_; }        ///< (T,n)
  const Ids& targets() const { return targets_; }      ///< (T,n), `ignored` in the padding
  const Lengths& lengths() const { return lengths_; }  ///< (n), inputs; 0 behind the last text
  Index predicted() const { return predicted_; }       ///< targets that are not ignored
  /// Whether a stream begins a text here: its state is to be reset.
  bool begins(Index stream) const { return readers_.at(std::size_t(stream)).begins; }

 private:
  struct Reader {
    Index at = 0, end = 0;  // next word to predict from, and where the text's last one stands
    bool begins = false;
  };

  void read(Index j) {
    Reader& reader = readers_[static_cast<std::size_t>(j)];
    reader.begins = reader.at == reader.end && taken_ < order_.size();
    if (reader.begins) {
      const std::size_t text = order_[taken_++];
      reader.at = starts_[text];
      reader.end = starts_[text + 1];
    }
    const bool goes_on = !reader.begins && reader.at < reader.end;
    // within the text, as it goes on behind a piece of T words, which are more
    const Index overlap = goes_on ? options_.overlap : 0;
    const Index first = reader.at - overlap;
    const Index length = std::min(options_.steps, reader.end - first);
    std::copy_n(words_.begin() + first, length, inputs_.col(j).begin());
    std::copy_n(words_.begin() + reader.at + 1, length - overlap,
                targets_.col(j).begin() + overlap);
    lengths_(j) = static_cast<Id>(length);
    predicted_ += length - overlap;
    reader.at = first + length;
  }

  StreamsOptions options_;
  std::vector<Id> words_;      // boundary, text, boundary, text, .., boundary
  std::vector<Index> starts_;  // of each text, its boundary; and the end
  std::vector<std::size_t> order_;
  std::size_t taken_ = 0;  // texts
  std::vector<Reader> readers_;
  Ids inputs_, targets_;
  Lengths lengths_;
  Index predicted_ = 0;
};

}  // namespace gradtape::text
