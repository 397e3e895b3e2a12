// SPDX-License-Identifier: Apache-2.0
/// @file
/// Loan: a block of a ring that is being written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "ipc0cp/export.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp {

namespace shm {
class Channel;
}  // namespace shm

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

}  // namespace ipc0cp
