#pragma once
// Times two things in turns, so that what else the machine does meets both alike, and prints the
// medians and the median of the ratios.  Pin a CPU for quiet figures: taskset -c 0
// ./scalar_benchmark

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace benchmark {

inline double nanoseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::nano>(now).count();
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

inline void header(const char* what, const char* a, const char* b) {
  std::printf("%-28s %14s %14s %8s\n", what, a, b, "ratio");
}

/// Times a against b, each in rounds of at least 100 microseconds, and prints a line; with a file,
/// a line of CSV, too.
template <class A, class B>
double compare(const std::string& name, A&& a, B&& b, std::FILE* csv = nullptr, int rounds = 201) {
  long repeats = 1;
  for (;; repeats *= 2) {
    const double start = nanoseconds();
    for (long i = 0; i < repeats; ++i) b();
    if (nanoseconds() - start > 1e5) break;
  }
  const auto time = [repeats](auto& f) {
    const double start = nanoseconds();
    for (long i = 0; i < repeats; ++i) f();
    return (nanoseconds() - start) / static_cast<double>(repeats);
  };
  std::vector<double> times_a, times_b, ratios;
  for (int round = 0; round < rounds; ++round) {
    times_a.push_back(time(a));
    times_b.push_back(time(b));
    ratios.push_back(times_a.back() / times_b.back());
  }
  const double ratio = median(ratios);
  std::printf("%-28s %11.1f ns %11.1f ns %8.3f\n", name.c_str(), median(times_a), median(times_b),
              ratio);
  std::fflush(stdout);
  if (csv != nullptr) {
    std::fprintf(csv, "%s,%.2f,%.2f,%.4f\n", name.c_str(), median(times_a), median(times_b), ratio);
  }
  return ratio;
}

}  // namespace benchmark
