// SPDX-License-Identifier: Apache-2.0
/// @file
/// Message: a block of a ring that is being read; and what messages are before and after that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ipc0cp/export.hpp"
#include "ipc0cp/payload.hpp"

namespace ipc0cp {

namespace shm {
class Channel;
}  // namespace shm

namespace stdio {
class FrameReader;
}  // namespace stdio

/// The metadata of a `bytes` message as this library writes it. A ring stores none instead.
inline constexpr std::string_view kBytesMetadata = R"({"type":"bytes","version":"1.0"})";
/// The metadata of a `text` message as this library writes it.
inline constexpr std::string_view kTextMetadata = R"({"type":"text","version":"1.0"})";
/// The metadata of a `json` message without marks as this library writes it.
inline constexpr std::string_view kJsonMetadata = R"({"type":"json","version":"1.0"})";

/// A message as the caller encoded it.
struct RawMessage {
  std::string_view metadata_json;      ///< One JSON object in UTF-8; empty: a `bytes` message.
  std::span<const std::byte> payload;  ///< The bytes, copied by the push.
};

/// What the next message of a ring is, see SharedRingBufferConsumer::peek.
struct MessageHead {
  std::string metadata_json;        ///< One JSON object in UTF-8; empty: a `bytes` message.
  std::uint64_t payload_bytes = 0;  ///< Size of the payload.
  std::uint64_t queued = 0;         ///< Messages in the ring, this one included.
};

/// A message taken from a ring or a stream: metadata and payload, a view of the ring where
/// possible.
///
/// One thread at a time. A message keeps its block and the mapping, also past `close()` and past
/// the consumer; the destructor gives the block back and never waits.
class IPC0CP_EXPORT Message {
 public:
  // Not defaulted: a defaulted one is cleared twice wherever it is value-initialised.
  Message() noexcept {}
  Message(Message&& other) noexcept;
  Message& operator=(Message&& other) noexcept;
  ~Message() {
    if (active()) release();
  }

  /// One JSON object in UTF-8 as it was sent; empty stands for a `bytes` message.
  [[nodiscard]] std::string_view metadata() const noexcept { return metadata_; }
  /// Read-only bytes at a multiple of 64.
  [[nodiscard]] std::span<const std::byte> payload() const noexcept { return payload_; }
  /// Position in the ring's order of publishing; unique within the ring.
  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
  /// How often this message has been handed out, 1 for the first time.
  [[nodiscard]] unsigned deliveries() const noexcept { return deliveries_; }
  /// Whether the payload lies in the ring (true) or in a copy of this process (false).
  [[nodiscard]] bool is_view() const noexcept { return is_view_; }
  /// Whether there is a message: false once it was released, shared or moved from.
  [[nodiscard]] bool active() const noexcept { return metadata_.data() != nullptr; }

  /// Redelivery: this message is finished and will not come again. Else without effect.
  void done() noexcept;
  /// Redelivery: this message goes back to its place in the queue once it is released. The
  /// delivery counts towards the most there may be. Else without effect.
  void requeue() noexcept;
  /// Gives the block back; metadata and payload are empty afterwards.
  void release() noexcept;
  /// Moves the message into a shared owner of its payload.
  [[nodiscard]] Payload share() &&;

 private:
  friend class shm::Channel;
  friend class stdio::FrameReader;
  static constexpr std::uint32_t kNoBlock = 0xFFFF'FFFF;  ///< The message is private memory.
  shm::Channel* channel_ = nullptr;
  std::string_view metadata_;
  std::span<const std::byte> payload_;
  std::uint64_t id_ = 0;
  std::uint64_t word_ = 0;
  void* buffer_ = nullptr;  ///< Pooled private memory: metadata, and the payload of a copy.
  std::uint32_t descriptor_ = kNoBlock;
  std::uint32_t deliveries_ = 0;
  bool is_view_ = false;
};

}  // namespace ipc0cp
