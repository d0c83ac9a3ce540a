#include "gradtape/nn/embedding.hpp"

#include "catch.hpp"

using namespace gradtape;

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
