// The tests' main program for mutate.py: notes in the file GRADTAPE_REACHED what each test has
// reached, a line a test.

#define CATCH_CONFIG_RUNNER
#include <fstream>
#include <gradtape/mutation.hpp>

#include "catch.hpp"

#if __has_include(<catch2/catch_all.hpp>)
using Listener = Catch::EventListenerBase;
#else
using Listener = Catch::TestEventListenerBase;
#endif

namespace {

using gradtape::mutation::reached;

struct Notes : Listener {
  using Listener::Listener;

  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    Listener::testCaseStarting(test);
    reached = {};
    name_ = test.name;
  }
  void testCaseEnded(const Catch::TestCaseStats& test) override {
    Listener::testCaseEnded(test);
    const char* const path = std::getenv("GRADTAPE_REACHED");
    if (path == nullptr) return;
    std::ofstream file(path, std::ios::app);
    file << name_ << '\t' << (test.totals.assertions.failed == 0) << '\t';
    write(file, reached.with_effect);
    file << '\t';
    write(file, reached.without_use);
    file << '\t';
    for (const std::string& name : reached.operations) file << name << ' ';
    file << '\n';
  }

 private:
  static void write(std::ostream& stream, const std::vector<char>& set) {
    for (std::size_t i = 0; i < set.size(); ++i) {
      if (set[i] != 0) stream << i << ' ';
    }
  }

  std::string name_;
};

CATCH_REGISTER_LISTENER(Notes)

}  // namespace

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
