#include "gradtape/io/file.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "catch.hpp"
#include "files.hpp"

using namespace gradtape;
using files::Directory;
namespace fs = std::filesystem;

namespace {

/// Lets files grow to some bytes, no further.
struct FileSizeLimit {
  explicit FileSizeLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limit{bytes, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    handler = std::signal(SIGXFSZ, SIG_IGN);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }

  rlimit before;
  void (*handler)(int);
};

}  // namespace

TEST_CASE("file: what is written can be read") {
  const Directory directory;
  const std::string path = directory / "x", content("a\r\n\0\xFF", 5);
  for (const std::string& text : {content, std::string(), std::string(100000, 'x')}) {
    io::write_file(path, text);
    CHECK(io::read_file(path) == text);
  }
  CHECK(directory.size() == 1);
}

TEST_CASE("file: without a commit, the old content stays") {
  const Directory directory;
  const std::string path = directory / "x";
  io::write_file(path, "old");
  {
    io::AtomicFile file(path), other(path);
    file.write(std::string(100000, 'x'));
    other.write("y");
    CHECK(io::read_file(path) == "old");
    CHECK(directory.size() == 3);
  }
  CHECK(io::read_file(path) == "old");
  CHECK(directory.size() == 1);
}

TEST_CASE("file: a full disk leaves the old content and no temporary file") {
  const Directory directory;
  const std::string path = directory / "x", many(100000, 'x');
  io::write_file(path, "old");
  {
    const FileSizeLimit limit(10000);
    CHECK_THROWS_WITH(io::write_file(path, many), "cannot write " + path + ": File too large");
    // fits into the buffer, and fails on the way to the disk
    CHECK_THROWS_AS(io::write_file(path, many.substr(0, 10001)), FileError);
  }
  CHECK(io::read_file(path) == "old");
  CHECK(directory.size() == 1);
}

TEST_CASE("file: killed at any moment, the path holds the old content or all of the new") {
  const Directory directory;
  const std::string path = directory / "x";
  const auto content = [](std::size_t i) { return std::string(1000000 + i, "abc"[i % 3]); };
  io::write_file(path, content(0));
  int changes = 0;
  for (int round = 1; round <= 20; ++round) {
    const std::string before = io::read_file(path);
    int written[2];
    REQUIRE(pipe(written) == 0);
    const pid_t child = fork();
    if (child == 0) {
      try {
        for (std::size_t i = 1;; ++i) {
          io::write_file(path, content(i));
          if (i == 1 && write(written[1], "", 1) != 1) break;
        }
      } catch (...) {
      }
      _exit(1);
    }
    REQUIRE(child > 0);
    close(written[1]);
    char byte;
    REQUIRE(read(written[0], &byte, 1) == 1);
    close(written[0]);
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    kill(child, SIGKILL);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    const std::string after = io::read_file(path);
    REQUIRE(after.size() >= 1000000);
    CHECK(after == content(after.size() - 1000000));
    changes += after != before;
  }
  CHECK(changes > 0);
}

TEST_CASE("file: a symbolic link stays one") {
  const Directory directory;
  const std::string path = directory / "x", link = directory / "link";
  io::write_file(path, "old");
  fs::create_symlink("x", link);
  io::write_file(link, "new");
  CHECK(fs::is_symlink(link));
  CHECK(io::read_file(path) == "new");
}

TEST_CASE("file: errors name the file and what is wrong with it") {
  const Directory directory;
  const std::string none = directory / "none", deep = none + "/x", here = directory.path.string();
  CHECK_THROWS_WITH(io::read_file(none), "cannot open " + none + ": No such file or directory");
  CHECK_THROWS_WITH(io::read_file(here), "cannot read " + here + ": Is a directory");
  CHECK_THROWS_WITH(io::write_file(deep, ""),
                    "cannot write " + deep + ": No such file or directory");
  const std::string loop = directory / "loop", plain = directory / "plain", below = plain + "/x";
  fs::create_symlink("loop", loop);
  CHECK_THROWS_WITH(io::read_file(loop),
                    "cannot open " + loop + ": Too many levels of symbolic links");
  CHECK_THROWS_WITH(io::write_file(loop, ""),
                    "cannot write " + loop + ": Too many levels of symbolic links");
  io::write_file(plain, "");
  CHECK_THROWS_WITH(io::read_file(below), "cannot open " + below + ": Not a directory");
  CHECK_THROWS_WITH(io::write_file(below, ""), "cannot write " + below + ": Not a directory");
  CHECK_THROWS_WITH(io::write_file(here, ""), "cannot write " + here + ": no plain file");
  CHECK_THROWS_WITH(io::write_file("/dev/null", ""), "cannot write /dev/null: no plain file");
  CHECK_THROWS_WITH(io::read_file(""), "cannot open a file: its name is empty");
  CHECK_THROWS_WITH(io::write_file("", ""), "cannot write a file: its name is empty");
  CHECK_THROWS_WITH(io::AtomicFile(""), "cannot write a file: its name is empty");
  // the system would take the name to end there, and the file for another
  const std::string cut = directory / "x" + std::string(1, '\0') + "y";
  io::write_file(directory / "x", "old");
  CHECK_THROWS_WITH(io::read_file(cut),
                    "cannot open " + (directory / "x") + "\\0y: its name has a zero byte");
  CHECK_THROWS_WITH(io::write_file(cut, "new"),
                    "cannot write " + (directory / "x") + "\\0y: its name has a zero byte");
  CHECK(io::read_file(directory / "x") == "old");
}
