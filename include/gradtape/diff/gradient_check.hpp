#pragma once
/// \file
/// Holds gradients from the tape against central differences.
///
///     auto f = [](Tape<double>& tape, const auto& x) { return sum(tanh(matmul(x[0], x[1]))); };
///     check_gradients(f, {{"A", a}, {"B", b}}).require();
///
/// The derivative along one element is extrapolated from central differences at shrinking steps
/// (Ridders, 1982, Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering Software
/// 4(2)): the order rises with each step, and the step that suits the element is found from the
/// error estimate, not given.

#include <string>
#include <utility>
#include <vector>

#include "../core/record.hpp"

namespace gradtape {

/// An input of `check_gradients`: a name for the report, and where to check.
struct CheckedInput {
  std::string name;       ///< in the report
  Eigen::MatrixXd value;  ///< where to check; f should be smooth there
};

/// When a gradient and the differences count as equal.
struct CheckOptions {
  double tolerance = 1e-7;  ///< largest relative error
  double absolute = 1e-9;   ///< differences below pass as well: the derivative's share of rounding
  double initial_step = 1e-2;  ///< first step, relative to max(1, |x|); where it leads over a kink
                               ///< or out of the domain, smaller ones follow
};

/// Where a gradient was held against differences, and which pair is furthest apart.
struct CheckReport {
  bool passed = true;         ///< whether all pairs agree; true if there are none
  Index compared = 0;         ///< number of elements
  std::string input;          ///< name of the one with the worst element
  Index row = 0;              ///< of the worst element, from 0
  Index column = 0;           ///< of the worst element, from 0
  double gradient = 0;        ///< by the tape
  double difference = 0;      ///< by finite differences
  double relative_error = 0;  ///< |gradient - difference| / the larger; infinite for NaN

  /// One line: verdict, place, both values, relative error.
  std::string text() const {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers,
                  "gradient %.12g, finite difference %.12g, relative error %.3g", gradient,
                  difference, relative_error);
    if (compared == 0) return "check_gradients: no elements to compare";
    return detail::concat("check_gradients: ", passed ? "passed" : "FAILED", " (", compared,
                          " elements), worst at ", input, "(", row, ", ", column, "): ", numbers);
  }
  /// `passed`.
  explicit operator bool() const { return passed; }
  /// For a test: nothing if the check passed.
  /// \throws DomainError with the report unless the check passed.
  void require() const {
    if (!passed) throw DomainError(text());
  }
};

namespace detail {

inline void check(const CheckOptions& options) {
  const auto refuse = [](const char* name, double value, const char* rule) {
    fail<DomainError>("check_gradients: ", name, " is ", value, ": it must be ", rule);
  };
  // by NaN nothing would exceed the tolerance
  if (!(options.tolerance >= 0)) refuse("tolerance", options.tolerance, "at least 0");
  if (!(options.absolute >= 0)) refuse("absolute", options.absolute, "at least 0");
  if (!(options.initial_step > 0 && std::isfinite(options.initial_step)))
    refuse("initial_step", options.initial_step, "above 0 and finite");
}

/// f'(x) by Ridders' extrapolation of central differences, and an estimate of its error.
template <class F>
std::pair<double, double> ridders_derivative(F&& f, double x, double step) {
  constexpr int levels = 8;
  constexpr double shrink = 1.6;
  double table[levels][levels];
  double best = std::numeric_limits<double>::quiet_NaN(),
         error = std::numeric_limits<double>::infinity();
  for (int i = 0; i < levels; ++i, step /= shrink) {
    const double above = x + step, below = x - step;
    const double f_above = f(above), f_below = f(below);
    table[0][i] = (f_above - f_below) / (above - below);
    const double rounding = std::numeric_limits<double>::epsilon() *
                            (std::abs(f_above) + std::abs(f_below)) / (above - below);
    double factor = shrink * shrink;
    for (int j = 1; j <= i; ++j, factor *= shrink * shrink) {
      table[j][i] = (table[j - 1][i] * factor - table[j - 1][i - 1]) / (factor - 1);
      const double estimate = std::max(std::abs(table[j][i] - table[j - 1][i]),
                                       std::abs(table[j][i] - table[j - 1][i - 1])) +
                              rounding;
      if (estimate <= error) {
        error = estimate;
        best = table[j][i];
      }
    }
    if (i > 0 && std::abs(table[i][i] - table[i - 1][i - 1]) >= 2 * error) break;
  }
  return {best, error};
}

/// f'(x) from the first step, or from smaller ones as long as its error is not negligible.
template <class F>
double difference(F&& f, double x, const CheckOptions& options) {
  double step = options.initial_step * std::max(1.0, std::abs(x));
  auto [derivative, error] = ridders_derivative(f, x, step);
  for (int i = 0; i < 4; ++i) {
    const double allowed = std::max(options.tolerance * std::abs(derivative), options.absolute);
    if (error <= 0.01 * allowed) break;
    step /= 30;
    const auto [other, other_error] = ridders_derivative(f, x, step);
    if (other_error < error) {
      derivative = other;
      error = other_error;
    }
  }
  return derivative;
}

}  // namespace detail

/// Compares the gradient of f by the tape with finite differences, element by element.
/// A NaN on either side fails.
/// \snippet reference/autodiff_test.cpp check_gradients
/// \param f        f(Tape<double>&, const std::vector<Tensor<double>>& inputs) -> Var<double>,
///                 smooth at the inputs.
/// \param inputs   names and values; vectors are matrices of one column.
/// \param options  what is tolerated.
/// \throws DomainError for a tolerance that is negative or NaN, and a step that is not positive.
template <class F>
CheckReport check_gradients(F&& f, const std::vector<CheckedInput>& inputs,
                            const CheckOptions& options = {}) {
  detail::check(options);
  std::vector<CheckedInput> at = inputs;
  Tape<double> tape;
  const auto record_inputs = [&] {
    std::vector<Tensor<double>> tensors;
    for (const CheckedInput& input : at) tensors.push_back(tape.variable(input.value, input.name));
    return tensors;
  };
  std::vector<Eigen::MatrixXd> gradients;
  {
    const auto scope = tape.scope();
    const std::vector<Tensor<double>> tensors = record_inputs();
    const Var<double> y = f(tape, tensors);
    if (!y.is_constant()) tape.backward(y);
    for (const Tensor<double>& x : tensors) {
      gradients.push_back(y.is_constant() ? Eigen::MatrixXd::Zero(x.rows(), x.columns())
                                          : Eigen::MatrixXd(x.grad()));
    }
  }
  const auto value = [&] {
    const auto scope = tape.scope();
    const Var<double> y = f(tape, record_inputs());
    return y.value();
  };
  CheckReport report;
  for (std::size_t i = 0; i < at.size(); ++i) {
    for (Index c = 0; c < at[i].value.cols(); ++c) {
      for (Index r = 0; r < at[i].value.rows(); ++r) {
        double& x = at[i].value(r, c);
        const double here = x;
        const auto along = [&](double moved) {
          x = moved;
          return value();
        };
        const double difference = detail::difference(along, here, options);
        x = here;
        const double gradient = gradients[i](r, c);
        const double distance = std::abs(gradient - difference);
        const double scale = std::max(std::abs(gradient), std::abs(difference));
        double relative = distance <= options.absolute ? 0 : distance / scale;
        if (!std::isfinite(relative)) relative = std::numeric_limits<double>::infinity();
        if (report.compared++ == 0 || relative > report.relative_error) {
          report.input = at[i].name;
          report.row = r;
          report.column = c;
          report.gradient = gradient;
          report.difference = difference;
          report.relative_error = relative;
        }
        if (relative > options.tolerance) report.passed = false;
      }
    }
  }
  return report;
}

}  // namespace gradtape
