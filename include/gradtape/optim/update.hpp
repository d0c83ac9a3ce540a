#pragma once
/// \file
/// One pass over memory that applies an update (see optimizer.hpp) to neighbouring elements.

#include <array>

#include "../core/tile_functions.hpp"

namespace gradtape::optim::detail {

/// What an update is applied to at once: few enough registers for several operands to stay in them.
template <class T>
inline constexpr int update_width = 2 * gradtape::detail::register_bytes / int(sizeof(T));
template <class T>
using UpdateLanes = std::conditional_t<std::is_same_v<T, float> || std::is_same_v<T, double>,
                                       gradtape::detail::Tile<T, update_width<T>>, T>;

/// Elements of a parameter, their gradients and memories; null where there is no memory.
template <class T, std::size_t N>
struct Elements {
  T* value;
  const T* grad;
  std::array<T*, N> memory;
};

template <class T, std::size_t N, class Update>
[[gnu::always_inline]] inline void apply_at(Index i, Index n, const Update& update, T penalty,
                                            const Elements<T, N>& at) {
  using gradtape::detail::load, gradtape::detail::store, gradtape::detail::unrolled;
  using X = UpdateLanes<T>;
  X w, g;
  std::array<X, N> memory;
  load(w, at.value + i, n);
  load(g, at.grad + i, n);
  unrolled<N>([&](std::size_t k) __attribute__((always_inline)) {
    if (at.memory[k] != nullptr) {
      load(memory[k], at.memory[k] + i, n);
    } else {
      memory[k] = X(T(0));
    }
  });
  if (penalty != T(0)) g = g + penalty * w;
  update(w, g, memory);
  store(w, at.value + i, n);
  unrolled<N>([&](std::size_t k) __attribute__((always_inline)) {
    if (at.memory[k] != nullptr) store(memory[k], at.memory[k] + i, n);
  });
}

/// Taken by value, the update stays in registers: behind a reference, it might change with each
/// element that is written.  Inline, since small parameters are many.
template <class T, std::size_t N, class Update>
[[gnu::always_inline]] inline void apply(Update update, T penalty, Elements<T, N> at, Index size) {
  constexpr Index width = gradtape::detail::lane_count<UpdateLanes<T>>;
  Index i = 0;
  for (; i + width <= size; i += width) apply_at(i, width, update, penalty, at);
  if (i < size) apply_at(i, size - i, update, penalty, at);
}

}  // namespace gradtape::optim::detail
