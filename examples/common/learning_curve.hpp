// Losses on the way, as CSV, and as a picture where gnuplot is.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "gradtape/io/file.hpp"

namespace examples {

class LearningCurve {
 public:
  void add(long step, double train, double dev) { points_.push_back({step, train, dev}); }

  std::string csv() const {
    std::string text = "step,train_loss,dev_loss\n";
    for (const Point& p : points_)
      text += std::to_string(p.step) + ',' + std::to_string(p.train) + ',' + std::to_string(p.dev) +
              '\n';
    return text;
  }

  /// Draws an SVG or, by the ending of the name, a PNG file.  Without gnuplot it says so and leaves
  /// it at that.
  /// \throws gradtape::FileError if the file cannot be written.
  void plot(const std::string& path) const {
    if (points_.empty()) {
      std::fprintf(stderr, "%s is not drawn: no training, no curve\n", path.c_str());
      return;
    }
    if (std::system("gnuplot --version > /dev/null 2>&1") != 0) {
      std::fprintf(stderr, "%s is not drawn: gnuplot is not installed (apt-get install gnuplot)\n",
                   path.c_str());
      return;
    }
    const bool is_png = path.ends_with(".png");
    const std::string script = path + ".gnuplot", data = path + ".csv";
    gradtape::io::write_file(data, csv());
    gradtape::io::write_file(
        script, std::string("set terminal ") + (is_png ? "pngcairo" : "svg") +
                    " size 720,420\nset output ARG1\nset datafile separator ','\nset grid\n"
                    "set xlabel 'step'\nset ylabel 'loss, nats a word'\n"
                    "plot ARG2 using 1:2 skip 1 with linespoints title 'train', "
                    "ARG2 using 1:3 skip 1 with linespoints title 'development'\n");
    const std::string command =
        "gnuplot -c " + quoted(script) + ' ' + quoted(path) + ' ' + quoted(data);
    const int status = std::system(command.c_str());
    std::remove(script.c_str());
    std::remove(data.c_str());
    if (status != 0) throw gradtape::FileError("gnuplot could not draw " + path);
  }

 private:
  struct Point {
    long step;
    double train, dev;
  };

  static std::string quoted(const std::string& text) {
    std::string result = "'";
    for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return result + "'";
  }

  std::vector<Point> points_;
};

}  // namespace examples
