/// \file
/// Learning by hand: the backward pass through the two-layer network, formula by formula, beside what
/// the tape finds; a column a sample, n of them.
///
///     forward   z1 = W1 x + b1      x (k,n), W1 (H,k), b1 (H) -> (H,n)
///               a1 = ReLU(z1)
///               z2 = W2 a1 + b2     W2 (1,H), b2 (1) -> (1,n)
///               a2 = sigmoid(z2)
///               L  = mean of -(y log a2 + (1 - y) log(1 - a2))
///     backward  dL/da2 = -(y / a2 + (y - 1) / (1 - a2)) / n           (1,n)
///               dL/dz2 = dL/da2 a2 (1 - a2) = (a2 - y) / n            (1,n)
///               dL/dW2 = dL/dz2 a1^T,    dL/db2 = dL/dz2 1            (1,H), (1)
///               dL/da1 = W2^T dL/dz2                                  (H,n)
///               dL/dz1 = dL/da1 where z1 >= 0, else 0                 (H,n)
///               dL/dW1 = dL/dz1 x^T,     dL/db1 = dL/dz1 1            (H,k), (H)
///
/// Printed are all of these for one sample, n = 1, row by row; then, for every tenth step of a
/// training by hand, the largest difference to the tape, on which the layer is an operation of our own (`layer`, below).  Fails if
/// a difference is above 1e-14, or if fewer than 98 % of the held-out samples are told apart.
/// This is the last of the examples; the first is 01_computation_graph.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <gradtape/autodiff.hpp>
#include <iostream>

#include "report.hpp"
#include "samples.hpp"

using namespace gradtape;
using Eigen::MatrixXd, Eigen::VectorXd;
using examples::Samples;

/// An operation of our own: what it computes, and what flows back into each operand.
///     z = W x + b,   W_bar += z_bar x^T,   b_bar += z_bar 1,   x_bar += W^T z_bar
Tensor<double> layer(const Tensor<double>& W, const Tensor<double>& b, const Tensor<double>& x) {
  return record(
      "layer", Shape{W.rows(), x.columns()}, {W, b, x},
      [&](MatrixMap<double> z) { z = (W.value() * x.value()).colwise() + b.value().col(0); },
      [W, b, x](const Tensor<double>& z) {
        adjoint(W) += z.grad() * x.value().transpose();
        adjoint(b) += z.grad().rowwise().sum();
        adjoint(x) += W.value().transpose() * z.grad();
      });
}

struct Network {
  MatrixXd W1, W2;
  VectorXd b1, b2;
};

/// The formulas above, from top to bottom.
struct ByHand {
  MatrixXd z1, a1, z2, a2;                          // forward
  MatrixXd da2, dz2, dW2, db2, da1, dz1, dW1, db1;  // dL/da2, ...

  ByHand(const Network& net, const MatrixXd& x, const MatrixXd& y) {
    const double n = static_cast<double>(x.cols());
    z1 = (net.W1 * x).colwise() + net.b1;
    a1 = z1.cwiseMax(0);
    z2 = (net.W2 * a1).colwise() + net.b2;
    a2 = (1 + (-z2.array()).exp()).inverse();

    da2 = -(y.array() / a2.array() + (y.array() - 1) / (1 - a2.array())) / n;
    dz2 = (a2 - y) / n;
    dW2 = dz2 * a1.transpose();
    db2 = dz2.rowwise().sum();
    da1 = net.W2.transpose() * dz2;
    dz1 = (z1.array() >= 0).select(da1, 0);
    dW1 = dz1 * x.transpose();
    db1 = dz1.rowwise().sum();
  }
};

/// The largest difference between what is by hand and what the tape has, of which nothing but the
/// forward pass is written down.
double compare(const Network& net, const MatrixXd& x, const MatrixXd& y, bool prints) {
  const ByHand hand(net, x, y);
  Tape<double> tape;
  Tensor W1 = tape.variable(net.W1), b1 = tape.variable(net.b1);
  Tensor W2 = tape.variable(net.W2), b2 = tape.variable(net.b2);
  Tensor z1 = layer(W1, b1, tape.constant(x));
  Tensor a1 = relu(z1);
  Tensor z2 = layer(W2, b2, a1);
  Tensor a2 = sigmoid(z2);
  const auto backward = [&tape](const Var<double>& loss) { tape.backward(loss); };

  double worst = 0;
  const auto row = [&](const char* formula, const MatrixXd& by_hand, const MatrixXd& by_tape) {
    const double difference = (by_hand - by_tape).cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
    worst = difference <= worst ? worst : difference;  // NaN stays
    if (!prints) return;
    std::printf("%-34s (%ld,%ld)  ", formula, long(by_hand.rows()), long(by_hand.cols()));
    for (Index i = 0; i < by_hand.rows(); ++i) {
      std::printf(i == 0 ? " " : " ;");
      for (Index j = 0; j < by_hand.cols(); ++j) std::printf("%9.5f", by_hand(i, j) + 0.0);
    }
    std::printf("   %.0e\n", difference);
  };
  row("z1 = W1 x + b1", hand.z1, z1.value());
  row("a1 = ReLU(z1)", hand.a1, a1.value());
  row("z2 = W2 a1 + b2", hand.z2, z2.value());
  row("a2 = sigmoid(z2)", hand.a2, a2.value());
  if (prints) {  // further on 1 - a2 cancels, and dL/dz2 is better computed from z2
    backward(binary_cross_entropy(a2, y));
    row("dL/da2 = -(y/a2 + (y-1)/(1-a2))", hand.da2, a2.grad());
  }
  backward(binary_cross_entropy_with_logits(z2, y));
  row("dL/dz2 = a2 - y", hand.dz2, z2.grad());
  row("dL/dW2 = dL/dz2 a1^T", hand.dW2, W2.grad());
  row("dL/db2 = dL/dz2 1", hand.db2, b2.grad());
  row("dL/da1 = W2^T dL/dz2", hand.da1, a1.grad());
  row("dL/dz1 = dL/da1 where z1 >= 0", hand.dz1, z1.grad());
  row("dL/dW1 = dL/dz1 x^T", hand.dW1, W1.grad());
  row("dL/db1 = dL/dz1 1", hand.db1, b1.grad());
  return worst;
}

int run(int argc, char** argv) {
  std::string report_path;
  std::uint64_t seed = 1;
  int steps = 1500;
  CLI::App app("The backward pass of the two-layer network by hand, beside the tape's");
  app.option_defaults()->always_capture_default();
  app.add_option("--steps", steps, "Steps of the training by hand; few do not suffice")
      ->check(CLI::Range(1, 1000000));
  app.add_option("--seed", seed, "Of all random numbers");
  app.add_option("--report", report_path, "Write the final figures as key,value lines");
  CLI11_PARSE(app, argc, argv);

  // the second unit stands exactly at ReLU's kink, where the slope is 1
  const Network small{MatrixXd{{0.5, -0.25}, {1.0, 0.5}, {-1.0, 0.5}}, MatrixXd{{1.5, -1.0, 0.5}},
                      VectorXd{{0.1, 0.0, 0.2}}, VectorXd{{-0.3}}};
  std::printf(
      "One sample, x = (1, -2), y = 1, three hidden units; by hand, and its difference to the "
      "tape:\n\n");
  const double one = compare(small, MatrixXd{{1.0}, {-2.0}}, MatrixXd{{1.0}}, true);

  Random random(seed);
  auto [training, held_out] = examples::split(examples::two_moons(1200, 0.1, random), 0.75, random);
  examples::standardise(training, held_out);
  Network net{MatrixXd(24, 2), MatrixXd(1, 24), VectorXd::Zero(24), VectorXd::Zero(1)};
  for (double& w : net.W1.reshaped()) w = random.normal(0, 1);
  for (double& w : net.W2.reshaped()) w = random.normal(0, 0.3);
  double worst = 0;
  for (int step = 0; step < steps; ++step) {
    if (step % 10 == 0) {
      const double difference = compare(net, training.inputs, training.targets, false);
      worst = difference <= worst ? worst : difference;  // NaN stays
    }
    const ByHand d(net, training.inputs, training.targets);
    const double rate = 1.0;
    net.W1 -= rate * d.dW1, net.b1 -= rate * d.db1;
    net.W2 -= rate * d.dW2, net.b2 -= rate * d.db2;
  }
  const ByHand last(net, held_out.inputs, held_out.targets);
  const auto right = (last.a2.array() > 0.5) == (held_out.targets.array() > 0.5);
  const double accuracy = static_cast<double>(right.count()) / static_cast<double>(held_out.size());
  std::printf(
      "\nTwo moons, %d steps by hand: accuracy %.1f %% held out; largest difference to the tape in "
      "any\n"
      "of these, at every tenth step: %.1e\n",
      steps, 100 * accuracy, worst);

  examples::Report report;
  report.add("difference_one_sample", one);
  report.add("difference_training", worst);
  report.add("test_accuracy", accuracy);
  report.write(report_path);
  if (one <= 1e-14 && worst <= 1e-14 && accuracy >= 0.98) return 0;
  std::cerr << "Failed: differences must be at most 1e-14, and the accuracy at least 98 %\n";
  return 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "08_learning_by_hand: " << error.what() << '\n';
    return 1;
  }
}
