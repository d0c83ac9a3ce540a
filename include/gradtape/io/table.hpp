#pragma once
/// \file
/// Tables of text.

#include <algorithm>
#include <string>
#include <vector>

namespace gradtape::io::detail {

/// Columns of a table, as wide as their widest cell; an empty column is left out.
/// \param numbers  the first column that is set to the right.
inline std::string table_text(const std::vector<std::vector<std::string>>& rows,
                              std::size_t numbers = static_cast<std::size_t>(-1)) {
  const auto width_of = [](const std::string& cell) {
    return static_cast<std::size_t>(std::count_if(cell.begin(), cell.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
  };
  std::vector<std::size_t> width(rows.front().size(), 0);
  for (std::size_t c = 0; c < width.size(); ++c) {
    for (std::size_t r = 1; r < rows.size(); ++r)
      width[c] = std::max(width[c], width_of(rows[r][c]));
    if (width[c] > 0) width[c] = std::max(width[c], width_of(rows.front()[c]));
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t c = 0; c < width.size(); ++c) {
      if (width[c] == 0) continue;
      const std::string room(width[c] - width_of(row[c]), ' ');
      text += (c >= numbers ? room + row[c] : row[c] + room) + "  ";
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace gradtape::io::detail
