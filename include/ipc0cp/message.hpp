// SPDX-License-Identifier: Apache-2.0
/// @file
/// Loan (a block being written) and Message (a block being read): move-only RAII.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ipc0cp/export.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp {

namespace shm {
class Channel;
}  // namespace shm

namespace stdio {
class FrameReader;
}  // namespace stdio

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

/// A block of the ring lent to a producer, to be written in place.
///
/// One thread at a time. A loan keeps its ring mapped, also past `close()`. Not published and not
/// abandoned, its destructor abandons it; neither ever waits for anybody.
class IPC0CP_EXPORT Loan {
 public:
  Loan() noexcept {}  // Not defaulted, as for Message.
  Loan(Loan&& other) noexcept;
  Loan& operator=(Loan&& other) noexcept;
  ~Loan() {
    if (channel_ != nullptr) abandon();
  }

  /// The memory to write, at a multiple of 64 bytes. Empty once published or abandoned.
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }
  /// Whether it is neither published nor abandoned.
  [[nodiscard]] bool active() const noexcept { return channel_ != nullptr; }
  /// The longest metadata `publish` takes, in bytes.
  [[nodiscard]] std::size_t metadata_capacity() const noexcept { return metadata_capacity_; }

  /// Hands the block to the consumers. The loan is over afterwards.
  /// @param metadata_json one JSON object in UTF-8, not checked here; empty: a `bytes` message.
  /// @return false if the lock of the ring was not free in time; the loan is still active then.
  /// @throws Error message_too_large (metadata over `metadata_capacity()`), corrupt_payload (the
  ///   block was overrun while it was written; it is abandoned), closed, corrupt_buffer, ...
  bool publish(std::string_view metadata_json = {}, Timeout timeout = Timeout::forever());
  /// Gives the block back unread. Never waits, does nothing on an inactive loan.
  void abandon() noexcept;

 private:
  friend class shm::Channel;
  shm::Channel* channel_ = nullptr;
  std::span<std::byte> bytes_;
  std::size_t metadata_capacity_ = 0;
  std::uint64_t word_ = 0;
  std::uint32_t descriptor_ = 0;
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
  shm::Channel* channel_ = nullptr;
  std::string_view metadata_;
  std::span<const std::byte> payload_;
  std::uint64_t id_ = 0;
  std::uint64_t word_ = 0;
  void* buffer_ = nullptr;  ///< Pooled private memory: metadata, and the payload of a copy.
  std::uint32_t descriptor_plus_1_ = 0;
  std::uint32_t deliveries_ = 0;
  bool is_view_ = false;
};

}  // namespace ipc0cp
