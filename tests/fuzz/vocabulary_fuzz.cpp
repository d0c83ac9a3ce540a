// Whatever bytes a vocabulary's file has, they are read or refused with a FileError; what was read,
// and the vocabulary of any text, reads the same when it is written.
#include <optional>

#include "fuzz.hpp"
#include "gradtape/text/vocabulary.hpp"

using namespace gradtape;
using text::Vocabulary;

namespace {

void check_written(const Vocabulary& vocabulary) {
  const std::string written = vocabulary.to_text();
  const Vocabulary again = Vocabulary::from_text(written);
  fuzz::require(again.to_text() == written, "the same text");
  fuzz::require(again.size() == vocabulary.size() && again.specials() == vocabulary.specials(),
                "the same size");
  for (text::Id id = 0; id < vocabulary.size(); ++id) {
    fuzz::require(again.word(id) == vocabulary.word(id) && again.count(id) == vocabulary.count(id),
                  "the same words and counts");
    const text::Id found = again.id(again.word(id));
    fuzz::require(id < again.specials() ? found == Vocabulary::unknown || found >= again.specials()
                                        : found == id,
                  "words are found under their ids, and no special one is");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::Bytes(data, size).rest();
  std::optional<Vocabulary> read;
  try {
    read = Vocabulary::from_text(bytes);
  } catch (const FileError&) {
  }
  if (read) check_written(*read);
  check_written(Vocabulary(text::characters(bytes), {.specials = 4}));
  check_written(Vocabulary(text::lines(bytes)));
  return 0;
}
