// SPDX-License-Identifier: Apache-2.0
// Sleeping and waking on a 32-bit word in shared memory.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

#include "platform/clock.hpp"

namespace ipc0cp::platform {

static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Sleeps while `word` holds `expected`, at most `wait_ns`. Returns for a wake, another value, the
/// end of the time or a signal alike: the caller looks again.
inline void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::int64_t wait_ns) noexcept {
  if (wait_ns <= 0) return;
  timespec time{};
  time.tv_sec = wait_ns / kSecond;
  time.tv_nsec = wait_ns % kSecond;
  syscall(SYS_futex, &word, FUTEX_WAIT, expected, &time, nullptr, 0);
}

/// Wakes up to `count` sleepers and returns how many woke.
inline int futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  const long woken = syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  return woken > 0 ? static_cast<int>(woken) : 0;
}

inline constexpr int kWakeAll = INT_MAX;

}  // namespace ipc0cp::platform
