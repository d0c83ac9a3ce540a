#pragma once
/// \file
/// How a formula on tensors of different shapes is run through: dimensions that all operands go
/// through alike are joined, and what remains is cut into runs (fused.hpp evaluates them).
///
///     [3, 4] + [3]     runs of 3, of which the second operand is read four times

#include <array>

#include "formula.hpp"
#include "tensor.hpp"

namespace gradtape::detail {

/// A block of the rows of a tensor: a part of a node as an operand.
struct RowsOperand {
  Shape shape;           // of the block
  Index offset, stride;  // where it begins, and from column to column
};

/// One operand of a formula.
template <class T>
struct FusedOperand {
  Node<T>* node = nullptr;  // null: a single number, `value`
  T value{};
  std::uint32_t statement = 0;        // of that number, if it is a recorded scalar
  std::uint32_t index = 0;            // of the node; of a traced number: its statement
  const RowsOperand* rows = nullptr;  // null: all of the node
  std::array<Index, Shape::max_rank> stride{};

  const Shape& shape() const { return rows != nullptr ? rows->shape : node->shape; }
};

/// Operands of a formula, in memory of the tape.
template <class T>
struct FusedOperands {
  Recording<T>& recording;
  std::string_view operation;
  FusedOperand<T>* operand;
  int count = 0;

  FusedOperands(Recording<T>& tape, std::string_view name, int most)
      : recording(tape),
        operation(name),
        operand(tape.arena.template allocate<FusedOperand<T>>(static_cast<std::size_t>(most))) {}

  void add(const Tensor<T>& x) {
    Node<T>& node = TensorHandle<T>::node(x, operation.data());
    if (TensorHandle<T>::recording(x) != &recording)
      fail<TapeError>(operation, ": a tensor of another tape");
    append({.node = &node, .index = TensorHandle<T>::index(x)});
  }
  void add(const Tensor<T>& x, const RowsOperand& rows) {
    add(x);
    operand[count - 1].rows =
        new (recording.arena.template allocate<RowsOperand>(1)) RowsOperand(rows);
  }
  void add(const T& value) { append({.value = value}); }
  void add(const Var<T>& x) {
    ScalarHandle<T>::leaf(x).check_for(operation.data(), recording);
    append({.value = x.value(), .statement = ScalarHandle<T>::statement(x)});
  }

 private:
  void append(const FusedOperand<T>& x) { new (operand + count++) FusedOperand<T>(x); }
};

/// Sizes and strides of one evaluation: dimensions that all operands run through alike are joined,
/// so that the innermost is as long as it can be.  Innermost strides are 1, or 0 where an operand
/// is broadcast.
template <class T>
struct FusedPlan {
  FusedOperand<T>* operand;
  int count;
  Shape shape;  // of the result
  std::array<Index, Shape::max_rank> size{1, 1, 1, 1};
  /// Runs are `size[0] * group` elements: where columns are short, several are taken together, and
  /// operands that do not lie like the result are copied for it.
  Index group = 1;
  bool is_of_tensors = false;  // of one shape, no numbers: a single run through all of them
  std::uint64_t active = 0;    // operands that need a gradient

  /// `live` are the operands that the formula depends on differentiably.
  /// \throws ShapeError if the operands do not broadcast.
  FusedPlan(const FusedOperands<T>& operands, std::uint64_t live)
      : operand(operands.operand), count(operands.count) {
    if (!is_of_one_shape()) cut_into_runs(operands.operation);
    for (int k = 0; k < count; ++k) {
      const FusedOperand<T>& x = operand[k];
      if (x.node != nullptr ? needs_grad(*x.node) : x.statement != 0)
        active |= std::uint64_t{1} << k;
    }
    active &= live;
  }

  bool is_active(int k) const { return (active >> k & 1) != 0; }

 private:
  static constexpr Index short_run = 4 * lane_count<Lanes<T>>, grouped_elements = 1024;

  /// Whether tensors of one shape, and numbers, are all there is: then it is one run.
  bool is_of_one_shape() {
    const Node<T>* first = nullptr;
    bool has_numbers = false;
    for (int k = 0; k < count; ++k) {
      const Node<T>* const x = operand[k].node;
      has_numbers = has_numbers || x == nullptr;
      if (x == nullptr) continue;
      if (operand[k].rows != nullptr) return false;
      if (first == nullptr) first = x;
      if (!(x->shape == first->shape)) return false;
      operand[k].stride[0] = 1;
    }
    if (first != nullptr) shape = first->shape;
    size[0] = shape.size();
    is_of_tensors = !has_numbers;
    return true;
  }

  /// \throws ShapeError if the operands do not broadcast.
  void cut_into_runs(std::string_view operation) {
    for (int k = 0; k < count; ++k) {
      operand[k].stride[0] = 0;
      if (operand[k].node != nullptr) shape = broadcast(operation, shape, operand[k].shape());
    }
    std::size_t joined = 0;             // dimensions so far; the last of them may still grow
    std::array<Index, 64> run, stride;  // of the first `count` operands
    std::fill_n(run.begin(), count, Index{1});
    for (int d = 0; d < shape.rank(); ++d) {
      bool joins = joined > 0;
      for (int k = 0; k < count; ++k) {
        const FusedOperand<T>& x = operand[k];
        const auto i = static_cast<std::size_t>(k);
        const bool spans = x.node != nullptr && x.shape()[d] == shape[d];
        stride[i] = spans ? run[i] : 0;
        if (spans) run[i] = d == 0 && x.rows != nullptr ? x.rows->stride : run[i] * shape[d];
        joins = joins && stride[i] == x.stride[joined - 1] * size[joined - 1];
      }
      if (shape[d] == 1) continue;
      if (joins) {
        size[joined - 1] *= shape[d];
        continue;
      }
      for (int k = 0; k < count; ++k)
        operand[k].stride[joined] = stride[static_cast<std::size_t>(k)];
      size[joined++] = shape[d];
    }
    if (lane_count < Lanes < T >>> 1 && size[0] < short_run && size[1] > 1)
      group = std::min(size[1], grouped_elements / std::max<Index>(size[0], 1));
  }
};

/// The run that a kernel is at, or a piece of it.
template <class T>
class FusedRun {
 public:
  static constexpr Index piece = 512;

  explicit FusedRun(const FusedPlan<T>& plan, bool in_pieces = false)
      : plan_(plan), most_(in_pieces ? std::min(piece, plan.size[0]) : plan.size[0]) {}

  Index size() const { return std::min(most_, plan_.size[0] - first_) * lines(); }
  /// Where the result begins, and where an operand.
  Index begin() const { return begin_; }
  Index begin(const FusedOperand<T>& x) const {
    return (x.rows != nullptr ? x.rows->offset : 0) + x.stride[0] * first_ + x.stride[1] * at_[0] +
           x.stride[2] * at_[1] + x.stride[3] * at_[2];
  }
  /// How an operand lies in runs: one number for all of it, or like the result; else it is spread
  /// out.
  bool is_single(const FusedOperand<T>& x) const {
    return x.stride[0] == 0 && (plan_.group == 1 || x.stride[1] == 0);
  }
  bool is_alike(const FusedOperand<T>& x) const {
    return x.stride[0] == 1 && (plan_.group == 1 || x.stride[1] == plan_.size[0]);
  }
  /// Calls f(i, k) for element i of the run and the element of the operand there, k behind
  /// `begin(x)`.
  template <class F>
  void for_each(const FusedOperand<T>& x, F&& f) const {
    Index at = 0;
    for (Index j = 0; j < lines(); ++j) {
      for (Index i = 0; i < plan_.size[0]; ++i) f(at++, i * x.stride[0] + j * x.stride[1]);
    }
  }

  /// False behind the last run.
  [[gnu::noinline]] bool next() {
    begin_ += size();
    first_ += most_;
    if (first_ < plan_.size[0]) return true;
    first_ = 0;
    at_[0] += plan_.group;
    for (std::size_t d = 1; at_[d - 1] >= plan_.size[d]; ++d) {
      if (d == 3) return false;
      at_[d - 1] = 0;
      ++at_[d];
    }
    return true;
  }

 private:
  Index lines() const { return std::min(plan_.group, plan_.size[1] - at_[0]); }

  const FusedPlan<T>& plan_;
  Index most_;
  Index first_ = 0;
  std::array<Index, 3> at_{};
  Index begin_ = 0;
};

}  // namespace gradtape::detail
