// SPDX-License-Identifier: Apache-2.0
// Opening a ring: taking what has the name, making it if nothing has, joining.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ipc0cp/options.hpp"
#include "shm/attached_ring.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::shm {

struct OpenOptions {
  std::string name;  ///< Checked already, without a leading slash.
  Role role = Role::kConsumer;
  std::uint64_t total_data_bytes = 0;  ///< 0: take what is there, wait for a creator.
  std::uint32_t max_messages = 0;      ///< 0: whatever the ring has, or the default.
  bool redeliver = false;
  bool reserve = false;
  unsigned mode = 0600;
  Stale stale = Stale::resume;
  std::vector<std::uint32_t> trusted_owners;
  InterruptCheck interrupt_check = nullptr;
  /// Set by others when nobody wants the ring any more; may be null.
  const std::atomic<bool>* given_up = nullptr;
  bool keep = false;       ///< A producer that wants the ring to stay though consumers leave.
  bool broadcast = false;  ///< A producer whose messages all consumers get, each of them.
  /// Of a subscriber: what it has not read is given up for want of room.
  bool drops = false;
};

/// Opens or creates the ring and joins it.
///
/// A name is absent or whole: a ring is built in an unnamed file and linked when it is complete.
/// Joining holds the life byte for reading, removing holds it for writing, and both look again at
/// the name under it, so nobody joins what is being removed and nobody removes a newcomer's ring.
/// @throws Error as documented at the public constructors; timeout.
std::unique_ptr<AttachedRing> open_ring(const OpenOptions& options, std::int64_t deadline_ns);

}  // namespace ipc0cp::shm
