// SPDX-License-Identifier: Apache-2.0
// The redo record: the queue is done with a block and a counter rises, as if in one store.
#pragma once

#include <cstdint>

#include "shm/segment.hpp"
#include "shm/shares.hpp"

namespace ipc0cp::shm {

/// Counter and state are two stores. The record names both before the first, so that a death in
/// between is finished by recover(), and neither happens twice.
///
/// Thread and process safety: both members need the ring's lock.
class RedoRecord {
 public:
  enum class Counter : std::uint32_t { lost = 0, dropped = 1, overflowed = 2 };

  explicit RedoRecord(const Segment& segment) noexcept : segment_(segment), shares_(segment) {}

  /// Counts the message as lost, dropped or given up, and stores FREE, or SERVED if subscribers
  /// have still to read it. @return whether it is FREE by this call.
  bool free_and_count(std::uint32_t index, Counter counter) noexcept;
  /// Does what a record that is still valid asks for. @return whether a block is FREE by it.
  bool finish() noexcept;

 private:
  [[nodiscard]] Relaxed<std::uint64_t>& total_of(Counter counter) const noexcept;

  const Segment& segment_;
  Shares shares_;
};

}  // namespace ipc0cp::shm
