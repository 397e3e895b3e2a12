// SPDX-License-Identifier: Apache-2.0
// Removing a ring by its name, for who is no participant of it.
#pragma once

#include <cstdint>
#include <string>

namespace ipc0cp::shm {

enum class Removal : std::uint8_t {
  removed,
  absent,          ///< Nothing has the name.
  in_use,          ///< Somebody lives in it, or keeps it.
  holds_messages,  ///< Nobody lives in it, but messages wait for a consumer.
  unreadable,      ///< It is no ring, or one of another version.
};

struct RemovalOptions {
  /// Also what is in use, and what is no ring: a ring is retired first, so that its producers are
  /// told, and its consumers get what is queued.
  bool force = false;
  bool keep_messages = false;  ///< Leaves a ring alone in which messages wait.
};

struct RemovalReport {
  Removal outcome = Removal::absent;
  std::string detail;          ///< Why not, or who is still there: "producer pid 42 (camera)".
  std::uint64_t messages = 0;  ///< That were queued.
};

/// Removes the ring `name`, which is checked already, as the last consumer would: under the write
/// lock of its life, so nobody is joining and the name is nobody else's. Waits at most 1 s for who
/// is joining just now.
///
/// Killed between retiring and removing it leaves a retired ring, which the next newcomer removes.
/// @throws Error permission_denied, not_a_ring (no regular file), timeout, system_error.
RemovalReport remove_ring(const std::string& name, const RemovalOptions& options);

}  // namespace ipc0cp::shm
