#include "gradtape/io/encoding.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"

using namespace gradtape;
using io::ElementType, io::StorageOrder;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

template <class To>
std::vector<To> decoded(const std::string& bytes, ElementType type, const Shape& shape,
                        StorageOrder order = StorageOrder::last_index_fastest) {
  std::vector<To> values(static_cast<std::size_t>(shape.size()));
  io::decode(bytes, type, order, named_array("x", shape, values.data()));
  return values;
}

}  // namespace

TEST_CASE("encoding: the last index fastest, as in NumPy") {
  // numpy.arange(24).reshape(2, 3, 1, 4).flatten("F")
  const Shape shape{2, 3, 1, 4};
  std::vector<double> c(24),
      fortran{0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23};
  for (std::size_t i = 0; i < 24; ++i) c[i] = static_cast<double>(i);
  CHECK(io::encode(named_array("x", shape, fortran.data())) == bytes_of(c));
  CHECK(decoded<double>(bytes_of(c), ElementType::float64, shape) == fortran);
  CHECK(decoded<double>(bytes_of(c), ElementType::float64, shape,
                        StorageOrder::first_index_fastest) == c);
}

TEST_CASE("encoding: numbers and nothing") {
  double x = 2.5;
  std::int64_t big = (std::int64_t{1} << 53) + 1;
  CHECK(io::encode(named_array("x", {}, &x)) == bytes_of<double>({2.5}));
  CHECK(io::encode(named_array("x", {}, &big)) == std::string("\1\0\0\0\0\0\x20\0", 8));
  CHECK(decoded<std::int64_t>(bytes_of<std::int64_t>({big}), ElementType::int64, {}).front() ==
        big);
  CHECK(io::encode(named_array("x", {3, 0}, &x)).empty());
  CHECK(decoded<float>("", ElementType::float16, {0, 2}).empty());
}

// import numpy as np
// bits = [0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x3555, 0x7bff, 0x7c00, 0xfc00]
// print(np.array(bits, np.uint16).view(np.float16).astype(np.float64).tolist())
TEST_CASE("encoding: half precision") {
  const std::vector<std::uint16_t> bits{0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00,
                                        0xc000, 0x3555, 0x7bff, 0x7c00, 0xfc00};
  const std::vector<double> expected{0.0,
                                     -0.0,
                                     5.960464477539063e-08,
                                     -6.097555160522461e-05,
                                     6.103515625e-05,
                                     1.0,
                                     -2.0,
                                     0.333251953125,
                                     65504.0,
                                     infinity,
                                     -infinity};
  const auto doubles = decoded<double>(bytes_of(bits), ElementType::float16, {11});
  const auto floats = decoded<float>(bytes_of(bits), ElementType::float16, {11});
  for (std::size_t i = 0; i < bits.size(); ++i) {
    CHECK(doubles[i] == expected[i]);
    CHECK(floats[i] == static_cast<float>(expected[i]));
    CHECK(std::signbit(doubles[i]) == std::signbit(expected[i]));
  }
  const std::vector<std::uint16_t> nans{0x7e00, 0x7c01, 0xffff};
  for (const double x : decoded<double>(bytes_of(nans), ElementType::float16, {3}))
    CHECK(std::isnan(x));
}

// import torch
// bits = [0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x3f80, 0xc000, 0x3eab, 0x7f7f, 0x7f80, 0xff80]
// x = torch.tensor([b - 65536 * (b > 32767) for b in bits], dtype=torch.int16)
// print(x.view(torch.bfloat16).double().tolist())
TEST_CASE("encoding: bfloat16") {
  const std::vector<std::uint16_t> bits{0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x3f80,
                                        0xc000, 0x3eab, 0x7f7f, 0x7f80, 0xff80};
  const std::vector<double> expected{
      0.0,      -0.0, 9.183549615799121e-41, -1.1663108012064884e-38, 1.1754943508222875e-38,
      1.0,      -2.0, 0.333984375,           3.3895313892515355e+38,  infinity,
      -infinity};
  const auto doubles = decoded<double>(bytes_of(bits), ElementType::bfloat16, {11});
  for (std::size_t i = 0; i < bits.size(); ++i) {
    CHECK(doubles[i] == expected[i]);
    CHECK(std::signbit(doubles[i]) == std::signbit(expected[i]));
  }
  const std::vector<std::uint16_t> nans{0x7fc0, 0x7f81, 0xffff};
  for (const double x : decoded<double>(bytes_of(nans), ElementType::bfloat16, {3}))
    CHECK(std::isnan(x));
}

TEST_CASE("encoding: into smaller numbers, the nearest") {
  const auto floats = decoded<float>(bytes_of<double>({1 + 0x1p-25, 1 + 0x1.8p-24, 1e300, -1e-300}),
                                     ElementType::float64, {4});
  CHECK(floats[0] == 1.0f);
  CHECK(floats[1] == 1.0f + 0x1p-23f);
  CHECK(floats[2] == std::numeric_limits<float>::infinity());
  CHECK((floats[3] == 0 && std::signbit(floats[3])));
  CHECK(decoded<double>(bytes_of<float>({0.1f}), ElementType::float32, {1}).front() == 0.1f);
}

TEST_CASE("encoding: what may go where") {
  for (const auto type :
       {ElementType::float16, ElementType::bfloat16, ElementType::float32, ElementType::float64}) {
    CHECK(io::is_convertible(type, ArrayType::float32));
    CHECK(io::is_convertible(type, ArrayType::float64));
    CHECK_FALSE(io::is_convertible(type, ArrayType::int64));
  }
  CHECK(io::is_convertible(ElementType::int64, ArrayType::int64));
  CHECK_FALSE(io::is_convertible(ElementType::int64, ArrayType::float64));
}
