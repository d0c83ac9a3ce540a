#include "gradtape/text/vocabulary.hpp"

#include "catch.hpp"

using gradtape::text::Id;
using gradtape::text::Vocabulary;

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
