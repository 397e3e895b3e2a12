// SPDX-License-Identifier: Apache-2.0
#include "shm/waiting.hpp"

#include <algorithm>

#include "platform/futex.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {

std::uint32_t Event::announce() noexcept {
  std::uint32_t word = word_.load(std::memory_order_seq_cst);
  while ((word & kEventWaiters) == 0) {
    if (word_.compare_exchange_weak(word, word | kEventWaiters, std::memory_order_seq_cst)) {
      return word | kEventWaiters;
    }
  }
  // W was set by another waiter; a store of our own gives us a place in the total order.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return word;
}

void Event::sleep(std::uint32_t announced, std::int64_t wait_ns) noexcept {
  platform::futex_wait(word_, announced, wait_ns);
}

bool Event::someone_waits() const noexcept {
  return (word_.load(std::memory_order_seq_cst) & kEventWaiters) != 0;
}

void Event::signal(int count) noexcept {
  const std::uint32_t word = word_.fetch_add(2, std::memory_order_seq_cst) + 2;
  const int wanted = count == kEverybody ? platform::kWakeAll : count;
  if (platform::futex_wake(word_, wanted) > 0) return;
  // Raised once more: a value that somebody announced must not come back when W is set again.
  std::uint32_t expected = word;
  if (word_.compare_exchange_strong(expected, (word & ~kEventWaiters) + 2,
                                    std::memory_order_seq_cst)) {
    platform::futex_wake(word_, platform::kWakeAll);
  }
}

std::int64_t SpinBudget::nanoseconds(std::uint32_t participants) const noexcept {
  const std::int64_t budget = budget_ns_.load(std::memory_order_relaxed);
  if (processors_ < 2) return 0;
  if (participants <= processors_) return budget;
  return std::min(budget, kMostSharedNs) * processors_ / participants;
}

void SpinBudget::hit() noexcept {
  const std::int64_t budget = budget_ns_.load(std::memory_order_relaxed);
  budget_ns_.store(std::min(kMostNs, budget + budget / 4 + kLeastNs), std::memory_order_relaxed);
}

void SpinBudget::slept(std::int64_t nanoseconds) noexcept {
  if (nanoseconds < kMostNs) {
    hit();  // A spin would have caught it.
    return;
  }
  const std::int64_t budget = budget_ns_.load(std::memory_order_relaxed);
  // Below the least a spin is not worth its first look at the clock; a hit brings it back.
  budget_ns_.store(budget < kLeastNs ? 0 : budget - budget / 4, std::memory_order_relaxed);
}

}  // namespace ipc0cp::shm
