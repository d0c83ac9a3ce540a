// Programs over scalars and tensors, chosen by the input's bytes, on a tape that lives on from one to
// the next, against forward mode (random/program.hpp); a quarter of them under trace.
#include <algorithm>
#include <optional>

#include "fuzz.hpp"
#include "random/run.hpp"

namespace {

/// Choices by bytes.
struct Source {
  fuzz::Bytes bytes;

  gradtape::Index index(gradtape::Index n) {
    unsigned value = bytes.byte();
    if (n > 256) value = value << 8 | bytes.byte();
    return static_cast<gradtape::Index>(value) % n;
  }
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(bytes.byte()) / 256;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static gradtape::Tape<double> tape;
  Source source{{data, size}};
  const bool is_traced = source.index(4) == 0;
  const program::Program p = program::generate(source);
  tape.trace(is_traced);
  const std::string fault = program::fault(
      tape, p, [](const auto& x) { return gradtape::elementwise<program::Cube<1000>>(x); });
  if (!fault.empty()) std::fputs((fault + "\n" + program::to_string(p)).c_str(), stderr);
  fuzz::require(fault.empty(), "the tape agrees with forward mode");
  return 0;
}
