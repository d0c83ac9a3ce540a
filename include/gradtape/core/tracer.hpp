#pragma once
/// \file
/// What a recording does while it traces.  Only an interface: `Tape::trace` makes the tracer
/// (trace.hpp), so that programs that never trace are spared its compilation.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kinds.hpp"

namespace gradtape::detail {

template <class T>
struct FusedOperands;

/// What tracing remembers of a scalar.
template <class T>
struct TracedScalar {
  std::uint32_t statement, call_site;
  std::string_view operation;
  T value;
};

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

/// What a recording does while it traces, and what it remembers of that.
template <class T>
class Tracer {
 public:
  virtual ~Tracer() = default;

  /// The number of the place in the program that calls; 0: not known.
  virtual std::uint32_t call_site() = 0;
  /// ", at model.cpp:42"; nothing if it is not known.
  virtual std::string call_site_text(std::uint32_t site) const = 0;
  /// Remembers a scalar that is recorded.
  virtual void remember(std::uint32_t statement, std::string_view operation, const T& value) = 0;
  /// What it knows of a scalar; null if that was recorded without.
  virtual const TracedScalar<T>* find(std::uint32_t statement) const = 0;
  /// Forgets the scalars behind the first so many.
  virtual void rewind(std::size_t statements) = 0;

  /// Records one scalar operation of n operands; one that is not finite is refused.  While
  /// recording is paused that is all.
  virtual std::uint32_t record_scalar(std::string_view operation, const T& value, std::size_t n,
                                      const TracedOperand<T>* operands) = 0;
  /// Records one element-wise operation on tensors, likewise.
  virtual Tensor<T> record_elementwise(const FusedOperands<T>& operands,
                                       const NumberOperation<T>& operation) = 0;
  /// Refuses a node whose value is not finite.
  virtual void check_value(std::size_t node, bool is_element_wise) = 0;
  /// Refuses a scalar result that is not finite.
  virtual void check_reduction(std::string_view operation, const T& value, std::size_t n,
                               const Tensor<T>* operands) = 0;

  virtual void check_before_sweep() = 0;
  virtual void sweep_statements(std::size_t last_operand) = 0;
  virtual void check_node_sweep(std::size_t node) = 0;
};

}  // namespace gradtape::detail
