// What programs that use the library cost to build with -O2, in turns with one that includes Eigen and
// <iostream> alone: seconds of the processor to compile and link, the compiler's memory at its peak, and
// the size of the stripped program.
//
//     compile_benchmark figures.csv [part of a name]

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "harness.hpp"

namespace {

namespace fs = std::filesystem;

struct Cost {
  double seconds = 0, megabytes = 0;
};

/// What a shell command takes, with all that it starts.
Cost run(const std::string& command) {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", command.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  int status = 1;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) {
    std::fprintf(stderr, "failed: %s\n", command.c_str());
    std::exit(1);
  }
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime),
          static_cast<double>(usage.ru_maxrss) / 1024};
}

const fs::path directory = GRADTAPE_COMPILE_DIRECTORY;
const std::string object = (directory / "program.o").string(),
                  program = (directory / "program").string();

Cost compile(const fs::path& source, const std::string& flags = {}) {
  return run(GRADTAPE_COMPILE " " + flags + " -c '" + source.string() + "' -o '" + object + "'");
}

/// A program that does nothing but include these.
fs::path program_with(const std::string& name, const std::string& includes) {
  const fs::path source = directory / (name + ".cpp");
  std::ofstream(source) << includes << "#include <iostream>\nint main() { std::cout << 1; }\n";
  return source;
}

}  // namespace

int main(int argc, char** argv) {
  std::FILE* const csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  const std::string wanted = argc > 2 ? argv[2] : "";
  fs::create_directories(directory);
  const fs::path eigen = program_with("eigen", "#include <Eigen/Core>\n");

  const auto measure = [&](const std::string& name, const fs::path& source, int rounds,
                           const std::string& flags = {}) {
    if (name.find(wanted) == std::string::npos) return;
    std::vector<double> seconds, alone, ratios;
    double megabytes = 0;
    for (int round = 0; round < rounds; ++round) {
      alone.push_back(compile(eigen).seconds);
      const Cost cost = compile(source, flags);
      const Cost link = run(GRADTAPE_COMPILE " -s '" + object + "' -o '" + program + "'");
      megabytes = std::max(megabytes, cost.megabytes);
      seconds.push_back(cost.seconds + link.seconds);
      ratios.push_back(seconds.back() / alone.back());
    }
    const double kilobytes = static_cast<double>(fs::file_size(program)) / 1000;
    const double figures[] = {benchmark::median(seconds), benchmark::median(alone),
                              benchmark::median(ratios), megabytes, kilobytes};
    std::printf("%-28s %8.2f s %8.2f s %8.2f %8.0f MB %8.0f kB\n", name.c_str(), figures[0],
                figures[1], figures[2], figures[3], figures[4]);
    std::fflush(stdout);
    if (csv != nullptr) {
      std::fprintf(csv, "%s,%.3f,%.3f,%.3f,%.0f,%.0f\n", name.c_str(), figures[0], figures[1],
                   figures[2], figures[3], figures[4]);
    }
  };

  std::printf("%-28s %10s %10s %8s %11s %11s\n", "building", "gradtape", "Eigen", "ratio", "memory",
              "program");
  measure("README's program", GRADTAPE_README_PROGRAM, 7);
  measure("autodiff.hpp", program_with("autodiff", "#include <gradtape/autodiff.hpp>\n"), 7);
  measure("gradtape.hpp", program_with("gradtape", "#include <gradtape/gradtape.hpp>\n"), 7);
  std::set<fs::path> examples;
  for (const auto& entry : fs::directory_iterator(GRADTAPE_EXAMPLES)) {
    if (entry.path().extension() == ".cpp") examples.insert(entry.path());
  }
  if (std::string_view(GRADTAPE_EXAMPLE_INCLUDES).empty()) examples.clear();  // CLI11 was not found
  for (const fs::path& source : examples) {
    measure(source.stem().string(), source, 1,
            "-DGRADTAPE_EXAMPLES_DATA='\"" GRADTAPE_EXAMPLES "/data\"' " GRADTAPE_EXAMPLE_INCLUDES);
  }
  if (csv != nullptr) std::fclose(csv);
}
