// What tests of files share: a directory, bytes written as hexadecimal numbers, and broken files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "gradtape/core/random.hpp"
#include "gradtape/io/file.hpp"

namespace files {

/// A fresh directory, which is removed at the end.
struct Directory {
  std::filesystem::path path;

  Directory() {
    std::string name = std::filesystem::temp_directory_path() / "gradtape XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Directory() { std::filesystem::remove_all(path); }

  std::string operator/(const char* name) const { return (path / name).string(); }
  std::ptrdiff_t size() const {
    using Iterator = std::filesystem::directory_iterator;
    return std::distance(Iterator(path), Iterator());
  }
};

inline std::string from_hex(std::string_view digits) {
  const auto value = [](char c) { return c < 'a' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes += static_cast<char>(value(digits[i]) * 16 + value(digits[i + 1]));
  return bytes;
}

/// Whether reading some bytes either succeeds or throws FileError.
template <class Read>
bool is_read_or_refused(Read&& read, const std::string& bytes) {
  try {
    read(bytes);
  } catch (const gradtape::FileError&) {
  } catch (...) {
    return false;
  }
  return true;
}

/// Reads a valid file with every byte changed, mostly in one bit.
template <class Read>
void check_changed(const std::string& valid, Read&& read, int changes_a_byte = 8) {
  gradtape::Random random(1);
  for (std::size_t i = 0; i < valid.size(); ++i) {
    INFO("byte " << i);
    for (int k = 0; k < changes_a_byte; ++k) {
      std::string changed = valid;
      const auto bits = random.index(4) > 0 ? 1 << k % 8 : random.index(256);
      changed[i] = static_cast<char>(changed[i] ^ static_cast<char>(bits));
      if (random.index(4) == 0)
        changed[static_cast<std::size_t>(random.index(std::ssize(valid)))] ^= 1;
      REQUIRE(is_read_or_refused(read, changed));
    }
  }
}

/// The same, and cut off before every byte, which must be refused.
template <class Read>
void check_broken(const std::string& valid, Read&& read) {
  for (std::size_t i = 0; i < valid.size(); ++i) {
    INFO("cut off at byte " << i);
    CHECK_THROWS_AS(read(valid.substr(0, i)), gradtape::FileError);
  }
  check_changed(valid, read);
}

}  // namespace files
