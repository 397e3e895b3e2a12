// SPDX-License-Identifier: Apache-2.0
/// @file
/// RingStats: what a ring looks like at one moment.
#pragma once

#include <cstdint>

namespace ipc0cp {

// The one table of statistics: type, name, sentence. Sizes are bytes. The Python dataclass and
// docs/statistics.md are checked against it.
// clang-format off
#define IPC0CP_RING_STATS(X)                                                                       \
  X(std::uint32_t, active_producers, "Handles that live and are not closed.")                      \
  X(std::uint32_t, active_consumers, "Handles that live and are not closed.")                      \
  X(std::uint32_t, active_subscribers, "Consumers that get every message, beside those.")          \
  X(std::uint64_t, messages, "Queued now.")                                                        \
  X(std::uint64_t, used_bytes, "Metadata and payload of all blocks in use.")                       \
  X(std::uint64_t, total_data_bytes, "Capacity.")                                                  \
  X(std::uint32_t, max_messages, "Most messages alive at once.")                                   \
  X(std::uint64_t, pushed, "Messages published since creation.")                                   \
  X(std::uint64_t, popped, "Messages handed out since creation.")                                  \
  X(std::uint64_t, pushed_bytes, "Payload and metadata published since creation.")                 \
  X(std::uint64_t, popped_bytes, "Payload and metadata that have left the queue since creation.")  \
  X(std::uint64_t, dropped, "Messages that were damaged, undecodable or discarded.")               \
  X(std::uint64_t, most_unread, "What the subscriber furthest behind has still to read.")          \
  X(std::uint64_t, lost, "Messages that died with their consumer.")                                \
  X(std::uint64_t, overflowed, "Messages given up unread, to make room or for a newer one.")       \
  X(std::uint64_t, refused, "Pushes that a producer with `drop_newest` turned away.")              \
  X(std::uint64_t, repaired_deaths, "Participants found dead and cleaned up.")                     \
  X(std::uint64_t, most_messages, "High-water mark of `messages`.")                                \
  X(std::uint64_t, most_used_bytes, "High-water mark of `used_bytes`.")                            \
  X(std::uint64_t, producer_waits, "Times a producer had to sleep.")                               \
  X(std::uint64_t, consumer_waits, "Times a consumer had to sleep.")                               \
  X(std::uint64_t, reserved_bytes, "Memory of the payload area backed by /dev/shm.")
// clang-format on

/// A snapshot of one ring, consistent within itself.
struct RingStats {
#define IPC0CP_FIELD(type, name, sentence) type name = 0;
  IPC0CP_RING_STATS(IPC0CP_FIELD)
#undef IPC0CP_FIELD
};

/// How a stream ended.
struct StreamEnd {
  std::uint32_t killed_producers = 0;  ///< Of those that joined, they ended without closing.
  /// Whether any did; else all producers had closed.
  [[nodiscard]] bool died() const noexcept { return killed_producers > 0; }
};

}  // namespace ipc0cp
