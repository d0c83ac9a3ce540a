#include "gradtape/text/padding.hpp"

#include <array>

#include "catch.hpp"

using gradtape::Index;
using namespace gradtape::text;

namespace {

using Ids = std::vector<Id>;
using Lengths = std::vector<Index>;
using Table = Eigen::Matrix<Id, Eigen::Dynamic, Eigen::Dynamic>;

const std::vector<Ids> texts{{5, 6, 7}, {8}, {}, {9, 10}};

Lengths lengths(const PaddedTexts& padded) {
  return {padded.lengths().begin(), padded.lengths().end()};
}

}  // namespace

TEST_CASE("padding: to the longest") {
  const PaddedTexts padded = pad(texts);
  CHECK(padded.size() == 4);
  CHECK(padded.ids() == Table{{5, 8, 2, 9}, {6, 2, 2, 10}, {7, 2, 2, 2}});
  CHECK(lengths(padded) == Lengths{3, 1, 0, 2});
}

TEST_CASE("padding: to a length, longer texts cut") {
  const PaddedTexts begin = pad(texts, {.length = 2, .padding = 0});
  CHECK(begin.ids() == Table{{5, 8, 0, 9}, {6, 0, 0, 10}});
  CHECK(lengths(begin) == Lengths{2, 1, 0, 2});
  const PaddedTexts end = pad(texts, {.length = 2, .keep_end = true});
  CHECK(end.ids() == Table{{6, 8, 2, 9}, {7, 2, 2, 10}});
  CHECK(lengths(end) == Lengths{2, 1, 0, 2});
  CHECK(pad(texts, {.length = 5}).ids().rows() == 5);
}

TEST_CASE("padding: no text, and empty texts") {
  CHECK(pad({}).size() == 0);
  CHECK(pad({}).ids().cols() == 0);
  CHECK(pad({{}, {}}).ids() == Table{{2, 2}});
}

TEST_CASE("padding: the memory is used again") {
  PaddedTexts padded = pad(texts);
  const Id* const memory = padded.ids().data();
  padded.choose(texts, std::array<Index, 2>{3, 1});
  CHECK(padded.ids() == Table{{9, 8}, {10, 2}});
  CHECK(lengths(padded) == Lengths{2, 1});
  padded.choose(texts, std::array<Index, 4>{0, 0, 2, 2});
  CHECK(padded.ids() == Table{{5, 5, 2, 2}, {6, 6, 2, 2}, {7, 7, 2, 2}});
  CHECK(padded.ids().data() == memory);
}

TEST_CASE("padding: errors") {
  PaddedTexts padded;
  CHECK_THROWS_WITH(padded.choose(texts, std::array<Index, 1>{4}), "padding: number 4 of 4 texts");
  CHECK_THROWS_AS(padded.choose(texts, std::array<Index, 1>{-1}), gradtape::ShapeError);
  CHECK_THROWS_WITH(pad(texts, {.length = -1}), "padding: a length of -1");
}
