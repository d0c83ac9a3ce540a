#pragma once
/// \file
/// A step along a line that satisfies the strong Wolfe conditions.  With phi(t) the function along
/// the line, phi'(0) < 0:
///
///     phi(t) <= phi(0) + c1 t phi'(0)              it falls enough, c1 = 1e-4
///     |phi'(t)| <= c2 |phi'(0)|                    and flattens, c2 = 0.9
///
/// Where the first one drowns in rounding, near a minimum, its limit for quadratics replaces it:
/// phi'(t) <= (2 c1 - 1) phi'(0).
/// Sources: Nocedal and Wright (2006), Numerical optimization, algorithms 3.5 and 3.6; the limit:
/// Hager and Zhang (2005), A new conjugate gradient method with guaranteed descent, (4.2).

#include <algorithm>
#include <cmath>
#include <utility>

namespace gradtape::optim::detail {

struct LinePoint {
  double step, value, slope;
  bool finite() const { return std::isfinite(value) && std::isfinite(slope); }
};

/// Minimum of the cubic through two points with their slopes; NaN if there is none.
inline double cubic_minimum(const LinePoint& a, const LinePoint& b) {
  const double d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step);
  const double d2 = std::copysign(std::sqrt(d1 * d1 - a.slope * b.slope), b.step - a.step);
  return b.step - (b.step - a.step) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
}

class WolfeSearch {
 public:
  /// \param noise  by how much values may be wrong
  WolfeSearch(const LinePoint& start, double noise) : start_(start), noise_(noise) {}

  /// Tries steps, the given one first, and returns the point of the first that satisfies the
  /// conditions; if there is none among `trials`, the lowest that falls enough; if there is none of
  /// these, the start.  Where phi is not finite a step is too long.
  template <class Phi>
  LinePoint operator()(Phi&& phi, double step, int trials) const {
    LinePoint low = start_;   // falls enough, with the lowest value so far
    LinePoint high = start_;  // the other end of where the minimum is, once there is one
    bool bracketed = false;
    for (; trials > 0; --trials) {
      const LinePoint p = phi(step);
      if (p.finite() && falls(p) && flattens(p)) return p;
      if (!p.finite() || !falls(p) || p.value >= low.value) {
        high = p;
        bracketed = true;
      } else {
        if (p.slope * (bracketed ? high.step - low.step : 1) >= 0) {
          high = low;
          bracketed = true;
        }
        const LinePoint last = std::exchange(low, p);
        if (!bracketed) {
          step = longer(last, p);
          continue;
        }
      }
      step = between(low, high);
      if (step == low.step || step == high.step) break;
    }
    return low;
  }

 private:
  static constexpr double c1 = 1e-4, c2 = 0.9;

  bool falls(const LinePoint& p) const {
    return p.value <= start_.value + c1 * p.step * start_.slope ||
           (p.value <= start_.value + noise_ && p.slope <= (2 * c1 - 1) * start_.slope);
  }
  bool flattens(const LinePoint& p) const { return std::abs(p.slope) <= c2 * -start_.slope; }

  /// Still falling: further on, to where a cubic has its minimum if that is not too far.
  static double longer(const LinePoint& last, const LinePoint& p) {
    const double step = cubic_minimum(last, p), least = p.step + 0.01 * (p.step - last.step);
    return std::isfinite(step) ? std::clamp(step, least, 10 * p.step) : 10 * p.step;
  }

  /// Inside of a bracket, not too near to its ends.
  static double between(const LinePoint& low, const LinePoint& high) {
    const double a = std::min(low.step, high.step), b = std::max(low.step, high.step);
    const double step = high.finite() ? cubic_minimum(low, high) : (a + b) / 2;
    const double margin = 0.1 * (b - a);
    return std::isfinite(step) ? std::clamp(step, a + margin, b - margin) : (a + b) / 2;
  }

  LinePoint start_;
  double noise_;
};

}  // namespace gradtape::optim::detail
