#pragma once
/// \file
/// From a text to its pieces: characters, words, lines.  Texts are UTF-8; a byte that is no part of
/// valid UTF-8 is a character of its own, so that any file can be read and nothing is lost.

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gradtape::text {

namespace detail {

constexpr unsigned byte_at(std::string_view text, std::size_t i) {
  return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
}

/// Bytes of the character that a non-empty text begins with; 1 if that is not valid UTF-8.
/// Source: RFC 3629, section 4 (no overlong forms, no surrogates, nothing above U+10FFFF).
constexpr std::size_t character_length(std::string_view text) {
  const unsigned first = byte_at(text, 0), second = byte_at(text, 1);
  const auto continues = [&](std::size_t i) { return (byte_at(text, i) & 0xC0) == 0x80; };
  if (first < 0xC2 || first > 0xF4 || !continues(1)) return 1;
  if (first < 0xE0) return 2;
  if (!continues(2)) return 1;
  if (first < 0xF0) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second >= 0xA0;
    return overlong || surrogate ? 1 : 3;
  }
  const bool overlong = first == 0xF0 && second < 0x90;
  const bool too_large = first == 0xF4 && second >= 0x90;
  return !continues(3) || overlong || too_large ? 1 : 4;
}

/// Splits off the first character.
constexpr std::string_view take_character(std::string_view& text) {
  const std::string_view character = text.substr(0, character_length(text));
  text.remove_prefix(character.size());
  return character;
}

/// Splits off the first line, and drops its end.
constexpr std::string_view take_line(std::string_view& text) {
  std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(line.size() + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

/// The white space of Unicode, and U+FEFF, with which some editors begin a file.
constexpr bool is_space(std::string_view c) {
  constexpr std::string_view others[]{"\u0085", "\u00A0", "\u1680", "\u2028", "\u2029",
                                      "\u202F", "\u205F", "\u3000", "\uFEFF"};
  return c == " " || (c >= "\t" && c <= "\r") || (c >= "\u2000" && c <= "\u200A") ||
         std::find(std::begin(others), std::end(others), c) != std::end(others);
}

/// ASCII letters and digits, and all else beyond ASCII but for the signs of punctuation there.
constexpr bool is_word_character(std::string_view c) {
  if (c.size() == 1) {
    return (c >= "0" && c <= "9") || (c >= "A" && c <= "Z") || (c >= "a" && c <= "z");
  }
  const bool latin_sign = c >= "\u00A1" && c <= "\u00BF" && c != "\u00AA" && c != "\u00BA";
  const bool punctuation = c >= "\u2010" && c <= "\u206F";
  const bool east_asian = (c >= "\u3001" && c <= "\u303F") || (c >= "\uFF01" && c <= "\uFF0F");
  return !latin_sign && !punctuation && !east_asian && !is_space(c);
}

/// What belongs to a word between two of its letters, as in "don't" and "twenty-one".
constexpr bool joins_letters(std::string_view c) {
  return c == "'" || c == "-" || c == "\u2019" || c == "\u2010";
}

/// ASCII and the letters of Latin-1.
inline std::string lower_case(std::string_view word) {
  std::string lower;
  while (!word.empty()) {
    std::string c(take_character(word));
    const bool capital = (c >= "A" && c <= "Z") || (c >= "\u00C0" && c <= "\u00DE");
    if (capital && c != "\u00D7") c.back() = static_cast<char>(c.back() + 0x20);
    lower += c;
  }
  return lower;
}

}  // namespace detail

/// Every character (code point) of a text.
inline std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) result.emplace_back(detail::take_character(text));
  return result;
}

/// Options of `words`.
struct WordOptions {
  bool lower_case = false;  ///< of ASCII and Latin-1
};

/// Words, and each sign of punctuation by itself; an apostrophe or a hyphen between letters belongs
/// to its word.  White space separates and is left out.
inline std::vector<std::string> words(std::string_view text, const WordOptions& options = {}) {
  std::vector<std::string> result;
  const auto starts_word = [](std::string_view rest) {
    return !rest.empty() && detail::is_word_character(detail::take_character(rest));
  };
  while (!text.empty()) {
    const char* const begin = text.data();
    const std::string_view first = detail::take_character(text);
    if (detail::is_space(first)) continue;
    if (detail::is_word_character(first)) {
      for (;;) {
        std::string_view rest = text;
        if (!starts_word(rest)) {
          if (rest.empty() || !detail::joins_letters(detail::take_character(rest))) break;
          if (!starts_word(rest)) break;
        }
        detail::take_character(rest);
        text = rest;
      }
    }
    const std::string_view word(begin, static_cast<std::size_t>(text.data() - begin));
    result.push_back(options.lower_case ? detail::lower_case(word) : std::string(word));
  }
  return result;
}

/// Lines without their ends ("\n" or "\r\n"); those that are empty are left out.
inline std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    const std::string_view line = detail::take_line(text);
    if (!line.empty()) result.emplace_back(line);
  }
  return result;
}

/// Lines that follow each other, as one text each; empty lines separate them.
inline std::vector<std::string> paragraphs(std::string_view text) {
  std::vector<std::string> result;
  bool is_new = true;
  while (!text.empty()) {
    const std::string_view line = detail::take_line(text);
    if (line.empty()) {
      is_new = true;
    } else if (std::exchange(is_new, false)) {
      result.emplace_back(line);
    } else {
      result.back().append("\n").append(line);
    }
  }
  return result;
}

}  // namespace gradtape::text
