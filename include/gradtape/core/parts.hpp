#pragma once
/// \file
/// The named parts of a recording (`Tape::part`): intervals of its positions, so that recording
/// itself knows nothing of them.
///
///     statements and nodes   1  2  3  4  5  6  7  8  9
///     encoder                   [-------------)
///     encoder/attention            [----)
///
/// An interval names the one that was open when it began, its parent: whatever contains a position
/// is the last interval begun before it, or an ancestor of that.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "error.hpp"
#include "list.hpp"

namespace gradtape::detail {

class Parts {
 public:
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();

  /// How much is recorded: a place between two statements and between two nodes.
  struct Position {
    std::size_t statements = 0, nodes = 0;
  };

  /// A part that may have been forgotten since.
  struct Handle {
    std::size_t index = none;
    std::uint64_t serial = 0;
  };

  std::size_t size() const { return parts_.size(); }

  /// The text stays the caller's.
  Handle begin(std::string_view name, const Position& position) {
    parts_.push_back({name, open_, position, {none, none}, ++begun_});
    open_ = parts_.size() - 1;
    return {open_, begun_};
  }

  void end(const Handle& part, const Position& position) {
    if (part.index >= parts_.size() || parts_[part.index].serial != part.serial) return;
    parts_[part.index].end = position;
    while (open_ != none && !parts_[open_].is_open()) open_ = parts_[open_].parent;
  }

  /// Keeps the first `count` parts, and of these what is before the position.
  void rewind(std::size_t count, const Position& position) {
    while (open_ != none && open_ >= count) open_ = parts_[open_].parent;
    parts_.truncate(count);
    if (count == 0) return;
    for (std::size_t i = count - 1; i != none; i = parts_[i].parent) {
      Position& end = parts_[i].end;
      if (parts_[i].is_open()) continue;
      end = {std::min(end.statements, position.statements), std::min(end.nodes, position.nodes)};
    }
  }

  /// The innermost part that what is recorded now belongs to.
  std::size_t open() const { return open_; }

  /// The innermost part of a statement, or of a node; these count from 1 and from 0.
  std::size_t of_statement(std::size_t statement) const {
    return find(statement - 1, &Position::statements);
  }
  std::size_t of_node(std::size_t node) const { return find(node, &Position::nodes); }

  std::string_view name(std::size_t part) const { return parts_[part].name; }
  std::size_t parent(std::size_t part) const { return parts_[part].parent; }

  /// "encoder/attention"; nothing for none.
  std::string path(std::size_t part) const {
    std::string path;
    for (; part != none; part = parts_[part].parent)
      path = concat(parts_[part].name, path.empty() ? "" : "/", path);
    return path;
  }

 private:
  struct Part {
    std::string_view name;
    std::size_t parent;
    Position begin, end;
    std::uint64_t serial;

    bool is_open() const { return end.statements == none; }
  };

  std::size_t find(std::size_t position, std::size_t Position::*count) const {
    const auto after = std::partition_point(parts_.begin(), parts_.end(), [&](const Part& part) {
      return part.begin.*count <= position;
    });
    auto part = static_cast<std::size_t>(after - parts_.begin()) - 1;
    while (part != none && parts_[part].end.*count <= position) part = parts_[part].parent;
    return part;
  }

  List<Part> parts_;
  std::size_t open_ = none;
  std::uint64_t begun_ = 0;
};

}  // namespace gradtape::detail
