// A progress bar on the error stream:
//
//     [############                    ]  38 %   loss 1.734   52810 steps/s   0:07 left
//
// It is drawn ten times a second, and not at all where the stream is no terminal.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

namespace examples {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

class Progress {
 public:
  explicit Progress(long steps) : steps_(steps) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { erase(); }

  /// Call it after every step, with the number of steps done.
  void update(long done, double loss) {
    // a mean over about the last thousand steps: single ones jump about
    const double share = 1.0 / static_cast<double>(done < 1000 ? done : 1000);
    mean_loss_ += share * (loss - mean_loss_);
    if (!is_terminal_ || done % 16 != 0) return;
    const double now = watch_.seconds();
    if (now < next_drawing_) return;
    next_drawing_ = now + 0.1;
    draw(done, now);
  }

  /// Removes the bar, so that a line can be printed; the next update brings it back.
  void erase() {
    if (!is_visible_) return;
    std::fputs("\r\033[K", stderr);
    is_visible_ = false;
  }

 private:
  static bool stderr_is_terminal() {
#ifdef _WIN32
    return _isatty(_fileno(stderr)) != 0;
#else
    return isatty(fileno(stderr)) != 0;
#endif
  }

  void draw(long done, double seconds) {
    constexpr std::size_t width = 32;
    const double share = static_cast<double>(done) / static_cast<double>(steps_);
    const auto filled = static_cast<std::size_t>(share * width);
    const std::string bar = std::string(filled, '#') + std::string(width - filled, ' ');
    const double rate = static_cast<double>(done) / seconds;
    const long left = static_cast<long>(static_cast<double>(steps_ - done) / rate + 0.5);
    std::fprintf(stderr, "\r[%s] %3.0f %%   loss %.3f   %.0f steps/s   %ld:%02ld left\033[K",
                 bar.c_str(), 100 * share, mean_loss_, rate, left / 60, left % 60);
    std::fflush(stderr);
    is_visible_ = true;
  }

  long steps_;
  Stopwatch watch_;
  bool is_terminal_ = stderr_is_terminal(), is_visible_ = false;
  double mean_loss_ = 0, next_drawing_ = 0.2;
};

}  // namespace examples
