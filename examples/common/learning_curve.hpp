// Losses on the way, as CSV, and as a picture where gnuplot is.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "gnuplot.hpp"

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
    draw_with_gnuplot(path, csv(),
                      "set grid\nset xlabel 'step'\nset ylabel 'loss, nats a word'\n"
                      "plot ARG2 using 1:2 skip 1 with linespoints title 'train', "
                      "ARG2 using 1:3 skip 1 with linespoints title 'development'\n");
  }

 private:
  struct Point {
    long step;
    double train, dev;
  };

  std::vector<Point> points_;
};

}  // namespace examples
