#pragma once
/// \file
/// Archives of the zip format without compression, as NumPy's .npz files are:
///
///     member, member, ..            each with a header of its own and its bytes
///     directory                     names, checksums, lengths and places of the members
///     end of the directory          where the directory is
///
/// Source: PKWARE, .ZIP file format specification (APPNOTE.TXT) 6.3, sections 4.3 and 4.4.

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "encoding.hpp"

namespace gradtape::io::detail {

constexpr std::array<std::uint32_t, 256> crc32_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t x = i;
    for (int bit = 0; bit < 8; ++bit) x = (x & 1) != 0 ? x >> 1 ^ 0xEDB88320u : x >> 1;
    table[i] = x;
  }
  return table;
}

/// The checksum of the members.  Source: ISO 3309; the polynomial's bits are reversed.
constexpr std::uint32_t crc32(std::string_view bytes) {
  constexpr std::array<std::uint32_t, 256> table = crc32_table();
  std::uint32_t x = 0xFFFFFFFFu;
  for (const char c : bytes) x = x >> 8 ^ table[(x ^ static_cast<unsigned char>(c)) & 0xFFu];
  return ~x;
}

constexpr std::uint32_t zip_member = 0x04034b50, zip_entry = 0x02014b50, zip_end = 0x06054b50;
constexpr std::size_t zip_member_size = 30, zip_entry_size = 46, zip_end_size = 22;

/// A member of an archive; both are parts of the archive's bytes.
struct ZipMember {
  std::string_view name, content;
};

/// Takes an archive apart.
class ZipReader {
 public:
  ZipReader(const std::string& path, std::string_view bytes) : path_(path), bytes_(bytes) {}

  /// \throws FileError for what is no archive, or one that is compressed, encrypted or damaged.
  std::vector<ZipMember> members() const {
    const std::size_t end = find_end();
    const auto count = number<std::uint16_t>(end + 10);
    const auto size = number<std::uint32_t>(end + 12), begin = number<std::uint32_t>(end + 16);
    if (count == 0xFFFF || size == 0xFFFFFFFF || begin == 0xFFFFFFFF)
      fail<FileError>(path_, ": archives beyond 4 GiB (zip64) cannot be read");
    if (std::uint64_t{begin} + size != end)
      fail<FileError>(path_, ": damaged: the directory is not where it should be");

    std::vector<ZipMember> result;
    std::set<std::string_view> names;
    std::size_t entry = begin;
    for (int i = 0; i < count; ++i) {
      if (entry + zip_entry_size > end || number<std::uint32_t>(entry) != zip_entry)
        fail<FileError>(path_, ": damaged: entry ", i, " of the directory is broken");
      const std::size_t name_size = number<std::uint16_t>(entry + 28);
      const std::size_t next = entry + zip_entry_size + name_size +
                               number<std::uint16_t>(entry + 30) +
                               number<std::uint16_t>(entry + 32);
      if (next > end)
        fail<FileError>(path_, ": damaged: entry ", i, " of the directory is cut off");
      result.push_back(member(entry, bytes_.substr(entry + zip_entry_size, name_size), begin));
      if (!names.insert(result.back().name).second)
        fail<FileError>(path_, ": two members have the name ", in_quotes(result.back().name));
      entry = next;
    }
    if (entry != end) fail<FileError>(path_, ": damaged: the directory has more than its entries");
    return result;
  }

 private:
  template <class T>
  T number(std::size_t position) const {
    return load<T>(bytes_.data() + position);
  }

  /// The last of the records is found from the file's end: a comment of any length may follow.
  std::size_t find_end() const {
    for (std::size_t comment = 0; comment <= 0xFFFF; ++comment) {
      if (comment + zip_end_size > bytes_.size()) break;
      const std::size_t position = bytes_.size() - comment - zip_end_size;
      if (number<std::uint32_t>(position) == zip_end &&
          number<std::uint16_t>(position + 20) == comment)
        return position;
    }
    fail<FileError>(path_, ": no zip archive, or cut off");
  }

  /// The member that an entry describes; members end before the directory begins.
  ZipMember member(std::size_t entry, std::string_view name, std::size_t limit) const {
    const std::string place = concat(path_, ": ", in_quotes(name));
    const auto flags = number<std::uint16_t>(entry + 8), method = number<std::uint16_t>(entry + 10);
    const auto size = number<std::uint32_t>(entry + 24), begin = number<std::uint32_t>(entry + 42);
    if ((flags & 1) != 0) fail<FileError>(place, " is encrypted");
    if (method != 0) {
      fail<FileError>(
          place, " is compressed (method ", method,
          "): only archives without compression can be read, such as numpy.savez makes");
    }
    if (size == 0xFFFFFFFF || begin == 0xFFFFFFFF)
      fail<FileError>(place, " is beyond 4 GiB (zip64), which cannot be read");
    if (begin + zip_member_size > limit || number<std::uint32_t>(begin) != zip_member)
      fail<FileError>(place, " is damaged: it does not begin where it should");
    const std::size_t name_size = number<std::uint16_t>(begin + 26);
    const std::size_t data =
        begin + zip_member_size + name_size + number<std::uint16_t>(begin + 28);
    if (data + size > limit || number<std::uint32_t>(entry + 20) != size)
      fail<FileError>(place, " is damaged: it is cut off");
    if (bytes_.substr(begin + zip_member_size, name_size) != name)
      fail<FileError>(place, " is damaged: it has another name in the directory");
    const std::string_view content = bytes_.substr(data, size);
    if (crc32(content) != number<std::uint32_t>(entry + 16))
      fail<FileError>(place, " is damaged: its checksum is wrong");
    return {name, content};
  }

  const std::string& path_;
  std::string_view bytes_;
};

/// Passes an archive to write(bytes), member by member; the path is for error texts.
template <class Write>
class ZipWriter {
 public:
  ZipWriter(std::string path, Write write) : path_(std::move(path)), write_(std::move(write)) {}

  /// \throws FileError if the archive gets larger than the format allows.
  void add(std::string_view name, std::string_view content) {
    if (count_ == 0xFFFE || name.size() > 0xFFFF ||
        size_ + content.size() + directory_.size() + 2 * name.size() + 1000 > 0xFFFFFFFF)
      fail<FileError>(path_, ": archives beyond 4 GiB or 65534 members cannot be written");
    // what members and entries have in common: version 2.0, names in UTF-8, no compression, the
    // beginning of 1980, checksum, both sizes, the name's length, nothing extra
    std::string common;
    for (const unsigned x : {20u, 0x0800u, 0u, 0u, 0x0021u}) append(common, x, 2);
    append(common, crc32(content), 4);
    append(common, content.size(), 4);
    append(common, content.size(), 4);
    append(common, name.size(), 2);
    append(common, 0, 2);

    append(directory_, zip_entry, 4);
    append(directory_, 20, 2);  // written by version 2.0
    directory_ += common;
    append(directory_, 0, 10);  // no comment, disk 0, no attributes
    append(directory_, size_, 4);
    directory_ += name;
    ++count_;

    std::string header;
    append(header, zip_member, 4);
    header += common;
    header += name;
    write(header);
    write(content);
  }

  void finish() {
    std::string end;
    append(end, zip_end, 4);
    append(end, 0, 4);
    append(end, count_, 2);
    append(end, count_, 2);
    append(end, directory_.size(), 4);
    append(end, size_, 4);
    append(end, 0, 2);
    write(directory_);
    write(end);
  }

 private:
  static void append(std::string& bytes, std::uint64_t number, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(i < 8 ? number >> (8 * i) & 0xFF : 0);
  }
  void write(std::string_view bytes) {
    write_(bytes);
    size_ += bytes.size();
  }

  std::string path_, directory_;
  Write write_;
  std::uint64_t size_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace gradtape::io::detail
