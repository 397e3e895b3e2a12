// SPDX-License-Identifier: Apache-2.0
/// @file
/// What every object of a ring has in common.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <typeinfo>

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Anything that can be pushed. Encoding is planned first (metadata, size), written second
/// (straight into the ring).
///
/// Classes of users derive from it to be pushed as they are, alone and in lists and maps; what
/// comes out of a pop is decided by the TypeRegistry. Calls of one object are not made at the same
/// time unless the user pushes it from several threads. What they throw passes through push, and
/// nothing is queued.
class IPC0CP_EXPORT SerializableObject {
 public:
  virtual ~SerializableObject();
  /// The `type` of its metadata, for example "ndarray".
  [[nodiscard]] virtual std::string_view type_name() const noexcept = 0;
  /// One JSON object in UTF-8 with at least a "type"; empty: that of `bytes`. Valid until the
  /// object changes. Readers refuse anything else as corrupt_payload.
  [[nodiscard]] virtual std::string_view metadata_json() const = 0;
  /// Bytes that `write_payload` fills.
  [[nodiscard]] virtual std::size_t payload_bytes() const noexcept = 0;
  /// Writes the payload to `target`, which is `payload_bytes()` long and aligned to 64 bytes.
  virtual void write_payload(std::span<std::byte> target) const = 0;
  /// The payload where it is, if it lies there in one piece; valid until the object changes. A
  /// stream then writes it from there, without a copy.
  [[nodiscard]] virtual std::optional<std::span<const std::byte>> contiguous_payload()
      const noexcept {
    return std::nullopt;
  }

 protected:
  SerializableObject() = default;
  SerializableObject(const SerializableObject&) = default;
  SerializableObject(SerializableObject&&) = default;
  SerializableObject& operator=(const SerializableObject&) = default;
  SerializableObject& operator=(SerializableObject&&) = default;
};

namespace detail {

/// How error messages call a class: its tag, or what the compiler calls it if it declares none.
template <class T>
std::string_view class_name() noexcept {
  if constexpr (requires { std::string_view(T::kTypeName); }) {
    return T::kTypeName;
  } else {
    return typeid(T).name();
  }
}

}  // namespace detail
}  // namespace ipc0cp
