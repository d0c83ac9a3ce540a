// Products of matrices against Eigen's, C = A B of floats, or of doubles: those of the networks' steps
// (networks.hpp), squares, and some whose sizes fill no register. Both sides must agree.
//
//     taskset -c 0 ./product_benchmark [figures.csv [double]]

#include <gradtape/core/random.hpp>
#include <gradtape/ops/product.hpp>
#include <string>

#include "harness.hpp"

namespace {

using namespace gradtape;

std::FILE* csv = nullptr;
bool agrees = true;

/// Which factor is stored as its transpose.
enum class Transposed { none, left, right };

template <class T>
void run(const std::string& what, Index m, Index k, Index n, Transposed transposed) {
  using Dense = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
  Random random(1);
  const auto draw = [&](Index rows, Index columns) {
    return Dense::NullaryExpr(rows, columns, [&] { return static_cast<T>(random.uniform(-1, 1)); })
        .eval();
  };
  const bool left = transposed == Transposed::left, right = transposed == Transposed::right;
  const Dense a = left ? draw(k, m) : draw(m, k), b = right ? draw(n, k) : draw(k, n);
  const detail::Matrix<T> plain_a{a.data(), a.rows(), a.cols()},
      plain_b{b.data(), b.rows(), b.cols()};
  Dense ours(m, n), by_eigen(m, n);
  const auto multiply = [&] {
    detail::multiply<T>(ours.data(), left ? plain_a.transpose() : plain_a,
                        right ? plain_b.transpose() : plain_b, true);
  };
  const auto multiply_by_eigen = [&] {
    if (left) {
      by_eigen.noalias() = a.transpose() * b;
    } else if (right) {
      by_eigen.noalias() = a * b.transpose();
    } else {
      by_eigen.noalias() = a * b;
    }
  };
  multiply();
  multiply_by_eigen();
  const T bound = std::numeric_limits<T>::epsilon() * static_cast<T>(k);
  if (!((ours - by_eigen).cwiseAbs().maxCoeff() <= bound)) {
    std::printf("%s: the products differ\n", what.c_str());
    agrees = false;
  }
  const std::string name = what + " " + std::to_string(m) + (left ? "' x " : " x ") +
                           std::to_string(k) + " x " + std::to_string(n) + (right ? "'" : "");
  benchmark::compare(name, multiply, multiply_by_eigen, csv, m * n * k > 50'000'000 ? 21 : 201);
}

template <class T>
void run_all() {
  constexpr Transposed none = Transposed::none, left = Transposed::left, right = Transposed::right;
  for (const Index n : {64, 256, 1024}) run<T>("square", n, n, n, none);
  run<T>("27 words", 200, 30, 32, none);
  run<T>("27 words", 27, 200, 32, none);
  run<T>("27 words", 200, 27, 32, left);
  run<T>("27 words", 27, 32, 200, right);
  run<T>("27 words", 200, 32, 30, right);
  run<T>("27 words", 30, 200, 32, left);
  run<T>("10000 words", 256, 320, 128, none);
  run<T>("10000 words", 10000, 256, 128, none);
  run<T>("10000 words", 256, 10000, 128, left);
  run<T>("10000 words", 10000, 128, 256, right);
  run<T>("10000 words", 256, 128, 320, right);
  run<T>("10000 words", 320, 256, 128, left);
  run<T>("LSTM", 512, 64, 512, none);
  run<T>("LSTM step", 512, 128, 16, none);
  run<T>("LSTM step", 128, 512, 16, left);
  run<T>("LSTM", 512, 512, 128, right);
  run<T>("LSTM", 64, 512, 512, left);
  run<T>("LSTM", 65, 128, 512, none);
  run<T>("LSTM", 65, 512, 128, right);
  run<T>("few rows", 10, 128, 64, none);
  run<T>("few columns", 5000, 300, 8, none);
  run<T>("odd", 17, 500, 300, left);
  run<T>("odd", 33, 40, 1000, right);
  run<T>("wide", 64, 64, 5000, right);
}

}  // namespace

int main(int argc, char** argv) {
  csv = argc > 1 ? std::fopen(argv[1], "w") : nullptr;
  benchmark::header("product", "gradtape", "Eigen");
  if (argc > 2 && std::string(argv[2]) == "double") {
    run_all<double>();
  } else {
    run_all<float>();
  }
  if (csv != nullptr) std::fclose(csv);
  return agrees ? 0 : 1;
}
