#include "gradtape/optim/schedules.hpp"

#include <cstring>

#include "catch.hpp"

using namespace gradtape;
using namespace gradtape::optim;

// Numbers without a derivation beside them are those of this Python program, by PyTorch:
//
//   import torch
//   S = torch.optim.lr_scheduler
//   def run(make, steps):
//     w = torch.zeros(1, requires_grad=True); o = torch.optim.SGD([w], lr=0.5)
//     s = make(o)
//     for _ in range(steps): print(o.param_groups[0]['lr']); o.step(); s.step()
//   run(lambda o: S.CosineAnnealingLR(o, 8, eta_min=0.1), 9)
//   run(lambda o: S.StepLR(o, 3, 0.2), 8)
//   run(lambda o: S.OneCycleLR(o, max_lr=0.5, total_steps=10, cycle_momentum=False), 10)
//   run(lambda o: S.OneCycleLR(o, max_lr=0.5, total_steps=7, pct_start=0.5, div_factor=10,
//                              final_div_factor=100, cycle_momentum=False), 7)
//   run(lambda o: S.SequentialLR(o, [S.LinearLR(o, 1/4, 1, 3),
//                                    S.CosineAnnealingLR(o, 5, eta_min=0.1)], [3]), 9)
//   losses = [4, 3, 3.0001, 2.9998, 2.9, 2.9, float('nan'), 2.95, 2.9, 2.8999, 3, 3, 3,
//             2, 2, 2, 2, 2, 2, 2, 2]
//   w = torch.zeros(1, requires_grad=True); o = torch.optim.SGD([w], lr=0.5)
//   s = S.ReduceLROnPlateau(o, factor=0.5, patience=2, threshold=1e-4, cooldown=1, min_lr=0.1)
//   for x in losses: s.step(x); print(o.param_groups[0]['lr'])

namespace {

template <class F>
void check(const std::vector<double>& expected, F&& rate) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    INFO("step " << t);
    CHECK(rate(static_cast<Index>(t)) == Approx(expected[t]).epsilon(1e-12));
  }
}

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("schedule: constant, and steps") {
  CHECK(schedule::constant(7, 0.5) == 0.5);
  check({0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.02, 0.02},
        [](Index t) { return schedule::step_decay(t, 3, 0.5, 0.2); });
}

TEST_CASE("schedule: linear, by hand") {
  check({1, 0.75, 0.5, 0.25, 0, 0, 0}, [](Index t) { return schedule::linear(t, 4, 1, 0); });
  check({0.25, 0.5, 0.75, 1, 1}, [](Index t) { return schedule::linear_warmup(t, 3, 1); });
  check({1, 1}, [](Index t) { return schedule::linear_warmup(t, 0, 1); });
  check({2, 2}, [](Index t) { return schedule::linear(t, 0, 1, 2); });
}

TEST_CASE("schedule: cosine, also behind its end") {
  check({0.5, 0.4847759065022573, 0.4414213562373095, 0.37653668647301797, 0.3, 0.22346331352698207,
         0.1585786437626905, 0.11522409349774265, 0.1, 0.1, 0.1},
        [](Index t) { return schedule::cosine(t, 8, 0.5, 0.1); });
  CHECK(schedule::cosine(3, 3, 1) == 0);
  CHECK(schedule::cosine(0, 0, 1, 0.25) == 0.25);
}

TEST_CASE("schedule: warm-up, then cosine") {
  check({0.125, 0.25, 0.375, 0.5, 0.46180339887498956, 0.3618033988749896, 0.2381966011250106,
         0.13819660112501056, 0.1, 0.1},
        [](Index t) { return schedule::warmup_cosine(t, 3, 8, 0.5, 0.1); });
}

TEST_CASE("schedule: one cycle") {
  check({0.02, 0.26, 0.5, 0.47524231600673683, 0.40587282697488153, 0.30563101096814466,
         0.19437098903185537, 0.09412917302511849, 0.024759683993263143, 2e-06, 2e-06},
        [](Index t) { return schedule::one_cycle(t, 10, {.highest = 0.5}); });
  check({0.05, 0.20547117626563682, 0.45702882373436315, 0.47526697475862917, 0.3058246032555895,
         0.09453342198578131, 0.0005},
        [](Index t) {
          return schedule::one_cycle(
              t, 7, {.highest = 0.5, .rising = 0.5, .first_ratio = 10, .last_ratio = 100});
        });
  // nothing to rise in: from the highest rate down
  check({1, 0.5002, 0.0004}, [](Index t) {
    return schedule::one_cycle(t, 3, {.highest = 1, .rising = 0, .last_ratio = 100});
  });
  CHECK(schedule::one_cycle(0, 1, {.highest = 1, .last_ratio = 4}) == 0.01);
}

TEST_CASE("schedule: refused") {
  CHECK_THROWS_WITH(schedule::constant(-1, 1), "schedule: step -1 of 0: neither may be negative");
  CHECK_THROWS_AS(schedule::step_decay(-1, 2, 1), DomainError);
  CHECK_THROWS_WITH(schedule::step_decay(1, 0, 1),
                    "schedule: step_decay: every 0 steps: it must be at least 1");
  CHECK_THROWS_AS(schedule::linear(-1, 2, 1, 0), DomainError);
  CHECK_THROWS_AS(schedule::linear_warmup(0, -1, 1), DomainError);
  CHECK_THROWS_AS(schedule::cosine(1, -2, 1), DomainError);
  CHECK_THROWS_WITH(schedule::warmup_cosine(0, 5, 4, 1), "schedule: a warm-up of 5 of 4 steps");
  CHECK_THROWS_AS(schedule::warmup_cosine(0, -1, 4, 1), DomainError);
  CHECK_THROWS_AS(schedule::one_cycle(0, -1, {.highest = 1}), DomainError);
  CHECK_THROWS_AS(schedule::one_cycle(0, 4, {.highest = 1, .rising = 1}), DomainError);
  CHECK_THROWS_AS(schedule::one_cycle(0, 4, {.highest = 1, .first_ratio = 0}), DomainError);
  CHECK_THROWS_AS(schedule::one_cycle(0, 4, {.highest = 1, .last_ratio = not_a_number}),
                  DomainError);
}

TEST_CASE("plateau: follows the losses") {
  const std::vector<double> losses{4,    3,   3.0001, 2.9998, 2.9, 2.9, not_a_number,
                                   2.95, 2.9, 2.8999, 3,      3,   3,   2,
                                   2,    2,   2,      2,      2,   2,   2};
  const PlateauOptions options{
      .factor = 0.5, .patience = 2, .threshold = 1e-4, .cooldown = 1, .lowest = 0.1};
  ReduceOnPlateau plateau(0.5, options), resumed(0.5, options);
  check({0.5,   0.5,   0.5,   0.5,   0.5,   0.5, 0.5, 0.25, 0.25, 0.25, 0.25,
         0.125, 0.125, 0.125, 0.125, 0.125, 0.1, 0.1, 0.1,  0.1,  0.1},
        [&](Index t) {
          const double loss = losses[static_cast<std::size_t>(t)];
          if (t == 10) {  // in the middle of a wait
            const auto from = plateau.named_arrays(), to = resumed.named_arrays();
            for (std::size_t i = 0; i < from.size(); ++i) {
              CHECK(from[i].name == to[i].name);
              std::memcpy(to[i].data, from[i].data, 8);
            }
          }
          const double rate = plateau(loss);
          if (t >= 10) CHECK(resumed(loss) == rate);
          return rate;
        });
  CHECK(plateau.rate() == 0.1);
  CHECK(plateau.best_loss() == 2);
}

TEST_CASE("plateau: negative and infinite losses") {
  ReduceOnPlateau plateau(1, {.patience = 0, .threshold = 0.5});
  CHECK(plateau(std::numeric_limits<double>::infinity()) == Approx(0.1));
  CHECK(plateau(-4) == Approx(0.1));
  CHECK(plateau(-6.5) == Approx(0.1));  // below -4 - 2
  CHECK(plateau(-7) == Approx(0.01));   // not below -6.5 - 3.25
  CHECK(plateau.best_loss() == -6.5);
  // never up, even where the lowest rate is above
  CHECK(ReduceOnPlateau(0.01, {.patience = 0, .lowest = 0.1})(not_a_number) == 0.01);
}

TEST_CASE("plateau: refused") {
  CHECK_THROWS_WITH(ReduceOnPlateau(-1),
                    "ReduceOnPlateau: rate is -1: it must be at least 0 "
                    "and finite");
  CHECK_THROWS_WITH(ReduceOnPlateau(1, {.factor = 1}),
                    "ReduceOnPlateau: factor is 1: it must be at least 0 and below 1");
  CHECK_THROWS_AS(ReduceOnPlateau(1, {.patience = -1}), DomainError);
  CHECK_THROWS_AS(ReduceOnPlateau(1, {.threshold = not_a_number}), DomainError);
  CHECK_THROWS_AS(ReduceOnPlateau(1, {.cooldown = -1}), DomainError);
  CHECK_THROWS_AS(ReduceOnPlateau(1, {.lowest = not_a_number}), DomainError);
}

TEST_CASE("schedules: rates and factors of NaN are refused by name") {
  const auto refused = [](auto&& rate_of, const std::string& option) {
    for (const double bad : {not_a_number, std::numeric_limits<double>::infinity(), -1.0}) {
      CHECK_THROWS_WITH(rate_of(bad), Catch::Matchers::ContainsSubstring("schedule: " + option));
    }
  };
  using namespace schedule;
  refused([](double x) { return constant(1, x); }, "constant: rate is ");
  refused([](double x) { return linear(1, 9, x, 1); }, "linear: from is ");
  refused([](double x) { return linear(1, 9, 1, x); }, "linear: to is ");
  refused([](double x) { return cosine(1, 9, x, 1); }, "cosine: from is ");
  refused([](double x) { return cosine(1, 9, 1, x); }, "cosine: to is ");
  refused([](double x) { return step_decay(1, 9, x); }, "step_decay: rate is ");
  refused([](double x) { return step_decay(1, 9, 1, x); }, "step_decay: factor is ");
  refused([](double x) { return linear_warmup(1, 9, x); }, "linear_warmup: rate is ");
  refused([](double x) { return warmup_cosine(1, 2, 9, x); }, "warmup_cosine: rate is ");
  refused([](double x) { return warmup_cosine(1, 2, 9, 1, x); }, "warmup_cosine: to is ");
  refused([](double x) { return one_cycle(1, 9, {.highest = x}); }, "one_cycle: highest is ");
  CHECK_THROWS_AS(one_cycle(1, 9, {.highest = 1, .rising = not_a_number}), DomainError);
  CHECK_THROWS_AS(one_cycle(1, 9, {.highest = 1, .first_ratio = not_a_number}), DomainError);
  CHECK_THROWS_AS(one_cycle(1, 9, {.highest = 1, .last_ratio = not_a_number}), DomainError);
}
