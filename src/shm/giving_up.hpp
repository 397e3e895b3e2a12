// SPDX-License-Identifier: Apache-2.0
// Giving up what is queued and not yet taken, oldest first: for producers that would rather lose
// old messages than wait, and for consumers that want the newest.
#pragma once

#include <cstdint>

#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// Thread and process safety: all members need the ring's lock. A death inside any of them leaves a
/// message that is queued, or one that is free and counted.
///
/// What is given up is the head of the queue, so nothing overtakes anything, and a message that
/// came back from the dead goes first. What consumers have in their hands is not queued.
class GivingUp {
 public:
  /// Others wait for the lock meanwhile.
  static constexpr std::uint32_t kMaxInOneHold = 64;

  explicit GivingUp(AttachedRing& ring) noexcept : ring_(ring) {}

  /// Gives the oldest message up.
  /// @return how many bytes of the arena it had; 0: nothing is queued, or it may not go, or it was
  ///   impossible and the ring has been recovered.
  std::uint64_t oldest() noexcept;
  /// Gives up all but the newest `kept` messages, `kMaxInOneHold` at most.
  /// @return how many.
  std::uint32_t all_but(std::uint32_t kept) noexcept;

 private:
  AttachedRing& ring_;
};

}  // namespace ipc0cp::shm
