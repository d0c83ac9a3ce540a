// Whatever text a table has, it is read or refused with a FileError; what was read and is written
// out, every text in quotes, reads the same.
#include <charconv>
#include <cmath>
#include <optional>

#include "fuzz.hpp"
#include "gradtape/data/csv.hpp"

using namespace gradtape;

namespace {

std::string in_quotes(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

std::string to_text(double x) {
  char digits[32];
  return std::isnan(x) ? "NaN" : std::string(digits, std::to_chars(digits, digits + 32, x).ptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Bytes bytes(data, size);
  const unsigned bits = bytes.byte();
  data::CsvOptions options{.separator = ",;\t|"[bits & 3]};
  options.header = (bits & 4) != 0;
  options.missing_as_nan = (bits & 8) != 0;
  if ((bits & 16) != 0) options.texts = {options.header ? "a" : "1"};
  std::optional<data::CsvTable> table;
  try {
    table = data::parse_csv(bytes.rest(), options);
  } catch (const FileError&) {
    return 0;
  }

  const bool has_texts = !table->texts.empty();
  std::string text;
  const auto add = [&](const std::string& cell, bool is_first) {
    if (!is_first) text += options.separator;
    text += cell;
  };
  if (has_texts) add(in_quotes(options.texts[0]), true);
  for (std::size_t j = 0; j < table->names.size(); ++j)
    add(in_quotes(table->names[j]), j == 0 && !has_texts);
  text += '\n';
  const Eigen::MatrixXd& values = table->values;
  for (Index i = 0; i < values.cols(); ++i) {
    if (has_texts) add(in_quotes(table->texts[0][static_cast<std::size_t>(i)]), true);
    for (Index j = 0; j < values.rows(); ++j) add(to_text(values(j, i)), j == 0 && !has_texts);
    text += '\n';
  }
  options.header = true;
  const data::CsvTable again = data::parse_csv(text, options);
  fuzz::require(again.names == table->names && again.texts == table->texts, "the same texts");
  fuzz::require(again.values.rows() == values.rows() && again.values.cols() == values.cols() &&
                    ((again.values.array() == values.array()) ||
                     (again.values.array().isNaN() && values.array().isNaN()))
                        .all(),
                "the same numbers");
  return 0;
}
