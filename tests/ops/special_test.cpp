#include "gradtape/ops/special.hpp"

#include "catch.hpp"
#include "gradtape/core/record.hpp"

using namespace gradtape;

namespace {

struct Case {
  double x, y;
};

}  // namespace

// mpmath.psi(n, x) with mp.dps = 40.
TEST_CASE("lgamma has derivatives of every order") {
  const Case trigamma_cases[] = {{0.25, 17.197329154507110739},    {1.0, 1.6449340668482264365},
                                 {2.5, 0.49035775610023486497},    {17.0, 0.060587533403239361782},
                                 {100.0, 0.010050166663333571395}, {-0.75, 18.975106932284888517},
                                 {-3.25, 19.474085068082155114}};
  const Case tetragamma_cases[] = {
      {0.25, -129.32773993753692033},    {1.0, -2.4041138063191885708},
      {2.5, -0.236204051641727403},      {17.0, -0.0036697288739589621542},
      {100.0, -0.000101004999833349997}, {-0.75, -124.58699919679617959},
      {-3.25, 123.95521103942202266}};
  const Case pentagamma_cases[] = {
      {0.25, 1538.782144009188396},      {1.0, 6.4939394022668291491},
      {2.5, 0.22390584881725205126},     {17.0, 0.0004444085253892188299},
      {100.0, 2.0301999900013330334e-6}, {-0.75, 1557.745106972151359},
      {-3.25, 1558.5088028182791312}};
  for (const auto& [x, y] : trigamma_cases) {
    CAPTURE(x);
    Tape<double> tape;
    const Var<double> v = tape.variable(x);
    CHECK(Var<double>(trigamma(v)).value() == Approx(y).epsilon(2e-15));
  }
  for (const auto& [x, y] : tetragamma_cases) {
    CAPTURE(x);
    Tape<double> tape;
    const Var<double> v = tape.variable(x);
    tape.backward(Var<double>(trigamma(v)));
    CHECK(v.grad() == Approx(y).epsilon(4e-15).margin(1e-12));
  }
  for (const auto& [x, y] : pentagamma_cases) {
    CAPTURE(x);
    Tape<double> inner;
    Tape<Var<double>> outer;
    const Var<double> v = inner.variable(x);
    const Var<Var<double>> w = outer.variable(v);
    outer.backward(Var<Var<double>>(trigamma(w)));
    inner.backward(w.grad());
    CHECK(v.grad() == Approx(y).epsilon(4e-15));
  }
}

// mpmath.psi(0, x) and loggamma at mpf(7)/10 with mp.dps = 40.
TEST_CASE("lgamma: long double keeps its digits") {
  Tape<long double> tape;
  const Var<long double> x = tape.variable(0.7L);
  const Var<long double> y = lgamma(x);
  tape.backward(y);
  const long double epsilon = std::numeric_limits<long double>::epsilon();
  CHECK(std::abs(y.value() - 0.2608672465316665143857324L) < 4 * epsilon);
  CHECK(std::abs(x.grad() - -1.220023553697934614748607L) < 8 * epsilon);
}
