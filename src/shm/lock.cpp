// SPDX-License-Identifier: Apache-2.0
#include "shm/lock.hpp"

#include <algorithm>

#include "platform/clock.hpp"
#include "platform/futex.hpp"

namespace ipc0cp::shm {
namespace {

// Between attempts, so that waiters do not slow the owner down: measured best with 8 processes.
constexpr int kFirstBackOffPauses = 16;
constexpr int kLastBackOffPauses = 128;
// Some 40 us: a batch is held for 5 us, and who falls asleep meanwhile loses ten times that.
constexpr int kSpinPauses = 1000;
constexpr std::int64_t kFirstSliceNs = platform::kMillisecond;
constexpr std::int64_t kLastSliceNs = 16 * platform::kMillisecond;

}  // namespace

bool Lock::try_take(std::uint32_t flags) noexcept {
  std::uint32_t word = word_.load(std::memory_order_relaxed);
  return word == 0 &&
         word_.compare_exchange_strong(word, participants_.self() | flags,
                                       std::memory_order_acquire, std::memory_order_relaxed);
}

Lock::Outcome Lock::acquire_slowly(std::int64_t deadline_ns) noexcept {
  int back_off = kFirstBackOffPauses;
  for (int pauses = 0; pauses < kSpinPauses; pauses += back_off) {
    for (int pause = 0; pause < back_off; ++pause) platform::pause();
    if (try_take(0)) return Outcome::acquired;
    back_off = std::min(2 * back_off, kLastBackOffPauses);
  }
  // Once we have slept we cannot know who else does, so the word keeps its flag.
  std::int64_t slice_ns = kFirstSliceNs;
  while (true) {
    if (try_take(kLockWaiters)) return Outcome::acquired;
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == 0) continue;
    if ((word & kLockWaiters) == 0 &&
        !word_.compare_exchange_strong(word, word | kLockWaiters, std::memory_order_relaxed)) {
      continue;
    }
    word |= kLockWaiters;
    const std::int64_t left_ns =
        deadline_ns == platform::kForever ? slice_ns : deadline_ns - platform::now_ns();
    // A time-out is always an answer about a live holder, and leaves the flag with it: the wake
    // that we may have had was meant for somebody who sleeps on.
    if (left_ns <= 0) return take_over_from_dead(word) ? Outcome::taken_over : Outcome::timed_out;
    platform::futex_wait(word_, word, std::min(slice_ns, left_ns));
    slice_ns = std::min(2 * slice_ns, kLastSliceNs);
    if (word_.load(std::memory_order_relaxed) == word && take_over_from_dead(word)) {
      return Outcome::taken_over;
    }
  }
}

bool Lock::take_over_from_dead(std::uint32_t word) noexcept {
  // Our own name in the word is another thread of this handle.
  const Owner owner = word & ~kLockWaiters;
  if (owner == participants_.self() || !participants_.is_dead(owner)) return false;
  return word_.compare_exchange_strong(word, participants_.self() | kLockWaiters,
                                       std::memory_order_acquire, std::memory_order_relaxed);
}

bool Lock::release_and_wake() noexcept {
  std::uint32_t expected = participants_.self() | kLockWaiters;
  if (!word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                     std::memory_order_relaxed)) {
    return false;
  }
  platform::futex_wake(word_, 1);
  return true;
}

}  // namespace ipc0cp::shm
