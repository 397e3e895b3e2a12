// SPDX-License-Identifier: Apache-2.0
// From metadata and payload to an object. Knows spans and owners, no ring and no stream.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ipc0cp/payload.hpp"
#include "ipc0cp/serializable_object.hpp"
#include "ipc0cp/type_registry.hpp"

namespace ipc0cp::codec {

struct PreparedMetadata;
/// Metadata parsed, checked, and resolved against the registry; immutable.
using Prepared = std::shared_ptr<const PreparedMetadata>;

/// @throws Error corrupt_payload naming the value and the rule.
Prepared prepare(std::string_view metadata_json);

/// The last metadata seen, so that a stream of equal shapes costs a compare, not a JSON parse.
/// One thread at a time.
class MetadataCache {
 public:
  /// As `prepare`, remembered until the registry changes or newer metadata push it out.
  Prepared find(std::string_view metadata_json);

 private:
  struct Entry {
    std::string text;
    Prepared prepared;
  };
  // A few entries, because rings often carry a few kinds of messages in turn.
  static constexpr std::size_t kEntries = 4;
  // Longer texts are not worth keeping: lists of many items hardly ever repeat.
  static constexpr std::size_t kLongestText = 16384;

  std::array<Entry, kEntries> entries_;
  std::size_t next_ = 0;
  std::uint64_t generation_ = 0;
};

/// The cache of this thread.
MetadataCache& thread_cache() noexcept;

/// Makes the object. Built-in types share `payload.owner`, or copy where there is none.
/// @throws Error corrupt_payload; whatever a registered deserializer throws.
std::unique_ptr<SerializableObject> decode(const Prepared& prepared, const Payload& payload);

/// `prepare` through the cache of this thread, then `decode`.
std::unique_ptr<SerializableObject> decode(std::string_view metadata_json, const Payload& payload);

/// Whether the object keeps `payload.owner`; if not, a borrowed payload will do.
bool keeps_payload(const PreparedMetadata& prepared, std::size_t payload_bytes) noexcept;

/// The deserializer behind the built-in registrations.
std::unique_ptr<SerializableObject> decode_built_in(const TypeRegistry::Metadata& metadata,
                                                    const Payload& payload);

/// Metadata as a registered deserializer gets it.
TypeRegistry::Metadata metadata_values(std::string_view metadata_json);

}  // namespace ipc0cp::codec
