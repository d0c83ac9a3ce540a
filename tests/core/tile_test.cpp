#include <cmath>
#include <random>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/tile_functions.hpp"

namespace {

using gradtape::detail::Tile;
using gradtape::detail::tile_width;

// The greatest error of a function of tiles, in units of the last place, over arguments that `next`
// gives; the expectation is the standard library's function of the next wider type.
template <class T, class F, class G, class Next>
double worst_error(F&& of_tile, G&& exact, Next&& next) {
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;
  constexpr int width = tile_width<T>;
  double worst = 0;
  for (int round = 0; round < 4000; ++round) {
    T lane[width];
    for (T& v : lane) v = next();
    Tile<T, width> x;
    gradtape::detail::load(x, lane, width);
    const Tile<T, width> y = of_tile(x);
    for (int i = 0; i < width; ++i) {
      const Wide want = exact(Wide(lane[i]));
      const T size = std::max(std::abs(T(want)), std::numeric_limits<T>::min());
      const double ulp = std::ldexp(1.0, std::ilogb(size) + 1 - std::numeric_limits<T>::digits);
      const double error = double(std::abs(Wide(y[i]) - want)) / ulp;
      if (!(error <= worst)) worst = error;
      if (std::isnan(error)) return error;
    }
  }
  return worst;
}

template <class T>
auto uniform(double low, double high) {
  return [engine = std::mt19937_64(7), low, high]() mutable {
    return T(low + (high - low) * double(engine() >> 11) * 0x1p-53);
  };
}

// Positive and spread over the exponents from 2^low to 2^high.
template <class T>
auto spread(double low, double high) {
  return [exponent = uniform<double>(low, high)]() mutable { return T(std::exp2(exponent())); };
}

}  // namespace

TEMPLATE_TEST_CASE("tile: vectorised functions are right to a few units in the last place", "",
                   float, double) {
  using T = TestType;
  const bool is_float = std::is_same_v<T, float>;
  const double low = is_float ? -87.3 : -708.3, high = is_float ? 88.7 : 709.7;
  const double smallest = is_float ? -149 : -1074, largest = is_float ? 127.9 : 1023.9;
  const auto exp = [](const auto& x) {
    using std::exp;
    return exp(x);
  };
  const auto log = [](const auto& x) {
    using std::log;
    return log(x);
  };
  const auto expm1 = [](const auto& x) {
    using std::expm1;
    return expm1(x);
  };
  const auto log1p = [](const auto& x) {
    using std::log1p;
    return log1p(x);
  };
  const auto log1p_of_fraction = [](const auto& x) {
    return gradtape::detail::log1p_of_fraction(x);
  };
  const auto sin = [](const auto& x) {
    using std::sin;
    return sin(x);
  };
  const auto cos = [](const auto& x) {
    using std::cos;
    return cos(x);
  };
  const auto tanh = [](const auto& x) {
    using std::tanh;
    return tanh(x);
  };
  const auto sqrt = [](const auto& x) {
    using std::sqrt;
    return sqrt(x);
  };
  CHECK(worst_error<T>(sqrt, sqrt, spread<T>(smallest, largest)) <= 0.5);
  CHECK(worst_error<T>(exp, exp, uniform<T>(low, high)) < 2);
  CHECK(worst_error<T>(exp, exp, uniform<T>(-2, 2)) < 2);
  CHECK(worst_error<T>(log, log, spread<T>(smallest, largest)) < 2);
  CHECK(worst_error<T>(log, log, uniform<T>(0.5, 2)) < (is_float ? 3 : 2));  // 2.97 in Eigen 5
  CHECK(worst_error<T>(expm1, expm1, uniform<T>(low, high)) < (is_float ? 2 : 4));
  CHECK(worst_error<T>(expm1, expm1, uniform<T>(-1, 1)) < (is_float ? 2 : 4));
  CHECK(worst_error<T>(expm1, expm1, spread<T>(smallest, 0)) < (is_float ? 2 : 4));
  CHECK(worst_error<T>(log1p, log1p, spread<T>(smallest, largest)) < 4);
  CHECK(worst_error<T>(log1p, log1p, uniform<T>(-0.999, 2)) < 4);
  CHECK(worst_error<T>(log1p_of_fraction, log1p, uniform<T>(0, 1)) < (is_float ? 2 : 4));
  CHECK(worst_error<T>(log1p_of_fraction, log1p, spread<T>(smallest, 0)) < (is_float ? 2 : 4));
  for (const T end : {T(0), T(1), std::numeric_limits<T>::min()})
    CHECK(log1p_of_fraction(Tile<T, tile_width<T>>(end))[0] == std::log1p(end));
  CHECK(std::isnan(log1p_of_fraction(Tile<T, tile_width<T>>(T(NAN)))[0]));
  CHECK(worst_error<T>(sin, sin, uniform<T>(-10, 10)) < 3);
  CHECK(worst_error<T>(cos, cos, uniform<T>(-10, 10)) < 3);
  CHECK(worst_error<T>(sin, sin, uniform<T>(-1e5, 1e5)) < 3);
  CHECK(worst_error<T>(tanh, tanh, uniform<T>(-12, 12)) < 6);
  CHECK(worst_error<T>(tanh, tanh, spread<T>(smallest, 0)) < 6);
}
