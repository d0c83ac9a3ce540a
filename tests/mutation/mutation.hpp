#pragma once
// What mutate.py puts into its copy of the headers: which mutant is active, and which have been
// reached with an effect since they were last asked for.

#include <Eigen/Core>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "core/kinds.hpp"

namespace gradtape::mutation {

/// GRADTAPE_MUTANT: the number of a mutant, or the name of an operation, a colon and a kind.
inline const char* name_of_active() { return std::getenv("GRADTAPE_MUTANT"); }
/// One variable, since compilers differ in the order in which they initialise several.
inline const int active = name_of_active() == nullptr        ? -1
                          : std::atoi(name_of_active()) == 0 ? -2
                                                             : std::atoi(name_of_active());
inline bool observes() { return active == -1; }

inline constexpr int most = 10000;

/// What has been reached: with a value that the mutant changes; with one of a type that it cannot
/// change; the operations whose backward function ran.
struct Reached {
  std::vector<char> with_effect = std::vector<char>(most), without_use = with_effect;
  std::set<std::string> operations;

  void note(int first, int count) {
    for (int i = first; i < first + count; ++i) with_effect[static_cast<std::size_t>(i)] = 1;
  }
  /// Of three mutants of a value only the `useful` one changes it; -1: none does.
  void note_only(int first, int useful) {
    for (int i = 0; i < 3; ++i)
      (i == useful ? with_effect : without_use)[std::size_t(first + i)] = 1;
  }
};
inline Reached reached;

/// negated, times 1.01, zero
template <class X>
X changed(const X& x, int kind) {
  return kind == 0 ? X(-x) : kind == 1 ? X(x * X(1.01)) : X(0);
}
template <class X>
bool is_nonzero(const X& x) {
  if constexpr (std::is_floating_point_v<X>) {
    return x != 0;
  } else if constexpr (requires { X::lanes; }) {
    for (int i = 0; i < X::count * X::lanes; ++i) {
      if (x[i] != 0) return true;
    }
    return false;
  } else {
    return true;
  }
}

template <class X>
[[gnu::noinline]] X slope(int first, const X& x) {
  if (observes() && is_nonzero(x)) reached.note(first, 3);
  const int kind = active - first;
  return kind >= 0 && kind < 3 ? changed(x, kind) : x;
}

template <class X>
const X& exchanged(int number, const X& own, const X& other) {
  if (observes() && std::memcmp(&own, &other, sizeof own) != 0) reached.note(number, 1);
  return active == number ? other : own;
}

template <class V>
auto share(int first, const V& v) {
  if constexpr (std::is_base_of_v<Eigen::EigenBase<V>, V>) {
    typename V::PlainObject x = v;
    using T = typename V::Scalar;
    if constexpr (std::is_integral_v<T>) {
      if (observes()) reached.note_only(first, -1);
      return x;
    } else {
      bool is_seen = false;
      for (Eigen::Index i = 0; i < x.size(); ++i) is_seen = is_seen || is_nonzero(x.data()[i]);
      if (observes() && is_seen) reached.note(first, 3);
      const int kind = active - first;
      if (kind >= 0 && kind < 3) {
        for (Eigen::Index i = 0; i < x.size(); ++i) x.data()[i] = changed<T>(x.data()[i], kind);
      }
      return x;
    }
  } else if constexpr (ScalarEntity<V>) {
    return slope<Var<detail::scalar_of<V>>>(first, v);
  } else if constexpr (!std::is_integral_v<V> && requires(V x) { V(-x), V(x * V(1.01)), V(0); }) {
    return slope<V>(first, v);
  } else if constexpr (std::is_same_v<V, bool>) {
    if (observes()) reached.note_only(first, 0);
    return active == first ? !v : v;
  } else if constexpr (std::is_integral_v<V> || std::is_enum_v<V>) {  // zero
    if (observes()) reached.note_only(first, v != V{} ? 2 : -1);
    return active == first + 2 ? V{} : v;
  } else {
    if (observes()) reached.note_only(first, -1);
    return v;
  }
}

inline bool calls(int number) {
  if (observes()) reached.note(number, 1);
  return active != number;
}

/// In place of node.backward(node).
template <class Node>
void run_backward(Node& node) {
  const std::string name(node.operation);
  using T = std::remove_cvref_t<decltype(*node.grad)>;
  const bool is_own = node.grad != nullptr && node.operations == 0;
  if (observes() && is_own) reached.operations.insert(name);
  if (active != -2 || !is_own ||
      std::strncmp(name_of_active(), (name + ":").c_str(), name.size() + 1) != 0)
    return node.backward(node);
  const int kind = name_of_active()[name.size() + 1] - '0';
  if (kind == 2) return;
  const std::vector<T> before(node.grad, node.grad + node.shape.size());
  for (std::size_t i = 0; i < before.size(); ++i) node.grad[i] = changed<T>(before[i], kind);
  node.backward(node);
  std::copy(before.begin(), before.end(), node.grad);
}

}  // namespace gradtape::mutation
