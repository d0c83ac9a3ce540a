#pragma once
/// \file
/// What a tape holds, as data: nodes with texts for names, operations, values and gradients.
/// graph.hpp draws it.

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../core/trace.hpp"

namespace gradtape::io {

/// What of a recording is drawn.
struct GraphOptions {
  std::size_t max_nodes = 200;  ///< a larger recording is refused
  int digits = 5;               ///< significant, of every number
  Index max_elements = 6;       ///< a larger tensor is summed up: min, mean, max, norm
};

/// A node as it is drawn; what there is not is empty.
struct GraphNode {
  /// Three kinds of leaves, and all else.
  enum class Kind { variable, constant, parameter, operation };
  /// An edge that ends at this node.
  struct Operand {
    std::size_t node;        ///< its place in `Graph::nodes`, before this node
    std::string derivative;  ///< of this node to the operand, between scalars
  };

  Kind kind = Kind::operation;    ///< decides the colour
  std::string id;                 ///< "s3" for the scalar, "t3" for the tensor of that number
  std::string name;               ///< as given, or "scalar #3", "tensor #3" as in error texts
  bool is_named = false;          ///< whether the program gave the name
  std::string operation;          ///< "add(a, d)" while tracing; "formula" of scalars otherwise
  std::string shape;              ///< of a tensor: "[3, 4]"
  std::string value;              ///< of a scalar while tracing only, of a tensor always
  std::string gradient;           ///< "-" before a backward pass
  std::vector<Operand> operands;  ///< one for each use
  std::size_t part = no_part;     ///< its place in `Graph::parts`

  /// The `part` of a node that is in none.
  static constexpr std::size_t no_part = gradtape::detail::Parts::none;
};

/// A part of the recording (`Tape::part`).
struct GraphPart {
  std::string name;                         ///< as given: "attention"
  std::string path;                         ///< with those around it: "encoder/attention"
  std::size_t parent = GraphNode::no_part;  ///< its place in `Graph::parts`, before this part
};

/// What a tape holds, in order of recording, so that the nodes of a part follow each other.
struct Graph {
  std::vector<GraphNode> nodes;  ///< operands before what is made from them
  std::vector<GraphPart> parts;  ///< outer parts before those within
};

namespace detail {

using namespace gradtape::detail;

/// "[1, 2; 3, 4]", row by row, or "min 1, mean 2.5, max 4, norm 5.47723" for a large tensor.  The
/// minimum and the maximum are those of the numbers beside NaN.
template <class T>
std::string tensor_text(const T* x, const Shape& shape, const GraphOptions& options) {
  const Index size = shape.size();
  if (shape.rank() == 0) return number_text(*x, options.digits);
  if (size <= options.max_elements) {
    std::string text = "[";
    for (Index i = 0; i < shape.rows() && size > 0; ++i) {
      for (Index j = 0; j < shape.columns(); ++j) {
        // a vector is written in one row
        text += i + j == 0 ? "" : j > 0 || shape.columns() == 1 ? ", " : "; ";
        text += number_text(x[j * shape.rows() + i], options.digits);
      }
    }
    return text + "]";
  }
  constexpr long double nan = std::numeric_limits<long double>::quiet_NaN();
  long double low = nan, high = nan, sum = 0, squares = 0;
  for (Index k = 0; k < size; ++k) {
    const auto number = static_cast<long double>(primal(x[k]));
    if (!(low <= number)) low = std::isnan(number) ? low : number;
    if (!(high >= number)) high = std::isnan(number) ? high : number;
    sum += number;
    squares += number * number;
  }
  const auto text = [&](long double number) { return number_text(number, options.digits); };
  return concat("min ", text(low), ", mean ", text(sum / static_cast<long double>(size)), ", max ",
                text(high), ", norm ", text(std::sqrt(squares)));
}

/// For each statement the operation on tensors that computed it; null if there is none.
template <class T>
std::vector<const Node<T>*> origins(const Recording<T>& recording) {
  std::vector<const Node<T>*> origins(recording.statements.size() + 1);
  for (const Node<T>* node : recording.nodes) {
    for (std::uint32_t k = 0; node->scalar != 0 && k < node->scalar_count; ++k)
      origins[node->scalar + k] = node;
  }
  return origins;
}

/// What a statement of n operands is called.
template <class T>
std::string_view scalar_operation(const Recording<T>& recording, std::uint32_t statement,
                                  std::size_t n, const Node<T>* origin) {
  if (origin != nullptr) return origin->operation;
  const TracedScalar<T>* traced = recording.find_traced(statement);
  return traced != nullptr ? traced->operation : n == 0 ? "variable" : "formula";
}

/// Makes a `Graph` of a recording.
template <class T>
class GraphBuilder {
 public:
  GraphBuilder(const Recording<T>& recording, const GraphOptions& options)
      : recording_(recording), options_(options) {}

  Graph build() {
    check_size();
    origin_ = origins(recording_);
    find_drawn();
    const Parts& parts = recording_.parts;
    for (std::size_t i = 0; i < parts.size(); ++i)
      graph_.parts.push_back({std::string(parts.name(i)), parts.path(i), parts.parent(i)});
    std::size_t next = 0;
    const auto tensors_before = [&](std::size_t statement) {
      for (; next < recording_.nodes.size(); ++next) {
        if (recording_.nodes[next]->statements_before >= statement) break;
        add_tensor(next);
      }
    };
    recording_.statements.for_each(
        [&](std::size_t statement, std::size_t n, const T* partial, const std::uint32_t* operand) {
          tensors_before(statement);
          add_scalar(static_cast<std::uint32_t>(statement), n, partial, operand);
        });
    tensors_before(std::numeric_limits<std::size_t>::max());
    recording_.for_each_name([&](std::uint32_t statement, std::string_view name) {
      GraphNode& node = graph_.nodes[scalar_place_[statement]];
      node.name = name;
      node.is_named = true;
    });
    return std::move(graph_);
  }

 private:
  /// Nodes with a tensor, and the first use of every parameter.
  void find_drawn() {
    const std::size_t statements = recording_.statements.size();
    scalar_place_.resize(statements + 1);
    tensor_place_.resize(recording_.nodes.size());
    is_drawn_.assign(recording_.nodes.size(), true);
    std::vector<std::pair<const T*, std::size_t>> parameters;
    for (std::size_t i = 0; i < recording_.nodes.size(); ++i) {
      const Node<T>& node = *recording_.nodes[i];
      if (node.scalar != 0) is_drawn_[i] = false;
      if (node.operation == "parameter") parameters.emplace_back(node.value, i);
    }
    std::sort(parameters.begin(), parameters.end());
    first_use_.resize(recording_.nodes.size());
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const auto [value, i] = parameters[p];
      const bool is_first = p == 0 || parameters[p - 1].first != value;
      first_use_[i] = is_first ? i : first_use_[parameters[p - 1].second];
      if (!is_first) is_drawn_[i] = false;
    }
  }

  void check_size() const {
    std::size_t size = recording_.statements.size();
    for (const Node<T>* node : recording_.nodes) size += node->scalar == 0 ? 1 : 0;
    if (size > options_.max_nodes) {
      fail<TapeError>("graph: the tape has ", size, " nodes, more than max_nodes (",
                      options_.max_nodes, "): draw a smaller recording, or raise max_nodes");
    }
  }

  void add_scalar(std::uint32_t statement, std::size_t n, const T* partial,
                  const std::uint32_t* operand) {
    GraphNode node;
    node.id = concat("s", statement);
    node.name = concat("scalar #", statement);
    const Node<T>* origin = origin_[statement];
    node.operation = scalar_operation(recording_, statement, n, origin);
    const TracedScalar<T>* traced = recording_.find_traced(statement);
    if (traced != nullptr) node.value = number_text(traced->value, options_.digits);
    if (origin != nullptr) {
      add_operands(node, *origin);
    } else {
      for (std::size_t k = 0; k < n; ++k) {
        if (operand[k] == 0) continue;
        const std::size_t place = scalar_place_[operand[k]];
        const bool is_constant = graph_.nodes[place].kind == GraphNode::Kind::constant;
        node.operands.push_back(
            {place, is_constant ? "" : number_text(partial[k], options_.digits)});
      }
      if (n == 0) node.kind = leaf_kind(node.operation);
    }
    if (node.kind != GraphNode::Kind::constant) {
      node.gradient = recording_.has_adjoint(statement)
                          ? number_text(recording_.statements.adjoint(statement), options_.digits)
                          : "-";
    }
    node.part = recording_.parts.of_statement(statement);
    scalar_place_[statement] = graph_.nodes.size();
    graph_.nodes.push_back(std::move(node));
  }

  void add_tensor(std::size_t i) {
    const Node<T>& tensor = *recording_.nodes[i];
    if (!is_drawn_[i]) {
      if (tensor.operation == "parameter") tensor_place_[i] = tensor_place_[first_use_[i]];
      return;
    }
    GraphNode node;
    node.id = concat("t", i);
    node.is_named = !tensor.label().empty();
    node.name = node.is_named ? std::string(tensor.label()) : concat("tensor #", i);
    node.operation = tensor.operation;
    node.shape = to_string(tensor.shape);
    node.value = tensor_text(tensor.value, tensor.shape, options_);
    if (needs_grad(tensor)) node.gradient = gradient_text(tensor, i);
    if (tensor.operand_count == 0) node.kind = leaf_kind(tensor.operation);
    add_operands(node, tensor);
    node.part = recording_.parts.of_node(i);
    tensor_place_[i] = graph_.nodes.size();
    graph_.nodes.push_back(std::move(node));
  }

  void add_operands(GraphNode& node, const Node<T>& origin) const {
    for (std::uint32_t k = 0; k < origin.operand_count; ++k) {
      const Edge edge = origin.operands[k];
      if (!edge.is_scalar) node.operands.push_back({tensor_place_[edge.index], {}});
      if (edge.is_scalar && edge.index != 0)
        node.operands.push_back({scalar_place_[edge.index], {}});
    }
  }

  /// Read without a change: asking a parameter for its whole gradient would make a sparse one
  /// dense.
  std::string gradient_text(const Node<T>& node, std::size_t i) const {
    const bool is_known =
        node.parameter != nullptr ? node.parameter->has_grad() : recording_.has_gradient(i);
    if (!is_known) return "-";
    std::vector<T> gradient(static_cast<std::size_t>(node.shape.size()), T(0));
    for_each_gradient_run(recording_, node, [&](const T* x, Index first, Index count) {
      std::copy_n(x + first, count, gradient.begin() + first);
    });
    return tensor_text(gradient.data(), node.shape, options_);
  }

  static GraphNode::Kind leaf_kind(std::string_view operation) {
    return operation == "variable"    ? GraphNode::Kind::variable
           : operation == "constant"  ? GraphNode::Kind::constant
           : operation == "parameter" ? GraphNode::Kind::parameter
                                      : GraphNode::Kind::operation;
  }

  const Recording<T>& recording_;
  const GraphOptions& options_;
  Graph graph_;
  std::vector<std::size_t> scalar_place_, tensor_place_;  // in the graph
  std::vector<const Node<T>*> origin_;                    // of a scalar
  std::vector<std::size_t> first_use_;                    // of a parameter
  std::vector<bool> is_drawn_;
};

}  // namespace detail

/// The nodes of a tape as they are drawn.
/// \throws TapeError if there are more than `max_nodes`.
template <class T>
Graph graph(const Tape<T>& tape, const GraphOptions& options = {}) {
  return detail::GraphBuilder<T>(gradtape::detail::Recording<T>::of(tape), options).build();
}

}  // namespace gradtape::io
