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
  Parameter<T> weight;

  /// Normally distributed with deviation 1, so that what follows sees inputs of variance 1.
  Embedding(Index words, Index dimension, Random& random)
      : weight(Shape{dimension, words}, "embedding") {
    initialize::normal(weight, random, 0, 1);
  }

  /// The vectors of single words.        i (n) -> (D,n);  i (N,n) -> (D,N,n);  see `gather`
  template <Indices I>
  Tensor<T> operator()(Tape<T>& tape, const I& indices) const {
    return gather(tape.parameter(weight), indices);
  }

  /// The vectors of the words of a window, one below the other.        i (N,n) -> (D N, n)
  /// See `gather_window`.
  template <Indices I>
  Tensor<T> window(Tape<T>& tape, const I& indices) const {
    return gather_window(tape.parameter(weight), indices);
  }

  void members(auto&& member) { member("weight", weight); }
};

}  // namespace gradtape::nn
