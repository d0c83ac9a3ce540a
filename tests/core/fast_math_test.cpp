// Compiled with -ffast-math, under which NaN and infinity mean nothing; ordinary numbers must.
#include <cmath>

#include "catch.hpp"
#include "gradtape/core/tile_functions.hpp"

using namespace gradtape;

TEST_CASE("fast math: exponentials of floats are what they are without") {
  using X = detail::Lanes<float>;
  for (float start = -80; start < 80; start += 0.37f) {
    float at[detail::lane_count<X>];
    for (std::size_t i = 0; i < std::size(at); ++i) at[i] = start + 0.011f * static_cast<float>(i);
    X x;
    detail::load(x, at);
    float values[detail::lane_count<X>], less_1[detail::lane_count<X>];
    detail::store(exp(x), values);
    detail::store(expm1(x), less_1);
    for (std::size_t i = 0; i < std::size(at); ++i) {
      CAPTURE(at[i], values[i], less_1[i]);
      CHECK(std::abs(double(values[i]) / std::exp(double(at[i])) - 1) < 1e-6);
      CHECK(std::abs(double(less_1[i]) / std::expm1(double(at[i])) - 1) < 1e-6);
    }
  }
}
