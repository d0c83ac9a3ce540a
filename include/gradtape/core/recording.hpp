#pragma once
/// \file
/// The mechanics behind `Tape`: nodes, positions, the sweep, and which handles are still good.
///
/// Scalars are statements (statements.hpp), tensors are nodes in an arena.  A node remembers how
/// many statements and operands of theirs stood before it, so that one sweep visits both kinds in
/// reverse order of recording:
///
///     statements   1  2  3        4  5           6
///     nodes                 A           B  C
///     sweep        <---------------------------------
///
/// A handle carries the epoch in which it was made; each rewinding begins a new one.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "arena.hpp"
#include "error.hpp"
#include "list.hpp"
#include "parts.hpp"
#include "shape.hpp"
#include "statements.hpp"
#include "tracer.hpp"

namespace gradtape {

template <class T>
class Tape;

namespace detail {

template <class T>
class ParameterState;

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
  std::size_t operands_before = 0;      // position among the scalars: to where the sweep goes
  std::uint32_t statements_before = 0;  // the same, for drawings
  std::uint32_t scalar = 0;  // the statement that holds a scalar result; 0: the result is a tensor
  std::uint32_t scalar_count = 1;  // results held by as many statements from there on
  std::uint32_t operations = 0;    // of an element-wise formula; 0: not element-wise
  // The last sweep in which a contribution to `grad` arrived.  0: none ever, and that memory may hold
  // values of an operation which reads this node (KeptExponentials).
  std::uint32_t sweep = 0;
  std::uint32_t call_site = 0;  // see `Tracer::call_site`

  /// The name given to it, or that of the parameter which it is.
  std::string_view label() const {
    return name.empty() && parameter != nullptr ? std::string_view(parameter->name) : name;
  }
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
    std::size_t nodes = 0, names = 0, renamed = 0, cleanups = 0, parts = 0;
    Arena::Mark arena;
  };

  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording() { run_cleanups(0); }

  static Recording& of(Tape<T>& tape) { return tape; }
  static const Recording& of(const Tape<T>& tape) { return tape; }
  Tape<T>& tape() { return static_cast<Tape<T>&>(*this); }

  // Positions.

  Mark mark() const {
    return {statements.mark(), nodes.size(), names_.size(), renamed_.size(),
            cleanups_.size(),  parts.size(), arena.mark()};
  }

  /// Forgets everything.
  [[gnu::always_inline]] void clear() {
    if (holds_scalars_only()) [[likely]] {
      statements.clear();
      swept_statements_ = swept_nodes_ = 0;
      begin_epoch();
    } else {
      rewind({});
    }
    cleared_ = rewindings;
    rewound_.clear();
  }

  [[gnu::noinline]] void rewind(const Mark& mark) {
    run_cleanups(mark.cleanups);
    statements.rewind(mark.statements);
    nodes.truncate(mark.nodes);
    names_.truncate(mark.names);
    for (; renamed_.size() > mark.renamed; renamed_.pop_back())
      renamed_.back().node->name = renamed_.back().previous;
    parts.rewind(mark.parts, {mark.statements.statements, mark.nodes});
    arena.rewind(mark.arena);
    if (last_tracer != nullptr) last_tracer->rewind(mark.statements.statements);
    swept_statements_ = std::min(swept_statements_, mark.statements.statements + 1);
    swept_nodes_ = std::min(swept_nodes_, mark.nodes);
    begin_epoch();
    while (!rewound_.empty() && rewound_.back().statements >= mark.statements.statements &&
           rewound_.back().nodes >= mark.nodes) {
      rewound_.pop_back();
    }
    rewound_.push_back({rewindings, mark.statements.statements, mark.nodes});
  }

  /// Makes sure that the next `rewind` needs no memory: it runs in destructors.
  void prepare_rewind() { rewound_.make_room_for_one(); }

  /// Whether the first `statements` and `nodes` have stood untouched since the epoch.  Of the
  /// rewindings after it the first in the list is the deepest: a later one that was deeper has
  /// replaced it.
  bool untouched(std::uint32_t since, std::size_t statement_count, std::size_t node_count) const {
    const std::uint32_t age = now.epoch() - since;  // right also after the epochs have wrapped
    if (age == 0) return true;
    if (age > rewindings - cleared_) return statement_count == 0 && node_count == 0;
    const auto deepest = std::partition_point(
        rewound_.begin(), rewound_.end(),
        [&](const Rewound& rewound) { return rewound.rewindings <= rewindings - age; });
    return deepest == rewound_.end() ||
           (statement_count <= deepest->statements && node_count <= deepest->nodes);
  }

  // Recording.

  /// A scalar without operands of its own.
  std::uint32_t append_leaf(std::string_view operation, const T& value) {
    if (!statements.has_room_for_leaves(1)) statements.make_room_for_leaves(1);
    const std::uint32_t statement = statements.append_leaf();
    if (tracer != nullptr) tracer->remember(statement, operation, value);
    return statement;
  }

  /// Memory for the elements of a tensor, which are uninitialised.
  T* allocate_tensor(Index size) {
    // an empty tensor has an address as well: a gradient of null would mean that there is none
    const auto count = static_cast<std::size_t>(std::max<Index>(size, 1));
    T* const data = arena.allocate<T>(with_margin<T>(count), tensor_alignment);
    clear_margin(data, count);
    return data;
  }

  /// A tensor node with its value uninitialised.
  Node<T>& append_node(std::string_view operation, const Shape& shape, bool needs_grad) {
    T* value = allocate_tensor(shape.size());
    T* grad = needs_grad && paused == 0 ? allocate_tensor(shape.size()) : nullptr;
    return append_node(operation, shape, value, grad);
  }

  /// A tensor node on memory that is somebody else's.
  Node<T>& append_node(std::string_view operation, const Shape& shape, T* value, T* grad) {
    Node<T>& node = *new (arena.allocate(sizeof(Node<T>), alignof(Node<T>))) Node<T>;
    node.shape = shape;
    node.operation = operation;
    node.value = value;
    node.grad = grad;
    node.operands_before = statements.mark().operands;
    node.statements_before = static_cast<std::uint32_t>(statements.size());
    if (tracer != nullptr) node.call_site = tracer->call_site();
    nodes.push_back(&node);
    return node;
  }

  std::uint32_t last_node() const { return static_cast<std::uint32_t>(nodes.size() - 1); }

  template <class Backward>
  void set_backward(Node<T>& node, Backward&& backward) {
    using Closure = std::decay_t<Backward>;
    void* memory = arena.allocate(sizeof(Closure), alignof(Closure));
    if constexpr (!std::is_trivially_destructible_v<Closure>) cleanups_.make_room_for_one();
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

  /// What tracing knows of a scalar; null if it was recorded without.
  const TracedScalar<T>* find_traced(std::uint32_t statement) const {
    return last_tracer != nullptr ? last_tracer->find(statement) : nullptr;
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

  /// The name lasts until the recording is rewound to before the naming, which may be in a scope.
  void name_node(Node<T>& node, std::string_view name) {
    renamed_.push_back({&node, node.name});
    node.name = keep_text(name);
  }

  /// Calls visit(statement, name), for several names of one statement in the order of naming.
  template <class Visit>
  void for_each_name(Visit&& visit) const {
    for (const Name& name : names_) visit(name.statement, name.text);
  }

  [[gnu::cold]] std::string_view statement_name(std::uint32_t statement) const {
    for (std::size_t i = names_.size(); i-- > 0;) {
      if (names_[i].statement == statement) return names_[i].text;
    }
    return {};
  }

  [[gnu::cold]] std::string describe_statement(std::uint32_t statement) const {
    const std::string_view name = statement_name(statement);
    return name.empty() ? concat("scalar #", statement) : concat("'", name, "'");
  }

  [[gnu::cold]] std::string describe_node(std::size_t index) const {
    const Node<T>& node = *nodes[index];
    const std::string_view name = node.label();
    return concat(name.empty() ? concat("tensor #", index) : concat("'", name, "'"), " (",
                  node.operation, ", ", to_string(node.shape), ")");
  }

  // Parts.

  Parts::Handle begin_part(std::string_view name) {
    if (name.empty()) fail<TapeError>("part: a part of a recording needs a name");
    return parts.begin(keep_text(name), {statements.size(), nodes.size()});
  }
  void end_part(const Parts::Handle& part) { parts.end(part, {statements.size(), nodes.size()}); }

  // The sweep.

  /// Whether the sweep is one over a few scalars.
  bool has_few_scalars_only() const {
    return std::is_floating_point_v<T> && statements.size() < Statements<T>::few &&
           tracer == nullptr && nodes.empty();
  }
  /// The sweep of these.
  [[gnu::always_inline]] void sweep_few_scalars(std::uint32_t loss, const T& seed) {
    statements.clear_few_adjoints();
    swept_statements_ = statements.size() + 1;
    statements.adjoint(loss) = seed;
    statements.sweep(statements.mark(), 0);
  }

  /// Clears the adjoints, to which a seed is to be added, and may find no memory for them: then the
  /// last sweep stands.
  void begin_sweep() {
    statements.clear_adjoints();
    ++sweep;
    swept_statements_ = statements.size() + 1;
    swept_nodes_ = nodes.size();
  }

  /// If something throws, there are no gradients until the next sweep.
  void run_sweep() {
    try {
      sweep_nodes_and_statements();
    } catch (...) {
      swept_statements_ = swept_nodes_ = 0;
      throw;
    }
  }

  [[gnu::noinline]] void sweep_nodes_and_statements() {
    sweep_position = statements.mark();
    if (tracer != nullptr) tracer->check_before_sweep();
    for (std::size_t i = nodes.size(); i-- > 0;) {
      Node<T>& node = *nodes[i];
      sweep_statements_down_to(node.operands_before);
      if (node.backward == nullptr || !is_reached(node)) continue;
      node.backward(node);
      if (tracer != nullptr) tracer->check_node_sweep(i);
    }
    sweep_statements_down_to(0);
  }

  bool is_reached(const Node<T>& node) {
    if (node.scalar == 0) return node.sweep == sweep;
    for (std::uint32_t i = 0; i < node.scalar_count; ++i) {
      if (!is_exact_zero(statements.adjoint(node.scalar + i))) return true;
    }
    return false;
  }

  /// The statement of a place of the present epoch; of another, a number that is none of a statement.
  std::uint64_t statement_at(Place place) const { return place.bits - now.bits; }
  bool has_adjoint(std::uint64_t statement) const { return statement < swept_statements_; }
  bool has_gradient(std::size_t node) const { return node < swept_nodes_; }

  Budget budget;
  Statements<T> statements{budget};
  Arena arena{budget};
  List<Node<T>*> nodes;
  Parts parts;
  std::uint64_t rewindings = 0;
  Place now;  // position 0 of the present epoch, which is the number of rewindings
  std::uint32_t sweep = 0;
  typename Statements<T>::Mark sweep_position;  // among the statements
  int paused = 0;                               // no_grad guards
  std::unique_ptr<Tracer<T>> last_tracer;       // null: never traced
  Tracer<T>* tracer = nullptr;                  // null: not tracing

 private:
  /// A rewinding, by its number: of the handles from before it those survive whose position is
  /// below.
  struct Rewound {
    std::uint64_t rewindings = 0;
    std::size_t statements = 0, nodes = 0;
  };

  struct Renamed {
    Node<T>* node;
    std::string_view previous;
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

  /// Everything else takes memory of the arena.
  bool holds_scalars_only() const { return arena.is_empty() && last_tracer == nullptr; }

  void begin_epoch() {
    ++rewindings;
    now = Place::at(0, static_cast<std::uint32_t>(rewindings));
  }

  void sweep_statements_down_to(std::size_t last_operand) {
    if (sweep_position.operands > last_operand) sweep_down_to(last_operand);
  }
  [[gnu::noinline]] void sweep_down_to(std::size_t last_operand) {
    if (tracer != nullptr) [[unlikely]] {
      tracer->sweep_statements(last_operand);
    } else {
      sweep_position = statements.sweep(sweep_position, last_operand);
    }
  }

  std::uint64_t cleared_ = 0;  // the last rewinding that forgot everything
  std::size_t swept_statements_ = 0,
              swept_nodes_ = 0;  // below, adjoints are those of the last sweep
  List<Rewound> rewound_;
  List<Name> names_;
  List<Renamed> renamed_;
  List<Cleanup> cleanups_;
};

}  // namespace detail
}  // namespace gradtape
