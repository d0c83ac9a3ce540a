/// \file
/// The computation graph of L = c (a + 2 b) at a = 3, b = 1, c = -2:
///
///     d = 2 b,  e = a + d,  L = c e                      forward, in the order of recording
///     dL/dx = sum of dL/dy dy/dx over all y made from x  backward, in reverse order
///
/// Prints the values, every derivative with the chain rule that gives it, as they stand on the
/// tape, and the graph as a table; writes it for Graphviz, for Mermaid and, where Graphviz' program
/// `dot` is installed, as a picture.  Next: 02_two_layer_classifier.

#include <CLI/CLI.hpp>
#include <fstream>
#include <gradtape/gradtape.hpp>
#include <gradtape/io/svg.hpp>
#include <iostream>

using namespace gradtape;

/// "dL/db = dL/dd dd/db = -2 * 2 = -4" for each node, last first.
std::string chain_rule(const io::Graph& graph) {
  std::string lines;
  for (std::size_t x = graph.nodes.size(); x-- > 0;) {
    if (graph.nodes[x].gradient.empty()) continue;  // a constant
    std::string symbols, numbers;
    for (const io::GraphNode& y : graph.nodes) {
      for (const auto& [operand, derivative] : y.operands) {
        if (operand != x) continue;
        symbols += (symbols.empty() ? "" : " + ") + ("dL/d" + y.name) + " d" + y.name + "/d" +
                   graph.nodes[x].name;
        numbers += (numbers.empty() ? "" : " + ") + y.gradient + " * " + derivative;
      }
    }
    lines += "  dL/d" + graph.nodes[x].name + " = ";
    if (!symbols.empty()) lines += symbols + " = " + numbers + " = ";
    lines += graph.nodes[x].gradient + "\n";
  }
  return lines;
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text << std::flush)) throw FileError(path + ": cannot be written");
}

int run(int argc, char** argv) {
  std::string report, svg = "computation_graph.svg";
  std::string dot = "computation_graph.dot", mermaid = "computation_graph.mmd";
  CLI::App app("The computation graph of L = c (a + 2 b), with values and derivatives");
  app.add_option("--report", report, "Write the values and derivatives as key,value lines");
  app.add_option("--dot", dot, "The graph for Graphviz")->capture_default_str();
  app.add_option("--mermaid", mermaid, "The graph for Mermaid")->capture_default_str();
  const CLI::Option* wants_svg =
      app.add_option("--svg", svg, "The graph as a picture")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  Tape<double> tape;
  tape.trace(true);  // keeps every operation and value for the drawing
  const Var a = tape.variable(3.0, "a"), b = tape.variable(1.0, "b"), c = tape.variable(-2.0, "c");
  const Var d = 2.0 * b;
  const Var e = a + d;
  const Var L = c * e;
  d.name("d");
  e.name("e");
  L.name("L");
  tape.backward(L);

  std::cout << "Forward:\n  d = 2 b = " << d << "\n  e = a + d = " << e << "\n  L = c e = " << L
            << "\n\nBackward, by the chain rule:\n"
            << chain_rule(io::graph(tape)) << "\nThe graph:\n"
            << io::to_text(tape) << '\n';

  write(dot, io::to_dot(tape));
  write(mermaid, io::to_mermaid(tape));
  std::cout << "Written: " << dot << ", " << mermaid;
  try {
    io::write_svg(tape, svg);
    std::cout << ", " << svg << '\n';
  } catch (const FileError& error) {
    if (wants_svg->count() > 0) throw;
    std::cout << "\nNo picture: " << error.what() << '\n';
  }

  struct Figure {
    const char* name;
    double computed, by_hand;
  };
  const Figure figures[] = {
      {"d", d.value(), 2},     {"e", e.value(), 5},     {"L", L.value(), -10},
      {"dL/dL", L.grad(), 1},  {"dL/de", e.grad(), -2}, {"dL/dc", c.grad(), 5},
      {"dL/da", a.grad(), -2}, {"dL/dd", d.grad(), -2}, {"dL/db", b.grad(), -4}};
  std::string lines;
  bool is_right = true;
  for (const Figure& f : figures) {
    lines += f.name + ("," + std::to_string(f.computed)) + "\n";
    if (f.computed == f.by_hand) continue;
    is_right = false;
    std::cerr << f.name << " is " << f.computed << ", by hand " << f.by_hand << '\n';
  }
  if (!report.empty()) write(report, lines);
  return is_right ? 0 : 1;
}

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "01_computation_graph: " << error.what() << '\n';
    return 1;
  }
}
