// SPDX-License-Identifier: Apache-2.0
// Giving up what is queued and not yet taken, oldest first: for producers that would rather lose
// old messages than wait, for subscribers that let theirs go, and for consumers that want the
// newest.
#pragma once

#include <cstdint>

#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// Thread and process safety: all members need the ring's lock. A death inside any of them leaves a
/// message that is queued, or one that is free and counted.
///
/// What is given up is the oldest: the head of the queue, and what subscribers with `drop_oldest`
/// have not read. So nothing overtakes anything, and a message that came back from the dead goes
/// first. What consumers have in their hands is not given up; nor is anything from the first
/// message on that somebody else has still to read, since behind it nothing would become free.
class GivingUp {
 public:
  /// Others wait for the lock meanwhile.
  static constexpr std::uint32_t kMaxInOneHold = 64;

  /// Whose messages may go: the queue's besides those of subscribers, or only the latter.
  enum class Of : std::uint8_t { queue_too, subscribers };

  explicit GivingUp(AttachedRing& ring) noexcept : ring_(ring) {}

  /// Gives the oldest message up.
  /// @return how many bytes of the arena it has; 0: there is none, or it may not go, or it was
  ///   impossible and the ring has been recovered.
  std::uint64_t oldest(Of of) noexcept;
  /// Whether any subscriber lets its messages go.
  [[nodiscard]] bool any_drops() const noexcept { return droppers() != 0; }
  /// What would be free if all were given up that may be, counted from the oldest on until it is as
  /// much as `enough`.
  [[nodiscard]] Blocks::Unread to_be_had(Of of, const Blocks::Unread& enough) const noexcept;
  /// Whether this block would be free if all were given up that may be: nobody has it in his hands.
  [[nodiscard]] bool would_be_free(std::uint32_t index, Of of) const noexcept;
  /// Gives up all but the newest `kept` messages of the queue, `kMaxInOneHold` at most. Subscribers
  /// keep their shares: it is not for room.
  /// @return how many.
  std::uint32_t all_but(std::uint32_t kept) noexcept;

 private:
  [[nodiscard]] std::uint64_t droppers() const noexcept;
  [[nodiscard]] std::uint64_t unread_shares(std::uint32_t index) const noexcept;
  [[nodiscard]] std::uint32_t oldest_of_droppers(std::uint64_t& sequence) const noexcept;
  void clear_unread(std::uint32_t index) noexcept;
  [[nodiscard]] bool may_go(std::uint32_t index, Of of) const noexcept;
  std::uint64_t head() noexcept;
  bool head_is_sound() noexcept;

  AttachedRing& ring_;
};

}  // namespace ipc0cp::shm
