// Final figures of a program as `key,value` lines, for scripts to read.
#pragma once

#include <fstream>
#include <iomanip>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "gradtape/core/error.hpp"

namespace examples {

class Report {
 public:
  void add(std::string key, double value) { figures_.emplace_back(std::move(key), value); }

  /// Writes the figures with all their digits; an empty path: nowhere.
  /// \throws gradtape::FileError if the file cannot be written.
  void write(const std::string& path) const {
    if (path.empty()) return;
    std::ofstream file(path);
    file << std::setprecision(std::numeric_limits<double>::max_digits10);
    for (const auto& [key, value] : figures_) file << key << ',' << value << '\n';
    file.close();
    if (!file) throw gradtape::FileError("report: cannot write " + path);
  }

 private:
  std::vector<std::pair<std::string, double>> figures_;
};

}  // namespace examples
