#include "gradtape/text/vocabulary.hpp"

#include "../io/files.hpp"
#include "catch.hpp"

using gradtape::FileError;
using gradtape::text::Id;
using gradtape::text::Vocabulary;
using gradtape::text::WordCounts;

namespace {
const std::vector<std::string> story{"the", "cat", "and", "the", "dog", "and", "the", "hen"};
}

TEST_CASE("vocabulary: special words, then by count, then by bytes") {
  const Vocabulary v(story);
  CHECK(v.size() == 7);
  const std::vector<std::string> words{"<s>", "<unk>", "the", "and", "cat", "dog", "hen"};
  const std::vector<gradtape::Index> counts{0, 0, 3, 2, 1, 1, 1};
  for (Id id = 0; id < 7; ++id) {
    CHECK(v.word(id) == words[static_cast<std::size_t>(id)]);
    CHECK(v.count(id) == counts[static_cast<std::size_t>(id)]);
  }
  CHECK(v.ids({"dog", "fox", "the"}) == std::vector<Id>{5, Vocabulary::unknown, 2});
  // a text cannot spell the special words
  CHECK(v.id("<s>") == Vocabulary::unknown);
}

TEST_CASE("vocabulary: what is left out counts as unknown") {
  const Vocabulary frequent(story, {.min_count = 2});
  CHECK(frequent.size() == 4);
  CHECK(frequent.id("cat") == Vocabulary::unknown);
  CHECK(frequent.count(Vocabulary::unknown) == 3);

  const Vocabulary small(story, {.max_size = 3});
  CHECK(small.size() == 5);
  CHECK(small.id("cat") == 4);
  CHECK(small.id("dog") == Vocabulary::unknown);
  CHECK(small.count(Vocabulary::unknown) == 2);

  const Vocabulary none;
  CHECK(none.size() == 2);
  CHECK(none.id("the") == Vocabulary::unknown);
}

TEST_CASE("vocabulary: a number that is no id") {
  const Vocabulary v(story);
  CHECK_THROWS_WITH(v.word(7), "vocabulary: id 7 is outside of its 7 words");
  CHECK_THROWS_AS(v.count(-1), gradtape::ShapeError);
}

TEST_CASE("vocabulary: special words as asked for") {
  for (const gradtape::Index specials : {2, 3, 4}) {
    const Vocabulary v(story, {.max_size = 2, .specials = specials});
    CHECK(v.specials() == specials);
    CHECK(v.size() == specials + 2);
    CHECK(v.id("the") == specials);
    CHECK(v.word(Vocabulary::boundary) == "<s>");
    CHECK(v.word(Vocabulary::unknown) == "<unk>");
    if (specials > 2) CHECK(v.word(Vocabulary::padding) == "<pad>");
    if (specials > 3) CHECK(v.word(Vocabulary::end) == "</s>");
  }
  CHECK_THROWS_WITH(Vocabulary(story, {.specials = 1}),
                    "vocabulary: 1 special words: there are 2, 3 or 4");
  CHECK_THROWS_AS(Vocabulary(story, {.specials = 5}), gradtape::DomainError);
  CHECK_THROWS_WITH(Vocabulary(story, {.min_count = -1}),
                    "vocabulary: min_count -1 and max_size 0 must not be negative");
}

TEST_CASE("vocabulary: counts of several texts") {
  WordCounts counts;
  counts.add(story);
  counts.add({"hen"});
  counts.add({"hen", "fox"});
  CHECK(counts.size() == 6);
  const Vocabulary v = counts.freeze({.min_count = 2});
  CHECK(v.to_text() == "<s>\t0\n<unk>\t3\nhen\t3\nthe\t3\nand\t2\n");
  // the counts can go on, the vocabulary does not
  counts.add({"zebra"});
  CHECK(v.id("zebra") == Vocabulary::unknown);
  CHECK(counts.freeze().size() == 9);
}

TEST_CASE("vocabulary: any words come back from a file") {
  const std::vector<std::string> words{"\n",    "\\",       "\\n",
                                       "\t",    " ",        "",
                                       "<s>",   "<unk>",    "</s>",
                                       "<b>",   "a<b",      "\r\n",
                                       "\xC3",  "\xC3\xA9", "\xE2\x82\xAC\xFF",
                                       "\\x41", "\x7F",     std::string("\0a", 2)};
  const files::Directory directory;
  for (const gradtape::Index specials : {2, 4}) {
    const Vocabulary v(words, {.specials = specials});
    v.save(directory / "v");
    const Vocabulary back = Vocabulary::load(directory / "v");
    REQUIRE(back.size() == specials + 18);
    CHECK(back.specials() == specials);
    for (Id id = 0; id < v.size(); ++id) {
      CHECK(back.word(id) == v.word(id));
      CHECK(back.count(id) == v.count(id));
    }
    CHECK(back.ids(words) == v.ids(words));
    CHECK(back.id("<s>") != Vocabulary::boundary);
  }
  const std::vector<std::string> some{"<b>", "\xC3", "\xC3\xA9", "\\"};
  CHECK(Vocabulary(some).to_text() ==
        "<s>\t0\n<unk>\t0\n\\x3Cb>\t1\n\\x5C\t1\n\\xC3\t1\n\xC3\xA9\t1\n");
}

TEST_CASE("vocabulary: files that are wrong") {
  const auto refused = [](const std::string& lines, const std::string& text) {
    CHECK_THROWS_WITH(Vocabulary::from_text(lines, "v.txt"), "v.txt" + text);
  };
  const std::string specials = "<s>\t0\n<unk>\t0\n";
  const std::string count = ": a word, a tab and its count must be there";
  refused("", ": it does not begin with <s> and <unk>");
  refused("<s>\t0\n", ": it does not begin with <s> and <unk>");
  refused("a\t0\n", ": it does not begin with <s> and <unk>");
  refused("<unk>\t0\n", ":1: <unk> is not the special word that belongs here");
  refused(specials + "</s>\t0\n", ":3: </s> is not the special word that belongs here");
  refused(specials + "a\t1\n<pad>\t0\n", ":4: <pad> is not the special word that belongs here");
  refused(specials + "<pad>\t0\n</s>\t0\n<x>\t0\n",
          ":5: <x> is not the special word that belongs here");
  refused(specials + "a\t1", ":3: the line is cut off");
  refused(specials + "a\n", ":3" + count);
  refused(specials + "a\t\n", ":3" + count);
  refused(specials + "\n", ":3" + count);
  refused(specials + "a\t1\r\n", ":3" + count);
  refused(specials + "a\t-1\n", ":3" + count);
  refused(specials + "a\tb\t1\n", ":3" + count);
  refused(specials + "a\t9999999999999999999\n", ":3" + count);
  const std::string escape = ": a backslash without xHH behind it";
  refused(specials + "a\\\t1\n", ":3" + escape);
  refused(specials + "\\n\t1\n", ":3" + escape);
  refused(specials + "\\xG0\t1\n", ":3" + escape);
  refused(specials + "\\x4\t1\n", ":3" + escape);
  refused(specials + "\\x-1\t1\n", ":3" + escape);
  refused(specials + "a\t1\nb\t1\n\\x61\t1\n", ":5: the word stands on an earlier line already");
  CHECK_THROWS_AS(Vocabulary::load("no such file"), FileError);
}

TEST_CASE("vocabulary: broken files are refused or read") {
  const std::string valid = Vocabulary({"a", "\n", "\xC3", "<b>", "b"}, {.specials = 4}).to_text();
  const auto read = [](const std::string& text) { Vocabulary::from_text(text); };
  files::check_changed(valid, read);
}
