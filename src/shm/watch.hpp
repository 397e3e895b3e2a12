// SPDX-License-Identifier: Apache-2.0
// Waiting without taking: for a thread that watches a ring on behalf of calls that must not block.
#pragma once

#include <atomic>
#include <cstdint>

#include "shm/admission.hpp"
#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// It sleeps in the ordinary event words and keeps their rules: it announces itself before it looks
/// for the last time, looks for the dead after each slice, and passes on a wake that it has taken
/// but will not use. What it tells is only that another attempt is worth while.
///
/// Thread safety: one thread at a time waits; the others may call the rest.
class Watch {
 public:
  Watch(AttachedRing& ring, Admission& admission, std::uint32_t expected_producers) noexcept
      : ring_(ring), admission_(admission), expected_producers_(expected_producers) {}

  /// Returns when a pop has an answer, be it an error; or soon after `given_up` is set.
  void await_answer(const std::atomic<bool>& given_up) noexcept;
  /// Wakes the next consumer if anything is queued: whoever was told by `await_answer` has not
  /// taken it.
  void pass_wake_on() noexcept { ring_.wake_next_consumer(); }
  /// Returns when another attempt to push `message_bytes` is worth while. Keeps the want of this
  /// handle registered until `forget_want`.
  /// @param freed_before `blocks_freed()` from before the attempt that found no room.
  /// @param nobody_reads that attempt found no consumers.
  void await_room(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads,
                  const std::atomic<bool>& given_up) noexcept;
  [[nodiscard]] std::uint32_t blocks_freed() const noexcept {
    return ring_.header().freed.load(std::memory_order_relaxed);
  }
  /// Nobody waits for room any more.
  void forget_want() noexcept;

 private:
  [[nodiscard]] bool answer_is_ready() noexcept;
  bool gained_priority(std::uint64_t block_bytes) noexcept;

  AttachedRing& ring_;
  Admission& admission_;
  std::uint32_t expected_producers_;
};

}  // namespace ipc0cp::shm
