// SPDX-License-Identifier: Apache-2.0
/// @file
/// Payload: bytes and whoever keeps them alive.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace ipc0cp {

/// Bytes and whoever keeps them alive; a range that converts to `std::span<const std::byte>`.
///
/// Copying a Payload shares the bytes. As thread-safe as a std::shared_ptr.
struct Payload {
  std::span<const std::byte> bytes;   ///< Read-only.
  std::shared_ptr<const void> owner;  ///< Null: the bytes are only valid during the call.

  /// Number of bytes.
  [[nodiscard]] std::size_t size() const noexcept { return bytes.size(); }
  /// The first byte.
  [[nodiscard]] const std::byte* data() const noexcept { return bytes.data(); }
  /// For range-based loops and algorithms.
  [[nodiscard]] const std::byte* begin() const noexcept { return bytes.data(); }
  /// One past the last byte.
  [[nodiscard]] const std::byte* end() const noexcept { return bytes.data() + bytes.size(); }
};

}  // namespace ipc0cp
