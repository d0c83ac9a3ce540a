#pragma once
/// \file
/// Long short-term memory: a cell c that gates keep, write to and read.
///
///     c' = sigmoid(f) c + sigmoid(i) tanh(g),     h' = sigmoid(o) tanh(c')
///
/// Sources: Hochreiter and Schmidhuber (1997), Long short-term memory; Gers et al. (2000), Learning
/// to forget: the gate f.

#include "recurrent.hpp"

namespace gradtape::nn {

/// What a cell hands on: both (H,n), or (H) of one sample.
template <class T>
struct LstmState {
  Tensor<T> h;  ///< what the cell shows
  Tensor<T> c;  ///< what it remembers
};

///@{
/// As of a state that is a single tensor: h is what is shown, the others are for h and c alike.
template <class T>
const Tensor<T>& hidden_of(const LstmState<T>& state) {
  return state.h;
}
template <class T>
LstmState<T> advance(const Tensor<T>& running, const LstmState<T>& next, const LstmState<T>& last) {
  return {advance(running, next.h, last.h), advance(running, next.c, last.c)};
}
template <class T, class F>
LstmState<T> map_state(const LstmState<T>& state, F&& f) {
  return {f(state.h), f(state.c)};
}
template <class T>
void check_state(std::string_view layer, const LstmState<T>& state, const Shape& expected,
                 const Tensor<T>& x) {
  gradtape::detail::check_state_part(layer, "h", state.h, expected, x);
  gradtape::detail::check_state_part(layer, "c", state.c, expected, x);
}
///@}

/// One step of an LSTM.         x (D,n), h and c (H,n) -> h' and c' (H,n);  of one sample without n
///     [i; f; g; o] = W x + U h + b                                  W (4H,D), U (4H,H), b (4H)
///     c' = sigmoid(f) c + sigmoid(i) tanh(g),   h' = sigmoid(o) tanh(c')
/// The gates stand in the order of PyTorch's LSTM, which has two biases, of which b is the sum.
/// W, U and b are its members `input_weight`, `recurrent_weight` and `bias`.
template <class T>
struct LstmCell : gradtape::detail::RecurrentWeights<T> {
  using State = LstmState<T>;                  ///< h and c
  static constexpr const char* name = "lstm";  ///< in error texts

  /// W and U as recurrent.hpp says; b zero, but 1 for the gate f, so that the cell remembers at
  /// first: Gers et al. (2000); Jozefowicz et al. (2015), An empirical exploration of recurrent
  /// network architectures.
  LstmCell(Index inputs, Index hidden, Random& random)
      : gradtape::detail::RecurrentWeights<T>(4, inputs, hidden, random) {
    this->bias.value().middleRows(hidden, hidden).setOnes();
  }

  /// h' and c' from x and both h and c.
  /// \throws ShapeError unless x and the state fit each other and the weights.
  State operator()(const Tensor<T>& x, const State& state) const {
    return checked_step(*this, x, state);
  }

  /// Step t of those that `steps` gives.
  State step(const gradtape::detail::StepSums<T>& steps, Index t, const State& last) const {
    const auto [i, f, g, o] = gradtape::detail::gates<4>(last.h.shape(), 0, steps(t, last.h));
    const Tensor<T> c = sigmoid(f) * last.c + sigmoid(i) * tanh(g);
    return {sigmoid(o) * tanh(c), c};
  }

  /// Zero, for n samples.
  State initial_state(Tape<T>& tape, Index n) const {
    const Tensor<T> zero = tape.full(Shape{this->hidden(), n}, T(0));
    return {zero, zero};
  }
};

/// The memory along sequences: see `Recurrent`.          x (D,T,n) -> outputs h (H,T,n), state
template <class T>
using Lstm = Recurrent<LstmCell<T>>;

}  // namespace gradtape::nn
