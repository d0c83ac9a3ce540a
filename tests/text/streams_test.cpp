#include "gradtape/text/streams.hpp"

#include <algorithm>

#include "catch.hpp"

using gradtape::Index;
using gradtape::Random;
using gradtape::ShapeError;
using namespace gradtape::text;

namespace {

using Ids = std::vector<Id>;
using Texts = std::vector<Ids>;
constexpr Id none = Streams::ignored;

const Texts texts{{5, 6, 6, 2}, {7}, {}, {3, 4, 5}};

Ids column(const Streams::Ids& x, Index j) {
  const auto c = x.col(j);
  return Ids(c.begin(), c.end());
}

}  // namespace

TEST_CASE("streams: each text in pieces, then the next one that nobody reads") {
  Streams streams(texts, {.steps = 2, .samples = 2});
  CHECK(streams.size() == 5 + 2 + 1 + 4);
  struct Expected {
    Ids inputs, targets;
    int length;
    bool begins;
  };
  const std::vector<std::vector<Expected>> pieces{
      {{{0, 5}, {5, 6}, 2, true}, {{0, 7}, {7, 0}, 2, true}},
      {{{6, 6}, {6, 2}, 2, false}, {{0, 0}, {0, none}, 1, true}},
      {{{2, 0}, {0, none}, 1, false}, {{0, 3}, {3, 4}, 2, true}},
      {{{0, 0}, {none, none}, 0, false}, {{4, 5}, {5, 0}, 2, false}}};
  for (int round = 0; round < 2; ++round) {
    for (const auto& piece : pieces) {
      REQUIRE(streams.next());
      Index predicted = 0;
      for (Index j = 0; j < 2; ++j) {
        const Expected& expected = piece[std::size_t(j)];
        CHECK(column(streams.inputs(), j) == expected.inputs);
        CHECK(column(streams.targets(), j) == expected.targets);
        CHECK(streams.lengths()(j) == expected.length);
        CHECK(streams.begins(j) == expected.begins);
        predicted += expected.length;
      }
      CHECK(streams.predicted() == predicted);
    }
    CHECK(!streams.next());
    CHECK(!streams.next());
    streams.rewind();
  }
}

TEST_CASE("streams: an overlap is read again, and predicted once") {
  Streams streams(texts, {.steps = 3, .samples = 1, .overlap = 2});
  const std::vector<std::pair<Ids, Ids>> pieces{
      {{0, 5, 6}, {5, 6, 6}},      {{5, 6, 6}, {none, none, 2}}, {{6, 6, 2}, {none, none, 0}},
      {{0, 7, 0}, {7, 0, none}},   {{0, 0, 0}, {0, none, none}}, {{0, 3, 4}, {3, 4, 5}},
      {{3, 4, 5}, {none, none, 0}}};
  Index predicted = 0;
  for (const auto& [inputs, targets] : pieces) {
    REQUIRE(streams.next());
    CHECK(column(streams.inputs(), 0) == inputs);
    CHECK(column(streams.targets(), 0) == targets);
    predicted += streams.predicted();
  }
  CHECK(!streams.next());
  CHECK(predicted == streams.size());
}

TEST_CASE("streams: an epoch has every word once, in an order of its own") {
  Texts many;
  for (Id i = 0; i < 30; ++i) many.push_back(Ids(std::size_t(i % 7), i + 1));
  Streams streams(many, {.steps = 4, .samples = 3});
  const auto epoch = [&] {
    Ids seen;
    while (streams.next()) {
      for (const Id id : streams.targets().reshaped())
        if (id != none) seen.push_back(id);
    }
    return seen;
  };
  const Ids in_order = epoch();
  Random random(1), same(1);
  streams.shuffle(random);
  Ids first = epoch();
  streams.shuffle(random);
  Ids second = epoch();
  CHECK(first != in_order);
  CHECK(first != second);
  streams.shuffle(same);
  CHECK(epoch() == first);
  Ids expected = in_order;
  for (Ids* ids : {&expected, &first, &second}) std::sort(ids->begin(), ids->end());
  CHECK(first == expected);
  CHECK(second == expected);
  CHECK(std::ssize(expected) == streams.size());
}

TEST_CASE("streams: no texts, and sizes that are none") {
  Streams empty(Texts{});
  CHECK(empty.size() == 0);
  CHECK(!empty.next());
  CHECK_THROWS_WITH(Streams(texts, {.steps = 4, .samples = 2, .overlap = 4}),
                    "streams: 2 streams in pieces of 4 words with an overlap of 4: at least one of "
                    "each, and less overlap than words");
  CHECK_THROWS_AS(Streams(texts, {.steps = 0}), ShapeError);
  CHECK_THROWS_AS(Streams(texts, {.samples = 0}), ShapeError);
  CHECK_THROWS_AS(Streams(texts, {.overlap = -1}), ShapeError);
}
