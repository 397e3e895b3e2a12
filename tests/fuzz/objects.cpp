// SPDX-License-Identifier: Apache-2.0
// Any metadata with any payload: refused as corrupt, or an object that encodes to what decodes to
// the same again.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "codec.hpp"
#include "fuzz_input.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/log.hpp"
#include "ipc0cp/objects.hpp"

namespace ipc0cp::fuzz {
namespace {

Payload encoded(const SerializableObject& object) {
  const std::size_t size = object.payload_bytes();
  const auto owner = allocate(size);
  object.write_payload({owner.get(), size});
  return {{owner.get(), size}, owner};
}

std::unique_ptr<SerializableObject> decoded(const std::string& metadata, const Payload& payload) {
  try {
    return codec::decode(metadata, payload);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::corrupt_payload, "bad input is answered as corrupt");
    return nullptr;
  }
}

void check(const MessageInput& input) {
  const auto object = decoded(input.metadata, input.payload);
  if (object == nullptr) return;
  const std::string metadata(object->metadata_json());
  const Payload payload = encoded(*object);
  const auto again = decoded(metadata, payload);
  require(again != nullptr, "what was read can be written and read");
  require(again->metadata_json() == metadata, "written metadata stays as it is");
  const Payload payload_again = encoded(*again);
  require(std::equal(payload.bytes.begin(), payload.bytes.end(), payload_again.bytes.begin(),
                     payload_again.bytes.end()),
          "a written payload stays as it is");
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    ipc0cp::set_log_level(ipc0cp::LogLevel::off);  // Unknown types are no news here.
    return true;
  }();
  (void)quiet;
  ipc0cp::fuzz::check(ipc0cp::fuzz::MessageInput(data, size));
  return 0;
}
