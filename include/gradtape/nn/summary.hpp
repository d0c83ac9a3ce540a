#pragma once
/// \file
/// A model's parameters and buffers as a table, for people:
///
///     name               shape     count
///     0.weight           [16, 2]      32
///     0.bias             [16]         16
///     1.running_mean     [16]         16  buffer
///     2.weight           [16, 2]      32  same as 0.weight
///     parameters                      48
///     buffers                         16

#include <algorithm>
#include <string>
#include <vector>

#include "module.hpp"

namespace gradtape {
namespace detail {

struct SummaryRow {
  std::string name, shape, count, note;
};

/// Columns as wide as their widest entry; numbers to the right.
inline std::string table_of(const std::vector<SummaryRow>& rows) {
  std::size_t name = 0, shape = 0, count = 0;
  for (const SummaryRow& row : rows) {
    name = std::max(name, row.name.size());
    shape = std::max(shape, row.shape.size());
    count = std::max(count, row.count.size());
  }
  std::string text;
  for (const SummaryRow& row : rows) {
    text += row.name + std::string(name - row.name.size() + 2, ' ');
    text += row.shape + std::string(shape - row.shape.size() + 2, ' ');
    text += std::string(count - row.count.size(), ' ') + row.count;
    text += row.note.empty() ? "\n" : "  " + row.note + "\n";
  }
  return text;
}

}  // namespace detail

/// A table of a model's arrays under their names, with shapes and numbers of elements, and the
/// totals, in which what several members share counts once.
template <class Model>
std::string summary(const Model& model) {
  std::vector<detail::SummaryRow> rows{{"name", "shape", "count", ""}};
  std::vector<const void*> seen;
  Index parameters = 0, buffers = 0;
  auto append = [&](const std::string& name, const auto& leaf) {
    constexpr bool is_buffer = detail::is_buffer<std::remove_cvref_t<decltype(leaf)>>;
    const auto place = std::find(seen.begin(), seen.end(), leaf.data()) - seen.begin();
    const bool is_new = place == std::ssize(seen);
    rows.push_back({name, to_string(leaf.shape()), std::to_string(leaf.size()),
                    !is_new     ? "same as " + rows[static_cast<std::size_t>(place) + 1].name
                    : is_buffer ? "buffer"
                                : ""});
    // a repeated one too, so that places here are places in the table
    seen.push_back(is_new ? leaf.data() : nullptr);
    if (is_new) (is_buffer ? buffers : parameters) += leaf.size();
  };
  detail::visit_leaves(model, std::string(), append);
  rows.push_back({"parameters", "", std::to_string(parameters), ""});
  if (buffers > 0) rows.push_back({"buffers", "", std::to_string(buffers), ""});
  return detail::table_of(rows);
}

}  // namespace gradtape
