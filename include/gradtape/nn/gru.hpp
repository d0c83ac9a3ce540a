#pragma once
/// \file
/// The gated recurrent unit: a gate z chooses between the last state and a candidate.
///
///     h' = (1 - z) m + z h,       m: the candidate, for which a gate r reads the last state
///
/// Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder; in the
/// form in which r acts after the product with U.

#include "recurrent.hpp"

namespace gradtape::nn {

/// One step of a GRU.           x (D,n), h (H,n) -> h' (H,n);  of one sample x (D), h (H) -> h' (H)
///     [a_r; a_z; a_m] = W x + b,   [u_r; u_z; u_m] = U h + b_h     W (3H,D), U (3H,H), b, b_h (3H)
///     r = sigmoid(a_r + u_r),  z = sigmoid(a_z + u_z),  m = tanh(a_m + r u_m)
///     h' = m + z (h - m)
/// The gate r multiplies the candidate's part of b_h, too.  All this is as in PyTorch's GRU, whose
/// bias_ih is b and bias_hh is b_h.  W, U and b are its members `input_weight`, `recurrent_weight`
/// and `bias`.
template <class T>
struct GruCell : gradtape::detail::RecurrentWeights<T> {
  using State = Tensor<T>;                    ///< h
  static constexpr const char* name = "gru";  ///< in error texts

  Parameter<T> recurrent_bias;  ///< b_h (3H)

  /// W and U as recurrent.hpp says, b and b_h zero.
  GruCell(Index inputs, Index hidden, Random& random)
      : gradtape::detail::RecurrentWeights<T>(3, inputs, hidden, random),
        recurrent_bias(Shape{3 * hidden}, "recurrent_bias") {}

  /// h' from x and h.
  /// \throws ShapeError unless x and the state fit each other and the weights.
  State operator()(const Tensor<T>& x, const State& h) const { return checked_step(*this, x, h); }

  /// What all steps have in common.
  struct Steps {
    Tensor<T> inputs;                         ///< W x + b of all of them
    gradtape::detail::StepSums<T> recurrent;  ///< U h + b_h of each
  };
  /// Ahead of all steps.                          x (D,n,T)
  Steps steps(const Tensor<T>& x) const {
    const Tensor<T> inputs = this->inputs(x);
    const Tensor<T> biases = x.tape().full(inputs.shape(), T(0)) + recurrent_bias;
    return {inputs, {biases, x.tape().parameter(this->recurrent_weight)}};
  }

  /// Step t of those that `steps` gives.
  State step(const Steps& steps, Index t, const State& h) const {
    using gradtape::detail::gates;
    const Tensor<T> recurrent = steps.recurrent(t, h);
    const auto [a_r, a_z, a_m] = gates<3>(h.shape(), t, steps.inputs);
    const auto [u_r, u_z, u_m] = gates<3>(h.shape(), 0, recurrent);
    const Tensor<T> m = tanh(a_m + sigmoid(a_r + u_r) * u_m);
    return m + sigmoid(a_z + u_z) * (h - m);
  }

  /// Zero, for n samples.
  State initial_state(Tape<T>& tape, Index n) const {
    return tape.full(Shape{this->hidden(), n}, T(0));
  }

  void members(auto&& member) {
    gradtape::detail::RecurrentWeights<T>::members(member);
    member("recurrent_bias", recurrent_bias);
  }
};

/// The unit along sequences: see `Recurrent`.            x (D,T,n) -> outputs (H,T,n), state (H,n)
template <class T>
using Gru = Recurrent<GruCell<T>>;

}  // namespace gradtape::nn
