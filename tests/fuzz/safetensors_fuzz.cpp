// Whatever bytes a file has, they are read or refused with a FileError; what was read and is written
// reads the same.
#include <optional>

#include "fuzz.hpp"
#include "gradtape/io/safetensors.hpp"

using namespace gradtape;

namespace {

std::vector<fuzz::Numbers> tensors_of(const io::SafetensorsFile& file,
                                      std::vector<NamedArray>& arrays) {
  std::vector<fuzz::Numbers> numbers;
  numbers.reserve(file.entries().size());
  for (const io::SafetensorsEntry& entry : file.entries()) {
    numbers.emplace_back(entry.shape, entry.type == io::ElementType::int64);
    arrays.push_back(numbers.back().named(entry.name));
  }
  file.load(arrays);
  return numbers;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::optional<io::SafetensorsFile> file;
  try {
    file.emplace("input", std::string(fuzz::Bytes(data, size).rest()));
  } catch (const FileError&) {
    return 0;
  }
  std::vector<NamedArray> arrays, others;
  const std::vector<fuzz::Numbers> numbers = tensors_of(*file, arrays);
  std::string written;
  io::detail::write_safetensors("written", arrays, file->metadata(),
                                [&](std::string_view bytes) { written += bytes; });
  const io::SafetensorsFile again("written", written);
  fuzz::require(again.metadata() == file->metadata(), "the same texts");
  std::vector<fuzz::Numbers> copies;
  copies.reserve(arrays.size());
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    copies.emplace_back(numbers[i].shape, numbers[i].is_integer);
    others.push_back(copies.back().named(arrays[i].name));
  }
  again.load(others);
  for (std::size_t i = 0; i < arrays.size(); ++i)
    fuzz::require(copies[i].is_same(numbers[i]), "the same numbers");
  return 0;
}
