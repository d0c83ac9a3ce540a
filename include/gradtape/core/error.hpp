#pragma once
/// \file
/// The exceptions of the library.  Each text names the operation, its operands and the rule that
/// was broken:
///
///     matmul: W is [3, 4], x is [5, 2]: columns of the first (4) must equal rows of the second (5)

#include <stdexcept>
#include <string>
#include <string_view>

namespace gradtape {

/// Shapes that do not fit an operation, or an index outside of a shape.
class ShapeError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// A handle used with the wrong tape, after its recording was forgotten, or before it has what is
/// asked of it.
class TapeError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// A value outside of the domain of an operation, or the NaN that `Tape::trace` found.
class DomainError : public std::domain_error {
 public:
  using std::domain_error::domain_error;
};

/// A file that cannot be read or written, or whose content breaks its format.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

template <class... Part>
std::string concat(const Part&... part) {
  std::string text;
  const auto append = [&text](const auto& p) {
    if constexpr (requires { std::to_string(p); }) {
      text += std::to_string(p);
    } else {
      text += p;
    }
  };
  (append(part), ...);
  return text;
}

/// Makes an error out of line, so that checks cost the hot path a compare and a jump.
template <class Error, class... Part>
[[noreturn, gnu::cold, gnu::noinline]] void fail(const Part&... part) {
  throw Error(concat(part...));
}

template <class...>
inline constexpr bool always_false = false;

}  // namespace detail
}  // namespace gradtape
