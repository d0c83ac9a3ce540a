#include "gradtape/core/call_sites.hpp"

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/functions.hpp"
#include "gradtape/ops/reduce.hpp"

// Compiled with debug information, unlike the other tests.

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

namespace {

bool has_program(const char* name) {
  return std::system(("command -v " + std::string(name) + " > /dev/null 2>&1").c_str()) == 0;
}

template <class F>
std::string text_of_error(F&& f) {
  try {
    f();
  } catch (const DomainError& error) {
    return error.what();
  }
  return "no error";
}

std::string ending(int line) {
  if (!has_program("addr2line") || !has_program("timeout")) return "";
  return "/call_sites_test.cpp:" + std::to_string(line);
}

/// While it lives programs are looked for in a directory that holds this addr2line.
class OtherProgram {
 public:
  explicit OtherProgram(const std::string& script) {
    std::filesystem::create_directory(directory_);
    const std::string program = directory_ / "addr2line";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    chmod(program.c_str(), 0700);
    setenv("PATH", (directory_.string() + ":" + path_).c_str(), 1);
  }
  ~OtherProgram() {
    setenv("PATH", path_.c_str(), 1);
    std::filesystem::remove_all(directory_);
  }

 private:
  std::filesystem::path directory_ =
      std::filesystem::temp_directory_path() / "gradtape call sites test";
  std::string path_ = std::getenv("PATH");
};

}  // namespace

TEST_CASE("call sites: errors name the line of a scalar operation") {
  Tape<double> tape;
  tape.trace(true, {.lines = true});
  const Var x = tape.variable(0.0, "x");
  const int forward = __LINE__ + 1;
  const std::string text = text_of_error([&] { return Var(1.0 + 2.0 * log(x)); });
  CHECK_THAT(text, Catch::Matchers::StartsWith("trace: log('x' = 0) is -inf"));
  CHECK_THAT(text, Catch::Matchers::EndsWith(ending(forward)));

  const auto part = tape.part("roots");
  const int backward = __LINE__ + 1;
  const Var root = sqrt(x);
  const Var later = 3.0 * root;
  const std::string second = text_of_error([&] { tape.backward(later); });
  CHECK_THAT(second, ContainsSubstring("derivative is inf, in part 'roots'"));
  CHECK_THAT(second, Catch::Matchers::EndsWith(ending(backward)));
}

TEST_CASE("call sites: errors name the line of an operation on tensors") {
  Tape<double> tape;
  tape.trace(true, {.lines = true});
  const Tensor x = tape.variable(Eigen::Vector2d(0, 1), "x");
  const int forward = __LINE__ + 1;
  const std::string text = text_of_error([&] { return Tensor(log(x) * 2.0); });
  CHECK_THAT(text, Catch::Matchers::EndsWith(ending(forward)));
  const int backward = __LINE__ + 1;
  const Tensor root = sqrt(x);
  const Var later = sum(root);
  const std::string second = text_of_error([&] { tape.backward(later); });
  CHECK_THAT(second, Catch::Matchers::EndsWith(ending(backward)));
}

TEST_CASE("call sites: lines are not asked for unless they are wanted") {
  Tape<double> tape;
  tape.trace(true, {.lines = true});
  const Var x = tape.variable(0.0, "x");
  const int before = __LINE__ + 1;
  const Var root = sqrt(x);
  tape.trace(true);
  const std::string text = "trace: log('x' = 0) is -inf";
  CHECK(text_of_error([&] { return Var(log(x)); }) == text);
  CHECK_THAT(text_of_error([&] { tape.backward(root); }),
             Catch::Matchers::EndsWith("derivative is inf"));
  const Var other = sqrt(x);
  tape.trace(true, {.lines = true});
  CHECK(text_of_error([&] { tape.backward(other); }).back() == 'f');  // recorded without
  CHECK_THAT(text_of_error([&] { tape.backward(root); }),
             Catch::Matchers::EndsWith(ending(before)));
}

TEST_CASE("call sites: an addr2line that knows nothing or takes too long") {
  using Sites = detail::CallSites<double>;
  const Sites::Stack here = Sites::current_stack();
  {
    const OtherProgram program("for i in \"$@\"; do echo '?'; echo '?:0'; done");
    CHECK(Sites::source_line(here, 60).empty());
  }
  {
    const OtherProgram program(
        "echo _ZNK8gradtape1fEv; echo a/b.cpp:6; echo f; echo 'a/core/../b.cpp:7 (discriminator "
        "3)'");
    CHECK(Sites::source_line(here, 60) == (here.empty() ? "" : "a/b.cpp:7"));
  }
  const OtherProgram program("sleep 100; echo f; echo late.cpp:1");
  const auto start = std::chrono::steady_clock::now();
  CHECK(Sites::source_line(here, 1).empty());
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("call sites: paths") {
  CHECK(detail::normal_path("/a/b/../c/d.hpp") == "/a/c/d.hpp");
  CHECK(detail::normal_path("b/../c/../d.hpp") == "d.hpp");
  CHECK(detail::normal_path("../b/c/../../d.hpp") == "../d.hpp");
  CHECK(detail::normal_path("/../d.hpp") == "/../d.hpp");
  CHECK(detail::is_users("/home/user/gradtape/model.cpp:1"));
  CHECK_FALSE(detail::is_users("/usr/include/eigen3/Eigen/src/Core/Redux.h:1"));
  CHECK_FALSE(detail::is_users("??:0"));
}
