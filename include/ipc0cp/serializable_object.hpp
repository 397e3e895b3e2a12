// SPDX-License-Identifier: Apache-2.0
/// @file
/// What every object of a ring has in common.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Anything that can be pushed. Encoding is planned first (metadata, size), written second
/// (straight into the ring).
class IPC0CP_EXPORT SerializableObject {
 public:
  virtual ~SerializableObject();
  /// The `type` of its metadata, for example "ndarray".
  [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
  /// One JSON object in UTF-8; valid until the object changes.
  [[nodiscard]] virtual std::string_view metadata_json() const = 0;
  /// Bytes `write_payload` fills.
  [[nodiscard]] virtual std::size_t payload_bytes() const noexcept = 0;
  /// Writes the payload to `target`, which is `payload_bytes()` long and aligned to 64 bytes.
  virtual void write_payload(std::span<std::byte> target) const = 0;

 protected:
  SerializableObject() = default;
  SerializableObject(const SerializableObject&) = default;
  SerializableObject(SerializableObject&&) = default;
  SerializableObject& operator=(const SerializableObject&) = default;
  SerializableObject& operator=(SerializableObject&&) = default;
};

}  // namespace ipc0cp
