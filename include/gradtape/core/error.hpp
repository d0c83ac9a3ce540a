#pragma once
/// \file
/// The exceptions of the library.  Each text names the operation, its operands and the rule that
/// was broken:
///
///     matmul: W is [3, 4], x is [5, 2]: columns of the first (4) must equal rows of the second (5)

#include <charconv>
#include <concepts>
#include <initializer_list>
#include <iterator>
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

/// A piece of a text: a text or a number.
class TextPart {
 public:
  TextPart(std::string_view text) : kind_(Kind::text), text_(text) {}
  TextPart(const std::string& text) : kind_(Kind::text), text_(text) {}
  TextPart(const char* text) : kind_(Kind::text), text_(text) {}
  template <std::signed_integral N>
  TextPart(N number) : kind_(Kind::integer), integer_(number) {}
  template <std::unsigned_integral N>
  TextPart(N number) : kind_(Kind::natural), natural_(number) {}
  template <std::floating_point N>
  TextPart(N number)
      : kind_(sizeof(N) == sizeof(float) ? Kind::single : Kind::real),
        real_(static_cast<double>(number)) {}

  void append_to(std::string& text) const {
    char digits[32];
    const auto print = [&](auto number) {
      text.append(digits, std::to_chars(std::begin(digits), std::end(digits), number).ptr);
    };
    switch (kind_) {
      case Kind::text:
        text += text_;
        break;
      case Kind::integer:
        print(integer_);
        break;
      case Kind::natural:
        print(natural_);
        break;
      case Kind::single:
        print(static_cast<float>(real_));
        break;
      case Kind::real:
        print(real_);
        break;
    }
  }

 private:
  enum class Kind { text, integer, natural, single, real };

  Kind kind_;
  std::string_view text_;
  long long integer_ = 0;
  unsigned long long natural_ = 0;
  double real_ = 0;
};

[[gnu::cold, gnu::noinline]] inline std::string concat(std::initializer_list<TextPart> parts) {
  std::string text;
  for (const TextPart& part : parts) part.append_to(text);
  return text;
}
/// Zero bytes, as names may have, are written "\0": at the first of them what() would end.
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void raise(std::initializer_list<TextPart> parts) {
  std::string text = concat(parts);
  for (std::size_t i = 0; (i = text.find('\0', i)) != text.npos;) text.replace(i, 1, "\\0");
  throw Error(text);
}

// Texts are put together out of line and without templates as far as can be: there are hundreds of
// them, and compiling each by itself would take longer than all the rest.

template <class... Part>
std::string concat(const Part&... part) {
  return concat({TextPart(part)...});
}

/// Makes an error out of line, so that checks cost the hot path a compare and a jump.
template <class Error, class... Part>
[[noreturn, gnu::cold]] constexpr void fail(const Part&... part) {
  raise<Error>({TextPart(part)...});
}

template <class...>
inline constexpr bool always_false = false;

}  // namespace detail
}  // namespace gradtape
