#include "gradtape/io/numpy.hpp"

#include <array>

#include "catch.hpp"
#include "files.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;
using files::Directory;

namespace {

// import io, numpy as np
// W = np.array([[1, 2, 3], [4, 5.5, -6]], "<f4")
// f = io.BytesIO()
// np.savez(f, W=W, F=np.asfortranarray(W, "<f8"), n=np.array(-3, "<i8"))
// print(f.getvalue().hex())
// f = io.BytesIO()
// np.lib.format.write_array(f, np.array([1, -0.5, 6e-8], "<f2"), version=(2, 0))
// print(f.getvalue().hex())
const std::string npz = files::from_hex(
    "504b030414000000000000002100c71db04c980000009800000005001400572e6e7079010010009800000000"
    "0000009800000000000000934e554d5059010076007b276465736372273a20273c6634272c2027666f727472"
    "616e5f6f72646572273a2046616c73652c20277368617065273a2028322c2033292c207d2020202020202020"
    "2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "2020202020200a0000803f0000004000004040000080400000b0400000c0c0504b0304140000000000000021"
    "00a8cf0c33b0000000b000000005001400462e6e707901001000b000000000000000b000000000000000934e"
    "554d5059010076007b276465736372273a20273c6638272c2027666f727472616e5f6f72646572273a205472"
    "75652c20277368617065273a2028322c2033292c207d20202020202020202020202020202020202020202020"
    "202020202020202020202020202020202020202020202020202020202020202020202020200a000000000000"
    "f03f000000000000104000000000000000400000000000001640000000000000084000000000000018c0504b"
    "03041400000000000000210032b676608800000088000000050014006e2e6e70790100100088000000000000"
    "008800000000000000934e554d5059010076007b276465736372273a20273c6938272c2027666f727472616e"
    "5f6f72646572273a2046616c73652c20277368617065273a2028292c207d2020202020202020202020202020"
    "2020202020202020202020202020202020202020202020202020202020202020202020202020202020202020"
    "202020200afdffffffffffffff504b0102140314000000000000002100c71db04c9800000098000000050000"
    "000000000000000000800100000000572e6e7079504b0102140314000000000000002100a8cf0c33b0000000"
    "b00000000500000000000000000000008001cf000000462e6e7079504b010214031400000000000000210032"
    "b6766088000000880000000500000000000000000000008001b60100006e2e6e7079504b0506000000000300"
    "030099000000750200000000");
const std::string npy2 = files::from_hex(
    "934e554d50590200740000007b276465736372273a20273c6632272c2027666f727472616e5f6f7264657227"
    "3a2046616c73652c20277368617065273a2028332c292c207d20202020202020202020202020202020202020"
    "2020202020202020202020202020202020202020202020202020202020202020202020202020200a003c00b8"
    "0100");

const Eigen::MatrixXf W{{1, 2, 3}, {4, 5.5, -6}};

/// An .npy file of version 1.0.
std::string npy_of(const std::string& header, std::size_t bytes = 24) {
  const auto length = static_cast<std::uint16_t>(header.size());
  return "\x93NUMPY\x01" + std::string(1, '\0') +
         std::string(reinterpret_cast<const char*>(&length), 2) + header + std::string(bytes, '\0');
}

template <class T = double>
io::Array<T> read_npy(const std::string& content) {
  return io::detail::read_numpy<T>("x", content);
}

/// The archive with other bytes at some place behind the n-th signature of a kind.
std::string patched(const std::string& signature, std::size_t offset, const std::string& bytes) {
  std::string result = npz;
  return result.replace(result.find(signature) + offset, bytes.size(), bytes);
}

}  // namespace

TEST_CASE("numpy: an .npz file of numpy.savez") {
  const io::NpzFile file("x", npz);
  CHECK(file.names() == std::vector<std::string>{"W", "F", "n"});
  CHECK(file.array<float>("W").shape == Shape{2, 3});
  CHECK(file.array<float>("W").matrix() == W);
  CHECK(file.array<double>("W").matrix() == W.cast<double>());
  CHECK(file.array<float>("F").matrix() == W);
  CHECK(file.array<std::int64_t>("n").shape == Shape{});
  CHECK(file.array<std::int64_t>("n").values == std::vector<std::int64_t>{-3});
  Eigen::MatrixXd into(2, 3);
  file.load(io::named_array("F", into));
  CHECK(into == W.cast<double>());
}

TEST_CASE("numpy: what does not fit changes nothing") {
  const io::NpzFile file("x", npz);
  Eigen::MatrixXd into = Eigen::MatrixXd::Ones(3, 2);
  CHECK_THROWS_WITH(file.load(io::named_array("F", into)),
                    "x: \"F\": its shape is [2, 3], but that asked for is [3, 2]");
  std::int64_t number = 1;
  CHECK_THROWS_WITH(file.load(gradtape::named_array("F", {2, 3}, &number)),
                    "x: \"F\": float64 does not go into int64");
  CHECK_THROWS_WITH(file.array<float>("n"), "x: \"n\": int64 does not go into float32");
  CHECK_THROWS_WITH(file.array<float>("w"), "x: no array has the name \"w\"");
  CHECK(into == Eigen::MatrixXd::Ones(3, 2));
  CHECK(number == 1);
}

TEST_CASE("numpy: an .npy file of version 2.0") {
  const auto array = read_npy(npy2);
  CHECK(array.shape == Shape{3});
  CHECK(array.values == std::vector{1.0, -0.5, 0x1p-24});
}

TEST_CASE("numpy: the bytes of an .npy file are NumPy's own") {
  // numpy.save of np.array([[1, 2, 3], [4, 5.5, -6]], "<f4")
  const std::string expected = "\x93NUMPY\x01" + std::string(1, '\0') + "v" + std::string(1, '\0') +
                               "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" +
                               std::string(58, ' ') + "\n" +
                               files::from_hex("0000803f0000004000004040000080400000b0400000c0c0");
  const Directory directory;
  io::save_npy(directory / "x", W);
  CHECK(io::read_file(directory / "x") == expected);
  Eigen::Matrix<float, 2, 3, Eigen::RowMajor> row_major = W;
  io::save_npy(directory / "x", row_major);
  CHECK(io::read_file(directory / "x") == expected);
}

TEST_CASE("numpy: arrays of every rank come back") {
  const Directory directory;
  const std::string path = directory / "x";
  std::array<double, 24> values{}, back{};
  for (std::size_t i = 0; i < 24; ++i) values[i] = 1.0 / static_cast<double>(i);
  for (const Shape& shape : {Shape{}, Shape{24}, Shape{3, 8}, Shape{2, 3, 4}, Shape{2, 3, 1, 4},
                             Shape{0}, Shape{2, 0, 3}}) {
    INFO(to_string(shape));
    back.fill(0);
    io::save_npy(path, gradtape::named_array("", shape, values.data()));
    io::load_npy(path, gradtape::named_array("", shape, back.data()));
    CHECK(std::equal(back.begin(), back.begin() + shape.size(), values.begin()));
    CHECK(io::load_npy<double>(path).shape == shape);
    // the numbers begin at a multiple of 64
    CHECK(io::read_file(path).size() % 64 == static_cast<std::size_t>(shape.size()) * 8 % 64);
  }
  io::save_npy(path, Eigen::Vector3f(1, 2, 3) * 2);
  CHECK(io::load_npy<float>(path).shape == Shape{3});
  CHECK(io::load_npy<float>(path).values == std::vector{2.f, 4.f, 6.f});
}

TEST_CASE("numpy: an .npz file comes back") {
  const Directory directory;
  const std::string path = directory / "x";
  Eigen::MatrixXf w = W;
  Eigen::Vector2d b(1, 2);
  std::int64_t n = -1;
  io::save_npz(path, std::vector{io::named_array("w", w), io::named_array("\u00E9", b),
                                 gradtape::named_array("", {}, &n)});
  const io::NpzFile file(path);
  CHECK(file.names() == std::vector<std::string>{"w", "\u00E9", ""});
  CHECK(file.array<float>("w").matrix() == W);
  CHECK(file.array<double>("\u00E9").matrix() == b);
  CHECK(file.array<std::int64_t>("").values == std::vector<std::int64_t>{-1});

  io::save_npz(path, std::vector<NamedArray>());
  CHECK(io::NpzFile(path).names().empty());
}

TEST_CASE("numpy: what cannot be written leaves the old file") {
  const Directory directory;
  const std::string path = directory / "x";
  io::write_file(path, "old");
  float x = 0;
  const auto named = [&](const char* name, const Shape& shape) {
    return gradtape::named_array(name, shape, &x);
  };
  CHECK_THROWS_WITH(io::save_npz(path, std::vector{named("a", {}), named("a", {})}),
                    path + ": two arrays have the name \"a\"");
  CHECK_THROWS_WITH(io::save_npz(path, std::vector{named("a", {1 << 15, 1 << 15})}),
                    path + ": \"a\" is beyond 4 GiB, which an .npz file cannot hold");
  CHECK_THROWS_AS(io::save_npz(path, std::vector(0xFFFF, named("a", {}))), FileError);
  CHECK(io::read_file(path) == "old");
  CHECK(directory.size() == 1);
}

TEST_CASE("numpy: .npy headers in other words") {
  for (const char* header :
       {"{\"shape\":(2,3,),\"descr\":\"<f4\",\"fortran_order\":False}",
        "  { 'fortran_order' : False , 'descr':'<f4' ,'shape' : ( 2 , 3 )  }  \n"}) {
    CHECK(read_npy(npy_of(header)).shape == Shape{2, 3});
  }
}

TEST_CASE("numpy: .npy files that break the format") {
  const auto refused = [](const std::string& content, const std::string& text) {
    CHECK_THROWS_WITH(read_npy(content), ContainsSubstring("x: " + text));
  };
  refused("", "no .npy file: it does not begin with \\x93NUMPY");
  refused("PK\3\4", "no .npy file");
  refused("\x93NUMPY\1", "cut off in its header");
  refused(std::string("\x93NUMPY\3\0\0\0\0\0", 12), "version 3.0 is neither 1.0 nor 2.0");
  refused(std::string("\x93NUMPY\1\1\0\0\0\0", 12), "version 1.1 is neither 1.0 nor 2.0");
  refused(std::string("\x93NUMPY\1\0\3\0{}", 12), "cut off in its header");
  refused(std::string("\x93NUMPY\2\0\xFF\xFF\xFF\xFF{}", 14), "cut off in its header");

  const auto header = [&](const std::string& text, const std::string& error) {
    refused(npy_of(text), error);
  };
  header("", "the header has no '{' where one must be (at byte 0 of it)");
  header("{", "the header has no ''' where one must be (at byte 1 of it)");
  header("{}", "the header has not all of 'descr', 'fortran_order' and 'shape'");
  header("{'descr", "the header has a text without end");
  header("{'descr' '<f4'}", "the header has no ':' where one must be (at byte 9 of it)");
  header("{'x': 3}", "the header has an unknown or repeated key \"x\"");
  header("{'descr': '<f4', 'descr': '<f4'}", "the header has an unknown or repeated key \"descr\"");
  header("{'descr': [('a', '<f4')]}", "the header has no ''' where one must be");
  header("{'descr': '<f4' 'shape'", "the header has no '}' where one must be");
  header("{'fortran_order': 1}", "the header has neither True nor False for 'fortran_order'");
  header("{'shape': 3}", "the header has no '(' where one must be");
  header("{'shape': (-3,)}", "the header has no number where one must be");
  header("{'shape': (3 3)}", "the header has no ')' where one must be");
  header("{'descr': '>f8'}", "big-endian numbers ('>f8') cannot be read: save ");
  header("{'descr': '<i4'}",
         "numbers of the type '<i4' cannot be read, only <f2, <f4, <f8 and <i8");
  const auto shape = [&](const std::string& sizes, const std::string& error) {
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + sizes + ")}", error);
  };
  shape("1, 1, 1, 2, 3", "rank 5 is above the largest, 4");
  shape("4294967296, 4294967296", "its number of elements is too large");
  shape("99999999999999999999999999999999999999, 0, 9", "its number of elements is too large");
  shape("2305843009213693958", "its shape [2305843009213693958] of float32 does not make the 24");
  shape("2, 2", "its shape [2, 2] of float32 does not make the 24 bytes of its data");
  header("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} 1", "the header has more than a");
}

TEST_CASE("numpy: an empty array of whatever shape takes no time") {
  const Index many = Index{1} << 61;
  for (const char* order : {"False", "True"}) {
    for (const Shape& shape : {Shape{0, many}, Shape{many, 0}, Shape{2, many / 4, 0}}) {
      const std::string file =
          npy_of("{'descr': '<f8', 'fortran_order': " + std::string(order) + ", 'shape': (" +
                     to_string(shape).substr(1, to_string(shape).size() - 2) + ")}",
                 0);
      const auto array = read_npy(file);
      CHECK(array.shape == shape);
      CHECK(array.matrix().size() == 0);
      double none;
      CHECK(read_npy(io::detail::to_numpy(named_array("", shape, &none))).shape == shape);
    }
  }
}

TEST_CASE("numpy: .npz files that cannot be read") {
  const auto refused = [](const std::string& content, const std::string& text) {
    CHECK_THROWS_WITH(io::NpzFile("x", content), ContainsSubstring("x: " + text));
  };
  refused("", "no zip archive, or cut off");
  refused(npz.substr(0, npz.size() - 1), "no zip archive, or cut off");
  refused(npz.substr(1), "damaged: the directory is not where it should be");
  const std::string member = "PK\3\4", entry = "PK\1\2", end = "PK\5\6";
  refused(patched(entry, 8, "\1"), "\"W.npy\" is encrypted");
  refused(patched(entry, 10, "\x08"),
          "\"W.npy\" is compressed (method 8): only archives without compression can be read, such "
          "as numpy.savez makes");
  refused(patched(entry, 16, "x"), "\"W.npy\" is damaged: its checksum is wrong");
  refused(patched(entry, 20, "x"), "\"W.npy\" is damaged: it is cut off");
  refused(patched(entry, 20, "xxxxxxxx"), "\"W.npy\" is damaged: it is cut off");
  refused(patched(entry, 24, "\xFF\xFF\xFF\xFF"), "\"W.npy\" is beyond 4 GiB (zip64)");
  refused(patched(entry, 28, "\xFF\xFF"), "damaged: entry 0 of the directory is cut off");
  refused(patched(entry, 42, "x"), "\"W.npy\" is damaged: it does not begin where it should");
  refused(patched(entry, 46, "V"), "\"V.npy\" is damaged: it has another name in the directory");
  refused(patched(entry, 0, "x"), "damaged: entry 0 of the directory is broken");
  refused(patched(end, 10, "\xFF\xFF"), "archives beyond 4 GiB (zip64) cannot be read");
  refused(patched(end, 16, "\xFF\xFF\xFF\xFF"), "archives beyond 4 GiB (zip64) cannot be read");
  refused(patched(end, 10, "\4"), "damaged: entry 3 of the directory is broken");
  refused(patched(end, 10, "\2"), "damaged: the directory has more than its entries");
  const std::string twice = patched("F.npy", 0, "W.npy");
  refused(std::string(twice).replace(twice.rfind("F.npy"), 5, "W.npy"),
          "two members have the name \"W.npy\"");
  std::string other = npz;
  for (std::size_t i = 0; (i = other.find(".npy", i)) != other.npos;) other.replace(i, 4, ".txt");
  refused(other, "\"W.txt\" is no .npy file");

  // a comment may follow the archive
  std::string commented = patched(end, 20, "\5") + "hello";
  CHECK(io::NpzFile("x", commented).names().size() == 3);
}

TEST_CASE("numpy: broken files are refused or read") {
  files::check_broken(npy2, [](const std::string& bytes) { read_npy(bytes); });
  files::check_broken(npz, [](const std::string& bytes) {
    const io::NpzFile file("x", bytes);
    file.array<double>("W");
    file.array<float>("F");
    file.array<std::int64_t>("n");
  });
}

TEST_CASE("zip: checksums") {
  // the check value of the CRC catalogue, and zlib.crc32(bytes(range(256)))
  CHECK(io::detail::crc32("123456789") == 0xCBF43926u);
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  CHECK(io::detail::crc32(all) == 0x29058C73u);
}
