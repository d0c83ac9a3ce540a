#pragma once
/// \file
/// What a recording consists of: how often each operation stands on the tape, the memory its
/// results take, and the arithmetic of one forward pass.
///
///     operation   nodes  bytes  flops
///     constant        1     48      0
///     parameter       2      0      0
///     linear          1    128     56
///     relu            1    128      8
///     sum             1      9      8
///     total           6    313     72
///     tape holds         66578
///
/// Flops, one for each multiplication, addition or function:
///
///     matmul     2 m k n            for each matrix of a batch
///     linear     2 m k n + m n
///     step       2 m k n            of a recurrent layer, added in place to those of `steps`
///     element-wise                  one for each operation of the formula and element of the result
///     a formula of scalars          one for each operand: its operations are not kept
///     views, leaves                 none
///     any other                     one for each element read

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "graph_nodes.hpp"
#include "table.hpp"

namespace gradtape::io {

/// All nodes of one operation.
struct OperationTotal {
  std::string operation;  ///< such as "matmul"
  std::size_t nodes = 0;  ///< how often it stands on the tape
  /// Of values, gradients and dependences of scalars; what the tape reads in place (parameters,
  /// views of another tensor) counts nothing.
  std::size_t bytes = 0;
  std::uint64_t flops = 0;  ///< of one forward pass, as the head of this file counts them
};

namespace detail {

/// Operations that read no more of an operand than they give.
inline bool reads_a_part(std::string_view operation) {
  constexpr std::string_view names[] = {"gather",  "gather_window", "slice",   "columns", "rows",
                                        "element", "item",          "scalars", "gates"};
  return std::find(std::begin(names), std::end(names), operation) != std::end(names);
}

template <class T>
std::uint64_t flops_of(const Recording<T>& recording, const Node<T>& y) {
  const auto size = static_cast<std::uint64_t>(y.scalar != 0 ? y.scalar_count : y.shape.size());
  if (y.operations > 0) return y.operations * size;
  const auto shape_of = [&](std::uint32_t k) {
    const Edge edge = y.operands[k];
    return edge.is_scalar ? Shape{} : recording.nodes[edge.index]->shape;
  };
  if ((y.operation == "matmul" && y.operand_count == 2) ||
      (y.operation == "linear" && y.operand_count == 3)) {
    // of each matrix, which may be transposed, the elements over the rows of the result
    const Shape a = shape_of(0);
    const auto k = static_cast<std::uint64_t>(a[0] * a[1] / std::max<Index>(y.shape[0], 1));
    return 2 * k * size + (y.operand_count == 3 ? size : 0);
  }
  if (y.operation == "step")
    return 2 * static_cast<std::uint64_t>(shape_of(y.operand_count - 1)[0]) * size;
  std::uint64_t read = 0;
  for (std::uint32_t k = 0; k < y.operand_count; ++k) {
    const auto all = static_cast<std::uint64_t>(shape_of(k).size());
    read += reads_a_part(y.operation) ? std::min(size, all) : all;
  }
  return read;
}

/// Counts a recording by operation.
template <class T>
class OperationCounter {
 public:
  explicit OperationCounter(const Recording<T>& recording) : recording_(recording) {}

  std::vector<OperationTotal> count() {
    for (const Node<T>* node : recording_.nodes) add_node(*node);
    const std::vector<const Node<T>*> origin = origins(recording_);
    recording_.statements.for_each(
        [&](std::size_t statement, std::size_t n, const T*, const std::uint32_t*) {
          add_statement(static_cast<std::uint32_t>(statement), n, origin[statement]);
        });
    return std::move(totals_);
  }

 private:
  void add_node(const Node<T>& node) {
    OperationTotal& total = total_of(node.operation);
    if (node.scalar != 0) {  // its results are statements
      total.flops += flops_of(recording_, node);
      return;
    }
    ++total.nodes;
    const std::size_t bytes = static_cast<std::size_t>(node.shape.size()) * sizeof(T);
    const bool is_part = node.operation == "step";
    const auto is_own = [&](const T* memory) {
      return memory_.insert(memory).second && !is_part && node.parameter == nullptr;
    };
    const bool has_value = is_own(node.value);
    if (has_value) total.bytes += bytes;
    if (has_value || is_part) total.flops += flops_of(recording_, node);
    if (node.grad != nullptr && is_own(node.grad)) total.bytes += bytes;
  }

  void add_statement(std::uint32_t statement, std::size_t n, const Node<T>* origin) {
    OperationTotal& total = total_of(scalar_operation(recording_, statement, n, origin));
    ++total.nodes;
    total.bytes += sizeof(Count) + n * (sizeof(T) + sizeof(std::uint32_t));
    if (recording_.has_adjoint(statement)) total.bytes += sizeof(T);
    if (n > 0) total.flops += recording_.find_traced(statement) != nullptr ? 1 : n;
  }

  OperationTotal& total_of(std::string_view operation) {
    const auto found = std::find_if(totals_.begin(), totals_.end(), [&](const OperationTotal& x) {
      return x.operation == operation;
    });
    if (found != totals_.end()) return *found;
    totals_.push_back({.operation = std::string(operation)});
    return totals_.back();
  }

  const Recording<T>& recording_;
  std::vector<OperationTotal> totals_;
  std::unordered_set<const T*> memory_;  // of the nodes so far
};

}  // namespace detail

/// What is on a tape, an entry for each operation: those of tensors in order of their first use,
/// then those of scalars.
template <class T>
std::vector<OperationTotal> operation_totals(const Tape<T>& tape) {
  return detail::OperationCounter<T>(gradtape::detail::Recording<T>::of(tape)).count();
}

/// The same as a table, with the totals, and with all memory that the tape holds: it has room for
/// more, and keeps what backward functions need.
template <class T>
std::string summary(const Tape<T>& tape) {
  std::vector<std::vector<std::string>> rows{{"operation", "nodes", "bytes", "flops"}};
  const auto append = [&rows](const OperationTotal& x) {
    rows.push_back(
        {x.operation, std::to_string(x.nodes), std::to_string(x.bytes), std::to_string(x.flops)});
  };
  OperationTotal total{.operation = "total"};
  for (const OperationTotal& x : operation_totals(tape)) {
    append(x);
    total.nodes += x.nodes;
    total.bytes += x.bytes;
    total.flops += x.flops;
  }
  append(total);
  rows.push_back({"tape holds", "", std::to_string(tape.bytes()), ""});
  return detail::table_text(rows, 1);
}

}  // namespace gradtape::io
