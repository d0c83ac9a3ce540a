#pragma once
/// \file
/// Models are plain structs that name their members once:
///
///     struct Classifier {
///       nn::Linear<float> hidden, output;
///       void members(auto&& member) { member("hidden", hidden); member("output", output); }
///     };
///
/// A member is a parameter, another such struct, or a range (vector, array) or pointer-like thing
/// (optional, shared_ptr) of those.  Optimizers and files find the parameters by this one function:
/// "hidden.weight", "hidden.bias", "output.weight", "output.bias"; of a range, "layers.0.weight".

#include <algorithm>
#include <ranges>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/parameter.hpp"

namespace gradtape {
namespace detail {

struct AnyMember {
  void operator()(std::string_view, auto&&) const {}
};

template <class X>
inline constexpr bool is_parameter = false;
template <class T>
inline constexpr bool is_parameter<Parameter<T>> = true;

template <class X>
concept HasMembers = requires(X& x) {
  x.members(AnyMember());
};
template <class X>
concept PointerLike = requires(X& x) {
  *x;
  static_cast<bool>(x);
};

inline std::string dotted(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
}

template <class Model, class F>
void visit_parameters(Model& model, const std::string& name, F& f) {
  using M = std::remove_const_t<Model>;
  if constexpr (is_parameter<M>) {
    f(std::as_const(name), model);
  } else if constexpr (HasMembers<M>) {
    // `members` only names things, whatever its qualifiers; constness is passed on to what it names
    const_cast<M&>(model).members([&](std::string_view member_name, auto& member) {
      using Member = std::remove_reference_t<decltype(member)>;
      using Passed = std::conditional_t<std::is_const_v<Model>, const Member, Member>;
      visit_parameters(static_cast<Passed&>(member), dotted(name, member_name), f);
    });
  } else if constexpr (std::ranges::range<Model>) {
    std::size_t i = 0;
    for (auto& member : model) visit_parameters(member, dotted(name, std::to_string(i++)), f);
  } else if constexpr (PointerLike<Model>) {
    using Target = std::remove_reference_t<decltype(*model)>;
    using Passed = std::conditional_t<std::is_const_v<Model>, const Target, Target>;
    if (static_cast<bool>(model)) visit_parameters<Passed>(*model, name, f);
  } else {
    static_assert(always_false<Model>,
                  "gradtape: a member of a model must be a Parameter, have a function "
                  "members(auto&& member), or be a range or a pointer of those");
  }
}

}  // namespace detail

/// Calls f(name, parameter) for every parameter of a model, in the order in which its structs name
/// them.  The name is a const std::string&; the parameter is const if the model is.  A parameter
/// that two members share is visited under each of its names.
template <class Model, class F>
void for_each_parameter(Model& model, F&& f) {
  detail::visit_parameters(model, std::string(), f);
}

/// Number of trained numbers in a model; what several members share counts once.
template <class Model>
Index parameter_count(const Model& model) {
  std::vector<const void*> seen;
  Index count = 0;
  for_each_parameter(model, [&](const std::string&, const auto& parameter) {
    if (std::find(seen.begin(), seen.end(), parameter.data()) != seen.end()) return;
    seen.push_back(parameter.data());
    count += parameter.size();
  });
  return count;
}

}  // namespace gradtape
