// SPDX-License-Identifier: Apache-2.0
// What one push or loan asks for, passed down from a channel to its blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "ipc0cp/message.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::shm {

struct PushRequest {
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

  /// Memory must be reserved, without the lock, before the block can be had; or given back.
  enum class Reserve { nothing, main, relief, descriptors } reserve = Reserve::nothing;

  /// There was no memory for it just now: what is reserved has to do until something changes.
  bool no_memory = false;

  /// Memory of the messages that were given up for it.
  std::uint64_t given_up_bytes = 0;

  /// Somebody reserved memory or gave some back when the last waiting attempt found no room.
  bool beside_growth = false;

  std::uint64_t reserve_begin;  ///< In the arena; known under the lock, not read again.
  std::uint64_t reserve_bytes;
  std::uint32_t descriptor_mark;  ///< Of `descriptors`, instead of these: as it was under the lock.

  [[nodiscard]] bool must_reserve() const noexcept { return reserve != Reserve::nothing; }
};

/// The most common metadata is not stored: most small messages then fit two cache lines.
inline std::string_view stored_form(std::string_view metadata) noexcept {
  // Compilers make a call of the comparison of string views, 43 instructions.
  constexpr std::size_t kSize = kBytesMetadata.size();
  const bool is_common =
      metadata.size() == kSize && std::memcmp(metadata.data(), kBytesMetadata.data(), kSize) == 0;
  return is_common ? std::string_view{} : metadata;
}

/// Of a message that is copied under the lock.
inline PushRequest inline_request(std::string_view metadata,
                                  std::span<const std::byte> payload) noexcept {
  static constexpr std::byte kEmpty{};
  PushRequest request;
  request.plan = {payload.size(), metadata.size()};
  request.block_bytes = request.plan.block_bytes();
  request.message_bytes = payload.size() + metadata.size();
  request.inline_payload = payload.empty() ? &kEmpty : payload.data();
  request.inline_metadata = metadata;
  return request;
}

/// Reads both ends of what is copied under the lock. At most two pages each: one that is not there,
/// say of a mapped file, is fetched now, when nobody waits for it.
inline void touch(std::string_view metadata, std::span<const std::byte> payload) noexcept {
  const auto read = [](const auto& byte) noexcept {
    static_cast<void>(*static_cast<const volatile std::remove_reference_t<decltype(byte)>*>(&byte));
  };
  if (!payload.empty()) {
    read(payload.front());
    read(payload.back());
  }
  if (!metadata.empty()) {
    read(metadata.front());
    read(metadata.back());
  }
}

}  // namespace ipc0cp::shm
