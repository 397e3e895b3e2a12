// SPDX-License-Identifier: Apache-2.0
// Any bytes as a FlatBuffer: refused, or safe to be read to the end as the root of a schema.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "fuzz_input.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/flatbuffer.hpp"
#include "messages.hpp"
#include "objects/codec.hpp"

namespace ipc0cp::fuzz {
namespace {

namespace schema = ipc0cp_schema;

// References to shared tables multiply: what is small may take for ever to be read to the end.
constexpr FlatBufferLimits kLimits{.max_tables = 1000};

std::optional<FlatBufferData> written(const Payload& payload) {
  try {
    return FlatBufferData(payload);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::invalid_argument, "bytes of users are refused as such");
    return std::nullopt;
  }
}

template <class Root>
void read_as(const FlatBufferData& data) {
  try {
    const auto root = ipc0cp::root<Root>(data, {}, kLimits);
    const std::uint64_t sum = schema::Reader(kLimits.max_tables).sum(*root);
    require(schema::Reader(kLimits.max_tables).sum(*ipc0cp::root<Root>(data)) == sum,
            "a second reading gives the same");
  } catch (const Error& error) {
    require(error.code() == ErrorCode::corrupt_payload, "a bad buffer is answered as corrupt");
  }
}

void check(const Payload& payload) {
  const auto data = written(payload);
  if (!data) return;
  const auto decoded = codec::decode(data->metadata_json(), payload);
  require(decoded->metadata_json() == data->metadata_json(), "what was written can be read");
  read_as<schema::Message>(*data);
  read_as<schema::Tree>(*data);
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::fuzz::check(ipc0cp::fuzz::payload_of(std::as_bytes(std::span(data, size))));
  return 0;
}
