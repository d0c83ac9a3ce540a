#pragma once
/// \file
/// Tables of numbers from text files: cells between commas, a line a sample.
///
///     x1,x2,class
///     0.5,-1,cat          values (2,n): a column a sample, a row for each column of the file;
///     1e3,"2",dog         texts: what stands in columns that hold no numbers
///
/// Source: RFC 4180: a cell in double quotes may contain commas, line ends, and, doubled, quotes.

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/shape.hpp"
#include "../io/file.hpp"

namespace gradtape::data {

/// Options of `read_csv`.
struct CsvOptions {
  char separator = ',';  ///< between two cells
  bool header = true;    ///< whether the first line names the columns: else "1", "2", ..
  std::vector<std::string> texts{};  ///< the columns that hold texts, by name
  bool missing_as_nan = false;  ///< empty cells, NA and NaN are read as NaN: else they are errors
};

/// The columns of numbers of a table, a row each, and its columns of texts.
struct CsvTable {
  std::vector<std::string> names;               ///< of the rows of `values`
  Eigen::MatrixXd values;                       ///< (k,n)
  std::vector<std::vector<std::string>> texts;  ///< as `CsvOptions::texts` names them, n each
};

namespace detail {

/// Takes a table apart, line by line.
class CsvReader {
 public:
  /// The place of a cell's first character, both from 1.
  struct Cell {
    std::string text;
    Index line, column;
  };

  CsvReader(std::string_view name, std::string_view content, char separator)
      : name_(name), content_(content), separator_(separator) {
    constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";  // as spreadsheets write it
    if (content_.starts_with(byte_order_mark)) begin_line(byte_order_mark.size());
  }

  /// Reads the next line that is not empty; false: there is none.
  bool next(std::vector<Cell>& cells) {
    cells.clear();
    while (at_ < content_.size() && is_line_end()) skip_line_end();
    if (at_ == content_.size()) return false;
    for (;;) {
      cells.push_back({{}, line_, static_cast<Index>(at_ - line_begin_) + 1});
      read(cells.back());
      if (at_ == content_.size()) return true;
      if (is_line_end()) {
        skip_line_end();
        return true;
      }
      ++at_;
    }
  }

  template <class... Part>
  [[noreturn]] void fail(const Part&... part) const {
    gradtape::detail::fail<FileError>(name_, ":", part...);
  }
  template <class... Part>
  [[noreturn]] void fail_at(const Cell& cell, const Part&... part) const {
    fail(cell.line, ":", cell.column, ": ", part...);
  }

 private:
  bool is_line_end() const {
    return content_[at_] == '\n' || content_.substr(at_, 2) == "\r\n" ||
           (content_[at_] == '\r' && at_ + 1 == content_.size());
  }
  bool is_cell_end() const {
    return at_ == content_.size() || content_[at_] == separator_ || is_line_end();
  }
  void skip_line_end() {
    begin_line(std::min(content_.find('\n', at_), content_.size() - 1) + 1);
    ++line_;
  }
  void begin_line(std::size_t position) { line_begin_ = at_ = position; }

  void read(Cell& cell) {
    if (at_ < content_.size() && content_[at_] == '"') return read_quoted(cell);
    while (!is_cell_end()) cell.text += content_[at_++];
  }

  void read_quoted(Cell& cell) {
    for (;;) {
      const std::size_t quote = content_.find('"', at_ + 1);
      if (quote == content_.npos) fail_at(cell, "a quote that is not closed");
      for (const char c : content_.substr(at_ + 1, quote - at_ - 1)) {
        cell.text += c;
        ++at_;
        if (c == '\n') {
          line_begin_ = at_ + 1;
          ++line_;
        }
      }
      at_ = quote + 1;
      if (at_ == content_.size() || content_[at_] != '"') break;
      cell.text += '"';
    }
    if (!is_cell_end()) fail_at(cell, "more text behind the closing quote");
  }

  std::string_view name_, content_;
  char separator_;
  std::size_t at_ = 0, line_begin_ = 0;
  Index line_ = 1;
};

/// Whether a text is a number in decimal notation within a double's range: by the C library, whose
/// sign of decimals depends on the locale.
inline bool parse_by_strtod(std::string text, double& value) {
  if (text.empty() || text[0] == '+' || text.find_first_not_of("0123456789.eE+-") != text.npos)
    return false;
  const char* const point = std::localeconv()->decimal_point;
  if (const std::size_t at = text.find('.'); at != text.npos) text.replace(at, 1, point);
  char* end = nullptr;
  errno = 0;
  value = std::strtod(text.c_str(), &end);
  return end == text.c_str() + text.size() && !(errno == ERANGE && value == 0);
}

/// The same; libc++ has no from_chars for floating-point numbers before version 20.
template <class Real>
bool parse_decimal(std::string_view text, Real& value) {
  const char* const end = text.data() + text.size();
  if constexpr (requires { std::from_chars(end, end, value); }) {
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    return error == std::errc() && stop == end;
  } else {
    return parse_by_strtod(std::string(text), value);
  }
}

/// A number in decimal notation, with spaces around it; NaN if it is none, or beyond a double's
/// range.
inline double parse_number(std::string_view text) {
  constexpr std::string_view spaces = " \t";
  text.remove_prefix(std::min(text.find_first_not_of(spaces), text.size()));
  text = text.substr(0, text.find_last_not_of(spaces) + 1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0;
  const bool is_number = parse_decimal(text, value) && std::isfinite(value);
  return is_number ? value : std::numeric_limits<double>::quiet_NaN();
}

inline bool is_missing(std::string_view text) {
  return text.empty() || text == "NA" || text == "NaN" || text == "nan";
}

}  // namespace detail

/// Reads a table from its text; `name` is that of error texts.  Empty lines are left out.
/// \throws FileError with line and column of the first cell that is no finite number, lines of
/// different lengths, quotes that do not match, and tables without a line of data.
inline CsvTable parse_csv(std::string_view content, const CsvOptions& options = {},
                          const std::string& name = "csv") {
  detail::CsvReader reader(name, content, options.separator);
  std::vector<detail::CsvReader::Cell> cells;
  if (!reader.next(cells)) reader.fail(" the table is empty");

  std::vector<std::string> columns;
  for (std::size_t j = 0; j < cells.size(); ++j)
    columns.push_back(options.header ? cells[j].text : std::to_string(j + 1));
  CsvTable table;
  table.texts.resize(options.texts.size());
  std::vector<std::vector<std::string>*> texts(columns.size(), nullptr);  // null: numbers
  for (std::size_t i = 0; i < options.texts.size(); ++i) {
    const auto found = std::find(columns.begin(), columns.end(), options.texts[i]);
    if (found == columns.end()) {
      std::string all;
      for (const std::string& column : columns) all += (all.empty() ? "" : ", ") + column;
      reader.fail(" there is no column \"", options.texts[i], "\"; the columns are ", all);
    }
    texts[static_cast<std::size_t>(found - columns.begin())] = &table.texts[i];
  }
  for (std::size_t j = 0; j < columns.size(); ++j) {
    if (texts[j] == nullptr) table.names.push_back(columns[j]);
  }

  std::vector<double> values;
  Index samples = 0;
  if (options.header && !reader.next(cells)) reader.fail(" there is no line of data");
  do {
    if (cells.size() != columns.size()) {
      reader.fail_at(cells.front(), "the line has ", cells.size(), " cells, but the first one has ",
                     columns.size());
    }
    for (std::size_t j = 0; j < cells.size(); ++j) {
      if (texts[j] != nullptr) {
        texts[j]->push_back(cells[j].text);
        continue;
      }
      values.push_back(detail::parse_number(cells[j].text));
      const bool is_allowed = options.missing_as_nan && detail::is_missing(cells[j].text);
      if (std::isnan(values.back()) && !is_allowed) {
        reader.fail_at(cells[j], "\"", cells[j].text, "\" in column \"", columns[j],
                       "\" is no finite number");
      }
    }
    ++samples;
  } while (reader.next(cells));
  table.values = Eigen::Map<const Eigen::MatrixXd>(values.data(), std::ssize(table.names), samples);
  return table;
}

/// Reads a table from a file.
/// \throws FileError as `parse_csv`, and if it cannot be read.
inline CsvTable read_csv(const std::string& path, const CsvOptions& options = {}) {
  return parse_csv(io::read_file(path), options, path);
}

}  // namespace gradtape::data
