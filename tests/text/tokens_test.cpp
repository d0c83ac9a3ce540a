#include "gradtape/text/tokens.hpp"

#include "catch.hpp"

using namespace gradtape;
using Words = std::vector<std::string>;

TEST_CASE("characters: UTF-8 code points of one to four bytes") {
  CHECK(text::characters("") == Words{});
  CHECK(text::characters("a\n") == Words{"a", "\n"});
  CHECK(text::characters("\u00E9\u20AC\U0001F600z") ==
        Words{"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "z"});
  // a letter and a combining accent are two code points
  CHECK(text::characters("e\u0301").size() == 2);
}

TEST_CASE("characters: bytes that are not UTF-8 stand alone, and nothing is lost") {
  // RFC 3629, section 4: lone continuation, cut short, overlong, surrogate, above U+10FFFF
  CHECK(text::characters("\x80") == Words{"\x80"});
  CHECK(text::characters("\xE2\x82") == Words{"\xE2", "\x82"});
  CHECK(text::characters("\xF0\x9F\x98") == Words{"\xF0", "\x9F", "\x98"});
  CHECK(text::characters("\xC0\xAF") == Words{"\xC0", "\xAF"});
  CHECK(text::characters("\xE0\x9F\xBF") == Words{"\xE0", "\x9F", "\xBF"});
  CHECK(text::characters("\xF0\x8F\xBF\xBF") == Words{"\xF0", "\x8F", "\xBF", "\xBF"});
  CHECK(text::characters("\xED\xA0\x80") == Words{"\xED", "\xA0", "\x80"});
  CHECK(text::characters("\xF4\x90\x80\x80") == Words{"\xF4", "\x90", "\x80", "\x80"});
  CHECK(text::characters("\xF5\x80\x80\x80").size() == 4);
  CHECK(text::characters("\xC3z") == Words{"\xC3", "z"});
  // the outermost that are valid
  CHECK(text::characters("\xC2\x80\xDF\xBF").size() == 2);
  CHECK(text::characters("\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80").size() == 3);
  CHECK(text::characters("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF").size() == 2);

  std::string all, joined;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 7) {
      all += static_cast<char>(a);
      all += static_cast<char>(b);
    }
  }
  for (const std::string& c : text::characters(all)) joined += c;
  CHECK(joined == all);
}

TEST_CASE("words: punctuation stands by itself") {
  CHECK(text::words("") == Words{});
  CHECK(text::words(" \t\r\n") == Words{});
  CHECK(text::words("\"My hat!\" cried Tom.") ==
        Words{"\"", "My", "hat", "!", "\"", "cried", "Tom", "."});
  CHECK(text::words("one,two") == Words{"one", ",", "two"});
  CHECK(text::words("wait...") == Words{"wait", ".", ".", "."});
  CHECK(text::words("\u00ABnon\u00BB \u2013 \u201Cs\u00ED\u201D\u2026") ==
        Words{"\u00AB", "non", "\u00BB", "\u2013", "\u201C", "s\u00ED", "\u201D", "\u2026"});
  CHECK(text::words("a\u00A0b\u3000c") == Words{"a", "b", "c"});
  // a narrow space as French has it, and the mark at the beginning of a file
  CHECK(text::words("\uFEFFOui\u202F!") == Words{"Oui", "!"});
}

TEST_CASE("words: apostrophes and hyphens between letters belong to the word") {
  CHECK(text::words("don't 'tis dogs' it\u2019s") ==
        Words{"don't", "'", "tis", "dogs", "'", "it\u2019s"});
  CHECK(text::words("twenty-one -- well- -x a'-b") ==
        Words{"twenty-one", "-", "-", "well", "-", "-", "x", "a", "'", "-", "b"});
}

TEST_CASE("words: lower case of ASCII and Latin-1") {
  CHECK(text::words("The CAT, \u00C9t\u00E9 \u00D7 \u00DE", {.lower_case = true}) ==
        Words{"the", "cat", ",", "\u00E9t\u00E9", "\u00D7", "\u00FE"});
  // neither is a capital of Latin-1
  CHECK(text::words("\u00DF\u0416", {.lower_case = true}) == Words{"\u00DF\u0416"});
}

TEST_CASE("lines: without their ends, and without empty ones") {
  CHECK(text::lines("") == Words{});
  CHECK(text::lines("a\nb c\r\n\n\r\nd") == Words{"a", "b c", "d"});
  CHECK(text::lines("a\n") == Words{"a"});
}

TEST_CASE("paragraphs: separated by empty lines") {
  CHECK(text::paragraphs("") == Words{});
  CHECK(text::paragraphs("\n\n") == Words{});
  CHECK(text::paragraphs("\na\nb\n\n\r\nc\r\nd\n") == Words{"a\nb", "c\nd"});
}
