// Growth of a tape of scalars: a recurrence of n operations, recorded, swept and forgotten again and
// again. Time and memory for an operation must not depend on n, as long as there is memory.
//
//     taskset -c 0 ./growth_benchmark [figures.csv [largest n]]

#include <gradtape/core/var.hpp>
#include <gradtape/ops/arithmetic.hpp>

#include "harness.hpp"

int main(int argc, char** argv) {
  std::FILE* const csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  const double largest = argc > 2 ? std::atof(argv[2]) : 1e8;
  std::printf("%12s %12s %16s %18s\n", "operations", "record ns", "and sweep ns",
              "bytes/operation");
  for (double n = 1e3; n <= largest; n *= 10) {
    gradtape::Tape<double> tape;
    std::vector<double> record, total;
    for (int round = 0; round < (n < 1e7 ? 11 : 3); ++round) {
      const long repeats = std::max(1L, std::lround(1e5 / n));
      double recording = 0;
      const double start = benchmark::nanoseconds();
      for (long i = 0; i < repeats; ++i) {
        const double first = benchmark::nanoseconds();
        tape.clear();
        const gradtape::Var x = tape.variable(0.5);
        gradtape::Var y = x;
        for (long k = 0; k < std::lround(n); ++k) y = x * y + 0.25;
        recording += benchmark::nanoseconds() - first;
        tape.backward(y);
      }
      const double operations = n * static_cast<double>(repeats);
      record.push_back(recording / operations);
      total.push_back((benchmark::nanoseconds() - start) / operations);
    }
    const double bytes = static_cast<double>(tape.bytes()) / n;
    std::printf("%12.0f %12.2f %16.2f %18.1f\n", n, benchmark::median(record),
                benchmark::median(total), bytes);
    std::fflush(stdout);
    if (csv != nullptr)
      std::fprintf(csv, "%.0f,%.3f,%.3f,%.1f\n", n, benchmark::median(record),
                   benchmark::median(total), bytes);
  }
  if (csv != nullptr) std::fclose(csv);
}
