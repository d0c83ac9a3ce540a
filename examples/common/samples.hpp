// Samples of two classes: points on two moons, or rows of a CSV file; and splitting them into those
// to learn from and those held out.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <numbers>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gradtape/core/error.hpp"
#include "gradtape/core/random.hpp"

namespace examples {

/// Samples of two classes, a column each.
struct Samples {
  Eigen::MatrixXd inputs;      // (k,n)
  Eigen::RowVectorXd targets;  // (n), 0 or 1

  Eigen::Index size() const { return targets.size(); }
};

/// Points near two half circles that reach into each other, in turn of class 0 and 1.
inline Samples two_moons(Eigen::Index n, double noise, gradtape::Random& random) {
  Samples moons{Eigen::MatrixXd(2, n), Eigen::RowVectorXd(n)};
  for (Eigen::Index i = 0; i < n; ++i) {
    const double angle = random.uniform(0, std::numbers::pi);
    const double c = std::cos(angle), s = std::sin(angle);
    moons.inputs(0, i) = random.normal(i % 2 == 0 ? c : 1 - c, noise);
    moons.inputs(1, i) = random.normal(i % 2 == 0 ? s : 0.5 - s, noise);
    moons.targets(i) = static_cast<double>(i % 2);
  }
  return moons;
}

/// Some of the samples, by their numbers.
inline Samples choose(const Samples& from, std::span<const Eigen::Index> numbers) {
  const auto n = static_cast<Eigen::Index>(numbers.size());
  Samples chosen{Eigen::MatrixXd(from.inputs.rows(), n), Eigen::RowVectorXd(n)};
  for (Eigen::Index j = 0; j < n; ++j) {
    const Eigen::Index i = numbers[static_cast<std::size_t>(j)];
    chosen.inputs.col(j) = from.inputs.col(i);
    chosen.targets(j) = from.targets(i);
  }
  return chosen;
}

/// Deals samples out at random: a share of them, and the rest.
inline std::pair<Samples, Samples> split(const Samples& all, double share,
                                         gradtape::Random& random) {
  std::vector<Eigen::Index> order(static_cast<std::size_t>(all.size()));
  std::iota(order.begin(), order.end(), 0);
  random.shuffle(order);
  const std::span<const Eigen::Index> numbers(order);
  const auto first = static_cast<std::size_t>(share * static_cast<double>(all.size()));
  return {choose(all, numbers.first(first)), choose(all, numbers.subspan(first))};
}

/// Shifts and scales every input so that those to learn from have mean 0 and variance 1.
inline void standardise(Samples& training, Samples& held_out) {
  const Eigen::VectorXd mean = training.inputs.rowwise().mean();
  const Eigen::MatrixXd centred = training.inputs.colwise() - mean;
  const Eigen::ArrayXd deviation =
      (centred.rowwise().squaredNorm() / static_cast<double>(training.size())).cwiseSqrt();
  const Eigen::VectorXd scale = (deviation > 0).select(1 / deviation, 1).matrix();
  training.inputs = scale.asDiagonal() * centred;
  held_out.inputs = scale.asDiagonal() * (held_out.inputs.colwise() - mean).eval();
}

namespace detail {

template <class... Part>
[[noreturn]] void fail(const std::string& path, const Part&... part) {
  throw gradtape::FileError(path + ": " + (std::string() + ... + part));
}

/// Cells of a line: in double quotes commas are text, and two of them are one quote.
inline std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

inline std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

}  // namespace detail

/// Reads a table whose column `target` holds two different values (numbers or words, class 0 and
/// class 1 in the order of their bytes), and all of whose other columns are numbers.
/// \throws gradtape::FileError with the line and the column of what is wrong.
inline Samples read_csv(const std::string& path, const std::string& target) {
  std::ifstream file(path);
  if (!file) detail::fail(path, "cannot be opened");
  std::string line;
  if (!std::getline(file, line)) detail::fail(path, "is empty: a line of column names is needed");
  if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // the mark that spreadsheets write
  const std::vector<std::string> names = detail::cells_of(line);
  const auto found = std::find(names.begin(), names.end(), target);
  if (found == names.end()) {
    detail::fail(path, "has no column \"", target, "\"; its columns are ", detail::joined(names));
  }
  const auto target_column = static_cast<std::size_t>(found - names.begin());

  std::vector<double> values;
  std::vector<std::string> labels;
  for (long number = 2; std::getline(file, line); ++number) {
    if (line.empty() || line == "\r") continue;
    const std::string where = "line " + std::to_string(number);
    const std::vector<std::string> cells = detail::cells_of(line);
    if (cells.size() != names.size()) {
      detail::fail(path, where, " has ", std::to_string(cells.size()), " cells, the first line ",
                   std::to_string(names.size()));
    }
    for (std::size_t j = 0; j < cells.size(); ++j) {
      if (j == target_column) continue;
      char* end = nullptr;
      values.push_back(std::strtod(cells[j].c_str(), &end));
      if (cells[j].empty() || *end != '\0' || !std::isfinite(values.back())) {
        detail::fail(path, where, ", column \"", names[j], "\": \"", cells[j],
                     "\" is not a number");
      }
    }
    labels.push_back(cells[target_column]);
  }

  std::vector<std::string> classes = labels;
  std::sort(classes.begin(), classes.end());
  classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  if (classes.size() != 2) {
    detail::fail(path, "column \"", target, "\" must have two different values, but has ",
                 std::to_string(classes.size()));
  }
  if (names.size() < 2) detail::fail(path, "has no column beside \"", target, "\"");
  const auto n = static_cast<Eigen::Index>(labels.size());
  const auto k = static_cast<Eigen::Index>(names.size() - 1);
  Samples samples{Eigen::Map<const Eigen::MatrixXd>(values.data(), k, n), Eigen::RowVectorXd(n)};
  for (Eigen::Index i = 0; i < n; ++i) {
    samples.targets(i) = labels[static_cast<std::size_t>(i)] == classes[1] ? 1 : 0;
  }
  return samples;
}

}  // namespace examples
