#pragma once
/// \file
/// The evaluation of element-wise formulas on tensors: one pass over memory forward and one
/// backward, tile by tile; of the values in between only costly ones are stored, and of large
/// tensors not even those.
///
///     forward     for each tile:   load operands -> formula -> store y, and what is costly below it
///     backward    for each tile:   load these, operands and y_bar -> the rest of the formula again
///                                  -> slopes, from the root to the operands -> add to their
///                                  adjoints
///
/// Only the loops over tiles are compiled for each formula; what surrounds them is shared by all:
/// broadcasting, and runs too short to be worth a loop.  The last tile of a run may go beyond its
/// end: there it meets what the next run computes anew, or the margin that tensors have
/// (arena.hpp), and adjoints of exactly zero, which change nothing.

#include "fused_plan.hpp"

namespace gradtape::detail {

// What a kernel works on in a run: a pointer for each operand, at which whole tiles may be loaded
// and stored.  Numbers and broadcast operands stand in tiles of their own.

/// Element i of an operand in a run is at[i * step].
template <class T>
struct FusedSource {
  alignas(tensor_alignment) T tile[static_cast<std::size_t>(lane_count<Lanes<T>>)];
  const T* at = nullptr;
  Index step = 1;
  T* spread = nullptr;  // memory for one run

  void begin_run(const FusedRun<T>& run, const FusedOperand<T>& x) {
    const T* const from = x.node != nullptr ? x.node->value + run.begin(x) : &x.value;
    step = run.is_single(x) ? 0 : 1;
    at = step == 0 ? tile : run.is_alike(x) ? from : spread;
    if (at == tile) {
      std::fill(std::begin(tile), std::end(tile), *from);
    } else if (at == spread) {
      run.for_each(x, [&](Index i, Index k) { spread[i] = from[k]; });
    }
  }
};

/// What goes to an element of the adjoint of an operand in a run goes to at[i * step].
template <class T>
struct FusedTarget {
  alignas(tensor_alignment) T tile[static_cast<std::size_t>(lane_count<Lanes<T>>)];
  T* gradient = nullptr;  // of the operand; null: of a scalar, it is `sum`
  T sum = T(0);
  T* at = nullptr;
  Index step = 1;
  bool assigns_all = false;  // the first contribution comes in runs like the result's
  T* spread = nullptr;       // memory for one run

  void begin(const FusedOperand<T>& x, const Shape& result, const Recording<T>& recording) {
    if (x.node == nullptr) return;
    const auto [data, first] = gradient_target(*x.node, recording);
    const Index size = x.node->shape.size();
    gradient = data;
    assigns_all = first && x.rows == nullptr && x.stride[0] == 1 && size == result.size();
    if (first && !assigns_all) std::fill_n(data, size, T(0));
  }
  /// Whether the run assigns, rather than adds.
  bool begin_run(const FusedRun<T>& run, const FusedOperand<T>& x) {
    step = run.is_single(x) ? 0 : 1;
    at = step == 0 ? tile : run.is_alike(x) ? gradient + run.begin(x) : spread;
    if (at == tile) std::fill(std::begin(tile), std::end(tile), T(0));
    return at == spread || assigns_all;
  }
  void end_run(const FusedRun<T>& run, const FusedOperand<T>& x) {
    T* const to = gradient != nullptr ? gradient + run.begin(x) : &sum;
    if (step == 0) {
      for (const T& share : tile) *to += share;
    } else if (!run.is_alike(x)) {
      run.for_each(x, [&](Index i, Index k) { to[k] += spread[i]; });
    }
  }
};

/// Where the operands are in a run.  A kernel takes a copy, as it stores to memory: anything that
/// others know the address of would be loaded again for every tile.
template <int n, class T>
class FusedCursors {
 public:
  /// In the run that was begun last.
  template <class Place>
  explicit FusedCursors(const Place* places) {
    unrolled<n>([&](int k) __attribute__((always_inline)) {
      at_[k] = places[k].at;
      step_[k] = places[k].step;
    });
  }
  /// In the only run of a plan of tensors of one shape.
  template <class Place>
  static FusedCursors of_tensors(const Place& place) {
    FusedCursors cursors;
    unrolled<n>([&](int k) __attribute__((always_inline)) {
      cursors.at_[k] = place(k);
      cursors.step_[k] = 1;
    });
    return cursors;
  }
  [[gnu::always_inline]] T* at(int k, Index i) const { return at_[k] + i * step_[k]; }

 private:
  FusedCursors() = default;

  T* at_[std::size_t{n}];
  Index step_[std::size_t{n}];
};

// The same for all operands; out of line, since kernels are many.

/// Memory for operands that have to be spread out in a run.
template <class T, class Place>
[[gnu::noinline]] void prepare_spread(const FusedPlan<T>& plan, Recording<T>& recording,
                                      Place* places) {
  if (plan.group == 1) return;
  for (int k = 0; k < plan.count; ++k) {
    places[k].spread = recording.allocate_tensor(plan.size[0] * plan.group);
  }
}
template <class T>
[[gnu::noinline]] void begin_run(const FusedPlan<T>& plan, const FusedRun<T>& run,
                                 FusedSource<T>* sources) {
  for (int k = 0; k < plan.count; ++k) sources[k].begin_run(run, plan.operand[k]);
}

template <class T>
[[gnu::noinline]] void begin_backward(const FusedPlan<T>& plan, Recording<T>& recording,
                                      FusedTarget<T>* targets) {
  for (int k = 0; k < plan.count; ++k) {
    if (plan.is_active(k)) targets[k].begin(plan.operand[k], plan.shape, recording);
  }
}
/// Returns which operands are assigned to rather than added to, a bit for each.
template <class T>
[[gnu::noinline]] std::uint64_t begin_run(const FusedPlan<T>& plan, const FusedRun<T>& run,
                                          FusedTarget<T>* targets) {
  std::uint64_t assigned = 0;
  for (int k = 0; k < plan.count; ++k) {
    if (!plan.is_active(k)) continue;
    if (targets[k].begin_run(run, plan.operand[k])) assigned |= std::uint64_t{1} << k;
  }
  return assigned;
}
template <class T>
[[gnu::noinline]] void end_run(const FusedPlan<T>& plan, const FusedRun<T>& run,
                               FusedTarget<T>* targets) {
  for (int k = 0; k < plan.count; ++k) {
    if (plan.is_active(k)) targets[k].end_run(run, plan.operand[k]);
  }
}
template <class T>
[[gnu::noinline]] void end_backward(const FusedPlan<T>& plan, Recording<T>& recording,
                                    const FusedTarget<T>* targets) {
  for (int k = 0; k < plan.count; ++k) {
    const std::uint32_t statement = plan.operand[k].statement;
    if (plan.is_active(k) && statement != 0)
      recording.statements.adjoint(statement) += targets[k].sum;
  }
}

/// Elements as whole tiles have them.
template <class X>
constexpr Index in_tiles(Index size) {
  return (size + lane_count<X> - 1) / lane_count<X> * lane_count<X>;
}

/// Memory for what a formula keeps of every tile, in the order of the tiles.
template <class T>
[[gnu::noinline]] T* memory_to_keep(const FusedPlan<T>& plan, int values, Recording<T>& recording) {
  const Index runs = (plan.size[1] + plan.group - 1) / plan.group * plan.size[2] * plan.size[3];
  return recording.arena.template allocate<T>(
      static_cast<std::size_t>(in_tiles<Lanes<T>>(plan.size[0] * plan.group) * runs * values),
      tensor_alignment);
}

/// Memory for the result, and for what would be kept, of one piece of a run.
template <class T>
[[gnu::noinline]] T* memory_for_piece(const FusedPlan<T>& plan, int values,
                                      Recording<T>& recording) {
  const Index most = std::min(plan.size[0], FusedRun<T>::piece) * plan.group;
  return recording.allocate_tensor((1 + values) * in_tiles<Lanes<T>>(most));
}

/// Whether a formula computes costly values again for the backward pass: many of them would have to
/// come from memory, which takes longer.
template <class P, class T>
bool computes_again(const FusedPlan<T>& plan) {
  constexpr Index most_bytes = Index{4} << 20;
  return std::is_floating_point_v<T> &&
         plan.shape.size() * P::kept_below * static_cast<Index>(sizeof(T)) > most_bytes;
}

// The kernels are flat: in a large program compilers would leave calls of operations in them.

/// y = formula(operands) in a run; writes the values to keep, unless there is no memory for them.
template <class P, class X, class T>
[[gnu::noinline, gnu::flatten]] void forward_in_run(const FusedCursors<P::leaves, const T>& sources,
                                                    Index size, T* y, T* kept) {
  constexpr Index width = lane_count<X>;
  const FusedCursors<P::leaves, const T> from(sources);
  for (Index i = 0; i < size; i += width) {
    X slots[std::size_t{P::leaves}];
    unrolled<P::leaves>([&](int k)
                            __attribute__((always_inline)) { load(slots[k], from.at(k, i)); });
    const Lane<P, 0, 0, X> lane(slots);
    store(lane.value(), y + i);
    if constexpr (P::kept_below > 0) {
      if (kept == nullptr) continue;
      lane.keep_below(kept);
      kept += P::kept_below * width;
    }
  }
}

/// y = formula(operands); writes the values to keep, unless there is no memory for them.
template <class P, class X, class T>
void fused_forward(const FusedPlan<T>& plan, T* y, T* kept, Recording<T>& recording) {
  using Cursors = FusedCursors<P::leaves, const T>;
  if (plan.is_of_tensors) {
    return forward_in_run<P, X>(
        Cursors::of_tensors([&](int k) { return plan.operand[k].node->value; }), plan.size[0], y,
        kept);
  }
  FusedSource<T> sources[std::size_t{P::leaves}];
  const Arena::Mark mark = recording.arena.mark();
  prepare_spread(plan, recording, sources);
  FusedRun<T> run(plan);
  do {
    begin_run(plan, run, sources);
    forward_in_run<P, X>(Cursors(sources), run.size(), y + run.begin(), kept);
    if (kept != nullptr) kept += P::kept_below * in_tiles<X>(run.size());
  } while (run.next());
  recording.arena.rewind(mark);
}

/// operand_bar += y_bar dy/d operand in a run, for the active operands; those assigned get their
/// first contribution.  An adjoint of exactly zero contributes exactly zero, also where a derivative
/// is infinite.
template <class P, class X, class T>
[[gnu::noinline, gnu::flatten]] void backward_in_run(
    const FusedCursors<P::leaves, const T>& sources, const FusedCursors<P::leaves, T>& targets,
    Index size, const T* y, const T* y_bar, const T* kept, std::uint64_t active,
    std::uint64_t assigned) {
  constexpr Index width = lane_count<X>;
  const FusedCursors<P::leaves, const T> from(sources);
  const FusedCursors<P::leaves, T> to(targets);
  T end[std::size_t{width}];
  for (Index i = 0; i < size; i += width) {
    X slots[std::size_t{P::leaves}], adjoints[std::size_t{P::leaves}]{}, at_y, bar;
    unrolled<P::leaves>([&](int k)
                            __attribute__((always_inline)) { load(slots[k], from.at(k, i)); });
    load(at_y, y + i);
    load(bar, size - i < width ? copy_first<X>(y_bar + i, size - i, end) : y_bar + i);
    Lane<P, 0, 0, X>(slots, kept, at_y).push(bar, nonzero(bar), active, adjoints);
    kept += P::kept_below * width;
    // one after the other, as several operands may be the same tensor
    unrolled<P::leaves>([&](int k) __attribute__((always_inline)) {
      if ((active >> k & 1) == 0) return;
      T* const target = to.at(k, i);
      if ((assigned >> k & 1) == 0) {
        X sum;
        load(sum, target);
        adjoints[k] = sum + adjoints[k];
      }
      store(adjoints[k], target);
    });
  }
}

/// operand_bar += y_bar dy/d operand, for all operands that need it.  Without values kept they are
/// computed again, piece by piece, in memory that the processor has at hand.
template <class P, class X, class T>
void fused_backward(const FusedPlan<T>& plan, const Node<T>& node, const T* kept,
                    Recording<T>& recording) {
  using From = FusedCursors<P::leaves, const T>;
  using To = FusedCursors<P::leaves, T>;
  const bool again = computes_again<P>(plan);
  if (plan.is_of_tensors && !again) {
    std::uint64_t assigned = 0;
    const To to = To::of_tensors([&](int k) -> T* {
      if (!plan.is_active(k)) return nullptr;
      const auto [data, first] = gradient_target(*plan.operand[k].node, recording);
      if (first) assigned |= std::uint64_t{1} << k;
      return data;
    });
    return backward_in_run<P, X>(
        From::of_tensors([&](int k) { return plan.operand[k].node->value; }), to, plan.size[0],
        node.value, node.grad, kept, plan.active, assigned);
  }
  FusedSource<T> sources[std::size_t{P::leaves}];
  FusedTarget<T> targets[std::size_t{P::leaves}];
  begin_backward(plan, recording, targets);
  if (node.shape.size() == 0) return;  // nothing but zeros, and no run to begin with
  const Arena::Mark mark = recording.arena.mark();
  prepare_spread(plan, recording, sources);
  prepare_spread(plan, recording, targets);
  T* const values = again ? memory_for_piece(plan, P::kept_below, recording) : nullptr;
  FusedRun<T> run(plan, again);
  do {
    begin_run(plan, run, sources);
    const std::uint64_t assigned = begin_run(plan, run, targets);
    const From from(sources);
    const Index size = run.size();
    if (again) {
      kept = values + in_tiles<X>(size);
      forward_in_run<P, X>(from, size, values, values + in_tiles<X>(size));
    }
    backward_in_run<P, X>(from, To(targets), size, node.value + run.begin(),
                          node.grad + run.begin(), kept, plan.active, assigned);
    kept += P::kept_below * in_tiles<X>(size);
    end_run(plan, run, targets);
  } while (run.next());
  end_backward(plan, recording, targets);
  recording.arena.rewind(mark);
}

/// The node of a result, its value not yet computed.
template <class T>
[[gnu::noinline]] Node<T>& append_fused_node(const FusedOperands<T>& operands,
                                             const FusedPlan<T>& plan, std::uint32_t operations) {
  Node<T>& node = operands.recording.append_node(operands.operation, plan.shape, plan.active != 0);
  node.operations = operations;
  operands.recording.set_operands(node, static_cast<std::size_t>(plan.count), [&](std::size_t k) {
    const FusedOperand<T>& x = plan.operand[k];
    return x.node != nullptr ? Edge{x.index, false}
                             : Edge{x.statement != 0 ? x.statement : x.index, true};
  });
  return node;
}

/// Evaluates a formula and records it as one node.
template <class P, class T>
Tensor<T> record_fused(const FusedOperands<T>& operands) {
  using X = Lanes<T>;
  Recording<T>& recording = operands.recording;
  const FusedPlan<T> plan(operands, P::live);
  Node<T>& node = append_fused_node(operands, plan, P::operations);
  T* kept = nullptr;
  if constexpr (P::kept_below > 0) {
    if (node.grad != nullptr && !computes_again<P>(plan))
      kept = memory_to_keep(plan, P::kept_below, recording);
  }
  if (node.shape.size() > 0) fused_forward<P, X>(plan, node.value, kept, recording);
  if (node.grad != nullptr) {
    recording.set_backward(node, [plan, kept, &recording](Node<T>& y) {
      fused_backward<P, X>(plan, y, kept, recording);
    });
  }
  return TensorHandle<T>::make(recording, node);
}

}  // namespace gradtape::detail
