#pragma once
/// \file
/// Arrays in the files of NumPy: one in an .npy file, several with names in an .npz file.
///
///     io::save_npy("x.npy", matrix);                          numpy.load("x.npy")
///     Eigen::MatrixXd x = io::load_npy<double>("x.npy").matrix();
///
///     6 bytes     93 'N' 'U' 'M' 'P' 'Y'
///     2 bytes     the version: 1.0 or 2.0
///     2, 4 bytes  N, the length of the header, little-endian
///     N bytes     {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }, then spaces
///     the rest    the numbers
///
/// Source: NumPy's documentation, numpy.lib.format.

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/parameter.hpp"
#include "encoding.hpp"
#include "file.hpp"
#include "zip.hpp"

namespace gradtape::io {

/// Numbers with a shape, column-major.
template <class T>
struct Array {
  Shape shape;            ///< as in Python
  std::vector<T> values;  ///< element (i, j) at i + rows j, whatever the order in the file

  /// The first dimension by all others.
  Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>> matrix() const {
    return {values.data(), shape.rows(), shape.columns()};
  }
};

namespace detail {

constexpr std::array<std::pair<std::string_view, ElementType>, 4> numpy_types{
    {{"<f2", ElementType::float16},
     {"<f4", ElementType::float32},
     {"<f8", ElementType::float64},
     {"<i8", ElementType::int64}}};

/// What an .npy file says of its numbers.
struct NumpyHeader {
  ElementType type;
  StorageOrder order;
  Shape shape;
};

/// Reads the header's text: a dictionary in Python's syntax, of three things in any order.
class NumpyHeaderParser {
 public:
  NumpyHeaderParser(const std::string& place, std::string_view text)
      : place_(place), text_(text), rest_(text) {}

  NumpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !type_) {
        type_ = type(string());
      } else if (key == "fortran_order" && !order_) {
        order_ = order();
      } else if (key == "shape" && !shape_) {
        shape_ = shape();
      } else {
        fail("an unknown or repeated key ", in_quotes(key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_spaces();
    if (!rest_.empty()) fail("more than a dictionary");
    if (!type_ || !order_ || !shape_) fail("not all of 'descr', 'fortran_order' and 'shape'");
    return {*type_, *order_, *shape_};
  }

 private:
  template <class... Part>
  [[noreturn]] void fail(const Part&... part) const {
    detail::fail<FileError>(place_, ": the header has ", part..., " (at byte ",
                            text_.size() - rest_.size(), " of it)");
  }

  void skip_spaces() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
  }
  bool accept(std::string_view word) {
    skip_spaces();
    const bool is_next = rest_.starts_with(word);
    if (is_next) rest_.remove_prefix(word.size());
    return is_next;
  }
  bool accept(char c) { return accept(std::string_view(&c, 1)); }
  void expect(char c) {
    if (!accept(c)) fail("no '", std::string(1, c), "' where one must be");
  }

  std::string_view string() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') expect(quote);
    const std::size_t end = rest_.find(quote);
    if (end == rest_.npos) fail("a text without end");
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  ElementType type(std::string_view descr) const {
    for (const auto& [name, type] : numpy_types) {
      if (descr == name) return type;
    }
    if (descr.starts_with('>')) {
      detail::fail<FileError>(place_, ": big-endian numbers ('", descr,
                              "') cannot be read: save x.astype(x.dtype.newbyteorder('<'))");
    }
    detail::fail<FileError>(place_, ": numbers of the type '", descr,
                            "' cannot be read, only <f2, <f4, <f8 and <i8");
  }

  StorageOrder order() {
    if (accept("True")) return StorageOrder::first_index_fastest;
    if (!accept("False")) fail("neither True nor False for 'fortran_order'");
    return StorageOrder::last_index_fastest;
  }

  Shape shape() {
    std::vector<std::uint64_t> sizes;
    expect('(');
    while (!accept(')')) {
      sizes.push_back(size());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape_of_sizes(place_, sizes);
  }

  /// What is too large for a size stays so.
  std::uint64_t size() {
    skip_spaces();
    const std::size_t digits = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    if (digits == 0) fail("no number where one must be");
    std::uint64_t value = 0;
    for (const char c : rest_.substr(0, digits))
      value = std::min(value, std::numeric_limits<std::uint64_t>::max() / 16) * 10 +
              static_cast<std::uint64_t>(c - '0');
    rest_.remove_prefix(digits);
    return value;
  }

  const std::string& place_;
  std::string_view text_, rest_;
  std::optional<ElementType> type_;
  std::optional<StorageOrder> order_;
  std::optional<Shape> shape_;
};

constexpr std::string_view numpy_magic = "\x93NUMPY";

/// Splits the header off.
/// \throws FileError naming the place for what breaks the format.
inline NumpyHeader take_numpy_header(const std::string& place, std::string_view& bytes) {
  if (!bytes.starts_with(numpy_magic))
    fail<FileError>(place, ": no .npy file: it does not begin with \\x93NUMPY");
  if (bytes.size() < 12) fail<FileError>(place, ": cut off in its header");
  const int major = load<std::uint8_t>(bytes.data() + 6),
            minor = load<std::uint8_t>(bytes.data() + 7);
  if ((major != 1 && major != 2) || minor != 0)
    fail<FileError>(place, ": version ", major, ".", minor, " is neither 1.0 nor 2.0");
  const std::size_t begin = major == 1 ? 10 : 12;
  const std::size_t length =
      major == 1 ? load<std::uint16_t>(bytes.data() + 8) : load<std::uint32_t>(bytes.data() + 8);
  if (length > bytes.size() - begin) fail<FileError>(place, ": cut off in its header");
  const NumpyHeader header = NumpyHeaderParser(place, bytes.substr(begin, length)).parse();
  bytes.remove_prefix(begin + length);
  check_length(place, header.type, header.shape, bytes.size());
  return header;
}

inline void read_numpy(const std::string& place, std::string_view bytes, const NamedArray& into) {
  const NumpyHeader header = take_numpy_header(place, bytes);
  check_fit(place, header.type, header.shape, into);
  decode(bytes, header.type, header.order, into);
}

template <class T>
Array<T> read_numpy(const std::string& place, std::string_view bytes) {
  std::string_view data = bytes;
  const Shape shape = take_numpy_header(place, data).shape;
  Array<T> array{shape, std::vector<T>(static_cast<std::size_t>(shape.size()))};
  read_numpy(place, bytes, named_array("", shape, array.values.data()));
  return array;
}

/// The content of an .npy file.
inline std::string to_numpy(const NamedArray& array) {
  const auto* const type =
      std::find_if(numpy_types.begin(), numpy_types.end(),
                   [&](const auto& known) { return known.second == element_type(array.type); });
  std::string text = concat("{'descr': '", type->first, "', 'fortran_order': False, 'shape': (");
  for (int d = 0; d < array.shape.rank(); ++d)
    text += concat(array.shape[d], d == 0 || d + 1 < array.shape.rank() ? ", " : "");
  if (text.ends_with(", ") && array.shape.rank() == 1) text.pop_back();
  text += "), }";
  // the numbers begin at a multiple of 64
  text.resize((text.size() + 11 + 63) / 64 * 64 - 11, ' ');
  text += '\n';
  std::string bytes = concat(numpy_magic, std::string("\1\0", 2));
  bytes += static_cast<char>(text.size() & 0xFF);
  bytes += static_cast<char>(text.size() >> 8);
  return bytes + text + encode(array);
}

}  // namespace detail

/// An Eigen matrix or vector as an array, to be written or filled where it is.
template <class T, int Rows, int Columns, int Options>
NamedArray named_array(std::string name, Eigen::Matrix<T, Rows, Columns, Options>& x) {
  static_assert((Options & Eigen::RowMajor) == 0 || Rows == 1 || Columns == 1,
                "gradtape: arrays are column-major: copy the matrix into one that is");
  return gradtape::named_array(std::move(name), shape_of(x), x.data());
}

/// Writes one array; its name is not used.
/// \throws FileError if it cannot be written.
inline void save_npy(const std::string& path, const NamedArray& array) {
  write_file(path, detail::to_numpy(array));
}

/// Writes any Eigen vector (of rank 1) or matrix of float, double or std::int64_t.
template <class Derived>
void save_npy(const std::string& path, const Eigen::DenseBase<Derived>& x) {
  Eigen::Array<typename Derived::Scalar, Eigen::Dynamic, Eigen::Dynamic> copy = x.derived().array();
  save_npy(path, gradtape::named_array("", shape_of(x), copy.data()));
}

/// Fills an array from a file; `is_convertible` says which types go into which.
/// \throws FileError if the file breaks the format, or has another shape or type; nothing is
/// changed then.
inline void load_npy(const std::string& path, const NamedArray& into) {
  detail::read_numpy(path, read_file(path), into);
}

/// The array of a file.
template <class T>
Array<T> load_npy(const std::string& path) {
  return detail::read_numpy<T>(path, read_file(path));
}

namespace detail {

/// Passes the bytes of a file to write(bytes), piece by piece; the path is for error texts.
template <class Write>
void write_npz(const std::string& path, std::span<const NamedArray> arrays, Write write) {
  check_names(path, arrays);
  for (const NamedArray& array : arrays) {
    if (array.shape.size() > 0xFFFFFFFF / size_of(element_type(array.type))) {
      fail<FileError>(path, ": ", in_quotes(array.name),
                      " is beyond 4 GiB, which an .npz file cannot hold");
    }
  }
  ZipWriter archive(path, std::move(write));
  for (const NamedArray& array : arrays) archive.add(array.name + ".npy", to_numpy(array));
  archive.finish();
}

}  // namespace detail

/// Writes arrays under their names, without compression.
/// \throws FileError if they cannot be written, for a name that stands twice, and beyond 4 GiB.
inline void save_npz(const std::string& path, std::span<const NamedArray> arrays) {
  AtomicFile file(path);
  detail::write_npz(path, arrays, [&file](std::string_view bytes) { file.write(bytes); });
  file.commit();
}

/// An .npz file without compression, such as numpy.savez writes.
class NpzFile {
 public:
  /// Reads the whole file.
  /// \throws FileError if it cannot be read, or is no such file.
  explicit NpzFile(const std::string& path) : NpzFile(path, read_file(path)) {}

  /// The content of a file, and a name for error texts.
  NpzFile(std::string path, std::string content)
      : path_(std::move(path)),
        content_(std::move(content)),
        members_(detail::ZipReader(path_, content_).members()) {
    for (detail::ZipMember& member : members_) {
      if (!member.name.ends_with(".npy"))
        detail::fail<FileError>(path_, ": ", detail::in_quotes(member.name), " is no .npy file");
      member.name.remove_suffix(4);
    }
  }
  NpzFile(const NpzFile&) = delete;
  NpzFile& operator=(const NpzFile&) = delete;

  /// In the order of the file.
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const detail::ZipMember& member : members_) result.emplace_back(member.name);
    return result;
  }

  /// An array of the file.
  /// \throws FileError if there is none of this name, and as `load_npy`.
  template <class T>
  Array<T> array(std::string_view name) const {
    return detail::read_numpy<T>(place(name), content(name));
  }

  /// Fills an array from that of its name.
  /// \throws FileError as `array`; nothing is changed then.
  void load(const NamedArray& into) const {
    detail::read_numpy(place(into.name), content(into.name), into);
  }

 private:
  std::string place(std::string_view name) const {
    return detail::concat(path_, ": ", detail::in_quotes(name));
  }

  std::string_view content(std::string_view name) const {
    for (const detail::ZipMember& member : members_) {
      if (member.name == name) return member.content;
    }
    detail::fail<FileError>(path_, ": no array has the name ", detail::in_quotes(name));
  }

  std::string path_, content_;
  std::vector<detail::ZipMember> members_;
};

}  // namespace gradtape::io
