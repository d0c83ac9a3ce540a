#pragma once
/// \file
/// Recurrent layers: a cell that is applied step by step, its state handed on.
///
///     s_t = cell(x_t, s_{t-1})           s_0 -> cell - s_1 -> cell - s_2 -> cell - s_3 -> ..
///                                               x_1           x_2           x_3
///
/// The products with the inputs of all steps are one matrix product ahead of the loop,
/// (G H, D) x (D, T n) with G gates; what is left for a step is the product with the state, and of
/// that the gradient of U is one product behind the loop.
///
/// Initial weights, each gate's block by itself: W as `initialize::xavier_uniform` draws it, U
/// orthogonal, so that a state keeps its length over many steps (Saxe et al., 2014, Exact solutions
/// to the nonlinear dynamics of learning in deep linear neural networks).
///
/// Sources: Elman (1990), Finding structure in time; Werbos (1990), Backpropagation through time.

#include "../ops/elementwise.hpp"
#include "../ops/linear.hpp"
#include "../ops/shape_ops.hpp"
#include "module.hpp"
#include "sequence.hpp"

namespace gradtape {
namespace detail {

/// A block of the rows of a tensor, as a part of formulas, which read it where it stands.
template <class T>
class RowBlock {
 public:
  using Scalar = T;

  RowBlock() = default;
  /// \param offset  of its first element; from one column to the next there are as many as x has rows.
  RowBlock(const Tensor<T>& x, const Shape& shape, Index offset)
      : x_(x), rows_{shape, offset, x.rows()} {}

  Recording<T>* recording() const { return TensorHandle<T>::recording(x_); }
  void collect(FusedOperands<T>& operands) const {
    if (rows_.shape.rows() == 1) return operands.add(record());  // formulas run through columns
    operands.add(x_, rows_);
  }

  /// A copy, as a tensor.        Y = the block,   X_bar[block] += Y_bar
  Tensor<T> record() const {
    return gradtape::record(
        "rows", rows_.shape, {x_}, [&](MatrixMap<T> y) { y = block<const T>(x_.data()); },
        [*this](const Tensor<T>& y) {
          if (!adjoint(x_).is_needed()) return;
          const auto [data, first] = adjoint(x_).target();
          if (first) std::fill_n(data, x_.size(), T(0));
          block<T>(data) += y.grad();
        });
  }
  Tensor<T> trace(Recording<T>&) const { return record(); }

 private:
  template <class X>
  auto block(X* data) const {
    using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
    using Block = std::conditional_t<std::is_const_v<X>, const Rows, Rows>;
    return Eigen::Map<Block, 0, Eigen::OuterStride<>>(data + rows_.offset, rows_.shape.rows(),
                                                      rows_.shape.columns(),
                                                      Eigen::OuterStride<>(rows_.stride));
  }

  Tensor<T> x_;
  RowsOperand rows_;
};
template <class T>
inline constexpr int kind_of<RowBlock<T>> = Kind::tensor;

/// The blocks of rows of one step.             X (count H, n) -> count times (H,n), or (H) without n
/// If X has all steps side by side, (count H, n, T), step t counts.
/// \param shape  of each result, H first.
template <std::size_t count, class T>
std::array<RowBlock<T>, count> gates(const Shape& shape, Index t, const Tensor<T>& x) {
  const Index h = shape.rows(), n = shape.columns();
  const Index first = x.columns() == n ? 0 : x.rows() * n * t;
  std::array<RowBlock<T>, count> gate;
  for (std::size_t k = 0; k < count; ++k)
    gate[k] = RowBlock<T>(x, shape, first + static_cast<Index>(k) * h);
  return gate;
}

/// A matrix times one state after the other.       X (m,n,T), U (m,H), h_t (H,n) -> z_t (m,n)
///     z_t = x_t + U h_t,   x_t_bar += z_t_bar,   h_t_bar += U^T z_t_bar,
///     U_bar += sum_t z_t_bar h_t^T,  one product of all steps
/// The z_t take the place of the x_t in memory, and so do their adjoints.  They are for `gates` alone:
/// they are not aligned as tensors are, and what is behind them belongs to the next step.
template <class T>
class StepSums {
 public:
  /// \param x  is nobody else's, and its own derivatives do not depend on its value.
  StepSums(const Tensor<T>& x, const Tensor<T>& u)
      : u_(u),
        n_(x.shape()[1]),
        states_(x.tape().workspace(u.columns() * x.columns())),
        steps_(x.tape().template workspace<Node<T>*>(x.shape()[2])) {
    std::fill_n(steps_, x.shape()[2], nullptr);
    if constexpr (tile_width < T >> 1) {
      if (x.columns() > n_) {
        packed_ = new (x.tape().template workspace<PackedFactor<T>>(1))
            PackedFactor<T>(x.tape().workspace(PackedFactor<T>::size(u.rows(), u.columns())));
      }
    }
    const CommonTape<T> common("steps", std::array{x, u});
    Recording<T>& recording = *common.recording;
    const Node<T>& sum = TensorHandle<T>::node(x, "steps");
    T* grad = sum.grad;
    if (grad == nullptr && common.needs_grad) grad = recording.allocate_tensor(x.size());
    Node<T>& node = recording.append_node("steps", x.shape(), sum.value, grad);
    all_ = TensorHandle<T>::make(recording, node);
    if (grad != nullptr) {
      recording.set_backward(node, [x, u, states = states_, steps = steps_](Node<T>& all) {
        const Recording<T>& tape = *TensorHandle<T>::recording(x);
        const Index count = all.shape[2], size = all.shape.size() / count,
                    state = u.columns() * all.shape[1];
        for (Index t = 0; t < count; ++t) {  // those that have got no contribution
          if (steps[t] == nullptr) std::fill_n(states + state * t, state, T(0));
          if (steps[t] == nullptr || steps[t]->sweep != tape.sweep)
            std::fill_n(all.grad + size * t, size, T(0));
        }
        if (adjoint(x).is_needed()) adjoint(x).target();  // it is there
        if (!adjoint(u).is_needed()) return;
        const auto [data, first] = adjoint(u).target();
        multiply<T>(data, {all.grad, u.rows(), x.columns()},
                    Matrix<T>{states, u.columns(), x.columns()}.transpose(), first);
      });
    }
    remember_operands(recording, node, std::array{x, u});
  }

  /// Step t, each once.
  Tensor<T> operator()(Index t, const Tensor<T>& h) const {
    const CommonTape<T> common("step", std::array{all_, u_, h});
    Recording<T>& recording = *common.recording;
    const Node<T>& all = TensorHandle<T>::node(all_, "step");
    const Index m = u_.rows(), size = m * n_, first = size * t;
    T* grad = nullptr;
    if (common.needs_grad)
      grad = all.grad != nullptr ? all.grad + first : recording.allocate_tensor(size);
    Node<T>& node = recording.append_node("step", h.shape().with(0, m), all.value + first, grad);
    steps_[t] = &node;
    std::copy_n(h.data(), h.size(), states_ + h.size() * t);
    multiply<T>(node.value, {u_.data(), m, h.rows()}, {h.data(), h.rows(), n_}, false, packed_);
    if (grad != nullptr) {
      recording.set_backward(
          node, [h, u = u_, all = all_, packed = packed_, first, size](Node<T>& z) {
            if (adjoint(all).is_needed()) {
              const auto [data, is_first] = adjoint(all).target();
              if (is_first && TensorHandle<T>::recording(all)->tracer != nullptr) {
                // tracing looks at the whole of it
                std::fill_n(data, first, T(0));
                std::fill_n(data + first + size, all.size() - first - size, T(0));
              }
            }
            if (!adjoint(h).is_needed()) return;
            const auto [data, assign] = adjoint(h).target();
            multiply<T>(data, Matrix<T>{u.data(), u.rows(), h.rows()}.transpose(),
                        {z.grad, u.rows(), h.columns()}, assign, packed);
          });
    }
    remember_operands(recording, node, std::array{all_, u_, h});
    if (recording.tracer != nullptr) recording.tracer->check_value(recording.last_node(), false);
    return TensorHandle<T>::make(recording, node);
  }

 private:
  Tensor<T> u_, all_;
  Index n_;
  T* states_;                          // (H,n,T)
  Node<T>** steps_;                    // null: not there yet
  PackedFactor<T>* packed_ = nullptr;  // of U, then of U^T; null: a single step
};

/// \throws ShapeError unless x has one of two ranks and the weight's columns as rows.
template <class T>
void check_input(std::string_view layer, const Tensor<T>& x, int least_rank, int most_rank,
                 const Parameter<T>& weight) {
  const Index d = weight.shape()[1];
  if (x.rank() >= least_rank && x.rank() <= most_rank && x.rows() == d) return;
  fail<ShapeError>(
      layer, ": ", title(x, "x"), " is ", to_string(x.shape()), ", input_weight is ",
      to_string(weight.shape()), ": x must be [", d,
      most_rank == 3 ? ", T, n], features by steps by samples" : ", n], features by samples");
}

/// \throws ShapeError unless a part of a state that goes with x has the shape that it must have.
template <class T>
void check_state_part(std::string_view layer, const char* part, const Tensor<T>& state,
                      const Shape& expected, const Tensor<T>& x) {
  if (state.shape() == expected) return;
  fail<ShapeError>(layer, ": the state ", part, " is ", to_string(state.shape()), ", ",
                   title(x, "x"), " is ", to_string(x.shape()), ": ", part, " must be ",
                   to_string(expected));
}

/// What the cells have in common: z = W x + U h + b,  W (G H, D), U (G H, H), b (G H), G gates.
template <class T>
struct RecurrentWeights {
  using Scalar = T;

  Parameter<T> input_weight, recurrent_weight, bias;

  RecurrentWeights(Index gates, Index inputs, Index hidden, Random& random)
      : input_weight(Shape{gates * hidden, inputs}, "input_weight"),
        recurrent_weight(Shape{gates * hidden, hidden}, "recurrent_weight"),
        bias(Shape{gates * hidden}, "bias") {
    using namespace nn::initialize;
    initialize_blocks(input_weight, gates, [&](Parameter<T>& w) { xavier_uniform(w, random); });
    initialize_blocks(recurrent_weight, gates, [&](Parameter<T>& u) { orthogonal(u, random); });
  }

  Index hidden() const { return recurrent_weight.shape()[1]; }

  /// W x + b of all steps, x (D), (D,n) or (D,n,T).
  Tensor<T> inputs(const Tensor<T>& x) const { return linear(input_weight, x, bias); }
  /// What all steps have in common.
  StepSums<T> steps(const Tensor<T>& x) const {
    return {inputs(x), x.tape().parameter(recurrent_weight)};
  }

  void members(auto&& member) {
    member("input_weight", input_weight);
    member("recurrent_weight", recurrent_weight);
    member("bias", bias);
  }
};

}  // namespace detail

namespace nn {

// A state that is a single tensor; others have functions of these names as well.

/// What a state shows as the output of a layer.
template <class T>
const Tensor<T>& hidden_of(const Tensor<T>& h) {
  return h;
}
/// The next state where `running` (1,n) is 1, and the last one where it is 0: samples that have
/// ended.
template <class T>
Tensor<T> advance(const Tensor<T>& running, const Tensor<T>& next, const Tensor<T>& last) {
  return where(running, next, last);
}
/// The state of what f gives for each tensor of one, in their order.
template <class T, class F>
Tensor<T> map_state(const Tensor<T>& h, F&& f) {
  return f(h);
}
/// Refuses a state that does not fit.
/// \throws ShapeError unless a state has that shape; the text names the layer, and x beside it.
template <class T>
void check_state(std::string_view layer, const Tensor<T>& h, const Shape& expected,
                 const Tensor<T>& x) {
  gradtape::detail::check_state_part(layer, "h", h, expected, x);
}

/// A step of a cell with a checked input.
template <class Cell, class T>
typename Cell::State checked_step(const Cell& cell, const Tensor<T>& x,
                                  const typename Cell::State& state) {
  gradtape::detail::check_input(Cell::name, x, 1, 2, cell.input_weight);
  check_state(Cell::name, state, x.shape().with(0, cell.hidden()), x);
  return cell.step(cell.steps(x), 0, state);
}

/// All hidden states, and the state of each sample behind its last step.
template <class Cell>
struct Sequence {
  Tensor<typename Cell::Scalar> outputs;  ///< (H,T,n), 0 in the padding
  typename Cell::State state;             ///< (H,n)
};

/// A cell applied along sequences.                   x (D,T,n) -> outputs (H,T,n), state (H,n)
///
///     auto [outputs, state] = lstm(x);                 or lstm(x, lengths), with `Indices` (n)
///
/// Behind its length a sample's state stays what it was, its outputs are 0, and its inputs have no
/// influence, NaN or not; the state of an empty sequence is the initial one.  That is 0, or what
/// the call gives.  To backpropagate through a window of a long sequence only (truncated
/// backpropagation through time), start it from the last window's state, made a constant: by
/// `detach`, or by a `CarriedState` if the recording is forgotten in between.
///
/// \tparam Cell  `LstmCell` or the like: `steps` is what all of them have in common, `step` is one
///               with it.
template <class Cell>
struct Recurrent {
  using T = typename Cell::Scalar;     ///< the number type
  using State = typename Cell::State;  ///< a tensor (H,n), or an `LstmState`

  Cell cell;  ///< the same in every step; files find its parameters without a prefix

  /// Inputs of D features, states of H.
  Recurrent(Index inputs, Index hidden, Random& random) : cell(inputs, hidden, random) {}

  /// All T steps of every sample.
  /// \throws ShapeError unless x is (D,T,n) and the initial state (H,n).
  Sequence<Cell> operator()(const Tensor<T>& x, const std::optional<State>& initial = {}) const {
    check(x);
    return unroll(x, {x.shape()[1], x.shape()[2]}, initial);
  }
  /// Of sample j the first lengths[j] steps.
  /// \throws ShapeError also unless there are n lengths, each from 0 to T.
  template <Indices I>
  Sequence<Cell> operator()(const Tensor<T>& x, const I& lengths,
                            const std::optional<State>& initial = {}) const {
    check(x);
    const auto table = gradtape::detail::copy_indices(x.tape(), lengths);
    return unroll(x, {Cell::name, x.shape()[1], x.shape()[2], table}, initial);
  }

  void members(auto&& member) { cell.members(member); }

 private:
  void check(const Tensor<T>& x) const {
    gradtape::detail::check_input(Cell::name, x, 3, 3, cell.input_weight);
  }

  Sequence<Cell> unroll(const Tensor<T>& x, const gradtape::detail::Lengths& lengths,
                        const std::optional<State>& initial) const {
    Tape<T>& tape = x.tape();
    const Index n = lengths.samples, h = cell.hidden();
    if (initial) check_state(Cell::name, *initial, Shape{h, n}, x);
    State state = initial ? *initial : cell.initial_state(tape, n);
    if (lengths.longest == 0) return {tape.full(Shape{h, lengths.steps, n}, T(0)), state};

    const auto steps = cell.steps(gradtape::detail::by_step(x, lengths));
    auto* const outputs = tape.template workspace<Tensor<T>>(lengths.longest);
    T* const running = tape.workspace(n);
    for (Index t = 0; t < lengths.longest; ++t) {
      const State next = cell.step(steps, t, state);
      if (t < lengths.shortest) {
        state = next;
      } else {
        for (Index j = 0; j < n; ++j) running[j] = T(t < lengths[j] ? 1 : 0);
        state = advance(tape.constant(Shape{1, n}, std::span<const T>(running, std::size_t(n))),
                        next, state);
      }
      new (outputs + t) Tensor<T>(hidden_of(state));
    }
    const std::span<const Tensor<T>> all(outputs, static_cast<std::size_t>(lengths.longest));
    return {gradtape::detail::by_sample(all, lengths), state};
  }
};

}  // namespace nn
}  // namespace gradtape
