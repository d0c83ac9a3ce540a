#include "gradtape/data/csv.hpp"

#include "../io/files.hpp"
#include "catch.hpp"

using namespace gradtape;
using Names = std::vector<std::string>;

TEST_CASE("csv: a column a sample") {
  const data::CsvTable table = data::parse_csv("x,y\n1,2\n3,4\n5,6\n");
  CHECK(table.names == Names{"x", "y"});
  CHECK(table.values == Eigen::MatrixXd{{1, 3, 5}, {2, 4, 6}});
  CHECK(table.texts.empty());
}

TEST_CASE("csv: line ends, empty lines, and the mark of spreadsheets") {
  const Eigen::MatrixXd expected{{1, 3}, {2, 4}};
  for (const char* text :
       {"x,y\n1,2\n3,4", "x,y\r\n1,2\r\n3,4\r\n", "\n\nx,y\n\n1,2\n\r\n3,4\n\n\n",
        "\xEF\xBB\xBFx,y\n1,2\n3,4\r", "\xEF\xBB\xBF\nx,y\n1,2\n3,4\n"}) {
    const data::CsvTable table = data::parse_csv(text);
    CHECK(table.names == Names{"x", "y"});
    CHECK(table.values == expected);
  }
}

TEST_CASE("csv: without a header, with another separator") {
  const data::CsvTable table = data::parse_csv("1;2\n3;4\n", {.separator = ';', .header = false});
  CHECK(table.names == Names{"1", "2"});
  CHECK(table.values == Eigen::MatrixXd{{1, 3}, {2, 4}});
  const data::CsvTable texts =
      data::parse_csv("1\ta\n", {.separator = '\t', .header = false, .texts = {"2"}});
  CHECK(texts.values == Eigen::MatrixXd{{1}});
  CHECK(texts.texts == std::vector<Names>{{"a"}});
}

TEST_CASE("csv: columns of texts, and quotes") {
  const data::CsvTable table = data::parse_csv(
      "\"a \"\"b\"\"\",class,\"x,y\",note\n"
      "\"1\",\"cat, black\",2,\"two\nlines\"\n"
      " 3 ,,\"4\",5\"6\n"
      "5,\"\",6,\"\"\"\"",
      {.texts = {"note", "class"}});
  CHECK(table.names == Names{"a \"b\"", "x,y"});
  CHECK(table.values == Eigen::MatrixXd{{1, 3, 5}, {2, 4, 6}});
  CHECK(table.texts == std::vector<Names>{{"two\nlines", "5\"6", "\""}, {"cat, black", "", ""}});
}

TEST_CASE("csv: numbers") {
  const data::CsvTable table =
      data::parse_csv("-1.5,+2,1e-3, 4\t,.5,6.,4.9e-324,0.1\n", {.header = false});
  CHECK(table.values.col(0) ==
        Eigen::VectorXd{{-1.5, 2, 1e-3, 4, 0.5, 6, 4.9406564584124654e-324, 0.1}});
}

TEST_CASE("csv: numbers without from_chars") {
  for (const auto& [text, expected] :
       std::vector<std::pair<std::string, double>>{{"-1.5", -1.5},
                                                   {"2", 2},
                                                   {"1e-3", 1e-3},
                                                   {".5", 0.5},
                                                   {"6.", 6},
                                                   {"0.1", 0.1},
                                                   {"-1.25E+2", -125},
                                                   {"0e-999", 0},
                                                   {"4.9e-324", 4.9406564584124654e-324}}) {
    INFO(text);
    double value = 0;
    CHECK(data::detail::parse_by_strtod(text, value));
    CHECK(value == expected);
    CHECK(data::detail::parse_number(text) == expected);
  }
  double value = 0;
  for (const char* text : {"", "nan", "inf", "1e-999", "0x10", "1 2", "1.5.2", "+1", "++1", "-+1",
                           "-", ".", "1e", "1,5", " 1", "1 "}) {
    INFO(text);
    CHECK_FALSE(data::detail::parse_by_strtod(text, value));
  }
  CHECK((data::detail::parse_by_strtod("-1e999", value) && std::isinf(value)));
}

TEST_CASE("csv: missing numbers are NaN if asked for") {
  const data::CsvOptions options{.header = false, .missing_as_nan = true};
  const data::CsvTable table = data::parse_csv("1,,NA\nNaN,nan,\"\"\n", options);
  CHECK(table.values(0, 0) == 1);
  CHECK(table.values.array().isNaN().count() == 5);
  CHECK_THROWS_WITH(data::parse_csv("1,inf\n", options),
                    "csv:1:3: \"inf\" in column \"2\" is no finite number");
}

TEST_CASE("csv: errors name the file, the line and the column") {
  const auto refused = [](const std::string& content, const std::string& text,
                          const data::CsvOptions& options = {}) {
    CHECK_THROWS_WITH(data::parse_csv(content, options, "t.csv"), "t.csv:" + text);
  };
  refused("", " the table is empty");
  refused("\n\r\n", " the table is empty");
  refused("x,y\n", " there is no line of data");
  refused("x,y\n1,2\n3\n", "3:1: the line has 1 cells, but the first one has 2");
  refused("x,y\n\n1,2,\n", "3:1: the line has 3 cells, but the first one has 2");
  refused("x,y\n1,2\n30,a b\n", "3:4: \"a b\" in column \"y\" is no finite number");
  for (const char* cell : {"", "nan", "NA", "inf", "-inf", "1e999", "1e-999", "0x10", "1 2",
                           "1.5.2", "+-1", "++1", "-", "1e", "1,5"}) {
    const std::string quoted = "\"" + std::string(cell) + "\"";
    refused("x\n" + quoted + "\n", "2:1: " + quoted + " in column \"x\" is no finite number");
  }
  // lines inside a cell count
  refused("x,y\n\"1\n\",2\na,3\n", "2:1: \"1\n\" in column \"x\" is no finite number");
  refused("t,y\n\"1\n2\",2\na,b\n", "4:3: \"b\" in column \"y\" is no finite number",
          {.texts = {"t"}});
  refused("t,y\n\"1\n2\",b\n", "3:4: \"b\" in column \"y\" is no finite number", {.texts = {"t"}});
  refused("x,y\n1,\"2\n", "2:3: a quote that is not closed");
  refused("x,y\n1,\"2\"3\n", "2:3: more text behind the closing quote");
  refused("x,y\n1,2\n", " there is no column \"z\"; the columns are x, y", {.texts = {"z"}});
  CHECK_THROWS_AS(data::read_csv("no such file"), FileError);
}

TEST_CASE("csv: broken files are refused or read") {
  const std::string valid = "\xEF\xBB\xBFx,\"y\",t\r\n1,-2e5,\"a \"\"\n\"\r\n\n3,\"4\",b\n";
  files::check_changed(valid, [](const std::string& content) {
    data::parse_csv(content, {.texts = {"t"}, .missing_as_nan = true});
  });
  for (std::size_t i = 0; i < valid.size(); ++i) {
    CHECK(files::is_read_or_refused([](const auto& content) { data::parse_csv(content); },
                                    valid.substr(0, i)));
  }
}
