// SPDX-License-Identifier: Apache-2.0
// The ring's lock: a futex word that names its owner, taken over from the dead.
#pragma once

#include <atomic>
#include <cstdint>

#include "shm/participants.hpp"

namespace ipc0cp::shm {

/// Thread and process safety: all members may be called by any thread of any process.
///
/// Invariants
/// 1. The word is 0 or names an owner; owner and ownership are one store (a CAS).
/// 2. Only the owner's word is ever replaced: by its own unlock, or, when the owner is dead, by the
///    CAS of one survivor. A live owner's lock is never broken, however long it takes.
/// 3. A take-over is always followed by recover(), so no flag says "dirty" and a killed recoverer
///    needs nothing special: its word is dead in turn.
///
///   0 --CAS--> owner --CAS--> 0            acquire / release pair on the same word
///              owner (dead) --CAS--> mine  take-over, then recover()
class Lock {
 public:
  enum class Outcome { acquired, taken_over, timed_out };

  Lock(std::atomic<std::uint32_t>& word, const Participants& participants) noexcept
      : word_(word), participants_(participants) {}

  /// One attempt; fails if anybody, also another thread of this handle, holds it.
  bool try_acquire() noexcept {
    std::uint32_t expected = 0;
    return word_.compare_exchange_strong(expected, participants_.self(), std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  /// Waits until `deadline_ns`; a dead owner is replaced within one slice.
  Outcome acquire(std::int64_t deadline_ns) noexcept {
    return try_acquire() ? Outcome::acquired : acquire_slowly(deadline_ns);
  }
  /// Gives the lock back. False if the word was not ours: this handle was declared dead.
  bool release() noexcept {
    std::uint32_t expected = participants_.self();
    if (word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                      std::memory_order_relaxed)) [[likely]] {
      return true;
    }
    return release_and_wake();
  }

 private:
  Outcome acquire_slowly(std::int64_t deadline_ns) noexcept;
  bool try_take(std::uint32_t flags) noexcept;
  bool take_over_from_dead(std::uint32_t word) noexcept;
  bool release_and_wake() noexcept;

  std::atomic<std::uint32_t>& word_;
  const Participants& participants_;
};

}  // namespace ipc0cp::shm
