// What the fuzz targets share.  A target stops by abort() where a property does not hold; what
// else may go wrong, the sanitizers see.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "gradtape/core/named_array.hpp"

namespace fuzz {

inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", property);
  std::abort();
}

/// Takes an input apart, from its beginning; behind its end there are zeros.
class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  std::string_view rest() const { return rest_; }
  bool is_empty() const { return rest_.empty(); }
  unsigned byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(1);
    return value;
  }

 private:
  std::string_view rest_;
};

/// Numbers of one of the types that files are read into.
struct Numbers {
  gradtape::Shape shape;
  bool is_integer;
  std::vector<double> reals;
  std::vector<std::int64_t> integers;

  Numbers(const gradtape::Shape& of, bool integer) : shape(of), is_integer(integer) {
    const auto size = static_cast<std::size_t>(shape.size());
    is_integer ? integers.resize(size) : reals.resize(size);
  }

  gradtape::NamedArray named(const std::string& name) {
    return is_integer ? gradtape::named_array(name, shape, integers.data())
                      : gradtape::named_array(name, shape, reals.data());
  }
  /// Also of NaN, bit by bit.
  bool is_same(const Numbers& other) const {
    return shape == other.shape && integers == other.integers &&
           reals.size() == other.reals.size() &&
           (reals.empty() ||
            std::memcmp(reals.data(), other.reals.data(), reals.size() * sizeof(double)) == 0);
  }
};

}  // namespace fuzz
