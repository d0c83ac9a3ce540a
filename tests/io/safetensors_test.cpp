#include "gradtape/io/safetensors.hpp"

#include <array>
#include <cmath>

#include "catch.hpp"
#include "files.hpp"
#include "gradtape/nn/linear.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using files::Directory;

namespace {

// Made by hand from the format's description:
//
//   import json, numpy as np, struct
//   tensors = {"W": ("F32", np.array([[1, 2, 3], [4, 5.5, -6]], "<f4")),
//              "b": ("F64", np.array([0.1, 1e300], "<f8")),
//              "half": ("F16", np.array([1, 65504, 6e-8, -np.inf, np.nan], "<f2")),
//              "brain": ("BF16", np.array([0x3F80, 0x0001, 0xFF80], "<u2")),
//              "step": ("I64", np.array(2**53 + 1, "<i8")),
//              "none": ("F32", np.zeros((0, 3), "<f4"))}
//   header, data = {"__metadata__": {"format": "pt", "note": "é\n"}}, b""
//   for name, (dtype, x) in tensors.items():
//       header[name] = {"dtype": dtype, "shape": x.shape,
//                       "data_offsets": [len(data), len(data) + x.nbytes]}
//       data += x.tobytes()
//   text = json.dumps(header, ensure_ascii=False).encode()
//   print((struct.pack("<Q", len(text)) + text + data).hex())
const std::string from_python = files::from_hex(
    "be010000000000007b225f5f6d657461646174615f5f223a207b22666f726d6174223a20227074222c20226e"
    "6f7465223a2022c3a95c6e227d2c202257223a207b226474797065223a2022463332222c2022736861706522"
    "3a205b322c20335d2c2022646174615f6f666673657473223a205b302c2032345d7d2c202262223a207b2264"
    "74797065223a2022463634222c20227368617065223a205b325d2c2022646174615f6f666673657473223a20"
    "5b32342c2034305d7d2c202268616c66223a207b226474797065223a2022463136222c20227368617065223a"
    "205b355d2c2022646174615f6f666673657473223a205b34302c2035305d7d2c2022627261696e223a207b22"
    "6474797065223a202242463136222c20227368617065223a205b335d2c2022646174615f6f66667365747322"
    "3a205b35302c2035365d7d2c202273746570223a207b226474797065223a2022493634222c20227368617065"
    "223a205b5d2c2022646174615f6f666673657473223a205b35362c2036345d7d2c20226e6f6e65223a207b22"
    "6474797065223a2022463332222c20227368617065223a205b302c20335d2c2022646174615f6f6666736574"
    "73223a205b36342c2036345d7d7d0000803f0000004000004040000080400000b0400000c0c09a9999999999"
    "b93f9c7500883ce4377e003cff7b010000fc007e803f010080ff0100000000002000");

/// A file of a header and data.
std::string file_of(const std::string& header, std::size_t bytes = 0) {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(bytes, '\0');
}

/// Arrays for all that is in the file from Python.
struct Targets {
  std::array<float, 6> W{};
  std::array<double, 2> b{};
  std::array<double, 5> half{};
  std::array<float, 3> brain{};
  std::int64_t step = 0;
  float none = 0;

  std::vector<NamedArray> arrays() {
    return {named_array("W", {2, 3}, W.data()),    named_array("b", {2}, b.data()),
            named_array("half", {5}, half.data()), named_array("brain", {3}, brain.data()),
            named_array("step", {}, &step),        named_array("none", {0, 3}, &none)};
  }
  bool operator==(const Targets&) const = default;
};

struct Model {
  nn::Linear<double> output;
  Buffer<float> mean;

  explicit Model(std::uint64_t seed) : Model(Random(seed)) {}
  explicit Model(Random random) : output(3, 2, random), mean(Shape{1, 2}) {
    mean.value().setConstant(static_cast<float>(random.uniform()));
  }
  void members(auto&& member) { member("output", output), member("mean", mean); }
};

}  // namespace

TEST_CASE("safetensors: a file from Python") {
  const io::SafetensorsFile file("x", from_python);
  CHECK(file.metadata() == io::Metadata{{"format", "pt"}, {"note", "\u00E9\n"}});
  REQUIRE(file.entries().size() == 6);
  CHECK(file.entries()[0].name == "W");
  CHECK(file.entries()[0].shape == Shape{2, 3});
  CHECK(file.entries()[0].type == io::ElementType::float32);
  CHECK(file.entries()[4].shape == Shape{});

  Targets x;
  file.load(x.arrays());
  CHECK(x.W == std::array{1.f, 4.f, 2.f, 5.5f, 3.f, -6.f});
  CHECK(x.b == std::array{0.1, 1e300});
  CHECK(std::vector(x.half.begin(), x.half.begin() + 4) ==
        std::vector{1.0, 65504.0, 0x1p-24, -std::numeric_limits<double>::infinity()});
  CHECK(std::isnan(x.half[4]));
  CHECK(x.brain == std::array{1.f, 0x1p-133f, -std::numeric_limits<float>::infinity()});
  CHECK(x.step == 9007199254740993);
}

TEST_CASE("safetensors: the bytes of a file") {
  const Directory directory;
  std::array w{1.f, 2.f, 3.f, 4.f};
  double b = 2;
  const std::vector<NamedArray> arrays{named_array("w", {2, 2}, w.data()),
                                       named_array("b", {}, &b)};
  io::save_safetensors(directory / "x", arrays, {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"b":{"data_offsets":[0,8],"dtype":"F64","shape":[]},)"
      R"("w":{"data_offsets":[8,24],"dtype":"F32","shape":[2,2]}}  )";
  CHECK(header.size() % 8 == 0);
  CHECK(io::read_file(directory / "x") ==
        file_of(header) + files::from_hex("0000000000000040"
                                          "0000803f000040400000004000008040"));
  io::save_safetensors(directory / "x", std::vector<NamedArray>());
  CHECK(io::read_file(directory / "x") == file_of("{}      "));
}

TEST_CASE("safetensors: a model comes back bit for bit") {
  const Directory directory;
  Model model(1), other(2);
  model.output.bias.value() << std::numeric_limits<double>::denorm_min(), -0.0;
  model.output.weight.value()(0) = std::numeric_limits<double>::quiet_NaN();
  const io::Metadata texts{{"words", "a\nb\\\"\u20AC"}, {"", ""}};
  io::save_safetensors(directory / "x", std::as_const(model), texts);
  CHECK(io::load_safetensors(directory / "x", other) == texts);
  const std::vector<NamedArray> a = named_arrays(model), b = named_arrays(other);
  REQUIRE(a.size() == 3);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(io::encode(a[i]) == io::encode(b[i]));
  const io::SafetensorsFile file(directory / "x");
  for (const auto& entry : file.entries())
    CHECK(entry.begin % static_cast<std::size_t>(io::size_of(entry.type)) == 0);
}

TEST_CASE("safetensors: a model as it is saved and loaded") {
  const Directory directory;
  const std::string path = directory / "x";
  Model model(1), other(2);
  //! [save]
  io::save_safetensors(path, model);
  io::load_safetensors(path, other);  // throws FileError unless the file is exactly of this model
  //! [save]
  CHECK(other.output.weight.value() == model.output.weight.value());
  CHECK(other.mean.value() == model.mean.value());
}

TEST_CASE("safetensors: several owners in one file") {
  const Directory directory;
  const std::string path = directory / "x";
  Model model(1), other(2);
  std::int64_t step = 7, other_step = 0;
  const std::vector<NamedArray> state{named_array("step", {}, &step)};
  //! [join]
  io::save_safetensors(path, io::join({{"", named_arrays(model)}, {"optimizer.", state}}));
  //! [join]

  CHECK_THROWS_WITH(io::load_safetensors(path, other),
                    path + ": its tensors are not those asked for; left over: \"optimizer.step\"");
  io::load_safetensors(path, other, {.ignore = "optimizer."});
  CHECK(other.output.weight.value() == model.output.weight.value());
  io::load_safetensors(path, io::join({{"", named_arrays(other)},
                                       {"optimizer.", {named_array("step", {}, &other_step)}}}));
  CHECK(other_step == 7);
}

TEST_CASE("safetensors: what does not fit changes nothing") {
  const io::SafetensorsFile file("x", from_python);
  const auto refused = [&](auto&& change, const std::string& text) {
    Targets x;
    std::vector<NamedArray> arrays = x.arrays();
    change(arrays);
    CHECK_THROWS_WITH(file.load(arrays), "x: " + text);
    CHECK(x == Targets());
  };
  refused(
      [](auto& a) {
        a[5].shape = {3, 0};
      },
      "tensor \"none\": its shape is [0, 3], but that asked for is [3, 0]");
  refused([](auto& a) { a[5].shape = {}; },
          "tensor \"none\": its shape is [0, 3], but that asked for is []");
  refused([](auto& a) { a[0].type = ArrayType::int64; },
          "tensor \"W\": float32 does not go into int64");
  refused([](auto& a) { a[4].type = ArrayType::float64; },
          "tensor \"step\": int64 does not go into float64");
  refused([](auto& a) { a.erase(a.begin() + 1, a.begin() + 3); },
          "its tensors are not those asked for; left over: \"b\" \"half\"");
  refused(
      [](auto& a) { a[1].name = "bias", a[2].name = "Half"; },
      "its tensors are not those asked for; missing: \"bias\" \"Half\"; left over: \"b\" \"half\"");
  refused([](auto& a) { a.push_back(a[0]); }, "two arrays have the name \"W\"");
}

TEST_CASE("safetensors: what cannot be written leaves the old file") {
  const Directory directory;
  const std::string path = directory / "x";
  io::write_file(path, "old");
  double x = 1;
  const auto refused = [&](const std::vector<std::string>& names, const io::Metadata& metadata,
                           const std::string& text) {
    std::vector<NamedArray> arrays;
    for (const std::string& name : names) arrays.push_back(named_array(name, {}, &x));
    CHECK_THROWS_WITH(io::save_safetensors(path, arrays, metadata), ContainsSubstring(text));
    CHECK(io::read_file(path) == "old");
    CHECK(directory.size() == 1);
  };
  refused({"a", "b", "a"}, {}, path + ": two arrays have the name \"a\"");
  refused({"__metadata__"}, {}, path + ": no tensor can have the name \"__metadata__\"");
  refused({"\xFF"}, {}, path + ": a name or a text is not UTF-8: invalid UTF-8 byte");
  refused({"a"}, {{"k", "\xC3"}}, path + ": a name or a text is not UTF-8: ");
  CHECK_THROWS_AS(io::save_safetensors(path + "/y", std::vector<NamedArray>()), FileError);
}

TEST_CASE("safetensors: files that break the format") {
  const auto refused = [](const std::string& content, const std::string& text) {
    CHECK_THROWS_WITH(io::SafetensorsFile("x", content), ContainsSubstring("x: " + text));
  };
  refused("", "cut off: it has 0 bytes, not even 8");
  refused(file_of("{} ").substr(0, 10), "cut off: its header has 3 bytes, but only 2 follow");
  refused(std::string("\x01\xE1\xF5\x05\0\0\0\0{}", 10),
          "a header of 100000001 bytes is above the largest, 100000000");
  refused(std::string(8, '\xFF'), "a header of 18446744073709551615 bytes is above the largest");

  const auto header = [&](const std::string& json, const std::string& text) {
    refused(file_of(json, 24), text);
  };
  header("", "the header must begin with {");
  header(" {}", "the header must begin with {");
  header("[]", "the header must begin with {");
  header("{\"a\": 1", "the header is no JSON: parse error at line 1, column 8");
  header("{\"\xFF\": 1}", "the header is no JSON: parse error at line 1, column 3");
  header("{} {}", "the header is no JSON: ");
  header(std::string("{}\0", 3), "the header is no JSON: ");
  header("{\"a\": {}, \"a\": {}}", "the header has the name \"a\" twice");
  header(R"({"a": {"shape": [], "shape": []}})", "the header has the name \"shape\" twice");
  header(R"({"__metadata__": {"a": "", "a": ""}})", "the header has the name \"a\" twice");
  header(R"({"a": {"b": {}}})", "the header is nested too deeply");
  header(R"({"a": {"shape": [[]]}})", "the header is nested too deeply");
  header("{\"a\": " + std::string(100000, '['), "the header is nested too deeply");
  header(R"({"__metadata__": []})", "__metadata__ must be a JSON object");
  header(R"({"__metadata__": {"a": 1}})", "__metadata__: \"a\" must be a text");
  header("{}", "the data has 24 bytes, but its tensors end at byte 0");

  const auto tensor = [&](const std::string& json, const std::string& text) {
    header("{\"a\": " + json + "}", "tensor \"a\": " + text);
  };
  const auto described = [&](const std::string& dtype, const std::string& shape,
                             const std::string& offsets, const std::string& text) {
    tensor(
        "{\"dtype\": " + dtype + ", \"shape\": " + shape + ", \"data_offsets\": " + offsets + "}",
        text);
  };
  tensor("3", "it must be described by a JSON object");
  tensor(R"({"shape": [6], "data_offsets": [0, 24]})", "it has no dtype");
  tensor(R"({"dtype": "F32", "data_offsets": [0, 24]})", "it has no shape");
  tensor(R"({"dtype": "F32", "shape": [6]})", "it has no data_offsets");
  described("\"I32\"", "[6]", "[0, 24]", "the dtype \"I32\" is none of F16, BF16, F32, F64, I64");
  for (const char* const dtype : {"32", "null", "true", "-1", "0.5", "[]", "[\"F32\"]"})
    described(dtype, "[6]", "[0, 24]", "its dtype must be a text");
  const std::string numbers = " must be a list of numbers that are not negative";
  described("\"F32\"", "6", "[0, 24]", "shape" + numbers);
  described("\"F32\"", "[-6]", "[0, 24]", "shape" + numbers);
  described("\"F32\"", "[6.0]", "[0, 24]", "shape" + numbers);
  described("\"F32\"", "[99999999999999999999]", "[0, 24]", "shape" + numbers);
  described("\"F32\"", "[6]", "24", "data_offsets" + numbers);
  described("\"F32\"", "[6]", "[0, null]", "data_offsets" + numbers);
  const std::string two = "data_offsets must be two numbers, the first not above the second";
  described("\"F32\"", "[6]", "[24]", two);
  described("\"F32\"", "[6]", "[0, 24, 24]", two);
  described("\"F32\"", "[6]", "[24, 0]", two);
  described("\"F32\"", "[6]", "[0, 28]", "it ends at byte 28 of the data, which has 24 bytes");
  described("\"F32\"", "[6]", "[0, 18446744073709551615]",
            "it ends at byte 18446744073709551615 of the data, which has 24 bytes");
  described("\"F32\"", "[1, 1, 1, 1, 6]", "[0, 24]", "rank 5 is above the largest, 4");
  const std::string large = "its number of elements is too large";
  described("\"F32\"", "[4611686018427387904, 4]", "[0, 24]", large);
  described("\"F32\"", "[18446744073709551615, 2]", "[0, 24]", large);
  described("\"F32\"", "[4294967296, 4294967296, 0]", "[0, 0]", large);
  described("\"F64\"", "[2305843009213693955]", "[0, 24]",
            "its shape [2305843009213693955] of float64 does not make the 24 bytes of its data");
  described("\"F32\"", "[2, 2]", "[0, 24]",
            "its shape [2, 2] of float32 does not make the 24 bytes of its data");
  described("\"F64\"", "[2]", "[0, 23]",
            "its shape [2] of float64 does not make the 23 bytes of its data");
  described("\"F32\"", "[5]", "[4, 24]", "bytes 0 to 4 before it are unused");
  described("\"F32\"", "[0]", "[4, 4]", "bytes 0 to 4 before it are unused");

  const auto two_tensors = [](const std::string& a, const std::string& b) {
    const std::string info = R"({"dtype": "F32", "shape": [3], "data_offsets": )";
    return "{\"a\": " + info + a + "}, \"b\": " + info + b + "}}";
  };
  header(two_tensors("[12, 24]", "[8, 20]"), "tensor \"b\": bytes 0 to 8 before it are unused");
  header(two_tensors("[8, 20]", "[0, 12]"), "tensor \"a\": it overlaps with the tensor before it");
  header(two_tensors("[0, 12]", "[0, 12]"), "tensor \"b\": it overlaps with the tensor before it");
  refused(file_of(two_tensors("[0, 12]", "[16, 28]"), 28),
          "tensor \"b\": bytes 12 to 16 before it are unused");
  refused(file_of(two_tensors("[0, 12]", "[12, 24]"), 25),
          "the data has 25 bytes, but its tensors end at byte 24");
  CHECK_NOTHROW(io::SafetensorsFile("x", file_of(two_tensors("[12, 24]", "[0, 12]"), 24)));
}

TEST_CASE("safetensors: broken files are refused or read, and do not half fill a model") {
  files::check_broken(from_python, [](const std::string& bytes) {
    Targets x;
    try {
      io::SafetensorsFile("x", bytes).load(x.arrays());
    } catch (...) {
      REQUIRE(x == Targets());
      throw;
    }
  });
}
