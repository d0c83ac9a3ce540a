#pragma once
/// \file
/// What a recording does while it traces: a table of functions that `Tape::trace` gives it
/// (trace.hpp has them), so that programs that never trace are spared their compilation.

#include "recording.hpp"

namespace gradtape::detail {

/// An operand of one traced scalar operation.
template <class T>
struct TracedOperand {
  std::uint32_t statement = 0;
  T value{}, partial{};
};

/// An element-wise operation on single numbers: x are its operands, y its result.
template <class T>
struct NumberOperation {
  T (*value)(const T* x);
  T (*partial)(const T* x, const T& y, int i);  // to operand number i
  bool depends_on[3];                           // whether there is one
  bool selects;
};

template <class T>
struct FusedOperands;

/// What a recording does while it traces.
template <class T>
struct Tracer {
  /// The number of the place in the program that calls, if these are kept.
  std::uint32_t (*call_site)(const Recording<T>& recording);
  /// Records one scalar operation of n operands; one that is not finite is refused.  While
  /// recording is paused that is all.
  std::uint32_t (*record_scalar)(Recording<T>& recording, std::string_view operation,
                                 const T& value, std::size_t n, const TracedOperand<T>* operands);
  /// Records one element-wise operation on tensors, likewise.
  Tensor<T> (*record_elementwise)(const FusedOperands<T>& operands,
                                  const NumberOperation<T>& operation);
  /// Refuses a node whose value is not finite.
  void (*check_value)(const Recording<T>& recording, std::size_t node, bool is_element_wise);
  /// Refuses a scalar result that is not finite.
  void (*check_reduction)(const Recording<T>& recording, std::string_view operation, const T& value,
                          std::size_t n, const Tensor<T>* operands);
  void (*check_before_sweep)(const Recording<T>& recording);
  void (*sweep_statements)(Recording<T>& recording, std::size_t last);
  void (*check_node_sweep)(const Recording<T>& recording, std::size_t node);
};

}  // namespace gradtape::detail
