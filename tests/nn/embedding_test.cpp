#include "gradtape/nn/embedding.hpp"

#include "catch.hpp"
#include "gradtape/optim/sgd.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

TEST_CASE("embedding: columns of the table, and gradients that add up where a word repeats") {
  Random random(1);
  nn::Embedding<double> embedding(4, 2, random);
  CHECK(embedding.weight.shape() == Shape{2, 4});
  embedding.weight.value() << 1, 2, 3, 4, 5, 6, 7, 8;

  Tape<double> tape;
  Eigen::MatrixXi words(2, 2);
  words << 3, 1, 1, 1;  // columns: words 3 1 and 1 1
  const Tensor y = embedding.window(tape, words);
  Eigen::MatrixXd expected(4, 2), seed(4, 2), table_bar(2, 4);
  expected << 4, 2, 8, 6, 2, 2, 6, 6;
  CHECK(y.value() == expected);

  seed << 1, 10, 2, 20, 3, 30, 4, 40;
  tape.backward(y, seed);
  table_bar << 0, 3 + 10 + 30, 0, 1, 0, 4 + 20 + 40, 0, 2;
  CHECK(embedding.weight.grad() == table_bar);

  const Tensor single = embedding(tape, std::vector<int>{2, 0});
  CHECK(single.shape() == Shape{2, 2});
  CHECK(single.value() == (Eigen::Matrix2d() << 3, 1, 7, 5).finished());
}

TEST_CASE("embedding: initial values have deviation 1") {
  Random random(1);
  const nn::Embedding<double> embedding(1000, 40, random);
  CHECK(embedding.weight.value().squaredNorm() / 40000 == Approx(1).epsilon(0.03));
}

TEST_CASE("embedding: a word that is not in the table") {
  Random random(1);
  const nn::Embedding<double> embedding(4, 2, random);
  Tape<double> tape;
  CHECK_THROWS_AS(embedding(tape, std::vector<int>{4}), ShapeError);
}

TEST_CASE("embedding: the padding's vector is zero, and stays so") {
  Random random(1), same(1);
  nn::Embedding<double> embedding(4, 2, random, Padding{1});
  const nn::Embedding<double> plain(4, 2, same);
  CHECK(embedding.weight.value().col(1).isZero(0));
  for (const Index word : {0, 2, 3})
    CHECK(embedding.weight.value().col(word) == plain.weight.value().col(word));

  Tape<double> tape;
  const std::vector<int> words{3, 1, 1, 3};
  const Tensor y = embedding(tape, words);
  CHECK(y.value().col(1).isZero(0));
  Eigen::MatrixXd seed(2, 4), table_bar(2, 4);
  seed << 1, 10, 100, 1000, 2, 20, 200, 2000;
  table_bar << 0, 0, 0, 1001, 0, 0, 0, 2002;
  tape.backward(y, seed);
  CHECK(embedding.weight.has_sparse_grad());
  REQUIRE(embedding.weight.touched_columns().size() == 1);
  CHECK(embedding.weight.touched_columns()[0] == 3);
  CHECK(embedding.weight.grad() == table_bar);

  embedding.weight.zero_grad();
  const Eigen::Map<const Eigen::Matrix2i> windows(words.data());
  const Tensor below = embedding.window(tape, windows);
  tape.backward(below,
                Eigen::Matrix<double, 4, 2>(Eigen::Map<Eigen::Matrix<double, 4, 2>>(seed.data())));
  CHECK(embedding.weight.grad() == table_bar);

  optim::Sgd optimizer(embedding, {.learning_rate = 1, .momentum = 0.9, .weight_decay = 0.1});
  optimizer.step();
  CHECK(embedding.weight.value().col(1).isZero(0));
  CHECK(embedding.weight.value().col(3) != plain.weight.value().col(3));
}

TEST_CASE("embedding: a text of padding alone, and padding that is no word") {
  Random random(1);
  nn::Embedding<float> embedding(4, 2, random, Padding{0});
  Tape<float> tape;
  tape.backward(embedding(tape, std::vector<int>{0, 0}), Eigen::Matrix2f::Ones());
  CHECK(embedding.weight.touched_columns().empty());
  CHECK(embedding.weight.grad().isZero(0));

  CHECK_THROWS_AS(nn::Embedding<float>(4, 2, random, Padding{4}), ShapeError);
  CHECK_THROWS_WITH(nn::Embedding<float>(4, 2, random, Padding{4}),
                    ContainsSubstring("embedding: the padding index 4 is outside of the 4 words"));
}
