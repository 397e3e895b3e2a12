// SPDX-License-Identifier: Apache-2.0
// What one push or loan asks for, passed down the layers of a channel.
#pragma once

#include "shm/channel.hpp"

namespace ipc0cp::shm {

struct Channel::Request {
  // What has no initial value here is set with the plan, or together with the result: a small
  // push must not pay for clearing it.
  BlockPlan plan;
  std::uint64_t block_bytes;
  std::uint64_t message_bytes;  ///< What counts against the capacity: payload and metadata.
  /// Not null: the message is copied and published inside the lock hold.
  const std::byte* inline_payload = nullptr;
  std::string_view inline_metadata;

  // The result: the block, LOANED with this word, or published already.
  std::uint32_t descriptor = kNone;
  StateWord word;
  std::uint64_t offset;  ///< Checked; the shared field is not read again.

  /// Memory must be reserved, without the lock, before the block can be had.
  enum class Reserve { nothing, main, relief } reserve = Reserve::nothing;

  std::uint64_t reserve_begin;  ///< In the arena; known under the lock, not read again.
  std::uint64_t reserve_bytes;

  [[nodiscard]] bool must_reserve() const noexcept { return reserve != Reserve::nothing; }
};

}  // namespace ipc0cp::shm
