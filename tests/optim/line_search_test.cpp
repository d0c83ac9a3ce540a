#include "gradtape/optim/line_search.hpp"

#include <vector>

#include "catch.hpp"

using gradtape::optim::detail::LinePoint;
using gradtape::optim::detail::WolfeSearch;

namespace {

/// Searches along a function given with its derivative, from 0 on; `at` gets the steps tried.
template <class F, class D>
LinePoint search(F f, D d, double step, std::vector<double>& at, int trials = 25) {
  at.clear();
  return WolfeSearch({0, f(0.0), d(0.0)}, 0)(
      [&](double t) {
        at.push_back(t);
        return LinePoint{t, f(t), d(t)};
      },
      step, trials);
}

}  // namespace

TEST_CASE("line search: cubic minimum, by hand") {
  using gradtape::optim::detail::cubic_minimum;
  // t^3 - 3 t: lowest at 1; also with its ends exchanged
  CHECK(cubic_minimum({0, 0, -3}, {2, 2, 9}) == Approx(1).epsilon(1e-14));
  CHECK(cubic_minimum({2, 2, 9}, {0, 0, -3}) == Approx(1).epsilon(1e-14));
  // the parabola (t - 3)^2 from beside its minimum
  CHECK(cubic_minimum({0, 9, -6}, {1, 4, -4}) == Approx(3).epsilon(1e-14));
}

TEST_CASE("line search: the first trial if it is good, else the minimum of a parabola") {
  const auto f = [](double t) { return (t - 3) * (t - 3); };
  const auto d = [](double t) { return 2 * (t - 3); };
  std::vector<double> at;
  CHECK(search(f, d, 1, at).step == 1);  // slope -4 of -6
  CHECK(at.size() == 1);
  CHECK(search(f, d, 0.1, at).step == Approx(1).epsilon(1e-14));  // at most ten times as far
  CHECK(at.size() == 2);
  CHECK(search(f, d, 20, at).step == Approx(3).epsilon(1e-14));  // back
  CHECK(at.size() == 2);
  CHECK(search(f, d, 5.9, at).step == Approx(3).epsilon(1e-14));  // lower, but rises too steeply
  CHECK(search(f, d, 1e-6, at).slope >= -5.4);
  CHECK(at.size() < 10);
}

TEST_CASE("line search: conditions hold on a function with many bends") {
  const auto f = [](double t) { return -t / (t * t + 2) + 0.05 * std::cos(9 * t) - 0.05; };
  const auto d = [](double t) {
    return (t * t - 2) / ((t * t + 2) * (t * t + 2)) - 0.45 * std::sin(9 * t);
  };
  std::vector<double> at;
  for (const double step : {1e-3, 0.1, 0.3, 1.0, 3.0, 10.0, 1e3}) {
    const LinePoint p = search(f, d, step, at);
    INFO("from " << step << " to " << p.step);
    CHECK(p.value <= 1e-4 * p.step * -0.5);
    CHECK(std::abs(p.slope) <= 0.9 * 0.5);
    CHECK(p.value == f(p.step));
  }
}

TEST_CASE("line search: no good point") {
  std::vector<double> at;
  // a start whose slope is not that of the function: nothing is lower
  CHECK(search([](double t) { return t; }, [](double) { return -1.0; }, 1, at, 9).step == 0);
  CHECK(at.size() == 9);
  // falls for ever: the last and lowest of the trials
  const LinePoint p = search([](double t) { return -t; }, [](double) { return -1.0; }, 1, at, 5);
  CHECK(at.size() == 5);
  CHECK(p.step == at.back());
  CHECK(search([](double t) { return -t; }, [](double) { return -1.0; }, 1, at, 0).step == 0);
  // nothing but NaN beside the start: halved
  search([](double t) { return t == 0 ? 0 : NAN; }, [](double) { return -1.0; }, 1, at, 3);
  CHECK(at == std::vector<double>{1, 0.5, 0.25});
}

TEST_CASE("line search: a fall below rounding is told by the slope") {
  const auto phi = [](double t) { return LinePoint{t, 1 + 4e-16, 1e-12 * (t - 1)}; };
  CHECK(WolfeSearch({0, 1, -1e-12}, 1e-15)(phi, 1, 25).step == 1);
  const auto higher = [](double t) { return LinePoint{t, 1 + 1e-14, 1e-12 * (t - 1)}; };
  CHECK(WolfeSearch({0, 1, -1e-12}, 1e-15)(higher, 1, 25).step == 0);
}
