#pragma once
/// \file
/// One pass over memory that applies an update (see optimizer.hpp) to neighbouring elements.

#include <array>

#include "../core/tile_functions.hpp"

namespace gradtape::optim::detail {

/// Elements of a parameter, their gradients and memories; null where there is no memory.
template <class T, std::size_t N>
struct Elements {
  T* value;
  const T* grad;
  std::array<T*, N> memory;
};

template <class X, class T, std::size_t N, class Update>
[[gnu::always_inline]] inline void apply_at(Index i, const Update& update, T penalty,
                                            const Elements<T, N>& at) {
  using gradtape::detail::load, gradtape::detail::store, gradtape::detail::unrolled;
  X w, g;
  std::array<X, N> memory;
  load(w, at.value + i);
  load(g, at.grad + i);
  unrolled<N>([&](std::size_t k) __attribute__((always_inline)) {
    if (at.memory[k] != nullptr) {
      load(memory[k], at.memory[k] + i);
    } else {
      memory[k] = X(T(0));
    }
  });
  if (penalty != T(0)) g = g + penalty * w;
  update(w, g, memory);
  store(w, at.value + i);
  unrolled<N>([&](std::size_t k) __attribute__((always_inline)) {
    if (at.memory[k] != nullptr) store(memory[k], at.memory[k] + i);
  });
}

/// Whole tiles, then a register, then single elements.  Taken by value, the update stays in
/// registers: behind a reference, it might change with each element that is written.  Inline, since
/// small parameters are many.
template <class T, std::size_t N, class Update>
[[gnu::always_inline]] inline void apply(Update update, T penalty, Elements<T, N> at, Index size) {
  using Tile = gradtape::detail::Lanes<T>;
  using Register = gradtape::detail::RegisterOf<T>;
  using gradtape::detail::lane_count;
  Index i = 0;
  for (; i + lane_count<Tile> <= size; i += lane_count<Tile>)
    apply_at<Tile>(i, update, penalty, at);
  for (; i + lane_count<Register> <= size; i += lane_count<Register>)
    apply_at<Register>(i, update, penalty, at);
  for (; i < size; ++i) apply_at<T>(i, update, penalty, at);
}

}  // namespace gradtape::optim::detail
