#pragma once
/// \file
/// The mechanics behind `Tape`: nodes, positions, the sweep, and which handles are still good.
///
/// Scalars are statements (statements.hpp), tensors are nodes in an arena.  A node remembers how
/// many statements stood before it, so that one sweep visits both kinds in reverse order of
/// recording:
///
///     statements   1  2  3        4  5           6
///     nodes                 A           B  C
///     sweep        <---------------------------------
///
/// A handle carries the epoch in which it was made; each rewinding begins a new one.

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "arena.hpp"
#include "error.hpp"
#include "shape.hpp"
#include "statements.hpp"

namespace gradtape {

template <class T>
class Tape;
template <class T>
class Var;
template <class T>
class Tensor;
template <class T>
class Parameter;

namespace detail {

template <class T>
struct ParameterState;

/// An operand in the recorded graph: a tensor node or a scalar statement.
struct Edge {
  std::uint32_t index;
  bool is_scalar;
};

/// One recorded tensor, or one operation on tensors whose result is a scalar.
template <class T>
struct Node {
  Shape shape;
  T* value = nullptr;
  T* grad = nullptr;                  // null: needs no gradient
  void (*backward)(Node&) = nullptr;  // null: a leaf
  void* closure = nullptr;            // what `backward` needs, in the arena
  ParameterState<T>* parameter = nullptr;
  std::string_view operation, name;  // static text; text in the arena
  const Edge* operands = nullptr;
  std::uint32_t operand_count = 0;
  std::uint32_t statements_before = 0;  // position among the scalars
  std::uint32_t scalar = 0;  // the statement that holds a scalar result; 0: the result is a tensor
  std::uint32_t sweep = 0;   // the last sweep in which a contribution to `grad` arrived
};

/// What tracing remembers of a scalar.
template <class T>
struct TracedScalar {
  std::uint32_t statement;
  std::string_view operation;
  T value;
};

/// Where something stands on a tape, and the epoch of the tape when it was recorded: one word, so
/// that handles are loaded and stored whole.
struct Place {
  std::uint64_t bits = 0;

  static constexpr Place at(std::uint32_t index, std::uint32_t epoch) {
    return {std::uint64_t{epoch} << 32 | index};
  }
  constexpr std::uint32_t index() const { return static_cast<std::uint32_t>(bits); }
  constexpr std::uint32_t epoch() const { return static_cast<std::uint32_t>(bits >> 32); }
};

template <class T>
class Recording {
 public:
  struct Mark {
    typename Statements<T>::Mark statements;
    std::size_t nodes = 0, names = 0, cleanups = 0;
    Arena::Mark arena;
  };

  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() { run_cleanups(0); }

  static Recording& of(Tape<T>& tape) { return tape; }
  Tape<T>& tape() { return static_cast<Tape<T>&>(*this); }

  // Positions.

  Mark mark() const {
    return {statements.mark(), nodes.size(), names_.size(), cleanups_.size(), arena.mark()};
  }

  void rewind(const Mark& mark) {
    run_cleanups(mark.cleanups);
    statements.rewind(mark.statements);
    nodes.resize(mark.nodes);
    names_.resize(mark.names);
    arena.rewind(mark.arena);
    while (!traced.empty() && traced.back().statement > mark.statements.statements)
      traced.pop_back();
    swept_statements_ = std::min(swept_statements_, mark.statements.statements + 1);
    swept_nodes_ = std::min(swept_nodes_, mark.nodes);
    now = Place::at(0, now.epoch() + 1);
    while (!rewound_.empty() && rewound_.back().statements >= mark.statements.statements &&
           rewound_.back().nodes >= mark.nodes) {
      rewound_.pop_back();
    }
    rewound_.push_back({now.epoch(), mark.statements.statements, mark.nodes});
  }

  /// Makes sure that the next `rewind` needs no memory: it runs in destructors.
  void prepare_rewind() { rewound_.reserve(rewound_.size() + 2); }

  /// Whether the first `statements` and `nodes` have stood untouched since the epoch.  Of the
  /// rewindings after it the first in the list is the deepest: a later one that was deeper has
  /// replaced it.
  bool untouched(std::uint32_t since, std::size_t statement_count, std::size_t node_count) const {
    if (since == now.epoch()) return true;
    for (const Rewound& rewound : rewound_) {
      if (rewound.epoch > since) {
        return statement_count <= rewound.statements && node_count <= rewound.nodes;
      }
    }
    return true;
  }

  // Recording.

  /// A scalar without operands of its own.
  std::uint32_t append_leaf(std::string_view operation, const T& value) {
    if (!statements.has_room_for_leaf()) statements.make_room_for_leaf();
    const std::uint32_t statement = statements.append_leaf();
    if (tracing) traced.push_back({statement, operation, value});
    return statement;
  }

  /// A tensor node with its value uninitialised.
  Node<T>& append_node(std::string_view operation, const Shape& shape, bool needs_grad) {
    const auto size = static_cast<std::size_t>(shape.size());
    T* value = arena.allocate<T>(size, tensor_alignment);
    T* grad = needs_grad && paused == 0 ? arena.allocate<T>(size, tensor_alignment) : nullptr;
    return append_node(operation, shape, value, grad);
  }

  /// A tensor node on memory that is somebody else's.
  Node<T>& append_node(std::string_view operation, const Shape& shape, T* value, T* grad) {
    Node<T>& node = *new (arena.allocate(sizeof(Node<T>), alignof(Node<T>))) Node<T>;
    node.shape = shape;
    node.operation = operation;
    node.value = value;
    node.grad = grad;
    node.statements_before = static_cast<std::uint32_t>(statements.size());
    nodes.push_back(&node);
    return node;
  }

  std::uint32_t last_node() const { return static_cast<std::uint32_t>(nodes.size() - 1); }

  template <class Backward>
  void set_backward(Node<T>& node, Backward&& backward) {
    using Closure = std::decay_t<Backward>;
    void* memory = arena.allocate(sizeof(Closure), alignof(Closure));
    if constexpr (!std::is_trivially_destructible_v<Closure>)
      cleanups_.reserve(cleanups_.size() + 1);
    node.closure = new (memory) Closure(std::forward<Backward>(backward));
    node.backward = [](Node<T>& n) { (*static_cast<Closure*>(n.closure))(n); };
    if constexpr (!std::is_trivially_destructible_v<Closure>) {
      cleanups_.push_back(
          {[](void* object) { static_cast<Closure*>(object)->~Closure(); }, memory});
    }
  }

  /// Remembers what a node was computed from, for drawings; edge(k) is operand number k.
  template <class EdgeOf>
  void set_operands(Node<T>& node, std::size_t count, EdgeOf&& edge) {
    Edge* edges = arena.allocate<Edge>(count);
    for (std::size_t k = 0; k < count; ++k) edges[k] = edge(k);
    node.operands = edges;
    node.operand_count = static_cast<std::uint32_t>(count);
  }

  // Names.

  std::string_view keep_text(std::string_view text) {
    if (text.empty()) return {};
    char* copy = arena.allocate<char>(text.size());
    std::copy(text.begin(), text.end(), copy);
    return {copy, text.size()};
  }

  void name_statement(std::uint32_t statement, std::string_view name) {
    if (!name.empty()) names_.push_back({statement, keep_text(name)});
  }

  std::string_view statement_name(std::uint32_t statement) const {
    for (std::size_t i = names_.size(); i-- > 0;) {
      if (names_[i].statement == statement) return names_[i].text;
    }
    return {};
  }

  std::string describe_statement(std::uint32_t statement) const {
    const std::string_view name = statement_name(statement);
    return name.empty() ? concat("scalar #", statement) : concat("'", name, "'");
  }

  std::string describe_node(std::size_t index) const {
    const Node<T>& node = *nodes[index];
    return concat(node.name.empty() ? concat("tensor #", index) : concat("'", node.name, "'"), " (",
                  node.operation, ", ", to_string(node.shape), ")");
  }

  /// For tracing: stops at a value that is not finite.
  void check_value(std::size_t index) const {
    const Node<T>& node = *nodes[index];
    for (Index k = 0; k < node.shape.size(); ++k) {
      if (is_finite(node.value[k])) continue;
      std::string text;
      for (std::uint32_t i = 0; i < node.operand_count; ++i) {
        const Edge edge = node.operands[i];
        text += (i == 0 ? "" : ", ") +
                (edge.is_scalar ? describe_statement(edge.index) : describe_node(edge.index));
      }
      fail<DomainError>("trace: ", node.operation, "(", text, ") is ", primal(node.value[k]),
                        " at element ", k);
    }
  }

  // The sweep.

  void begin_sweep() {
    ++sweep;
    statements.begin_sweep();
    swept_statements_ = statements.size() + 1;
    swept_nodes_ = nodes.size();
  }

  /// If a backward function throws, there are no gradients until the next sweep.
  void run_sweep() {
    try {
      sweep_all();
    } catch (...) {
      swept_statements_ = swept_nodes_ = 0;
      throw;
    }
  }

  void sweep_all() {
    for (std::size_t i = nodes.size(); i-- > 0;) {
      Node<T>& node = *nodes[i];
      sweep_statements_down_to(node.statements_before);
      if (node.backward == nullptr || !is_reached(node)) continue;
      if (tracing) check_gradient(i);
      node.backward(node);
    }
    sweep_statements_down_to(0);
  }

  bool is_reached(const Node<T>& node) {
    return node.scalar != 0 ? !is_exact_zero(statements.adjoint(node.scalar)) : node.sweep == sweep;
  }

  bool has_adjoint(std::uint32_t statement) const { return statement < swept_statements_; }
  bool has_gradient(std::size_t node) const { return node < swept_nodes_; }

  Statements<T> statements;
  Arena arena;
  std::vector<Node<T>*> nodes;
  std::vector<TracedScalar<T>> traced;
  Place now;  // position 0 of the present epoch
  std::uint32_t sweep = 0;
  int paused = 0;  // no_grad guards
  bool tracing = false;

 private:
  /// A rewinding: of the handles older than `epoch` those survive whose position is below.
  struct Rewound {
    std::uint32_t epoch;
    std::size_t statements, nodes;
  };

  struct Name {
    std::uint32_t statement;
    std::string_view text;
  };

  struct Cleanup {
    void (*run)(void*);
    void* object;
  };

  void run_cleanups(std::size_t keep) {
    while (cleanups_.size() > keep) {
      const Cleanup last = cleanups_.back();
      cleanups_.pop_back();
      last.run(last.object);
    }
  }

  void sweep_statements_down_to(std::size_t last) {
    if (tracing) [[unlikely]] {
      statements.sweep_down_to(last, [this](std::size_t statement, const T& y_bar) {
        if (!is_finite(y_bar)) {
          fail<DomainError>("trace: the gradient of ",
                            describe_statement(static_cast<std::uint32_t>(statement)),
                            " is not finite");
        }
      });
    } else {
      statements.sweep_down_to(last, [](std::size_t, const T&) {});
    }
  }

  void check_gradient(std::size_t index) const {
    const Node<T>& node = *nodes[index];
    for (Index k = 0; node.scalar == 0 && k < node.shape.size(); ++k) {
      if (!is_finite(node.grad[k])) {
        fail<DomainError>("trace: the gradient of ", describe_node(index),
                          " is not finite at element ", k);
      }
    }
  }

  std::size_t swept_statements_ = 0,
              swept_nodes_ = 0;  // below, adjoints are those of the last sweep
  std::vector<Rewound> rewound_;
  std::vector<Name> names_;
  std::vector<Cleanup> cleanups_;
};

}  // namespace detail
}  // namespace gradtape
