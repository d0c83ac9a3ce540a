#pragma once
/// \file
/// Models and optimizers in files of the safetensors format, which Python reads and writes as well:
///
///     8 bytes     N, the length of the header, little-endian
///     N bytes     JSON, then spaces: {"hidden.weight": {"dtype": "F32", "shape": [16, 2],
///                 "data_offsets": [0, 128]}, .., "__metadata__": {"any": "text", ..}}
///     the rest    the numbers of the tensors, the last index fastest, without a gap
///
/// Source: https://github.com/huggingface/safetensors, "Format" in its README.  This header needs
/// nlohmann/json and is not part of gradtape.hpp.

#if !__has_include(<nlohmann/json.hpp>)
#error "gradtape/io/safetensors.hpp needs nlohmann/json: apt-get install nlohmann-json3-dev"
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../nn/module.hpp"
#include "encoding.hpp"
#include "file.hpp"

namespace gradtape::io {

/// Texts that a file keeps beside its tensors, by name.
using Metadata = std::map<std::string, std::string>;

/// A tensor of a file.
struct SafetensorsEntry {
  std::string name;   ///< as in Python's dictionary: "hidden.weight"
  ElementType type;   ///< of its numbers in the file
  Shape shape;        ///< as in Python
  std::size_t begin;  ///< of its numbers, in the bytes behind the header
  std::size_t end;    ///< one behind its last byte
};

/// Options of `load_safetensors`.
struct SafetensorsOptions {
  std::string ignore;  ///< tensors whose names begin so are not looked at; empty: none are
};

namespace detail {

constexpr std::size_t largest_header = 100'000'000;

/// In the order of the types.
constexpr std::array<std::pair<std::string_view, ElementType>, 5> safetensors_types{
    {{"F16", ElementType::float16},
     {"BF16", ElementType::bfloat16},
     {"F32", ElementType::float32},
     {"F64", ElementType::float64},
     {"I64", ElementType::int64}}};

/// The message of the JSON library without its own error number.
inline std::string message_of(const nlohmann::json::exception& error) {
  const std::string_view text = error.what();
  const std::size_t end = text.find("] ");
  return std::string(end == std::string_view::npos ? text : text.substr(end + 2));
}

/// A text as JSON has it.  \throws FileError if it is not UTF-8.
inline std::string quoted(const std::string& path, const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception& error) {
    fail<FileError>(path, ": a name or a text is not UTF-8: ", message_of(error));
  }
}

/// A member of an object in the header.
struct HeaderField {
  enum class Kind { text, counts, other };

  std::string name, text;
  std::vector<std::uint64_t> counts;
  Kind kind = Kind::other;
};

/// A member of the header.
struct HeaderItem {
  std::string name;
  bool is_object = false;
  std::vector<HeaderField> fields;  ///< of an object

  /// None if there is none of that name.
  const HeaderField* find(std::string_view field) const {
    const auto found = std::find_if(fields.begin(), fields.end(),
                                    [&](const HeaderField& x) { return x.name == field; });
    return found == fields.end() ? nullptr : &*found;
  }
};

/// Takes the header from the JSON library part by part: a tree of the library needs memory even to
/// be destroyed, and ends the program where there is none.
class HeaderReader {
 public:
  /// \throws FileError for what is no JSON, for names that stand twice in an object, and for objects
  /// and lists in others where the format has none.
  HeaderReader(const std::string& path, std::string_view text) : path_(path) {
    if (!text.starts_with('{')) fail<FileError>(path, ": the header must begin with {");
    // where the JSON library would stop
    if (text.find('\0') != text.npos) fail<FileError>(path, ": the header is no JSON: a zero byte");
    nlohmann::json::sax_parse(text, this);
  }

  std::vector<HeaderItem> items;

  // What the JSON library calls.
  bool null() { return other(); }
  bool boolean(bool) { return other(); }
  bool number_integer(std::int64_t) { return other(); }
  bool number_float(double, const std::string&) { return other(); }
  bool binary(const std::vector<std::uint8_t>&) { return other(); }
  bool number_unsigned(std::uint64_t x) {
    if (is_in_list_ && depth_ == 2) items.back().fields.back().counts.push_back(x);
    return true;
  }
  bool string(std::string& x) {
    if (is_in_list_ || depth_ < 2) return other();
    HeaderField& field = items.back().fields.back();
    field.kind = HeaderField::Kind::text;
    field.text = std::move(x);
    return true;
  }
  bool key(std::string& name) {
    if (!names_[depth_ - 1].insert(name).second)
      fail<FileError>(path_, ": the header has the name ", in_quotes(name), " twice");
    if (depth_ == 1) {
      items.emplace_back().name = std::move(name);
    } else {
      items.back().fields.emplace_back().name = std::move(name);
    }
    return true;
  }
  bool start_object(std::size_t) {
    if (depth_ == 2 || is_in_list_) fail_nested();
    names_[depth_].clear();
    if (++depth_ == 2) items.back().is_object = true;
    return true;
  }
  bool end_object() {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) {
    if (std::exchange(is_in_list_, true)) fail_nested();
    if (depth_ == 2) items.back().fields.back().kind = HeaderField::Kind::counts;
    return true;
  }
  bool end_array() {
    is_in_list_ = false;
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    fail<FileError>(path_, ": the header is no JSON: ", message_of(error));
  }

 private:
  /// A list of other than counts is none of counts.
  bool other() {
    if (is_in_list_ && depth_ == 2) items.back().fields.back().kind = HeaderField::Kind::other;
    return true;
  }
  [[noreturn]] void fail_nested() const {
    fail<FileError>(path_, ": the header is nested too deeply");
  }

  const std::string& path_;
  std::array<std::set<std::string>, 2> names_;  // of the header, of the object in it
  std::size_t depth_ = 0;                       // of objects
  bool is_in_list_ = false;
};

}  // namespace detail

/// A file that has been read and checked as a whole.
class SafetensorsFile {
 public:
  /// Reads the whole file.
  /// \throws FileError if it cannot be read or breaks the format.
  explicit SafetensorsFile(const std::string& path) : SafetensorsFile(path, read_file(path)) {}

  /// The content of a file, and a name for error texts.
  SafetensorsFile(std::string path, std::string content)
      : path_(std::move(path)), content_(std::move(content)) {
    if (content_.size() < 8) fail("cut off: it has ", content_.size(), " bytes, not even 8");
    const auto length = detail::load<std::uint64_t>(content_.data());
    if (length > detail::largest_header) {
      fail("a header of ", length, " bytes is above the largest, ", detail::largest_header);
    }
    if (length > content_.size() - 8) {
      fail("cut off: its header has ", length, " bytes, but only ", content_.size() - 8, " follow");
    }
    data_ = std::string_view(content_).substr(8 + length);
    const detail::HeaderReader header(path_, std::string_view(content_).substr(8, length));
    for (const detail::HeaderItem& item : header.items) {
      if (item.name == "__metadata__") {
        add_metadata(item);
      } else {
        entries_.push_back(entry(item));
      }
    }
    check_layout();
  }
  SafetensorsFile(const SafetensorsFile&) = delete;
  SafetensorsFile& operator=(const SafetensorsFile&) = delete;

  /// In the order of their data.
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  /// Texts beside the tensors; empty if there are none.
  const Metadata& metadata() const { return metadata_; }

  /// Fills arrays with the tensors of their names; `is_convertible` says which types go into which.
  /// \throws FileError if a tensor is missing, is left over, or has another shape or type; nothing
  /// is changed then.
  void load(std::span<const NamedArray> arrays, const SafetensorsOptions& options = {}) const {
    detail::check_names(path_, arrays);
    std::map<std::string_view, const SafetensorsEntry*> entries;
    for (const SafetensorsEntry& e : entries_) {
      if (options.ignore.empty() || !e.name.starts_with(options.ignore)) entries[e.name] = &e;
    }
    std::vector<const SafetensorsEntry*> chosen;
    std::string missing, left_over;
    for (const NamedArray& array : arrays) {
      const auto found = entries.find(array.name);
      if (found == entries.end()) {
        missing += " " + detail::in_quotes(array.name);
        continue;
      }
      chosen.push_back(found->second);
      detail::check_fit(place(array.name), found->second->type, found->second->shape, array);
      entries.erase(found);
    }
    for (const auto& [name, e] : entries) left_over += " " + detail::in_quotes(name);
    if (!missing.empty() || !left_over.empty()) {
      fail("its tensors are not those asked for;", missing.empty() ? "" : " missing:", missing,
           missing.empty() || left_over.empty() ? "" : ";",
           left_over.empty() ? "" : " left over:", left_over);
    }
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      decode(data_.substr(chosen[i]->begin, chosen[i]->end - chosen[i]->begin), chosen[i]->type,
             StorageOrder::last_index_fastest, arrays[i]);
    }
  }

 private:
  using Kind = detail::HeaderField::Kind;

  template <class... Part>
  [[noreturn]] void fail(const Part&... part) const {
    detail::fail<FileError>(path_, ": ", part...);
  }
  template <class... Part>
  [[noreturn]] void fail_at(const std::string& name, const Part&... part) const {
    detail::fail<FileError>(place(name), ": ", part...);
  }
  std::string place(const std::string& name) const {
    return detail::concat(path_, ": tensor ", detail::in_quotes(name));
  }

  void add_metadata(const detail::HeaderItem& texts) {
    if (!texts.is_object) fail("__metadata__ must be a JSON object");
    for (const detail::HeaderField& text : texts.fields) {
      if (text.kind != Kind::text)
        fail("__metadata__: ", detail::in_quotes(text.name), " must be a text");
      metadata_.emplace(text.name, text.text);
    }
  }

  const detail::HeaderField& field(const detail::HeaderItem& info, const char* what) const {
    if (!info.is_object) fail_at(info.name, "it must be described by a JSON object");
    const detail::HeaderField* const found = info.find(what);
    if (found == nullptr) fail_at(info.name, "it has no ", what);
    return *found;
  }
  const std::vector<std::uint64_t>& counts(const detail::HeaderItem& info, const char* what) const {
    const detail::HeaderField& list = field(info, what);
    if (list.kind != Kind::counts)
      fail_at(info.name, what, " must be a list of numbers that are not negative");
    return list.counts;
  }

  SafetensorsEntry entry(const detail::HeaderItem& info) const {
    const detail::HeaderField& dtype = field(info, "dtype");
    if (dtype.kind != Kind::text) fail_at(info.name, "its dtype must be a text");
    const auto type =
        std::find_if(detail::safetensors_types.begin(), detail::safetensors_types.end(),
                     [&](const auto& known) { return dtype.text == known.first; });
    if (type == detail::safetensors_types.end()) {
      fail_at(info.name, "the dtype ", detail::in_quotes(dtype.text),
              " is none of F16, BF16, F32, F64, I64");
    }
    const std::vector<std::uint64_t>& offsets = counts(info, "data_offsets");
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      fail_at(info.name, "data_offsets must be two numbers, the first not above the second");
    const std::string where = place(info.name);
    SafetensorsEntry e{info.name, type->second,
                       detail::shape_of_sizes(where, counts(info, "shape")), offsets[0],
                       offsets[1]};
    if (e.end > data_.size()) {
      fail_at(info.name, "it ends at byte ", e.end, " of the data, which has ", data_.size(),
              " bytes");
    }
    detail::check_length(where, e.type, e.shape, e.end - e.begin);
    return e;
  }

  /// The tensors must lie side by side, from the first byte of the data to the last.
  void check_layout() {
    std::sort(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
      return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
    });
    std::size_t end = 0;
    for (const SafetensorsEntry& e : entries_) {
      if (e.begin < end) fail_at(e.name, "it overlaps with the tensor before it");
      if (e.begin > end) fail_at(e.name, "bytes ", end, " to ", e.begin, " before it are unused");
      end = e.end;
    }
    if (end != data_.size()) {
      fail("the data has ", data_.size(), " bytes, but its tensors end at byte ", end);
    }
  }

  std::string path_, content_;
  std::string_view data_;
  std::vector<SafetensorsEntry> entries_;
  Metadata metadata_;
};

namespace detail {

/// Passes the bytes of a file to write(bytes), piece by piece; the path is for error texts.
template <class Write>
void write_safetensors(const std::string& path, std::span<const NamedArray> arrays,
                       const Metadata& metadata, Write&& write) {
  check_names(path, arrays);
  for (const NamedArray& array : arrays) {
    if (array.name == "__metadata__")
      fail<FileError>(path, ": no tensor can have the name \"__metadata__\"");
  }
  std::vector<NamedArray> sorted(arrays.begin(), arrays.end());
  const auto bytes = [](const NamedArray& x) { return size_of(element_type(x.type)); };
  // the large numbers first, so that all of them lie at multiples of their size
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto& a, const auto& b) { return bytes(a) > bytes(b); });
  const auto in_json = [&path](const std::string& text) { return quoted(path, text); };
  std::map<std::string_view, std::string> header;
  if (!metadata.empty()) {
    std::string texts;
    for (const auto& [name, text] : metadata)
      texts += concat(texts.empty() ? "{" : ",", in_json(name), ":", in_json(text));
    header["__metadata__"] = texts + "}";
  }
  Index end = 0;
  for (const NamedArray& array : sorted) {
    const auto type = static_cast<std::size_t>(element_type(array.type));
    const Index begin = std::exchange(end, end + array.shape.size() * bytes(array));
    std::string shape;
    for (int d = 0; d < array.shape.rank(); ++d) shape += concat(d > 0 ? "," : "", array.shape[d]);
    header[array.name] = concat("{\"data_offsets\":[", begin, ",", end, "],\"dtype\":\"",
                                safetensors_types[type].first, "\",\"shape\":[", shape, "]}");
  }
  std::string text;
  for (const auto& [name, info] : header)
    text += concat(text.empty() ? "" : ",", in_json(std::string(name)), ":", info);
  text = "{" + text + "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > largest_header) {
    fail<FileError>(path, ": a header of ", text.size(), " bytes is above the largest, ",
                    largest_header);
  }
  const std::uint64_t length = text.size();
  write({reinterpret_cast<const char*>(&length), sizeof(length)});
  write(text);
  for (const NamedArray& array : sorted) write(encode(array));
}

}  // namespace detail

/// Writes arrays under their names, and texts.  The file appears complete or not at all.
/// \throws FileError if it cannot be written, for names that stand twice and for texts that are not
/// UTF-8.
inline void save_safetensors(const std::string& path, std::span<const NamedArray> arrays,
                             const Metadata& metadata = {}) {
  AtomicFile file(path);
  detail::write_safetensors(path, arrays, metadata,
                            [&file](std::string_view bytes) { file.write(bytes); });
  file.commit();
}

/// Fills arrays from a file, and returns its texts.
/// \throws FileError as `SafetensorsFile` and its `load` do.
inline Metadata load_safetensors(const std::string& path, std::span<const NamedArray> arrays,
                                 const SafetensorsOptions& options = {}) {
  const SafetensorsFile file(path);
  Metadata texts = file.metadata();  // before the arrays change: a copy needs memory
  file.load(arrays, options);
  return texts;
}

/// What names its arrays by members, rather than being a list of arrays.
template <class Model>
concept SavedModel = !std::is_convertible_v<Model&, std::span<const NamedArray>>;

/// Writes the parameters and buffers of a model, under the names that its members give them.
/// \snippet io/safetensors_test.cpp save
template <SavedModel Model>
void save_safetensors(const std::string& path, const Model& model, const Metadata& metadata = {}) {
  // the list says where to write as well, which saving does not
  save_safetensors(path, named_arrays(const_cast<Model&>(model)), metadata);
}

/// Fills the parameters and buffers of a model from a file, and returns its texts.
/// \throws FileError if the file is not exactly of this model; the model keeps its values then.
template <SavedModel Model>
Metadata load_safetensors(const std::string& path, Model& model,
                          const SafetensorsOptions& options = {}) {
  return load_safetensors(path, named_arrays(model), options);
}

}  // namespace gradtape::io
