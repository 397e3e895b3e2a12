// SPDX-License-Identifier: Apache-2.0
// What a ring looks like at one moment, as plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipc0cp/stats.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::shm {

/// Read from a private copy of the control pages, so that what is looked at stands still. The ring
/// goes on meanwhile: without its lock the figures are those of a glance.
///
/// Thread and process safety: reading needs no lock and changes nothing.
struct Snapshot {
  /// A handle, and what it keeps from the others.
  struct Participant {
    std::uint32_t slot = 0;
    Role role = Role::kNobody;
    std::uint32_t process_id = 0;
    std::string process_name;
    std::int64_t attached_ns = 0;
    std::int64_t blocked_since_ns = 0;  ///< 0: no call of it waits.
    std::uint64_t want_bytes = 0;       ///< What it waits for room for, 0: nothing.
    std::int64_t want_since_ns = 0;
    bool has_priority = false;
    bool has_lock = false;
    bool stopped = false;           ///< By a signal or a debugger.
    std::uint64_t blocks = 0;       ///< Loans, views and messages in its hands,
    std::uint64_t block_bytes = 0;  ///< and their payloads.
  };
  /// A message that waits in the queue.
  struct QueuedMessage {
    std::uint64_t id = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t metadata_bytes = 0;
    std::uint32_t deliveries = 0;
  };

  RingStats stats;
  std::uint32_t joined_producers =
      0;  ///< That ever came, since the ring was last empty of handles.
  bool redelivers = false;
  bool retired = false;
  bool damaged = false;
  std::vector<Participant> participants;  ///< By slot; those that have left only if they hold.
  std::vector<QueuedMessage> queue;       ///< Oldest first.
};

/// @throws std::bad_alloc
Snapshot take_snapshot(const Segment& segment);

/// The figures of the header alone; consistent within themselves under the ring's lock.
RingStats stats_of(const Segment& segment) noexcept;

}  // namespace ipc0cp::shm
