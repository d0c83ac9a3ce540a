// Samples of two classes: points on two moons, or rows of a CSV file; and splitting them into those
// to learn from and those held out.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gradtape/core/random.hpp"
#include "gradtape/data/csv.hpp"
#include "gradtape/data/split.hpp"

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
  const gradtape::data::Split parts =
      gradtape::data::split(all.size(), random, {.train = share, .dev = 0});
  return {choose(all, parts.train), choose(all, parts.test)};
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

/// Reads a table whose column `target` holds two different values (numbers or words, class 0 and
/// class 1 in the order of their bytes), and all of whose other columns are numbers.
/// \throws gradtape::FileError with the line and the column of what is wrong.
inline Samples read_csv(const std::string& path, const std::string& target) {
  gradtape::data::CsvTable table = gradtape::data::read_csv(path, {.texts = {target}});
  if (table.names.empty())
    throw gradtape::FileError(path + ": there is no column beside \"" + target + "\"");
  const std::vector<std::string>& labels = table.texts.front();
  const std::set<std::string> classes(labels.begin(), labels.end());
  if (classes.size() != 2) {
    throw gradtape::FileError(path + ": column \"" + target +
                              "\" must have two different values, "
                              "but has " +
                              std::to_string(classes.size()));
  }
  Samples samples{std::move(table.values), Eigen::RowVectorXd(std::ssize(labels))};
  for (Eigen::Index i = 0; i < samples.size(); ++i) {
    samples.targets(i) = labels[static_cast<std::size_t>(i)] == *classes.rbegin() ? 1 : 0;
  }
  return samples;
}

}  // namespace examples
