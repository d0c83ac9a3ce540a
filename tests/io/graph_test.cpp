#include "gradtape/io/graph.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>

#include "catch.hpp"
#include "gradtape/io/svg.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/gather.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using Kind = io::GraphNode::Kind;

namespace {

/// L = c (a + 2 b), whose values and gradients the lecture computes by hand.
struct Lecture {
  Tape<double> tape;
  Var<double> a, b, c, d, e, L;

  Lecture() {
    tape.trace(true);
    a = tape.variable(3.0, "a");
    b = tape.variable(1.0, "b");
    c = tape.variable(-2.0, "c");
    d = 2.0 * b;
    e = a + d;
    L = c * e;
    d.name("d");
    e.name("e");
    L.name("L");
  }
};

std::vector<std::size_t> operands(const io::GraphNode& node) {
  std::vector<std::size_t> places;
  for (const auto& operand : node.operands) places.push_back(operand.node);
  return places;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("graph: the lecture's graph as a table") {
  Lecture graph;
  graph.tape.backward(graph.L);
  CHECK(io::to_text(graph.tape) ==
        "node  operation       value  gradient\n"
        "a     variable        3      -2\n"
        "b     variable        1      -4\n"
        "c     variable        -2     5\n"
        "d     multiply(2, b)  2      -2\n"
        "e     add(a, d)       5      -2\n"
        "L     multiply(c, e)  -10    1\n");
}

TEST_CASE("graph: the lecture's graph in DOT") {
  Lecture graph;
  graph.tape.backward(graph.L);
  const std::string variable = ", shape=ellipse, fillcolor=\"#d6e8ff\"];\n";
  const std::string operation = ", shape=box, fillcolor=\"#fff3d1\"];\n";
  CHECK(io::to_dot(graph.tape) ==
        "digraph tape {\n"
        "  rankdir=LR;\n"
        "  node [style=\"filled,rounded\", color=\"#8090a0\", margin=\"0.08,0.04\", "
        "fontname=Helvetica, fontsize=11];\n"
        "  edge [color=\"#8090a0\", fontcolor=\"#506070\", fontname=Helvetica, fontsize=10];\n"
        "  s1 [label=\"a\\nvariable\\nvalue 3\\ngradient -2\"" +
            variable + "  s2 [label=\"b\\nvariable\\nvalue 1\\ngradient -4\"" + variable +
            "  s3 [label=\"c\\nvariable\\nvalue -2\\ngradient 5\"" + variable +
            "  s4 [label=\"2\", shape=box, width=0.3, height=0.3, fillcolor=\"#eeeeee\"];\n"
            "  s5 [label=\"d\\nmultiply\\nvalue 2\\ngradient -2\"" +
            operation + "  s6 [label=\"e\\nadd\\nvalue 5\\ngradient -2\"" + operation +
            "  s7 [label=\"L\\nmultiply\\nvalue -10\\ngradient 1\"" + operation +
            "  s4 -> s5;\n"
            "  s2 -> s5 [label=\"2\"];\n"
            "  s1 -> s6 [label=\"1\"];\n"
            "  s5 -> s6 [label=\"1\"];\n"
            "  s3 -> s7 [label=\"5\"];\n"
            "  s6 -> s7 [label=\"-2\"];\n"
            "}\n");
}

TEST_CASE("graph: the lecture's graph in Mermaid") {
  Lecture graph;
  graph.tape.backward(graph.L);
  CHECK(io::to_mermaid(graph.tape) ==
        "flowchart LR\n"
        "  s1([\"a<br/>variable<br/>value 3<br/>gradient -2\"]):::variable\n"
        "  s2([\"b<br/>variable<br/>value 1<br/>gradient -4\"]):::variable\n"
        "  s3([\"c<br/>variable<br/>value -2<br/>gradient 5\"]):::variable\n"
        "  s4[\"2\"]:::constant\n"
        "  s5(\"d<br/>multiply<br/>value 2<br/>gradient -2\"):::operation\n"
        "  s6(\"e<br/>add<br/>value 5<br/>gradient -2\"):::operation\n"
        "  s7(\"L<br/>multiply<br/>value -10<br/>gradient 1\"):::operation\n"
        "  s4 --> s5\n"
        "  s2 -->|\"2\"| s5\n"
        "  s1 -->|\"1\"| s6\n"
        "  s5 -->|\"1\"| s6\n"
        "  s3 -->|\"5\"| s7\n"
        "  s6 -->|\"-2\"| s7\n"
        "  classDef variable fill:#d6e8ff,stroke:#8090a0,color:#202830\n"
        "  classDef constant fill:#eeeeee,stroke:#eeeeee,color:#202830\n"
        "  classDef parameter fill:#d9f2d9,stroke:#8090a0,color:#202830\n"
        "  classDef operation fill:#fff3d1,stroke:#8090a0,color:#202830\n");
}

TEST_CASE("graph: there are no gradients before a backward pass, nor of what came after it") {
  Lecture graph;
  for (const io::GraphNode& node : io::graph(graph.tape).nodes)
    CHECK(node.gradient == (node.kind == Kind::constant ? "" : "-"));
  graph.tape.backward(graph.e);
  Var later = graph.a * graph.b;
  const io::Graph drawn = io::graph(graph.tape);
  CHECK(drawn.nodes[0].gradient == "1");  // a
  CHECK(drawn.nodes[6].gradient == "0");  // L: e does not depend on it
  CHECK(drawn.nodes[7].gradient == "-");  // later
  CHECK(later.value() == 3);
}

TEST_CASE("graph: an untraced formula is one node without operation and value") {
  Tape<double> tape;
  Var a = tape.variable(3.0, "a"), b = tape.variable(1.0), c = tape.variable(4.0);
  Var y = a * (c + 2.0 * b);
  y.name("old");
  y.name("y");
  tape.backward(y);
  const io::Graph drawn = io::graph(tape);
  REQUIRE(drawn.nodes.size() == 4);
  CHECK(drawn.nodes[0].kind == Kind::variable);
  CHECK(drawn.nodes[1].name == "scalar #2");
  CHECK_FALSE(drawn.nodes[1].is_named);
  CHECK(drawn.nodes[1].gradient == "6");  // 2 a
  CHECK(drawn.nodes[3].name == "y");
  CHECK(drawn.nodes[3].operation == "formula");
  CHECK(drawn.nodes[3].value.empty());
  CHECK(operands(drawn.nodes[3]) == std::vector<std::size_t>{0, 2, 1});
  CHECK(drawn.nodes[3].operands[0].derivative == "6");  // c + 2 b
  CHECK(drawn.nodes[3].operands[1].derivative == "3");  // a
  CHECK(drawn.nodes[3].operands[2].derivative == "6");
}

TEST_CASE("graph: an operand used twice has two edges") {
  Tape<double> tape;
  Var x = tape.variable(3.0);
  Tensor t = tape.variable(Eigen::VectorXd::Ones(2));
  Var y = x * x;
  Tensor u = t * t;
  const std::string dot = io::to_dot(tape);
  const std::string edge = "  s1 -> s2 [label=\"3\"];\n";
  // or one, where the compiler sees that both are x: `MergedOperands`
  CHECK_THAT(dot,
             ContainsSubstring(edge + edge) ||
                 (ContainsSubstring("  s1 -> s2 [label=\"6\"];\n") && !ContainsSubstring(edge)));
  CHECK_THAT(dot, ContainsSubstring("  t0 -> t1;\n  t0 -> t1;\n"));
  CHECK(y.value() + u.value().sum() == 11);
}

TEST_CASE("graph: names are escaped") {
  Tape<double> tape;
  tape.trace(true);
  tape.variable(1.0, "a\"b\\n<i>&lt;\n");
  CHECK_THAT(io::to_dot(tape), ContainsSubstring("[label=\"a\\\"b\\\\n<i>&amp;lt; \\nvariable"));
  CHECK_THAT(io::to_mermaid(tape),
             ContainsSubstring("s1([\"a#34;b#92;n#60;i#62;#38;lt#59; <br/>variable"));
  CHECK_THAT(io::to_text(tape), ContainsSubstring("\na\"b\\n<i>&lt;   variable"));
  tape.clear();
  tape.variable(1.0, "1. W_1 #`*x*`");  // a list, a heading and emphasis for Markdown
  CHECK_THAT(io::to_mermaid(tape), ContainsSubstring("[\"1#46; W_1 #35;#96;#42;x#42;#96;<br/>"));
  tape.clear();
  tape.variable(1.0, "\xCE\xB1");  // one letter of two bytes
  tape.variable(1.0, "b");
  CHECK_THAT(io::to_text(tape), ContainsSubstring("\n\xCE\xB1     variable"));
  CHECK_THAT(io::to_mermaid(tape), ContainsSubstring("\"\xCE\xB1<br/>"));
}

TEST_CASE("graph: a recording above the limit is refused") {
  Lecture graph;
  CHECK(io::graph(graph.tape, {.max_nodes = 7}).nodes.size() == 7);
  CHECK_THROWS_AS(io::to_text(graph.tape, {.max_nodes = 6}), TapeError);
  CHECK_THROWS_WITH(io::to_dot(graph.tape, {.max_nodes = 6}),
                    "graph: the tape has 7 nodes, more than max_nodes (6): draw a smaller "
                    "recording, or raise max_nodes");
}

TEST_CASE("graph: an empty tape") {
  Tape<double> tape;
  CHECK(io::graph(tape).nodes.empty());
  CHECK(io::to_text(tape) == "\n");
  CHECK_THAT(io::to_dot(tape), ContainsSubstring("digraph tape {\n"));
  CHECK_THAT(io::to_mermaid(tape), ContainsSubstring("flowchart LR\n  classDef"));
}

TEST_CASE("graph: tensors, parameters, constants and scalars of one tape") {
  Eigen::MatrixXd w(2, 2), x(2, 2);
  w << 1, 2, 3, 4;
  x << 5, 6, 7, 8;
  Parameter<double> weight(w, "W");
  Tape<double> tape;
  Tensor t = tape.constant(x, "x");
  Var s = tape.variable(2.0, "s");
  Tensor y = weight * t * s;
  y.name("y");
  Tensor z = weight + y;
  Var loss = sum(z);
  loss.name("loss");
  tape.backward(loss);

  const io::Graph drawn = io::graph(tape);
  REQUIRE(drawn.nodes.size() == 6);  // the two uses of W are one node
  const auto& [drawn_x, drawn_s, drawn_w] =
      std::tie(drawn.nodes[0], drawn.nodes[1], drawn.nodes[2]);
  CHECK(drawn_x.kind == Kind::constant);
  CHECK(drawn_x.value == "[5, 6; 7, 8]");
  CHECK(drawn_x.gradient.empty());
  CHECK(drawn_s.name == "s");
  CHECK(drawn_s.gradient == "70");  // sum of W x
  CHECK(drawn_w.kind == Kind::parameter);
  CHECK(drawn_w.name == "W");
  CHECK(drawn_w.shape == "[2, 2]");
  CHECK(drawn_w.gradient == "[11, 13; 15, 17]");  // x s + 1
  CHECK(drawn.nodes[3].value == "[10, 24; 42, 64]");
  CHECK(operands(drawn.nodes[3]) == std::vector<std::size_t>{2, 0, 1});
  CHECK(operands(drawn.nodes[4]) == std::vector<std::size_t>{2, 3});
  CHECK(drawn.nodes[5].name == "loss");
  CHECK(drawn.nodes[5].operation == "sum");
  CHECK(operands(drawn.nodes[5]) == std::vector<std::size_t>{4});
  CHECK_THAT(io::to_dot(drawn), ContainsSubstring("shape=box, peripheries=2"));
  CHECK_THAT(io::to_mermaid(drawn), ContainsSubstring("[[\"W<br/>parameter [2, 2]<br/>"));
  CHECK(io::to_text(drawn) ==
        "node       operation          shape   value             gradient\n"
        "x          constant           [2, 2]  [5, 6; 7, 8]\n"
        "s          variable                                     70\n"
        "W          parameter          [2, 2]  [1, 2; 3, 4]      [11, 13; 15, 17]\n"
        "y          multiply(W, x, s)  [2, 2]  [10, 24; 42, 64]  [1, 1; 1, 1]\n"
        "tensor #4  add(W, y)          [2, 2]  [11, 26; 45, 68]  [1, 1; 1, 1]\n"
        "loss       sum(tensor #4)                               1\n");
}

TEST_CASE("graph: values of tensors") {
  Tape<float> tape;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  tape.constant(Eigen::VectorXf::Constant(1, -nan));
  tape.full(Shape{}, 2.5f);
  tape.constant(Eigen::RowVector3f(1, 2, 3));
  tape.constant(Shape{2, 1, 2}, std::vector{1.f, 2.f, 3.f, 4.f});
  tape.constant(Eigen::MatrixXf(2, 0));
  tape.constant(Eigen::MatrixXf(0, 2));
  tape.constant(Shape{4, 2}, std::vector{1.f, 2.f, 3.f, 4.f, -5.f, 6.f, 7.f, 8.f});
  tape.constant(Shape{7}, std::vector{nan, 1.f, 2.f, 0.f, nan, 2.f, 2.f});
  tape.constant(Eigen::VectorXf::Constant(7, nan));
  const std::vector<std::string> expected{"[NaN]", "2.5", "[1, 2, 3]", "[1, 3; 2, 4]", "[]", "[]",
                                          // mean 26/8, norm sqrt(204)
                                          "min -5, mean 3.25, max 8, norm 14.283",
                                          "min 0, mean NaN, max 2, norm NaN",
                                          "min NaN, mean NaN, max NaN, norm NaN"};
  const io::Graph drawn = io::graph(tape);
  REQUIRE(drawn.nodes.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(drawn.nodes[i].value == expected[i]);

  const io::Graph precise = io::graph(tape, {.digits = 2, .max_elements = 0});
  CHECK(precise.nodes[6].value == "min -5, mean 3.2, max 8, norm 14");
  CHECK(precise.nodes[2].value == "min 1, mean 2, max 3, norm 3.7");
}

TEST_CASE("graph: gradients of tensors") {
  Tape<double> tape;
  Tensor x = tape.variable(Eigen::Vector2d(1, 2));
  tape.variable(Eigen::Vector2d(1, 2));
  CHECK(io::graph(tape).nodes[0].gradient == "-");
  Tensor y = x * 3.0;
  tape.backward(y, Eigen::Vector2d(1, -1));
  CHECK(io::graph(tape).nodes[0].gradient == "[3, -3]");
  CHECK(io::graph(tape).nodes[1].gradient == "[0, 0]");
  const Tensor later = y * 2.0;
  CHECK(later.value() == Eigen::Vector2d(6, 12));
  CHECK(io::graph(tape).nodes[3].gradient == "-");
}

TEST_CASE("graph: a drawing leaves a sparse gradient sparse") {
  Parameter<double> table(Eigen::MatrixXd::Ones(2, 3), "E");
  Tape<double> tape;
  const Tensor columns = gather(tape.parameter(table), std::vector<int>{2, 0, 2});
  tape.backward(columns, Eigen::MatrixXd::Ones(2, 3));
  REQUIRE(table.has_sparse_grad());
  CHECK(io::graph(tape).nodes[0].gradient == "[1, 0, 2; 1, 0, 2]");
  CHECK(table.has_sparse_grad());
}

TEST_CASE("graph: constants of traced tensor formulas are drawn") {
  Tape<double> tape;
  tape.trace(true);
  Tensor x = tape.variable(Eigen::Vector2d(1, 2), "x");
  Tensor y = 1.0 - 2.0 * x;
  tape.backward(y, Eigen::Vector2d(1, 1));
  CHECK(io::to_text(tape) ==
        "node       operation               shape  value     gradient\n"
        "x          variable                [2]    [1, 2]    [-2, -2]\n"
        "tensor #1  multiply(2, x)          [2]    [2, 4]    [-1, -1]\n"
        "tensor #2  subtract(1, tensor #1)  [2]    [-1, -3]  [1, 1]\n");
}

namespace {

/// y = (2 x)^2 + 1: 2 x in the part "outer", its square in a part of that, the sum in none.
struct WithParts {
  Tape<double> tape;
  Var<double> x;
  Tensor<double> y;

  WithParts() {
    tape.trace(true);
    x = tape.variable(3.0, "x");
    Tensor<double> square;
    {
      const auto outer = tape.part("outer");
      const Var<double> twice = 2.0 * x;
      const auto inner = tape.part("in \"ner\"");
      const Tensor<double> t = tape.variable(Shape{}, std::array{1.0}, "t");
      square = t * twice;
    }
    { const auto empty = tape.part("empty"); }
    y = square + 1.0;
    y.name("y");
  }
};

}  // namespace

TEST_CASE("graph: parts are frames around what was recorded in them") {
  WithParts graph;
  CHECK(io::to_text(graph.tape) ==
        "part            node       operation               shape  value  gradient\n"
        "                x          variable                       3      -\n"
        "outer           scalar #3  multiply(2, x)                 6      -\n"
        "outer/in \"ner\"  t          variable                []     1      -\n"
        "outer/in \"ner\"  tensor #1  multiply(t, scalar #3)  []     6      -\n"
        "                y          add(tensor #1, 1)       []     7      -\n");
  const std::string dot = io::to_dot(graph.tape), mermaid = io::to_mermaid(graph.tape);
  const auto lines = [](const std::string& text) {  // without labels and styles
    std::string kept;
    std::istringstream stream(text.substr(0, text.find("  classDef")));
    for (std::string line; std::getline(stream, line);) {
      const std::string word =
          line.substr(0, line.find_first_of("[(\"", line.find_first_not_of(' ')));
      if (word.substr(0, 7) != "  node " && word.substr(0, 7) != "  edge ") kept += word + "|";
    }
    return kept;
  };
  CHECK(lines(dot) ==
        "digraph tape {|  rankdir=LR;|  s1 |  subgraph cluster_0 {|    label=|    s2 |    s3 |"
        "    subgraph cluster_1 {|      label=|      t0 |      t1 |    }|  }|  s4 |  t2 |"
        "  s2 -> s3;|  s1 -> s3 |  t0 -> t1;|  s3 -> t1;|  t1 -> t2;|  s4 -> t2;|}|");
  CHECK_THAT(dot, ContainsSubstring("label=\"in \\\"ner\\\"\"; style=rounded;"));
  CHECK(lines(mermaid) ==
        "flowchart LR|  s1|  subgraph part0|    s2|    s3|    subgraph part1|      t0|      t1|"
        "    end|  end|  s4|  t2|  s2 --> s3|  s1 -->||  t0 --> t1|  s3 --> t1|"
        "  t1 --> t2|  s4 --> t2|");
  CHECK_THAT(mermaid, ContainsSubstring("subgraph part1[\"in #34;ner#34;\"]\n"));
}

TEST_CASE("graph: parts are forgotten with what was recorded in them") {
  WithParts graph;
  const std::string before = io::to_text(graph.tape);
  const auto part_of_last = [&] {
    const io::Graph drawn = io::graph(graph.tape);
    const std::size_t part = drawn.nodes.back().part;
    return part == io::GraphNode::no_part ? "" : drawn.parts[part].path;
  };
  {
    const auto later = graph.tape.part("later");
    {
      const auto scope = graph.tape.scope();
      const auto within = graph.tape.part("within");
      graph.tape.variable(1.0);
      CHECK(part_of_last() == "later/within");
    }
    CHECK(io::to_text(graph.tape) == before);
    graph.tape.variable(1.0);
    CHECK(part_of_last() == "later");
  }
  graph.tape.variable(1.0);
  CHECK(part_of_last() == "");

  // a part that ended within a scope ends where the scope began
  {
    auto part = std::make_unique<Tape<double>::Part>(graph.tape, "cut");
    const auto scope = graph.tape.scope();
    graph.tape.variable(1.0);
    part.reset();
  }
  graph.tape.variable(1.0);
  CHECK(part_of_last() == "");

  // a part that is open at a clear ends there, and closes no later one in its place
  graph.tape.clear();
  auto old = std::make_unique<Tape<double>::Part>(graph.tape, "old");
  graph.tape.clear();
  const auto young = graph.tape.part("young");
  old.reset();
  graph.tape.variable(1.0);
  CHECK(part_of_last() == "young");
  CHECK_THROWS_AS(graph.tape.part(""), TapeError);
}

TEST_CASE("graph: after a scope") {
  Lecture graph;
  const std::string before = io::to_text(graph.tape);
  {
    const auto scope = graph.tape.scope();
    Var inside = graph.L * 2.0;
    inside.name("inside");
    CHECK(io::to_text(graph.tape) != before);
  }
  CHECK(io::to_text(graph.tape) == before);
}

TEST_CASE("graph: pictures") {
  Lecture graph;
  const auto directory = std::filesystem::temp_directory_path();
  const auto path = directory / "gradtape graph 'test'.svg";
  const bool has_dot = std::system("command -v dot > /dev/null 2>&1") == 0;
  if (has_dot) {
    graph.tape.variable(1.0, "a \"name\" \\ & <i>");
    io::write_svg(graph.tape, path.string());
    CHECK_THAT(read(path), ContainsSubstring("<svg"));
    CHECK_THAT(read(path), ContainsSubstring("a &quot;name&quot; \\ &amp; &lt;i&gt;"));
    std::filesystem::remove(path);
    const std::string nowhere = (directory / "no such directory" / "x.svg").string();
    CHECK_THROWS_AS(io::write_svg(graph.tape, nowhere), FileError);
    CHECK_THROWS_WITH(io::write_svg(graph.tape, nowhere), ContainsSubstring("dot failed: Error"));
  }
  const std::string search = std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  CHECK_THROWS_WITH(io::write_svg(graph.tape, "x.svg"),
                    "write_svg: x.svg: the program 'dot' was not found: install Graphviz, or use "
                    "to_dot");
  setenv("PATH", search.c_str(), 1);
}
