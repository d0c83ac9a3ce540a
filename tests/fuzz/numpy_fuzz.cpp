// Whatever bytes an .npy or an .npz file has, they are read or refused with a FileError; what was
// read and is written reads the same.
#include <optional>

#include "fuzz.hpp"
#include "gradtape/io/numpy.hpp"

using namespace gradtape;

namespace {

/// Reads with integers or with floating-point numbers; false: refused.
template <class Read>
std::optional<fuzz::Numbers> numbers_by(Read&& read) {
  for (const bool is_integer : {false, true}) {
    try {
      fuzz::Numbers numbers({}, is_integer);
      if (is_integer) {
        auto array = read(std::int64_t{});
        numbers = {array.shape, is_integer};
        numbers.integers = std::move(array.values);
      } else {
        auto array = read(double{});
        numbers = {array.shape, is_integer};
        numbers.reals = std::move(array.values);
      }
      return numbers;
    } catch (const FileError&) {
    }
  }
  return std::nullopt;
}

std::optional<fuzz::Numbers> read_npy(std::string_view bytes) {
  return numbers_by(
      [&](auto zero) { return io::detail::read_numpy<decltype(zero)>("npy", bytes); });
}
std::optional<fuzz::Numbers> read_member(const io::NpzFile& file, const std::string& name) {
  return numbers_by([&](auto zero) { return file.array<decltype(zero)>(name); });
}

void check_npy(std::string_view bytes) {
  auto numbers = read_npy(bytes);
  if (!numbers) return;
  const auto again = read_npy(io::detail::to_numpy(numbers->named("")));
  fuzz::require(again && again->is_same(*numbers), "the same array");
}

void check_npz(std::string_view bytes) {
  std::optional<io::NpzFile> file;
  try {
    file.emplace("npz", std::string(bytes));
  } catch (const FileError&) {
    return;
  }
  std::vector<fuzz::Numbers> all;
  std::vector<NamedArray> arrays;
  const std::vector<std::string> names = file->names();
  all.reserve(names.size());
  for (const std::string& name : names) {
    auto numbers = read_member(*file, name);
    if (!numbers) continue;
    all.push_back(std::move(*numbers));
    arrays.push_back(all.back().named(name));
  }
  std::string written;
  io::detail::write_npz("written", arrays, [&](std::string_view piece) { written += piece; });
  const io::NpzFile again("written", written);
  fuzz::require(again.names().size() == arrays.size(), "as many arrays");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto numbers = read_member(again, arrays[i].name);
    fuzz::require(numbers && numbers->is_same(all[i]), "the same arrays");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::Bytes(data, size).rest();
  bytes.starts_with("PK") ? check_npz(bytes) : check_npy(bytes);
  return 0;
}
