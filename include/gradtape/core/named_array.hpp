#pragma once
/// \file
/// Arrays with names: what files keep of models and optimizers, whatever their scalar types.

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

#include "shape.hpp"

namespace gradtape {

/// The number types that files hold.
enum class ArrayType { float32, float64, int64 };

/// Numbers that somebody else owns, column-major, with the name that they have in a file.
struct NamedArray {
  std::string name;  ///< with dots, as "hidden.weight"
  ArrayType type;    ///< of the elements at `data`
  Shape shape;       ///< column-major, as everywhere
  void* data;        ///< read by what saves, written by what loads; not owned
};

/// Describes memory of type float, double or std::int64_t.
template <class T>
NamedArray named_array(std::string name, const Shape& shape, T* data) {
  static_assert(std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>,
                "gradtape: files hold arrays of float, double or std::int64_t");
  constexpr ArrayType type = std::same_as<T, float>    ? ArrayType::float32
                             : std::same_as<T, double> ? ArrayType::float64
                                                       : ArrayType::int64;
  return {std::move(name), type, shape, data};
}

}  // namespace gradtape
