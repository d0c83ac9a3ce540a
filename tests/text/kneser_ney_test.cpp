#include "gradtape/text/kneser_ney.hpp"

#include "catch.hpp"

using gradtape::Index;
using namespace gradtape::text;

namespace {

using Ids = std::vector<Id>;
constexpr Id end = Vocabulary::boundary, unseen = 1, a = 2, b = 3;

const std::vector<Ids> tiny{{a, b}, {a, b}, {a, a}};

const std::string letters = "|?aeimovyz";

std::vector<Ids> spelled(const std::vector<std::string>& names) {
  std::vector<Ids> texts;
  for (const std::string& name : names) {
    texts.emplace_back();
    for (const char c : name) texts.back().push_back(static_cast<Id>(letters.find(c)));
  }
  return texts;
}

}  // namespace

// Bigrams (| begins and ends): |a 3, ab 2, b| 2, aa 1, a| 1, hence n_1 = 2, n_2 = 2, D = 1/3.
// Before a stand | and a, before b stands a, before | stand a and b: n_1 = 1, n_2 = 2, D = 1/5.
TEST_CASE("kneser_ney: by hand") {
  const KneserNey model(tiny, 4, {.order = 2});
  CHECK(model.order() == 2);
  CHECK(model.discounts(1) == std::array{1 / 5., 1 / 5., 1 / 5.});
  CHECK(model.discounts(2) == std::array{1 / 3., 1 / 3., 1 / 3.});
  const auto p = [&](const Ids& history, Id word) {
    return Approx(model.probability(history, word)).epsilon(1e-14);
  };
  CHECK(p({}, a) == 39 / 100.);  // (2 - 1/5)/5 + (3/25)/4
  CHECK(p({}, b) == 19 / 100.);
  CHECK(p({}, end) == 39 / 100.);
  CHECK(p({}, unseen) == 3 / 100.);
  CHECK(p({end}, a) == 839 / 900.);  // (3 - 1/3)/3 + (1/9) 39/100
  CHECK(p({end}, b) == 19 / 900.);
  CHECK(p({a}, a) == 317 / 1200.);  // (1 - 1/3)/4 + (1/4) 39/100
  CHECK(p({a}, b) == 557 / 1200.);
  CHECK(p({a}, end) == 317 / 1200.);
  CHECK(p({a}, unseen) == 9 / 1200.);
  CHECK(p({b}, end) == 539 / 600.);
  CHECK(p({unseen}, b) == 19 / 100.);
  // of a longer history the last word counts, and none before a boundary
  CHECK(p({b, b, a}, b) == 557 / 1200.);
  CHECK(p({end, end, end}, a) == 839 / 900.);
  // the words of ab are a, b and the end
  const double expected =
      -(std::log(839 / 900.) + std::log(557 / 1200.) + std::log(539 / 600.)) / 3;
  CHECK(model.loss({{a, b}}) == Approx(expected).epsilon(1e-14));
}

TEST_CASE("kneser_ney: three discounts") {
  // with the counts above, n_3 = 1 and n_4 = 0 of the bigrams, n_3 = 0 of the words
  const KneserNey model(tiny, 4, {.order = 2, .modified = true});
  const auto& d = model.discounts(2);
  CHECK(d[0] == Approx(1 / 3.));
  CHECK(d[1] == Approx(2 - 3 * (1 / 3.) * 1 / 2));
  CHECK(d[2] == Approx(3));
  CHECK(model.discounts(1) == std::array{0.2, 2.0, 2.0});
  // (2 - 3/2)/4 + ((1/3 + 1/3 + 3/2)/4) P(b), with P(b) = (1 - 1/5)/5 + (1/5 + 2 + 2)/5/4
  const double p_b = 0.16 + 0.21;
  CHECK(model.probability(Ids{a}, b) == Approx(0.125 + 13 / 24. * p_b).epsilon(1e-14));
}

// from math import log
// from collections import Counter
// texts = ["emma", "ava", "mia", "mae", "ema", "ivy", "eve", "amy", "vivi", "maeve", "emmy",
//          "mimi", "zoe"]
// held = ["eva", "mavi", "yam"]
// V = 2 + len(set("".join(texts)))            # the boundary | and an unknown word
// def ngrams(n):                              # of a text with one boundary on each side
//     for t in texts:
//         t = "|" + t + "|"
//         for i in range(1, len(t)):          # the predicted character
//             if i - n + 1 >= 0: yield t[i - n + 1:i + 1]
// def count(n, order):
//     if n == order: return Counter(ngrams(n))
//     begins = Counter(g for g in ngrams(n) if n > 1 and g[0] == "|")
//     others = Counter(g[1:] for g in set(ngrams(n + 1)) if n == 1 or g[1] != "|")
//     return begins + others
// def model(order, modified):
//     c = {n: count(n, order) for n in range(1, order + 1)}
//     def D(n, r):
//         k = Counter(c[n].values()); y = k[1] / (k[1] + 2 * k[2])
//         if not modified or r == 1: return y
//         r = min(r, 3)
//         d = r - (r + 1) * y * k[r + 1] / k[r] if k[r] else 0
//         return d if d > 0 else D(n, r - 1)
//     def P(w, h):
//         lower = P(w, h[1:]) if h else 1 / V
//         follow = {g: r for g, r in c[len(h) + 1].items() if g[:-1] == h}
//         total = sum(follow.values())
//         if total == 0: return lower
//         r, n = follow.get(h + w, 0), len(h) + 1
//         return ((r - D(n, r) if r else 0) + sum(D(n, x) for x in follow.values()) * lower) /
//         total
//     return P
// for order, modified in [(2, False), (3, False), (3, True), (5, False)]:
//     P = model(order, modified); s = []
//     for t in held:
//         t = "|" + t + "|"
//         s += [-log(P(t[i], t[max(0, i - order + 1):i])) for i in range(1, len(t))]
//     print(sum(s) / len(s), P("m", "e"), P("?", "|em"[-order + 1:]))
TEST_CASE("kneser_ney: as computed by brute force") {
  struct Case {
    Index order;
    bool modified;
    double loss, m_after_e, unseen_after_em;
  };
  const auto texts = spelled({"emma", "ava", "mia", "mae", "ema", "ivy", "eve", "amy", "vivi",
                              "maeve", "emmy", "mimi", "zoe"});
  const auto held_out = spelled({"eva", "mavi", "yam"});
  for (const Case& c :
       {Case{2, false, 2.0752044494577153, 0.31353995621236996, 0.0022167487684729066},
        Case{3, false, 2.103512146971284, 0.12879224270353304, 0.0016046741277156026},
        Case{3, true, 1.8030463000540797, 0.19354238671274962, 0.008159440061306783},
        Case{5, false, 2.1310317120427578, 0.12879224270353304, 0.001566100230414747}}) {
    INFO("order " << c.order << (c.modified ? ", modified" : ""));
    const KneserNey model(texts, 10, {.order = c.order, .modified = c.modified});
    CHECK(model.loss(held_out) == Approx(c.loss).epsilon(1e-13));
    const Ids em = spelled({"|em"}).front();
    CHECK(model.probability(std::span(em).subspan(1, 1), em[2]) ==
          Approx(c.m_after_e).epsilon(1e-13));
    CHECK(model.probability(em, unseen) == Approx(c.unseen_after_em).epsilon(1e-13));
  }
}

TEST_CASE("kneser_ney: probabilities sum to one after any history") {
  const std::vector<std::vector<Ids>> corpora{
      tiny, {{}}, {{2}}, {{2, 2, 2, 2, 2, 2}}, {{3, 2, 4}, {}, {4, 4, 2, 3}, {3, 2, 2}, {4}}};
  constexpr Id words = 5;
  for (const auto& corpus : corpora) {
    for (Index order = 1; order <= 5; ++order) {
      for (const bool modified : {false, true}) {
        const KneserNey model(corpus, words, {.order = order, .modified = modified});
        for (int h = 0; h < 5 * 5 * 5 * 5; ++h) {
          const Ids history{h % 5, h / 5 % 5, h / 25 % 5, h / 125};
          double sum = 0, least = 1;
          for (Id word = 0; word < words; ++word) {
            const double p = model.probability(history, word);
            sum += p;
            least = std::min(least, p);
          }
          if (std::abs(sum - 1) < 1e-14 && least > 0) continue;
          FAIL_CHECK("order " << order << ", history " << h << ": sum " << sum << ", least "
                              << least);
        }
      }
    }
  }
}

TEST_CASE("kneser_ney: errors") {
  using Texts = std::vector<Ids>;
  CHECK_THROWS_WITH(KneserNey(Texts{}, 4), "kneser_ney: no text");
  CHECK_THROWS_AS(KneserNey(Texts{}, 4), gradtape::DomainError);
  CHECK_THROWS_WITH(KneserNey(tiny, 4, {.order = 0}), "kneser_ney: order 0 is not in 1 .. 100");
  CHECK_THROWS_AS(KneserNey(tiny, 4, {.order = 101}), gradtape::DomainError);
  CHECK_THROWS_WITH(KneserNey(tiny, 3), "kneser_ney: id 3 is outside of the vocabulary of 3 words");
  CHECK_THROWS_WITH(KneserNey(Texts{{-1}}, 3),
                    "kneser_ney: id -1 is outside of the vocabulary of 3 words");
  CHECK_THROWS_WITH(KneserNey(Texts{{2, 0}}, 3), "kneser_ney: a boundary inside a text");
  const KneserNey model(tiny, 4);
  CHECK_THROWS_WITH(model.loss({}), "kneser_ney: no text");
  CHECK_THROWS_AS(model.loss({{4}}), gradtape::ShapeError);
  CHECK_THROWS_AS(model.probability({}, 4), gradtape::ShapeError);
  CHECK_THROWS_WITH(model.discounts(6), "kneser_ney: discounts of 6-grams in a model of order 5");
  CHECK_THROWS_AS(model.discounts(0), gradtape::ShapeError);
  // an order beyond the longest text is fine
  CHECK(KneserNey(tiny, 4, {.order = 100}).loss(tiny) < 2);
}
