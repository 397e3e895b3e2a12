// SPDX-License-Identifier: Apache-2.0
// Waiting without taking: for a thread that watches a ring on behalf of calls that must not block.
#pragma once

#include <atomic>
#include <cstdint>

#include "shm/admission.hpp"
#include "shm/attached_ring.hpp"
#include "shm/observers.hpp"

namespace ipc0cp::shm {

/// It sleeps in the ordinary event words and keeps their rules: it announces itself before it looks
/// for the last time, looks for the dead after each slice, and passes on a wake that it has taken
/// but will not use. What it tells is only that another attempt is worth while.
///
/// Thread safety: all members may be called from any thread.
class Watch {
 public:
  Watch(AttachedRing& ring, Admission& admission, std::uint32_t expected_producers) noexcept
      : ring_(ring), admission_(admission), expected_producers_(expected_producers) {}

  /// Returns when a pop has an answer, be it an error; or soon after `given_up` is set.
  void await_answer(const std::atomic<bool>& given_up) noexcept;
  /// Whether a pop would have an answer now. Looks for no deaths; without the lock in 5 ms, no.
  [[nodiscard]] bool has_answer() noexcept;
  /// Whether a thread is blocked in a pop of this handle.
  [[nodiscard]] bool handle_is_blocked() const noexcept {
    return ring_.participants().own_slot().blocked_since_ns.load(std::memory_order_relaxed) != 0;
  }
  /// Wakes the next consumer if anything is queued: whoever was told by `await_answer` has not
  /// taken it.
  void pass_wake_on() noexcept { ring_.wake_next_consumer(); }
  /// Returns when a push like the one that was refused has an answer, be it an error; or soon after
  /// `given_up` is set. Keeps the want of this handle registered until `forget_want`.
  void await_room(const RoomWanted& wanted, const std::atomic<bool>& given_up) noexcept;
  /// Nobody waits for room any more.
  void forget_want() noexcept;

 private:
  [[nodiscard]] bool is_over() noexcept;
  [[nodiscard]] bool answer_is_ready() noexcept;
  [[nodiscard]] bool room_is_ready(const RoomWanted& wanted) noexcept;

  AttachedRing& ring_;
  Admission& admission_;
  std::uint32_t expected_producers_;
};

}  // namespace ipc0cp::shm
