#include "catch.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/optim/adagrad.hpp"
#include "gradtape/optim/adam.hpp"
#include "gradtape/optim/lion.hpp"
#include "gradtape/optim/rmsprop.hpp"
#include "optim/push.hpp"

using namespace gradtape;

// The gradient of a lookup: of its columns alone, unless it is asked for as a whole.

namespace {

const Eigen::MatrixXd start{{1, -1, 0.3}, {2, 0.5, -0.7}};
const std::vector<std::vector<Index>> lookups{{2, 0, 2}, {1}, {2, 1}};

/// Steps with the loss sum(y^2) of three lookups; `dense` fills the gradient up with zeros.
template <class Optimizer>
Eigen::MatrixXd train(const typename Optimizer::Options& options, bool dense = false) {
  Parameter<double> table(start);
  Optimizer optimizer(table, options);
  for (const auto& ids : lookups) {
    Tape<double> tape;
    const Tensor y = gather(tape.parameter(table), ids);
    tape.backward(y, 2 * y.value());
    CHECK(table.has_sparse_grad());
    if (dense) table.grad();
    CHECK(table.has_sparse_grad() != dense);
    optimizer.step();
  }
  return table.value();
}

/// The same for one column alone, which sees a gradient in those steps only that look it up.
template <class Optimizer>
Eigen::MatrixXd train_alone(int column, const typename Optimizer::Options& options) {
  Parameter<double> w(Eigen::MatrixXd(start.col(column)));
  Optimizer optimizer(w, options);
  for (const auto& ids : lookups) {
    for (const Index id : ids) {
      if (id == column) push(w, 2 * w.value());
    }
    optimizer.step();
  }
  return w.value();
}

void check_near(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  CHECK((a - b).cwiseAbs().maxCoeff() < 1e-12);
}

}  // namespace

// By PyTorch:
//
//   def run(name, make):
//     e = torch.nn.Embedding(3, 2, sparse=True)
//     e.weight.data = torch.tensor([[1., 2.], [-1., 0.5], [0.3, -0.7]]); o = make(e.parameters())
//     for ids in ([2, 0, 2], [1], [2, 1]):
//       o.zero_grad(); (e(torch.tensor(ids)) ** 2).sum().backward(); o.step()
//     print(name, *['%.17g' % x for x in e.weight.detach().flatten().tolist()])
//   run('adam', lambda p: torch.optim.SparseAdam(list(p), 0.1, eps=1e-100))
//   run('adagrad', lambda p: torch.optim.Adagrad(p, 0.1))
TEST_CASE("sparse: lazy Adam and Adagrad as elsewhere") {
  check_near(train<optim::Adam>({.learning_rate = 0.1, .epsilon = 1e-100, .lazy = true}),
             Eigen::MatrixXd{{0.90000000000000002, -0.83997691484098391, 0.12522242146260132},
                             {1.8999999999999999, 0.34037483547085734, -0.52195831560116024}});
  check_near(train<optim::Adagrad>({.learning_rate = 0.1}),
             Eigen::MatrixXd{{0.90000000000500002, -0.83310352684503586, 0.16837722340796368},
                             {1.9000000000024999, 0.33753049525848339, -0.56060807014674963}});
}

TEST_CASE("sparse: what zeros do not change is skipped") {
  CHECK(train<optim::Adagrad>({.learning_rate = 0.1}) ==
        train<optim::Adagrad>({.learning_rate = 0.1}, true));
}

TEST_CASE("sparse: lazy columns are as if they were alone") {
  const optim::AdagradOptions adagrad{.learning_rate = 0.1, .weight_decay = 0.5, .lazy = true};
  const optim::RmsPropOptions rmsprop{.learning_rate = 0.1,
                                      .smoothing = 0.8,
                                      .momentum = 0.5,
                                      .centered = true,
                                      .weight_decay = 0.5,
                                      .lazy = true};
  for (int j = 0; j < 3; ++j) {
    check_near(train<optim::Adagrad>(adagrad).col(j), train_alone<optim::Adagrad>(j, adagrad));
    check_near(train<optim::RmsProp>(rmsprop).col(j), train_alone<optim::RmsProp>(j, rmsprop));
  }
  // for Adam but for the count of steps, which does not matter where nothing is corrected
  const optim::AdamWOptions adamw{
      .learning_rate = 0.1, .beta1 = 0, .beta2 = 0, .weight_decay = 0.5, .lazy = true};
  check_near(train<optim::AdamW>(adamw).col(1), train_alone<optim::AdamW>(1, adamw));
}

TEST_CASE("sparse: without `lazy` all columns move on") {
  const auto check = [](const auto& sparse, const auto& dense, const auto& lazy) {
    CHECK(sparse == dense);
    // column 0 has a gradient in the first step only, and column 2 none in the second
    CHECK(sparse.col(0) != lazy.col(0));
    CHECK(sparse.col(2) != lazy.col(2));
  };
  check(train<optim::Adam>({}), train<optim::Adam>({}, true), train<optim::Adam>({.lazy = true}));
  check(train<optim::AdamW>({}), train<optim::AdamW>({}, true),
        train<optim::AdamW>({.lazy = true}));
  check(train<optim::RmsProp>({.momentum = 0.5}), train<optim::RmsProp>({.momentum = 0.5}, true),
        train<optim::RmsProp>({.momentum = 0.5, .lazy = true}));
  check(train<optim::Adagrad>({.weight_decay = 0.5}),
        train<optim::Adagrad>({.weight_decay = 0.5}, true),
        train<optim::Adagrad>({.weight_decay = 0.5, .lazy = true}));
}

// A momentum moves a column on that has no gradient.
TEST_CASE("sparse: Lion moves all columns") {
  const optim::LionOptions options{.learning_rate = 0.01, .weight_decay = 0.1};
  check_near(train<optim::Lion>(options), train<optim::Lion>(options, true));
}

TEST_CASE("sparse: columns of every length") {
  for (const Index rows : {0, 1, 3, 7, 8, 9, 31, 32, 33, 1025}) {
    Parameter<float> table(Shape{rows, 3});
    table.value().setConstant(1);
    optim::Adagrad optimizer(table, {.learning_rate = 0.5});
    Tape<float> tape;
    const Tensor y = gather(tape.parameter(table), {1});
    tape.backward(y, Eigen::MatrixXf::Constant(rows, 1, 4));
    optimizer.step();  // 1 - 0.5 4 / sqrt(16)
    CHECK(table.value().col(0) == Eigen::VectorXf::Ones(rows));
    CHECK(table.value().col(1) == Eigen::VectorXf::Constant(rows, 0.5f));
    CHECK(table.value().col(2) == Eigen::VectorXf::Ones(rows));
  }
}
