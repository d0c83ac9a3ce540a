#pragma once
/// \file
/// Drawings of a recording, for Graphviz (svg.hpp runs it), Mermaid and the terminal.  With
/// `tape.trace(true)` before recording, L = c (a + 2 b) is
///
///     node  operation       value  gradient
///     a     variable        3      -2
///     b     variable        1      -4
///     c     variable        -2     5
///     d     multiply(2, b)  2      -2
///     e     add(a, d)       5      -2
///     L     multiply(c, e)  -10    1
///
/// An edge runs from an operand to what was computed from it, one for each use, and bears the
/// derivative between two scalars.  Without tracing, a formula is one node, and a scalar has
/// neither an operation nor a value: the tape does not keep them.  What was recorded in a part
/// (`Tape::part`) is drawn in a frame with its name, and has it in a column.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "graph_nodes.hpp"
#include "table.hpp"

namespace gradtape::io {

namespace detail {

/// Whether a node is no more than a number.
inline bool is_number(const GraphNode& node) {
  return node.kind == GraphNode::Kind::constant && !node.is_named && node.shape.empty();
}

/// The lines of a node's label.
inline std::vector<std::string> label_of(const GraphNode& node) {
  if (is_number(node)) return {node.value};
  std::vector<std::string> lines{node.name, node.operation};
  if (!node.shape.empty()) lines.back() += " " + node.shape;
  if (!node.value.empty()) lines.push_back("value " + node.value);
  if (!node.gradient.empty()) lines.push_back("gradient " + node.gradient);
  return lines;
}

/// Names may hold anything: line breaks, or what a terminal takes for commands.
inline bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }

/// For a quoted string of DOT, in which Graphviz reads entities like those of HTML, too.
inline std::string escape_dot(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      escaped += {'\\', c};
    } else if (c == '&') {
      escaped += "&amp;";
    } else {
      escaped += is_control(c) ? ' ' : c;
    }
  }
  return escaped;
}

/// For a quoted label of Mermaid, which reads HTML and Markdown in it: what in ASCII might be
/// either is written as a number.
inline std::string escape_mermaid(std::string_view text) {
  const auto is_word = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : ' ';
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80;
  };
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_plain = std::string_view(" ,:([]=/").find(c) != std::string_view::npos;
    // at the beginning of a line and before a space these make a list
    const bool is_bullet = std::string_view("-+.)").find(c) != std::string_view::npos;
    if (is_control(c)) {
      escaped += ' ';
    } else if (is_word(i) || is_plain || (c == '_' && is_word(i + 1)) ||
               (is_bullet && text.substr(i + 1, 1) != " ")) {
      escaped += c;
    } else {
      escaped += concat("#", static_cast<int>(c), ";");
    }
  }
  return escaped;
}

/// Calls open(part, depth) and close(depth) where the parts of the nodes begin and end, and
/// visit(node, depth) in between.  What lies in a part follows each other, so that each that is not
/// empty is opened once.
template <class Open, class Close, class Visit>
void for_each_in_parts(const Graph& graph, Open&& open, Close&& close, Visit&& visit) {
  std::vector<std::size_t> opened, wanted;
  const auto close_down_to = [&](std::size_t depth) {
    for (; opened.size() > depth; opened.pop_back()) close(opened.size());
  };
  for (const GraphNode& node : graph.nodes) {
    wanted.clear();
    for (std::size_t part = node.part; part != GraphNode::no_part; part = graph.parts[part].parent)
      wanted.insert(wanted.begin(), part);
    const auto differ =
        std::mismatch(opened.begin(), opened.end(), wanted.begin(), wanted.end()).first;
    close_down_to(static_cast<std::size_t>(differ - opened.begin()));
    while (opened.size() < wanted.size()) {
      opened.push_back(wanted[opened.size()]);
      open(opened.back(), opened.size());
    }
    visit(node, opened.size());
  }
  close_down_to(0);
}

inline std::string indent(std::size_t depth) { return std::string(2 * depth + 2, ' '); }

}  // namespace detail

/// A table for the terminal, a node a line; unnamed constants stand where they are used.
inline std::string to_text(const Graph& graph) {
  std::vector<std::vector<std::string>> rows{
      {"part", "node", "operation", "shape", "value", "gradient"}};
  for (const GraphNode& node : graph.nodes) {
    if (detail::is_number(node)) continue;
    std::string operands;
    for (const GraphNode::Operand& x : node.operands) {
      const GraphNode& operand = graph.nodes[x.node];
      operands += (operands.empty() ? "" : ", ") +
                  (detail::is_number(operand) ? operand.value : operand.name);
    }
    if (node.kind == GraphNode::Kind::operation) operands = "(" + operands + ")";
    const std::string part = node.part == GraphNode::no_part ? "" : graph.parts[node.part].path;
    rows.push_back(
        {part, node.name, node.operation + operands, node.shape, node.value, node.gradient});
  }
  for (std::vector<std::string>& row : rows) {
    for (std::string& cell : row)
      std::replace_if(cell.begin(), cell.end(), detail::is_control, ' ');
  }
  return detail::table_text(rows);
}

/// For Graphviz: `dot -Tsvg graph.dot -o graph.svg`.
inline std::string to_dot(const Graph& graph) {
  using gradtape::detail::concat;
  constexpr std::string_view style[] = {"shape=ellipse, fillcolor=\"#d6e8ff\"",
                                        "shape=box, width=0.3, height=0.3, fillcolor=\"#eeeeee\"",
                                        "shape=box, peripheries=2, fillcolor=\"#d9f2d9\"",
                                        "shape=box, fillcolor=\"#fff3d1\""};
  constexpr std::string_view frame =
      "style=rounded; color=\"#8090a0\"; fontname=Helvetica; fontsize=12;";
  std::string text =
      "digraph tape {\n"
      "  rankdir=LR;\n"
      "  node [style=\"filled,rounded\", color=\"#8090a0\", margin=\"0.08,0.04\", "
      "fontname=Helvetica, fontsize=11];\n"
      "  edge [color=\"#8090a0\", fontcolor=\"#506070\", fontname=Helvetica, fontsize=10];\n";
  detail::for_each_in_parts(
      graph,
      [&](std::size_t part, std::size_t depth) {
        text += concat(detail::indent(depth - 1), "subgraph cluster_", part, " {\n",
                       detail::indent(depth), "label=\"",
                       detail::escape_dot(graph.parts[part].name), "\"; ", frame, "\n");
      },
      [&](std::size_t depth) { text += detail::indent(depth - 1) + "}\n"; },
      [&](const GraphNode& node, std::size_t depth) {
        std::string label;
        for (const std::string& line : detail::label_of(node))
          label += (label.empty() ? "" : "\\n") + detail::escape_dot(line);
        text += concat(detail::indent(depth), node.id, " [label=\"", label, "\", ",
                       style[static_cast<std::size_t>(node.kind)], "];\n");
      });
  // after all frames: an edge within one would draw its operand into it
  for (const GraphNode& node : graph.nodes) {
    for (const GraphNode::Operand& x : node.operands) {
      text += "  " + graph.nodes[x.node].id + " -> " + node.id;
      if (!x.derivative.empty()) text += " [label=\"" + x.derivative + "\"]";
      text += ";\n";
    }
  }
  return text + "}\n";
}

/// For Mermaid, which Markdown viewers draw in a block ```mermaid.
inline std::string to_mermaid(const Graph& graph) {
  using gradtape::detail::concat;
  struct Style {
    std::string_view open, close, kind;
  };
  constexpr Style style[] = {{"([\"", "\"])", "variable"},
                             {"[\"", "\"]", "constant"},
                             {"[[\"", "\"]]", "parameter"},
                             {"(\"", "\")", "operation"}};
  std::string text = "flowchart LR\n";
  detail::for_each_in_parts(
      graph,
      [&](std::size_t part, std::size_t depth) {
        text += concat(detail::indent(depth - 1), "subgraph part", part, "[\"",
                       detail::escape_mermaid(graph.parts[part].name), "\"]\n");
      },
      [&](std::size_t depth) { text += detail::indent(depth - 1) + "end\n"; },
      [&](const GraphNode& node, std::size_t depth) {
        const auto& [open, close, kind] = style[static_cast<std::size_t>(node.kind)];
        std::string label;
        for (const std::string& line : detail::label_of(node))
          label += (label.empty() ? "" : "<br/>") + detail::escape_mermaid(line);
        text += concat(detail::indent(depth), node.id, open, label, close, ":::", kind, "\n");
      });
  for (const GraphNode& node : graph.nodes) {
    for (const GraphNode::Operand& x : node.operands) {
      text += "  " + graph.nodes[x.node].id + " -->";
      if (!x.derivative.empty()) text += "|\"" + x.derivative + "\"|";
      text += " " + node.id + "\n";
    }
  }
  return text +
         "  classDef variable fill:#d6e8ff,stroke:#8090a0,color:#202830\n"
         "  classDef constant fill:#eeeeee,stroke:#eeeeee,color:#202830\n"
         "  classDef parameter fill:#d9f2d9,stroke:#8090a0,color:#202830\n"
         "  classDef operation fill:#fff3d1,stroke:#8090a0,color:#202830\n";
}

///@{
/// The same for a tape.
/// \snippet reference/autodiff_test.cpp graph
/// \throws TapeError if it has more than `max_nodes` nodes.
template <class T>
std::string to_text(const Tape<T>& tape, const GraphOptions& options = {}) {
  return to_text(graph(tape, options));
}
template <class T>
std::string to_dot(const Tape<T>& tape, const GraphOptions& options = {}) {
  return to_dot(graph(tape, options));
}
template <class T>
std::string to_mermaid(const Tape<T>& tape, const GraphOptions& options = {}) {
  return to_mermaid(graph(tape, options));
}
///@}

}  // namespace gradtape::io
