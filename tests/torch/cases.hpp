// Cases of cases.inc, made by cases.py: what is compared with PyTorch, and how.
#pragma once

#include <cmath>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/tensor.hpp"
#include "gradtape/core/var.hpp"

namespace torch {

using gradtape::Index;
using gradtape::Shape;
using gradtape::Tape;
using gradtape::Tensor;
using gradtape::Var;

/// The inputs of a case.
using Inputs = std::vector<Tensor<double>>;

/// The name, and the elements of the result and of the inputs' gradients.
struct Case {
  std::string_view name;
  std::initializer_list<double> numbers;
};

inline const Case cases[] = {
#include "cases.inc"
};

/// sin(a + b i) for element i.
inline std::vector<double> wave(double a, double b, Index size) {
  std::vector<double> x;
  for (Index i = 0; i < size; ++i) x.push_back(std::sin(a + b * double(i)));
  return x;
}

/// As a matrix.
inline Eigen::MatrixXd wave(double a, double b, Index rows, Index columns) {
  return Eigen::Map<const Eigen::MatrixXd>(wave(a, b, rows * columns).data(), rows, columns);
}

inline void sweep(const Var<double>& y) { y.tape().backward(y); }
inline void sweep(const Tensor<double>& y) {
  const std::vector<double> seed = wave(0.5, 1.3, y.size());
  y.tape().backward(y, Eigen::Map<const Eigen::MatrixXd>(seed.data(), y.rows(), y.columns()));
}

inline std::vector<double> elements(const Var<double>& y) { return {y.value()}; }
inline std::vector<double> elements(const Tensor<double>& y) {
  return {y.data(), y.data() + y.size()};
}

/// Compares to 1e-10 and returns 1, so that a test can say how many cases it has.
inline int compare(std::string_view name, std::vector<double> numbers, const Inputs& inputs) {
  INFO(std::string(name));
  for (const Tensor<double>& x : inputs)
    numbers.insert(numbers.end(), x.grad().data(), x.grad().data() + x.size());
  for (const Case& c : cases) {
    if (c.name != name) continue;
    REQUIRE(numbers.size() == c.numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      INFO("number " << i);
      CHECK(numbers[i] == Approx(c.numbers.begin()[i]).epsilon(1e-10).margin(1e-10));
    }
    return 1;
  }
  FAIL("not in cases.inc");
  return 0;
}

/// One case: f takes the inputs, of the given shapes.
template <class F>
int check(std::string_view name, const std::vector<Shape>& shapes, F&& f) {
  Tape<double> tape;
  Inputs inputs;
  for (std::size_t k = 0; k < shapes.size(); ++k)
    inputs.push_back(tape.variable(shapes[k], wave(1 + double(k), 0.7, shapes[k].size())));
  const auto y = f(inputs);
  sweep(y);
  return compare(name, elements(y), inputs);
}

}  // namespace torch
