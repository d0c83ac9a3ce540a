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
/// What a file shall keep beside them, though it is not trained, is a `Buffer`.

#include <algorithm>
#include <iterator>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/named_array.hpp"
#include "../core/parameter.hpp"

namespace gradtape {

/// Numbers that belong to a model and are not trained, like running means.  All 0 at first.
template <class T>
class Buffer {
 public:
  using Scalar = T;  ///< float or double, where files shall keep it

  /// Of the given shape, all zero.
  explicit Buffer(const Shape& shape) : shape_(shape), value_(shape.size()) {
    std::uninitialized_fill_n(value_.get(), shape.size(), T(0));
  }

  const Shape& shape() const { return shape_; }  ///< all sizes; they never change
  Index size() const { return shape_.size(); }   ///< number of elements
  /// The elements, to change: the first dimension by all others.
  MatrixMap<T> value() { return {value_.get(), shape_.rows(), shape_.columns()}; }
  /// The elements, to read.
  ConstMatrixMap<T> value() const { return {value_.get(), shape_.rows(), shape_.columns()}; }
  T* data() { return value_.get(); }              ///< the elements in column-major order
  const T* data() const { return value_.get(); }  ///< the same, to read

 private:
  Shape shape_;
  detail::TensorMemory<T> value_;
};

namespace detail {

struct AnyMember {
  void operator()(std::string_view, auto&&) const {}
};

template <class X>
inline constexpr bool is_parameter = false;
template <class T>
inline constexpr bool is_parameter<Parameter<T>> = true;

template <class X>
inline constexpr bool is_buffer = false;
template <class T>
inline constexpr bool is_buffer<Buffer<T>> = true;

template <class X>
concept HasMembers = requires(X& x) {
  x.members(AnyMember());
};
/// <ranges> takes long to compile.
template <class X>
concept Range = requires(X& x) {
  std::begin(x) != std::end(x);
};
template <class X>
concept PointerLike = requires(X& x) {
  *x;
  static_cast<bool>(x);
};

inline std::string dotted(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? std::string(name) : prefix + "." + std::string(name);
}

/// Calls f(name, x) for every Parameter and Buffer x.
template <class Model, class F>
void visit_leaves(Model& model, const std::string& name, F& f) {
  using M = std::remove_const_t<Model>;
  if constexpr (is_parameter<M> || is_buffer<M>) {
    f(std::as_const(name), model);
  } else if constexpr (HasMembers<M>) {
    // `members` only names things, whatever its qualifiers; constness is passed on to what it names
    const_cast<M&>(model).members([&](std::string_view member_name, auto& member) {
      using Member = std::remove_reference_t<decltype(member)>;
      using Passed = std::conditional_t<std::is_const_v<Model>, const Member, Member>;
      visit_leaves(static_cast<Passed&>(member), dotted(name, member_name), f);
    });
  } else if constexpr (Range<Model>) {
    std::size_t i = 0;
    for (auto& member : model) visit_leaves(member, dotted(name, std::to_string(i++)), f);
  } else if constexpr (PointerLike<Model>) {
    using Target = std::remove_reference_t<decltype(*model)>;
    using Passed = std::conditional_t<std::is_const_v<Model>, const Target, Target>;
    if (static_cast<bool>(model)) visit_leaves<Passed>(*model, name, f);
  } else {
    static_assert(always_false<Model>,
                  "gradtape: a member of a model must be a Parameter or a Buffer, have a "
                  "function members(auto&& member), or be a range or a pointer of those");
  }
}

}  // namespace detail

/// Calls f(name, parameter) for every parameter of a model, in the order in which its structs name
/// them.  The name is a const std::string&; the parameter is const if the model is.  A parameter
/// that two members share is visited under each of its names.
template <class Model, class F>
void for_each_parameter(Model& model, F&& f) {
  auto select = [&f](const std::string& name, auto& leaf) {
    if constexpr (detail::is_parameter<std::remove_cvref_t<decltype(leaf)>>) f(name, leaf);
  };
  detail::visit_leaves(model, std::string(), select);
}

/// The parameters and buffers of a model under their names, for files; what two members share is
/// there under each of its names.
template <class Model>
std::vector<NamedArray> named_arrays(Model& model) {
  std::vector<NamedArray> arrays;
  auto append = [&arrays](const std::string& name, auto& leaf) {
    arrays.push_back(named_array(name, leaf.shape(), leaf.data()));
  };
  detail::visit_leaves(model, std::string(), append);
  return arrays;
}

/// Gives a model the values of another's parameters and buffers, such as those that did best so far.
/// \throws ShapeError unless both have the same names and shapes; then nothing is changed.
template <class Model>
void copy_values(const Model& from, Model& to) {
  // the model `from` is only read
  const std::vector<NamedArray> sources = named_arrays(const_cast<Model&>(from));
  std::size_t i = 0;
  const auto check = [&](const std::string& name, const auto& leaf) {
    if (i < sources.size() && sources[i].name == name && sources[i].shape == leaf.shape()) {
      ++i;
      return;
    }
    detail::fail<ShapeError>(
        "copy_values: the model to copy to has ", name, " ", to_string(leaf.shape()),
        i < sources.size() ? detail::concat(" where the other has ", sources[i].name, " ",
                                            to_string(sources[i].shape))
                           : std::string(" and the other has nothing there"));
  };
  detail::visit_leaves(std::as_const(to), std::string(), check);
  if (i < sources.size()) {
    detail::fail<ShapeError>("copy_values: the model to copy to has nothing where the other has ",
                             sources[i].name, " ", to_string(sources[i].shape));
  }
  auto copy = [source = sources.begin()](const std::string&, auto& leaf) mutable {
    using T = std::remove_pointer_t<decltype(leaf.data())>;
    std::copy_n(static_cast<const T*>((source++)->data), leaf.size(), leaf.data());
  };
  detail::visit_leaves(to, std::string(), copy);
}

/// Calls f(name, parameter) as above, but for a parameter that several members share only once,
/// under the first of its names.
template <class Model, class F>
void for_each_distinct_parameter(Model& model, F&& f) {
  std::vector<const void*> seen;
  for_each_parameter(model, [&](const std::string& name, auto& parameter) {
    if (std::find(seen.begin(), seen.end(), parameter.data()) != seen.end()) return;
    seen.push_back(parameter.data());
    f(name, parameter);
  });
}

/// Number of trained numbers in a model; what several members share counts once.
template <class Model>
Index parameter_count(const Model& model) {
  Index count = 0;
  for_each_distinct_parameter(
      model, [&](const std::string&, const auto& parameter) { count += parameter.size(); });
  return count;
}

}  // namespace gradtape
