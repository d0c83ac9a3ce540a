/// \file
/// Vanishing and exploding gradients: how large the gradient is at each layer, and what helps.
///
///     h_l = f(W_l h_{l-1}),  l = 1..D          h_l (H,n), W_l (H,H);  H = n = 32
///     dL/dh_{l-1} = W_l^T (dL/dh_l f'(z_l))    a factor a layer: below 1 it vanishes, above 1 it
///                                              explodes, exponentially in D
///
/// Weights are normal with a deviation of 1 (naive), 1/sqrt(H) (Xavier) or sqrt(2/H) (He), and f is the
/// sigmoid, tanh or ReLU.  Along time it is the same with one matrix for all steps:
///
///     RNN    h_t = tanh(U h_{t-1} + x_t),   U orthogonal, times 0.5, 1 or 2
///     LSTM   c_t = sigmoid(f_t) c_{t-1} + ...,  f_t = U_f h_{t-1} + bias: 1, or 5, "remember"
///
/// Printed is |dL/dh| / |dL/dh_last|, how much of the gradient is left at the first layer or step, for
/// depths 1 to 50 and 1 to 200 steps; a map of it over all layers; then what each remedy does to it.
/// Fails if nothing vanishes below 1e-10 or explodes above 1e10, or if a remedy does not keep it
/// between 1e-3 and 1e3.  (The LSTM's cell keeps it by far better than the RNN, not exactly: with the
/// gates wide open it grows, through them.)
/// Source: Bengio, Simard and Frasconi (1994), Learning long-term dependencies with gradient descent is
/// difficult.  Next: 06_lstm_cell.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <gradtape/gradtape.hpp>
#include <iostream>
#include <map>

#include "gnuplot.hpp"
#include "report.hpp"

using namespace gradtape;

constexpr Index width = 32;
using Norms = std::vector<double>;  // of dL/dh, first layer or step first

enum class Activation { sigmoid, tanh, relu };

struct Plain {
  Activation activation;
  double deviation;  // of the weights
  bool is_residual = false, is_normalised = false;
  double clip = 0;  // largest norm of a layer's gradient that is passed on; 0: any
};

Eigen::MatrixXd normal(double deviation, Random& random) {
  Eigen::MatrixXd m(width, width);
  for (double& x : m.reshaped()) x = random.normal(0, deviation);
  return m;
}

/// The identity, whose gradient is scaled down to a norm of at most `most`.
Tensor<double> clip_gradient(const Tensor<double>& x, double most) {
  return record(
      "clip_gradient", x.shape(), {x}, [&](MatrixMap<double> y) { y = x.value(); },
      [x, most](const Tensor<double>& y) {
        adjoint(x) += y.grad() * std::min(1.0, most / std::max(y.grad().norm(), 1e-300));
      });
}

/// Gradients of a loss of D plain layers to h_0 .. h_{D-1}, by that to h_D.
Norms through_layers(int depth, const Plain& plain, Random& random) {
  Tape<double> tape;
  const nn::LayerNorm<double> layer_norm(width);
  std::vector<Tensor<double>> h{tape.variable(normal(1, random))};
  for (int l = 0; l < depth; ++l) {
    Tensor z = matmul(tape.constant(normal(plain.deviation, random)), h.back());
    if (plain.is_normalised) z = layer_norm(z);
    Tensor a = plain.activation == Activation::sigmoid ? Tensor(sigmoid(z))
               : plain.activation == Activation::tanh  ? Tensor(tanh(z))
                                                       : Tensor(relu(z));
    if (plain.is_residual) a = h.back() + a;
    h.push_back(plain.clip > 0 ? clip_gradient(a, plain.clip) : a);
  }
  tape.backward(h.back(), normal(1 / double(width), random));  // of norm 1, about
  Norms norms;
  for (const auto& x : h) norms.push_back(x.grad().norm());
  const double last = norms.back();
  norms.pop_back();
  for (double& norm : norms) norm /= last;
  return norms;
}

/// The same through T steps of a recurrent network; `gain` scales U, `forget_bias` makes it an LSTM.
Norms through_time(int steps, double gain, const double* forget_bias, Random& random) {
  Tape<double> tape;
  Parameter<double> orthogonal(Shape{width, width});
  nn::initialize::orthogonal(orthogonal, random, gain);
  const auto matrix = [&] { return tape.constant(normal(1 / std::sqrt(double(width)), random)); };
  const Tensor U = tape.parameter(orthogonal), U_i = matrix(), U_f = matrix(), U_o = matrix();
  std::vector<Tensor<double>> h{tape.variable(normal(0.1, random))};
  Tensor output = h.back();  // of an LSTM; its state is h
  for (int t = 0; t < steps; ++t) {
    const Tensor x = tape.constant(normal(0.1, random));
    if (forget_bias == nullptr) {
      h.push_back(tanh(matmul(U, h.back()) + x));
      continue;
    }
    const Tensor i = matmul(U_i, output), f = matmul(U_f, output), o = matmul(U_o, output);
    const Tensor g = matmul(U, output);
    h.push_back(sigmoid(f + *forget_bias) * h.back() + sigmoid(i) * tanh(g + x));
    output = sigmoid(o) * tanh(h.back());
  }
  tape.backward(h.back(), normal(1 / double(width), random));
  Norms norms;
  for (const auto& x : h) norms.push_back(x.grad().norm());
  for (double& norm : norms) norm /= norms.back();
  return norms;
}

/// A character for each of 50 layers: _ below 1e-12, then - ~ . up to 1e-1, o, and above 1e1 + * # @.
std::string map_line(const Norms& norms) {
  std::string line;
  for (const double norm : norms) {
    const double e = std::log10(norm);
    line += e < -12   ? '_'
            : e < -6  ? '-'
            : e < -3  ? '~'
            : e < -1  ? '.'
            : e <= 1  ? 'o'
            : e <= 3  ? '+'
            : e <= 6  ? '*'
            : e <= 12 ? '#'
                      : '@';
  }
  return line;
}

/// The words of gnuplot's list of names.
std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += '"' + name + "\" ";
  return text;
}

int run(int argc, char** argv) {
  std::uint64_t seed = 1;
  std::string report_path, plot;
  CLI::App app("How gradients vanish and explode with depth and time, and what helps");
  app.option_defaults()->always_capture_default();
  app.add_option("--seed", seed, "Of all random numbers");
  app.add_option("--plot", plot, "Draw a map and curves, as SVG or PNG; needs gnuplot");
  app.add_option("--report", report_path, "Write the final figures as key,value lines");
  CLI11_PARSE(app, argc, argv);

  Random random(seed);
  examples::Report report;
  const double xavier = 1 / std::sqrt(double(width)), he = std::sqrt(2.0) * xavier;
  std::string map;
  std::vector<std::string> names;
  std::map<std::string, Norms> by_depth;  // what is left at the input of networks of depth 1..50
  double least = 1, most = 1;
  std::printf("Left of the gradient at the input of a plain network of depth\n%22s", "");
  for (const int depth : {1, 2, 5, 10, 20, 50}) std::printf("%10d", depth);
  std::printf("   layers 1 to 50 of 50\n");
  for (const auto& [f, f_name] : {std::pair(Activation::sigmoid, "sigmoid"),
                                  {Activation::tanh, "tanh"},
                                  {Activation::relu, "ReLU"}}) {
    for (const auto& [deviation, w_name] :
         {std::pair(1.0, "naive"), {xavier, "Xavier"}, {he, "He"}}) {
      const std::string name = std::string(f_name) + ' ' + w_name;
      Norms& left = by_depth[name];
      Norms layers;
      for (int depth = 1; depth <= 50; ++depth) {
        layers = through_layers(depth, {f, deviation}, random);
        left.push_back(layers.front());
      }
      std::printf("  %-20s", name.c_str());
      for (const std::size_t depth : {1U, 2U, 5U, 10U, 20U, 50U})
        std::printf("%10.1e", left[depth - 1]);
      std::printf("   %s\n", map_line(layers).c_str());
      for (std::size_t l = 0; l < layers.size(); ++l)
        map += std::to_string(l + 1) + ',' + std::to_string(names.size()) + ',' +
               std::to_string(std::log10(layers[l])) + '\n';
      names.push_back(name);
      report.add(name + " 50", left.back());
      least = std::min(least, left.back()), most = std::max(most, left.back());
    }
  }
  std::printf("  %52s map: _ < 1e-12 - 1e-6 ~ 1e-3 . 0.1 o 10 + 1e3 * 1e6 # 1e12 @\n", "");

  std::printf("\nLeft of it after so many steps back in time\n%22s", "");
  for (const int steps : {1, 5, 20, 50, 100, 200}) std::printf("%10d", steps);
  std::printf("\n");
  const double remember = 5, usual = 1;
  std::map<std::string, double> after_200;
  std::vector<std::string> cells;
  std::vector<Norms> through;
  for (const auto& [name, gain, bias] :
       {std::tuple("RNN, U times 0.5", 0.5, static_cast<const double*>(nullptr)),
        {"RNN, U times 1", 1.0, nullptr},
        {"RNN, U times 2", 2.0, nullptr},
        {"LSTM, forget bias 1", 1.0, &usual},
        {"LSTM, forget bias 5", 1.0, &remember}}) {
    const Norms norms = through_time(200, gain, bias, random);
    std::printf("  %-20s", name);
    for (const std::size_t steps : {1U, 5U, 20U, 50U, 100U, 200U})
      std::printf("%10.1e", norms[200 - steps]);
    std::printf("\n");
    after_200[name] = norms.front();
    cells.push_back(name);
    through.push_back(norms);
    report.add(name, norms.front());
  }

  struct Remedy {
    const char* name;
    Plain without, with;
  };
  const Plain vanishing{Activation::sigmoid, xavier}, exploding{Activation::relu, 1};
  Plain residual = vanishing, normalised{Activation::tanh, 1}, clipped = exploding,
        normalised_too = exploding;
  residual.is_residual = normalised.is_normalised = normalised_too.is_normalised = true;
  clipped.clip = 1;
  const double rnn = after_200["RNN, U times 1"], lstm = after_200["LSTM, forget bias 1"];
  const double open_lstm = after_200["LSTM, forget bias 5"];
  bool all_help = lstm > 10 * rnn && open_lstm > lstm && open_lstm < 1e5;
  std::printf("\nWhat helps, at depth 50%24s%12s\n", "without", "with");
  for (const auto& [name, without, with] :
       {Remedy{"initialisation: ReLU naive, He", exploding, {Activation::relu, he}},
        {"initialisation: tanh, Xavier",
         {Activation::tanh, 0.1 * xavier},
         {Activation::tanh, xavier}},
        {"clipping at 1: ReLU naive", exploding, clipped},
        {"residual: sigmoid Xavier", vanishing, residual},
        {"LayerNorm: ReLU naive", exploding, normalised_too},
        {"LayerNorm: tanh naive", {Activation::tanh, 1}, normalised}}) {
    const double before = through_layers(50, without, random).front();
    const double after = through_layers(50, with, random).front();
    std::printf("  %-34s%12.1e%12.1e\n", name, before, after);
    report.add(name, after);
    all_help = all_help && after > 1e-3 && after < 1e3;
  }
  std::printf("  %-34s%12.1e%12.1e\n", "LSTM cell for RNN, 200 steps", rnn, lstm);

  if (!plot.empty()) {
    std::string labels, curves;
    for (std::size_t k = 0; k < names.size(); ++k)
      labels += (k == 0 ? "'" : ", '") + names[k] + "' " + std::to_string(k);
    for (std::size_t depth = 1; depth <= 50; ++depth) {
      curves += std::to_string(depth);
      for (const std::string& name : names)
        curves += ',' + std::to_string(std::log10(by_depth[name][depth - 1]));
      curves += '\n';
    }
    curves += "\n\n";
    for (std::size_t steps = 1; steps <= 200; ++steps) {
      curves += std::to_string(steps);
      for (const Norms& norms : through)
        curves += ',' + std::to_string(std::log10(norms[200 - steps]));
      curves += '\n';
    }
    examples::draw_with_gnuplot(
        plot, map + "\n\n" + curves,
        "set multiplot layout 3,1\n"
        "set title 'log10 of the gradient by layer, relative to the last of 50'\n"
        "set xlabel 'layer'\nset xrange [0.5:50.5]\nset yrange [8.5:-0.5]\nset cbrange [-30:30]\n"
        "set palette defined (-30 '#2166ac', 0 '#f7f7f7', 30 '#b2182b')\n"
        "set ytics (" +
            labels +
            ")\nplot ARG2 index 0 using 1:2:3 with image pixels notitle\n"
            "set title 'log10 of what is left of it at the input'\nset xlabel 'depth of the "
            "network'\n"
            "set yrange [-35:35]\nset ytics autofreq\nset key outside right\nset grid\n"
            "names = '" +
            joined(names) +
            "'\n"
            "set linetype 9 lc rgb '#888888'\n"
            "plot for [k=1:9] ARG2 index 1 using 1:k+1 with lines lw 2 lt k "
            "title word(names, k)\n"
            "set title 'log10 of what is left of it back in time'\nset xlabel 'steps'\n"
            "set xrange [0:200]\nset yrange [-65:20]\ncells = '" +
            joined(cells) +
            "'\n"
            "plot for [k=1:5] ARG2 index 2 using 1:k+1 with lines lw 2 lc k title word(cells, k)\n",
        1100);
  }
  report.write(report_path);
  if (least < 1e-10 && most > 1e10 && all_help) return 0;
  std::cerr
      << "Failed: gradients must vanish below 1e-10 and explode above 1e10, and remedies help\n";
  return 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "05_vanishing_gradients: " << error.what() << '\n';
    return 1;
  }
}
