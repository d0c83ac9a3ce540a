// Whatever bytes a text has: its characters are valid UTF-8 or single bytes and make the text, its
// words are made of its characters without the spaces, its lines of what is between line ends.
#include "fuzz.hpp"
#include "gradtape/text/tokens.hpp"

using namespace gradtape;

namespace {

/// Whether the bytes are one code point in its shortest form: decoded and encoded again.
bool is_code_point(const std::string& c) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(c[i] & 0xFF); };
  if (c.size() == 1) return byte(0) < 0x80;
  std::uint32_t code = byte(0) & (0xFFu >> (c.size() + 1));
  for (std::size_t i = 1; i < c.size(); ++i) code = code << 6 | (byte(i) & 0x3F);
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  const std::size_t length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  std::string encoded;
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t shift = 6 * (length - 1 - i);
    const std::uint32_t mark = i > 0 ? 0x80 : length == 2 ? 0xC0 : length == 3 ? 0xE0 : 0xF0;
    encoded += static_cast<char>(mark | (code >> shift & 0x3F));
  }
  return encoded == c;
}

std::string joined(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::Bytes(data, size).rest());
  const std::vector<std::string> characters = text::characters(text);
  fuzz::require(joined(characters) == text, "the characters make the text");
  std::string without_spaces;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const std::string& c = characters[i];
    fuzz::require(c.size() == 1 || is_code_point(c), "characters are code points or bytes");
    if (!text::detail::is_space(c)) without_spaces += c;
    std::string run;
    for (std::size_t k = i; k < characters.size() && characters[k].size() == 1; ++k) {
      run += characters[k];
      if (run.size() > 4) break;
      fuzz::require(run.size() == 1 || !is_code_point(run), "no code point is taken apart");
    }
  }
  const std::vector<std::string> words = text::words(text);
  fuzz::require(joined(words) == without_spaces, "the words are the text without spaces");
  std::vector<std::string> lower = text::words(text, {.lower_case = true});
  fuzz::require(lower.size() == words.size(), "lower case keeps the words apart");
  for (std::size_t i = 0; i < words.size(); ++i) {
    fuzz::require(!words[i].empty() && lower[i] == text::detail::lower_case(lower[i]) &&
                      lower[i].size() == words[i].size(),
                  "lower case is stable");
  }
  for (const std::string& line : text::lines(text))
    fuzz::require(!line.empty() && line.find('\n') == line.npos, "lines have no ends");
  std::size_t lines = 0;
  for (const std::string& paragraph : text::paragraphs(text)) {
    fuzz::require(!paragraph.empty(), "paragraphs are not empty");
    lines += text::lines(paragraph).size();
  }
  fuzz::require(lines <= text::lines(text).size(), "paragraphs have no lines of their own");
  return 0;
}
