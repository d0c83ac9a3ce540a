#pragma once
/// \file
/// A state that is carried from one recording to the next: truncated backpropagation through time.
///
///     recording 1          recording 2          recording 3
///     x_1 .. x_T  -- s_T ->  x_T+1 .. x_2T  -- s_2T ->  ..          values go on,
///              <--       |              <--        |                gradients end
///
/// The values are those of one long sequence, memory and time of a step those of T steps; what a
/// step back across a border would have added to the gradient is left out.
///
/// Source: Williams and Peng (1990), An efficient gradient-based algorithm for on-line training of
/// recurrent network trajectories.

#include <optional>
#include <vector>

#include "recurrent.hpp"

namespace gradtape::nn {

/// The state of a recurrent layer between two recordings, kept outside of tapes.
///
///     CarriedState<Lstm<float>> carried;
///     for (..) {
///       auto scope = tape.scope();
///       const auto [y, state] = lstm(x, carried.on(tape));       at first from the state 0
///       carried.keep(state);                                     before the scope ends
///       ..
///     }
///
/// \tparam Layer  `Rnn`, `Lstm`, `Gru` or a cell.
template <class Layer>
class CarriedState {
 public:
  using State = typename Layer::State;  ///< a tensor, or an `LstmState`
  /// The number type of the layer.
  using T = typename std::remove_cvref_t<decltype(hidden_of(std::declval<State>()))>::Scalar;

  /// What was kept, as constants; nothing if that has been forgotten.
  std::optional<State> on(Tape<T>& tape) const {
    if (shape_.rank() == 0) return {};
    std::size_t at = 0;
    const auto size = static_cast<std::size_t>(shape_.size());
    return map_state(State(), [&](const Tensor<T>&) {
      at += size;
      return tape.constant(shape_, std::span(values_).subspan(at - size, size));
    });
  }

  /// Copies the values of a state, (H,n), or (H) of one sample.
  /// \throws ShapeError if its parts differ in shape.
  void keep(const State& state) {
    reset();  // so that what is kept is never a part of the state
    values_.clear();
    const Shape shape = hidden_of(state).shape();
    map_state(state, [&](const Tensor<T>& part) {
      if (part.shape() != shape) {
        gradtape::detail::fail<ShapeError>("carried_state: parts of a state are ", to_string(shape),
                                           " and ", to_string(part.shape()),
                                           ": they must have the same shape");
      }
      values_.insert(values_.end(), part.data(), part.data() + part.size());
      return part;
    });
    shape_ = shape;
  }

  /// Forgets all: the next sequences begin from the layer's initial state.
  void reset() { shape_ = Shape{}; }

  /// Sets the state of one sample to 0, where a new text begins.
  /// \throws ShapeError if there is a state without such a sample.
  void reset(Index sample) {
    if (shape_.rank() == 0) return;
    if (sample < 0 || sample >= shape_.columns()) {
      gradtape::detail::fail<ShapeError>("carried_state: sample ", sample, " of a state ",
                                         to_string(shape_));
    }
    const Index h = shape_.rows();
    for (Index at = h * sample; at < std::ssize(values_); at += shape_.size())
      std::fill_n(values_.begin() + at, h, T(0));
  }

 private:
  Shape shape_;  // of each part; rank 0: there is none
  std::vector<T> values_;
};

}  // namespace gradtape::nn
