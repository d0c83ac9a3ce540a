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
  TextPart(std::string_view text) : text_(text.data()), size_(text.size()), kind_(Kind::text) {}
  TextPart(const std::string& text) : TextPart(std::string_view(text)) {}
  TextPart(const char* text) : TextPart(std::string_view(text)) {}
  template <std::signed_integral N>
  TextPart(N number)
      : natural_(static_cast<unsigned long long>(number)),
        kind_(number < 0 ? Kind::negative : Kind::natural) {
    if (number < 0) natural_ = 0 - natural_;
  }
  template <std::unsigned_integral N>
  TextPart(N number) : natural_(number), kind_(Kind::natural) {}
  template <std::floating_point N>
  TextPart(N number)
      : real_(static_cast<double>(number)),
        kind_(sizeof(N) == sizeof(float) ? Kind::single : Kind::real) {}

  void append_to(std::string& text) const {
    char digits[32];
    char* begin = digits;
    char* end = std::end(digits);
    switch (kind_) {
      case Kind::text:
        text.append(text_, size_);
        return;
      case Kind::natural:
      case Kind::negative:
        begin = end;
        for (unsigned long long rest = natural_; rest != 0 || begin == end; rest /= 10)
          *--begin = static_cast<char>('0' + rest % 10);
        if (kind_ == Kind::negative) *--begin = '-';
        break;
      case Kind::single:
        end = std::to_chars(begin, end, static_cast<float>(real_)).ptr;
        break;
      case Kind::real:
        end = std::to_chars(begin, end, real_).ptr;
        break;
    }
    text.append(begin, static_cast<std::size_t>(end - begin));
  }

 private:
  enum class Kind { text, negative, natural, single, real };

  union {  // small, as every error of every program makes some
    const char* text_;
    unsigned long long natural_;
    double real_;
  };
  std::size_t size_ = 0;  // of the text
  Kind kind_;
};

[[gnu::cold, gnu::noinline]] inline std::string concat(std::initializer_list<TextPart> parts) {
  std::string text;
  for (const TextPart& part : parts) part.append_to(text);
  return text;
}
/// Zero bytes, as names may have, are written "\0": at the first of them what() would end.
[[gnu::cold, gnu::noinline]] inline std::string error_text(std::initializer_list<TextPart> parts) {
  std::string text;
  for (const char& c : concat(parts)) text.append(c == '\0' ? "\\0" : &c, c == '\0' ? 2 : 1);
  return text;
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void raise(std::initializer_list<TextPart> parts) {
  throw Error(error_text(parts));
}

// Texts are put together out of line and without templates as far as can be, and of std::string
// with `append` alone: there are hundreds of them, and compiling each by itself would take longer
// than all the rest.

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
