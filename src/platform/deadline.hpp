// SPDX-License-Identifier: Apache-2.0
// The time-out of one call.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ipc0cp/timeout.hpp"
#include "platform/clock.hpp"

namespace ipc0cp::platform {

/// How long a call may wait; the clock is read only once it has to.
///
/// A lock that is merely busy must not make a call fail that never waits, so for locks there is a
/// little patience: once for the whole call, however many it takes.
class Deadline {
 public:
  explicit Deadline(std::int64_t timeout_ns) noexcept : timeout_ns_(timeout_ns) {}
  /// Of a call on a handle that waits, or never does.
  Deadline(bool blocking, Timeout timeout) noexcept
      : timeout_ns_(blocking ? timeout.nanoseconds() : 0) {}
  [[nodiscard]] bool never_waits() const noexcept { return timeout_ns_ == 0; }
  [[nodiscard]] std::int64_t timeout_ns() const noexcept { return timeout_ns_; }
  std::int64_t at_ns() noexcept {
    if (at_ns_ == 0) at_ns_ = deadline_after(timeout_ns_);
    return at_ns_;
  }

  [[nodiscard]] std::int64_t left_ns() noexcept {
    const std::int64_t end_ns = at_ns();
    return end_ns == kForever ? kForever : std::max<std::int64_t>(end_ns - now_ns(), 0);
  }

  /// Until when the call waits for a lock.
  std::int64_t lock_at_ns() noexcept {
    if (lock_at_ns_ == 0) lock_at_ns_ = std::max(at_ns(), deadline_after(kLockPatienceNs));
    return lock_at_ns_;
  }
  static constexpr std::int64_t kLockPatienceNs = 5 * kMillisecond;

 private:
  std::int64_t timeout_ns_;
  std::int64_t at_ns_ = 0;
  std::int64_t lock_at_ns_ = 0;
};

}  // namespace ipc0cp::platform
