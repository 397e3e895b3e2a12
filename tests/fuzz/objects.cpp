// SPDX-License-Identifier: Apache-2.0
// Any metadata with any payload, divided by a zero byte: refused as corrupt, or an object that
// encodes to what decodes to the same again, also when it is built anew from its parts.
#include <cstddef>
#include <cstdint>
#include <memory>

#include "fuzz_input.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/rebuild.hpp"

namespace ipc0cp::fuzz {
namespace {

/// Calls that answer in a way of their own, but answer.
void look_at(const SerializableObject& object) {
  if (const auto* image = dynamic_cast<const ImageData*>(&object)) {
    if (image->encoding() != "raw" || image->pixels().empty()) return;
    const std::size_t x = image->width() - 1;
    const std::size_t y = image->height() - 1;
    if (image->mode() == "1") static_cast<void>(image->pixel<bool>(x, y));
    if (image->pixel_bytes() == 2) static_cast<void>(image->pixel<std::array<char, 2>>(x, y));
  }
  const auto* array = dynamic_cast<const NumpyArray*>(&object);
  if (array == nullptr || array->dtype().starts_with('{')) return;
  const NumpyArray native = array->to_native();
  require(native.to_native().metadata_json() == native.metadata_json(), "native stays native");
  require(native.bytes().size() == array->bytes().size(), "native has as many bytes");
}

void check(Input input) {
  const std::string metadata(input.text());
  const auto object = decoded(metadata, payload_of(input.rest()));
  if (object == nullptr) return;
  look_at(*object);
  require_round_trip(*object);
  const auto rebuilt = ipc0cp_test::rebuild(*object);
  const std::string found = difference(*object, *rebuilt);
  require(found.empty(), "what is built of its parts is the same:", found);
  require_round_trip(*rebuilt);
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::fuzz::be_quiet();
  ipc0cp::fuzz::check({data, size});
  return 0;
}
