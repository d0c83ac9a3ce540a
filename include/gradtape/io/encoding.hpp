#pragma once
/// \file
/// Arrays as bytes of a file: little-endian numbers of one type, the last index fastest (the C
/// order of NumPy) or the first (the Fortran order, ours).  Element (i, j) is the same number on
/// both sides, so that a matrix W (m,k) is an array of shape (m, k) for Python.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/named_array.hpp"

namespace gradtape::io {

/// The types of numbers that files may hold.
enum class ElementType { float16, bfloat16, float32, float64, int64 };

/// Bytes of a number.
constexpr Index size_of(ElementType type) {
  if (type == ElementType::float16 || type == ElementType::bfloat16) return 2;
  return type == ElementType::float32 ? 4 : 8;
}

/// The type that a file has an array of ours in.
constexpr ElementType element_type(ArrayType type) {
  if (type == ArrayType::float32) return ElementType::float32;
  return type == ArrayType::float64 ? ElementType::float64 : ElementType::int64;
}

/// Its name as above, "float32": for error texts.
constexpr std::string_view to_string(ElementType type) {
  constexpr std::string_view names[]{"float16", "bfloat16", "float32", "float64", "int64"};
  return names[static_cast<std::size_t>(type)];
}

/// Which of a file's numbers stand side by side.  Arrays in memory have the first index fastest.
enum class StorageOrder { first_index_fastest, last_index_fastest };

namespace detail {

using namespace gradtape::detail;

static_assert(std::endian::native == std::endian::little,
              "gradtape: files are little-endian, and so must the machine be");

/// A number of so many bytes at the beginning of some.
template <class T>
T load(const char* bytes) {
  T x;
  std::memcpy(&x, bytes, sizeof(T));
  return x;
}

/// IEEE 754 binary16: 1 bit of sign, 5 of exponent, 10 of fraction.
struct Float16 {
  std::uint16_t bits;

  operator float() const {
    const std::uint32_t sign = (bits & 0x8000u) << 16;
    const std::uint32_t exponent = bits >> 10 & 0x1Fu, fraction = bits & 0x3FFu;
    if (exponent == 0) {
      const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
      return sign != 0 ? -magnitude : magnitude;
    }
    // to the bias of 127 from that of 15; infinities and NaN keep all bits of the exponent
    const std::uint32_t wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
    return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
  }
};

/// The upper half of a float.
struct BFloat16 {
  std::uint16_t bits;

  operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

/// Calls f(position with the first index fastest, position with the last index fastest) for every
/// element, in the order of the first.
template <class F>
void for_each_position(const Shape& shape, F&& f) {
  if (shape.size() == 0) return;  // its other sizes may be too many to count through
  const Index stride = shape[1] * shape[2] * shape[3];
  Index position = 0;
  for (Index l = 0; l < shape[3]; ++l) {
    for (Index k = 0; k < shape[2]; ++k) {
      for (Index j = 0; j < shape[1]; ++j) {
        Index other = (j * shape[2] + k) * shape[3] + l;
        for (Index i = 0; i < shape[0]; ++i, other += stride) f(position++, other);
      }
    }
  }
}

template <class From, class To>
void decode_as(std::string_view bytes, StorageOrder order, const Shape& shape, To* to) {
  const auto element = [&](Index i) {
    return static_cast<To>(load<From>(bytes.data() + i * Index{sizeof(From)}));
  };
  if (order == StorageOrder::first_index_fastest) {
    for (Index i = 0; i < shape.size(); ++i) to[i] = element(i);
  } else {
    for_each_position(shape, [&](Index i, Index other) { to[i] = element(other); });
  }
}

template <class To>
void decode_floats(std::string_view bytes, ElementType type, StorageOrder order, const Shape& shape,
                   To* to) {
  switch (type) {
    case ElementType::float16:
      return decode_as<Float16>(bytes, order, shape, to);
    case ElementType::bfloat16:
      return decode_as<BFloat16>(bytes, order, shape, to);
    case ElementType::float32:
      return decode_as<float>(bytes, order, shape, to);
    default:
      return decode_as<double>(bytes, order, shape, to);
  }
}

}  // namespace detail

/// Whether numbers of a file may go into an array: floating-point numbers of any size into those of
/// any other, the nearest where the array's are smaller (infinite beyond their range); integers
/// into integers only.
constexpr bool is_convertible(ElementType from, ArrayType to) {
  return (from == ElementType::int64) == (to == ArrayType::int64);
}

/// The arrays of several owners for one file, those of each with a prefix to their names:
///
///     io::join({{"", named_arrays(model)}, {"optimizer.", optimizer.named_arrays()}})
inline std::vector<NamedArray> join(
    std::initializer_list<std::pair<std::string, std::vector<NamedArray>>> owners) {
  std::vector<NamedArray> joined;
  for (const auto& [prefix, arrays] : owners) {
    for (const NamedArray& array : arrays) {
      joined.push_back(array);
      joined.back().name = prefix + array.name;
    }
  }
  return joined;
}

namespace detail {

inline std::string in_quotes(std::string_view name) { return concat("\"", name, "\""); }

/// The shape that a file gives by its sizes.
/// \throws FileError with the place in a file, if it is
/// too large.
inline Shape shape_of_sizes(const std::string& place, const std::vector<std::uint64_t>& sizes) {
  if (sizes.size() > std::size_t{Shape::max_rank}) {
    fail<FileError>(place, ": rank ", sizes.size(), " is above the largest, ",
                    int{Shape::max_rank});
  }
  try {
    Shape shape;
    for (std::size_t d = 0; d < sizes.size(); ++d) {
      constexpr std::uint64_t largest = std::numeric_limits<Index>::max();
      shape = shape.with(static_cast<int>(d), static_cast<Index>(std::min(sizes[d], largest)));
    }
    return shape;
  } catch (const ShapeError&) {
    fail<FileError>(place, ": its number of elements is too large");
  }
}

/// Refuses data of another length than the shape and the type say.
inline void check_length(const std::string& place, ElementType type, const Shape& shape,
                         std::size_t bytes) {
  const auto element = static_cast<std::size_t>(size_of(type));
  if (bytes % element != 0 || bytes / element != static_cast<std::size_t>(shape.size())) {
    fail<FileError>(place, ": its shape ", to_string(shape), " of ", to_string(type),
                    " does not make the ", bytes, " bytes of its data");
  }
}

/// Refuses data that do not go into an array.
inline void check_fit(const std::string& place, ElementType type, const Shape& shape,
                      const NamedArray& array) {
  if (shape != array.shape) {
    fail<FileError>(place, ": its shape is ", to_string(shape), ", but that asked for is ",
                    to_string(array.shape));
  }
  if (!is_convertible(type, array.type)) {
    fail<FileError>(place, ": ", to_string(type), " does not go into ",
                    to_string(element_type(array.type)));
  }
}

/// Refuses two arrays of one name.
inline void check_names(const std::string& path, std::span<const NamedArray> arrays) {
  std::set<std::string_view> names;
  for (const NamedArray& array : arrays) {
    if (!names.insert(array.name).second)
      fail<FileError>(path, ": two arrays have the name ", in_quotes(array.name));
  }
}

}  // namespace detail

/// Fills an array from as many bytes as its shape and the type say; the types must be convertible.
inline void decode(std::string_view bytes, ElementType type, StorageOrder order,
                   const NamedArray& to) {
  switch (to.type) {
    case ArrayType::float32:
      return detail::decode_floats(bytes, type, order, to.shape, static_cast<float*>(to.data));
    case ArrayType::float64:
      return detail::decode_floats(bytes, type, order, to.shape, static_cast<double*>(to.data));
    case ArrayType::int64:
      return detail::decode_as<std::int64_t>(bytes, order, to.shape,
                                             static_cast<std::int64_t*>(to.data));
  }
}

/// The bytes of an array, of its own type, the last index fastest.
inline std::string encode(const NamedArray& array) {
  const auto element = static_cast<std::size_t>(size_of(element_type(array.type)));
  const char* const from = static_cast<const char*>(array.data);
  std::string bytes(static_cast<std::size_t>(array.shape.size()) * element, '\0');
  detail::for_each_position(array.shape, [&](Index position, Index other) {
    std::memcpy(bytes.data() + static_cast<std::size_t>(other) * element,
                from + static_cast<std::size_t>(position) * element, element);
  });
  return bytes;
}

}  // namespace gradtape::io
