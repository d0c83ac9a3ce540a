// Pictures of numbers by gnuplot, where it is installed.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "gradtape/io/file.hpp"

namespace examples {

inline std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

/// Draws an SVG or, by the ending of the name, a PNG file.
/// \param csv  the data, the file ARG2 of the commands.
/// \return whether gnuplot is installed; without it, it says so and leaves it at that.
/// \throws gradtape::FileError if the file cannot be written.
inline bool draw_with_gnuplot(const std::string& path, const std::string& csv,
                              const std::string& commands, int height = 420) {
  if (std::system("gnuplot --version > /dev/null 2>&1") != 0) {
    std::fprintf(stderr, "%s is not drawn: gnuplot is not installed (apt-get install gnuplot)\n",
                 path.c_str());
    return false;
  }
  const bool is_png = path.ends_with(".png");
  const std::string script = path + ".gnuplot", data = path + ".csv";
  gradtape::io::write_file(data, csv);
  gradtape::io::write_file(script, std::string("set terminal ") + (is_png ? "pngcairo" : "svg") +
                                       " size 720," + std::to_string(height) +
                                       "\nset output ARG1\n"
                                       "set datafile separator ','\n" +
                                       commands);
  const std::string command =
      "gnuplot -c " + quoted(script) + ' ' + quoted(path) + ' ' + quoted(data);
  const int status = std::system(command.c_str());
  std::remove(script.c_str());
  std::remove(data.c_str());
  if (status != 0) throw gradtape::FileError("gnuplot could not draw " + path);
  return true;
}

}  // namespace examples
