// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets of the object layer share: inputs, and promises as aborts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ipc0cp/error.hpp"
#include "ipc0cp/log.hpp"
#include "objects/codec.hpp"
#include "objects/difference.hpp"
#include "objects/encoded.hpp"

namespace ipc0cp::fuzz {

using ipc0cp_test::difference;
using ipc0cp_test::payload_of;

/// Ends the program, and so the run, if a promise is broken.
inline void require(bool holds, std::string_view promise, std::string_view details = {}) {
  if (holds) return;
  const std::string line = "broken: " + std::string(promise) + ' ' + std::string(details) + '\n';
  std::fputs(line.c_str(), stderr);
  std::abort();
}

/// Unknown types are no news here.
inline void be_quiet() {
  static const bool done = [] {
    set_log_level(LogLevel::off);
    return true;
  }();
  static_cast<void>(done);
}

/// The object of a message; null if it is refused, which has to be as corrupt.
inline std::unique_ptr<SerializableObject> decoded(std::string_view metadata,
                                                   const Payload& payload) {
  try {
    return codec::decode(metadata, payload);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::corrupt_payload, "bad input is answered as corrupt, not as",
            to_string(error.code()));
    require(std::string_view(error.what()).size() < 1000, "errors are short, not", error.what());
    return nullptr;
  }
}

/// What `object` encodes to has to encode to the same bytes once it has been decoded.
inline void require_stable(const SerializableObject& object) {
  const std::string metadata(object.metadata_json());
  const Payload payload = payload_of(object);
  const auto again = decoded(metadata, payload);
  require(again != nullptr, "what can be written can be read:", metadata);
  require(again->metadata_json() == metadata, "written metadata stays as it is:", metadata);
  const Payload payload_again = payload_of(*again);
  require(std::equal(payload.begin(), payload.end(), payload_again.begin(), payload_again.end()),
          "a written payload stays as it is");
}

/// What `object` encodes to has to decode to the same again, and encode to the same bytes; those of
/// a list or map from then on, since the JSON texts in it are read as canonical ones.
inline void require_round_trip(const SerializableObject& object) {
  const std::string metadata(object.metadata_json());
  const Payload payload = payload_of(object);
  const auto again = decoded(metadata, payload);
  require(again != nullptr, "what can be written can be read:", metadata);
  const std::string found = difference(object, *again);
  require(found.empty(), "what is read is what was written:", found);
  require_stable(object.type_name() == "list" || object.type_name() == "map" ? *again : object);
}

/// Takes an input apart; zeros once it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }
  std::uint8_t byte() { return rest_.empty() ? 0 : std::to_integer<std::uint8_t>(bytes(1)[0]); }
  std::span<const std::byte> bytes(std::size_t most) {
    const auto taken = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  template <class T>
  T number() {
    T value{};
    const auto taken = bytes(sizeof value);
    std::copy(taken.begin(), taken.end(), std::as_writable_bytes(std::span(&value, 1)).begin());
    return value;
  }
  /// Up to the next zero byte, which inputs can show to a reader and metadata cannot hold.
  std::string_view text() {
    const auto end = std::find(rest_.begin(), rest_.end(), std::byte{0});
    const auto taken = bytes(static_cast<std::size_t>(end - rest_.begin()));
    bytes(1);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  std::span<const std::byte> rest() const noexcept { return rest_; }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace ipc0cp::fuzz
