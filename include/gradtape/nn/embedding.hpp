#pragma once
/// \file
/// A table of learned vectors, one for each word.

#include "../ops/gather.hpp"
#include "initialize.hpp"
#include "module.hpp"

namespace gradtape::nn {

/// Columns of E (D,V), picked by integers.
template <class T>
struct Embedding {
  Parameter<T> weight;  ///< E (D,V), a column a word
  Padding padding;      ///< the word whose column is not trained, if there is one

  /// Normally distributed with deviation 1, so that what follows sees inputs of variance 1.
  /// \param pad  the word that fills up short texts: its vector is zero at first and stays, as
  /// lookups give it no gradient.  The vectors of the other words do not depend on it.
  /// \throws ShapeError if there is no such word.
  Embedding(Index words, Index dimension, Random& random, Padding pad = {})
      : weight(Shape{dimension, words}, "embedding"), padding(pad) {
    initialize::normal(weight, random, 0, 1);
    if (pad.index < 0) return;
    if (pad.index >= words) {
      gradtape::detail::fail<ShapeError>("embedding: the padding index ", pad.index,
                                         " is outside of the ", words, " words");
    }
    weight.value().col(pad.index).setZero();
  }

  /// The vectors of single words.        i (n) -> (D,n);  i (N,n) -> (D,N,n);  see `gather`
  template <Indices I>
  Tensor<T> operator()(Tape<T>& tape, const I& indices) const {
    return gather(tape.parameter(weight), indices, padding);
  }

  /// The vectors of the words of a window, one below the other.        i (N,n) -> (D N, n)
  /// See `gather_window`.
  template <Indices I>
  Tensor<T> window(Tape<T>& tape, const I& indices) const {
    return gather_window(tape.parameter(weight), indices, padding);
  }

  void members(auto&& member) { member("weight", weight); }
};

}  // namespace gradtape::nn
