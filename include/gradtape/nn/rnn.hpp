#pragma once
/// \file
/// The simple recurrent network: its state is what its neurons last gave.
///
/// Source: Elman (1990), Finding structure in time.

#include "recurrent.hpp"

namespace gradtape::nn {

/// One step of an RNN.          x (D,n), h (H,n) -> h' (H,n);  of one sample x (D), h (H) -> h' (H)
///     h' = tanh(W x + U h + b)                                     W (H,D), U (H,H), b (H)
/// PyTorch's RNN has two biases, of which b is the sum.  W, U and b are its members `input_weight`,
/// `recurrent_weight` and `bias`.
template <class T>
struct RnnCell : gradtape::detail::RecurrentWeights<T> {
  using State = Tensor<T>;                    ///< h
  static constexpr const char* name = "rnn";  ///< in error texts

  /// W and U as recurrent.hpp says, b zero.
  RnnCell(Index inputs, Index hidden, Random& random)
      : gradtape::detail::RecurrentWeights<T>(1, inputs, hidden, random) {}

  /// h' from x and h.
  /// \throws ShapeError unless x and the state fit each other and the weights.
  State operator()(const Tensor<T>& x, const State& h) const { return checked_step(*this, x, h); }

  /// Step t of those that `steps` gives.
  State step(const gradtape::detail::StepSums<T>& steps, Index t, const State& h) const {
    const auto [z] = gradtape::detail::gates<1>(h.shape(), 0, steps(t, h));
    return tanh(z);
  }

  /// Zero, for n samples.
  State initial_state(Tape<T>& tape, Index n) const {
    return tape.full(Shape{this->hidden(), n}, T(0));
  }
};

/// The network along sequences: see `Recurrent`.         x (D,T,n) -> outputs (H,T,n), state (H,n)
template <class T>
using Rnn = Recurrent<RnnCell<T>>;

}  // namespace gradtape::nn
