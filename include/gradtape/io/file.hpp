#pragma once
/// \file
/// Files as a whole: their content, and new files that are there complete or not at all.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../core/error.hpp"

namespace gradtape::io {

namespace detail {

using namespace gradtape::detail;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

[[noreturn]] inline void fail_to(const char* what, std::string_view path, int error) {
  fail<FileError>("cannot ", what, " ", path, ": ", std::strerror(error));
}

/// Refuses what the system would take for another name.
inline void check_path(const char* what, const std::string& path) {
  if (path.empty()) fail<FileError>("cannot ", what, " a file: its name is empty");
  if (path.find('\0') != path.npos)
    fail<FileError>("cannot ", what, " ", path, ": its name has a zero byte");
}

}  // namespace detail

/// The content of a file.  \throws FileError if it cannot be read.
inline std::string read_file(const std::string& path) {
  detail::check_path("open", path);
  const detail::FileHandle file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) detail::fail_to("open", path, errno);
  std::string content;
  char piece[1 << 14];
  while (const std::size_t n = std::fread(piece, 1, sizeof(piece), file.get())) {
    content.append(piece, n);
  }
  if (std::ferror(file.get()) != 0) detail::fail_to("read", path, errno);
  return content;
}

/// A file in the making: it has a temporary name in the directory of the path until `commit`, so
/// that whatever happens, the path holds the old content or all of the new.
class AtomicFile {
 public:
  /// Opens the temporary file; it is removed if no `commit` follows.
  /// \throws FileError if no file can be made there.
  explicit AtomicFile(const std::string& path) : path_(path) {
    detail::check_path("write", path);
    struct stat info {};
    if (stat(path.c_str(), &info) == 0) {
      if (!S_ISREG(info.st_mode)) detail::fail<FileError>("cannot write ", path, ": no plain file");
      // the file that a symbolic link names is replaced, not the link
      const std::unique_ptr<char, Free> real(realpath(path.c_str(), nullptr));
      if (real == nullptr) detail::fail_to("write", path, errno);
      path_ = real.get();
    } else if (errno != ENOENT) {
      detail::fail_to("write", path, errno);
    }
    for (int i = 0; file_ == nullptr; ++i) {
      temporary_ = detail::concat(path_, ".", getpid(), ".", i, ".tmp");
      file_.reset(std::fopen(temporary_.c_str(), "wbx"));
      if (file_ == nullptr && (errno != EEXIST || i == 100)) detail::fail_to("write", path, errno);
    }
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() {
    if (!temporary_.empty()) std::remove(temporary_.c_str());
  }

  /// Appends bytes.
  /// \throws FileError if there is no room for it.
  void write(std::string_view bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size())
      detail::fail_to("write", path_, errno);
  }

  /// Gives the file its name, once all of it is on the disk; nothing can be written afterwards.
  /// \throws FileError if that fails.
  void commit() {
    const bool is_complete = std::fflush(file_.get()) == 0 && fsync(fileno(file_.get())) == 0;
    if (!is_complete || std::rename(temporary_.c_str(), path_.c_str()) != 0)
      detail::fail_to("write", path_, errno);
    temporary_.clear();
    file_.reset();
  }

 private:
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };

  std::string path_, temporary_;
  detail::FileHandle file_;
};

/// Replaces a file, or makes a new one.
/// \throws FileError if it cannot be written.
inline void write_file(const std::string& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace gradtape::io
