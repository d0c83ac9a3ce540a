// Compiled with -O2 but for sanitizers (GRADTAPE_OPTIMIZED): without optimisation the compiler does
// not see which operands are the same.

#include <cmath>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/var.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/functions.hpp"

using namespace gradtape;

namespace {

using Scalar = Var<double>;

// Functions, as large ones that do more keep the compiler from seeing it, too.

[[gnu::noinline]] Scalar square(const Scalar& x, const Scalar&, const Scalar&) { return x * x; }
[[gnu::noinline]] Scalar sum(const Scalar& x, const Scalar& y, const Scalar&) {
  return x + y + x + 3.0 * x - y;
}
[[gnu::noinline]] Scalar products(const Scalar& x, const Scalar& y, const Scalar& z) {
  return x * y * z + z * y * x - z * z / x;
}
// y and z stand between operands that are merged, and y behind them
[[gnu::noinline]] Scalar mixed(const Scalar& x, const Scalar& y, const Scalar& z) {
  return x * y * x * z * x + exp(y);
}
[[gnu::noinline]] Scalar apart(const Scalar& x, const Scalar& y, const Scalar&) { return x * y; }

}  // namespace

TEST_CASE("statements: the slopes of operands that are the same scalar add up in one") {
  Tape<double> tape;
  const Scalar x = tape.variable(1.25), y = tape.variable(-0.5), z = tape.variable(2);
  const Scalar room = x * y;  // the first statement makes room, on a path compiled by itself
  const auto check = [&](const Scalar& f, double x_bar, double y_bar, double z_bar) {
    tape.backward(f);
    CHECK(x.grad() == Approx(x_bar).epsilon(1e-15));
    CHECK(y.grad() == Approx(y_bar).epsilon(1e-15));
    CHECK(z.grad() == Approx(z_bar).epsilon(1e-15));
  };
  check(room, -0.5, 1.25, 0);
  check(square(x, y, z), 2.5, 0, 0);
  check(sum(x, y, z), 5, 0, 0);
  // 2 x y z - z^2 / x:  2 y z + (z / x)^2,  2 x z,  2 x y - 2 z / x
  check(products(x, y, z), -2 + 2.56, 5, -1.25 - 3.2);
  // x^3 y z + e^y:  3 x^2 y z,  x^3 z + e^y,  x^3 y
  check(mixed(x, y, z), -4.6875, 3.90625 + std::exp(-0.5), -0.9765625);
  check(apart(x, y, z), -0.5, 1.25, 0);
#ifdef GRADTAPE_OPTIMIZED
  std::vector<std::size_t> counts;  // of operands
  const auto add = [&](std::size_t, std::size_t n, auto...) { counts.push_back(n); };
  detail::Recording<double>::of(tape).statements.for_each(add);
  CHECK(counts == std::vector<std::size_t>{0, 0, 0, 2, 1, 2, 3, 3, 2});
#endif
}
