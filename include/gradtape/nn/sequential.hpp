#pragma once
/// \file
/// Layers one after another.

#include <string>
#include <tuple>
#include <utility>

#include "module.hpp"
#include "training.hpp"

namespace gradtape::nn {

/// Layers one after another.  y = layer_n(... layer_1(layer_0(x)))
///
///     nn::Sequential model{nn::Linear<float>(2, 16, random),
///                          [](const auto& z) { return relu(z); },
///                          nn::Dropout(0.5),
///                          nn::Linear<float>(16, 1, random)};
///
/// A layer is whatever can be called with a tensor.  In braces, because there, and not in round
/// brackets, C++ fixes the order in which the layers are made and draw their random numbers.  Those
/// that have members are named "0", "1", ... by their place: "0.weight", "3.bias".
template <class... Layers>
struct Sequential {
  std::tuple<Layers...> layers;  ///< from the first to the last

  /// Moves the layers in.
  explicit Sequential(Layers... in_order) : layers(std::move(in_order)...) {}

  /// Evaluation: layer(x) for each.
  template <TensorEntity X>
  auto operator()(const X& x) const {
    return evaluate_from<0>(x);
  }
  /// Training: layer(x, random) for those that have this call.
  template <TensorEntity X>
  auto operator()(const X& x, Random& random) {
    return train_from<0>(x, random);
  }

  void members(auto&& member) { name_members(member, std::index_sequence_for<Layers...>()); }

 private:
  template <std::size_t I, class X>
  auto evaluate_from(const X& x) const {
    if constexpr (I == sizeof...(Layers)) {
      return x;
    } else {
      return evaluate_from<I + 1>(std::get<I>(layers)(x));
    }
  }
  template <std::size_t I, class X>
  auto train_from(const X& x, Random& random) {
    if constexpr (I == sizeof...(Layers)) {
      return x;
    } else {
      return train_from<I + 1>(nn::train(std::get<I>(layers), x, random), random);
    }
  }

  template <std::size_t... I>
  void name_members(auto& member, std::index_sequence<I...>) {
    const auto name = [&member](std::size_t i, auto& layer) {
      if constexpr (gradtape::detail::HasMembers<std::remove_reference_t<decltype(layer)>>)
        member(std::to_string(i), layer);
    };
    (name(I, std::get<I>(layers)), ...);
  }
};

}  // namespace gradtape::nn
