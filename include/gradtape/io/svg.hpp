#pragma once
/// \file
/// Pictures of a recording, by the program `dot` of Graphviz (https://graphviz.org).

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "graph.hpp"

namespace gradtape::io {

namespace detail {

/// Runs `dot` on a text.
/// \throws FileError if there is no such program, or if it fails.
inline void run_dot(const std::string& path, std::string_view text) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  // files rather than pipes: writing to a program that has ended raises a signal
  const std::unique_ptr<std::FILE, Close> input(std::tmpfile()), errors(std::tmpfile());
  if (input == nullptr || errors == nullptr ||
      std::fwrite(text.data(), 1, text.size(), input.get()) != text.size() ||
      std::fflush(input.get()) != 0 || std::fseek(input.get(), 0, SEEK_SET) != 0) {
    fail<FileError>("write_svg: ", path, ": no temporary file: ", std::strerror(errno));
  }
  std::string program = "dot", format = "-Tsvg", output = "-o" + path;
  char* const arguments[] = {program.data(), format.data(), output.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(input.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(errors.get()), STDERR_FILENO);
  pid_t process = 0;
  const int error = posix_spawnp(&process, "dot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    fail<FileError>("write_svg: ", path,
                    ": the program 'dot' was not found: install Graphviz, or use to_dot");
  }
  if (error != 0) fail<FileError>("write_svg: ", path, ": dot: ", std::strerror(error));
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return;
  std::rewind(errors.get());
  char line[256] = "no message";
  if (std::fgets(line, sizeof(line), errors.get()) != nullptr) line[std::strcspn(line, "\n")] = 0;
  fail<FileError>("write_svg: ", path, ": dot failed: ", static_cast<const char*>(line));
}

}  // namespace detail

/// Draws by Graphviz' program `dot`.
/// \throws FileError if there is no such program, or if it cannot write the file.
inline void write_svg(const Graph& graph, const std::string& path) {
  detail::run_dot(path, to_dot(graph));
}

/// The same for a tape.
/// \throws TapeError if it has more than `max_nodes` nodes.
template <class T>
void write_svg(const Tape<T>& tape, const std::string& path, const GraphOptions& options = {}) {
  write_svg(graph(tape, options), path);
}

}  // namespace gradtape::io
