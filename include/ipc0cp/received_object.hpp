// SPDX-License-Identifier: Apache-2.0
/// @file
/// ReceivedObject: what a pop returns.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ipc0cp/export.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

/// A popped object: `data` is what the type's deserializer made of it.
struct IPC0CP_EXPORT ReceivedObject {
  std::unique_ptr<SerializableObject> data;  ///< Never null.
  std::uint64_t id = 0;                      ///< See Message::id.
  unsigned deliveries = 1;                   ///< See Message::deliveries.

  /// `data` as a T.
  /// @throws Error (unsupported_type) naming both types if it is something else.
  template <class T>
  [[nodiscard]] T& as() const {
    auto* object = dynamic_cast<T*>(data.get());
    if (object == nullptr) throw_wrong_type(detail::class_name<T>());
    return *object;
  }
  /// The metadata of the message, one JSON object.
  [[nodiscard]] std::string_view metadata() const { return metadata_json; }
  std::string metadata_json;  ///< As `metadata()`.

 private:
  [[noreturn]] void throw_wrong_type(std::string_view wanted) const;
};

/// The name before version 0.2.
using RingBufferObject = ReceivedObject;

}  // namespace ipc0cp
