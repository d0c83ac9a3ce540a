#include "gradtape/core/error.hpp"

#include "catch.hpp"

using namespace gradtape;

// what() is a text that ends at its first zero byte.
TEST_CASE("error: a zero byte in a name does not cut the text off") {
  const std::string name("a\0b\0", 4);
  CHECK_THROWS_WITH(
      detail::fail<FileError>("no array \"", name, "\" in ", std::string_view(name), 7),
      "no array \"a\\0b\\0\" in a\\0b\\07");
  CHECK(detail::concat(name, 1) == name + "1");  // which files are made of
}
