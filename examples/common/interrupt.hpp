// Ctrl-C as a wish to stop: the first one is noted, the second ends the program as usual.
#pragma once

#include <csignal>

namespace examples {

class Interrupt {
 public:
  Interrupt() { std::signal(SIGINT, note); }
  ~Interrupt() { std::signal(SIGINT, SIG_DFL); }
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static bool is_wished() { return wished_ != 0; }

 private:
  static void note(int) {
    wished_ = 1;
    std::signal(SIGINT, SIG_DFL);
  }
  static inline volatile std::sig_atomic_t wished_ = 0;
};

}  // namespace examples
