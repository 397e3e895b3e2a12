// SPDX-License-Identifier: Apache-2.0
#include "shm/waiting.hpp"

#include <algorithm>

#include "platform/fence.hpp"
#include "platform/futex.hpp"
#include "platform/processors.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {

std::uint32_t Event::announce() noexcept {
  std::uint32_t word = word_.load(std::memory_order_seq_cst);
  while ((word & kEventWaiters) == 0) {
    if (word_.compare_exchange_weak(word, word | kEventWaiters, std::memory_order_seq_cst)) {
      word |= kEventWaiters;
      platform::fence_after_rmw();
      return word;
    }
  }
  // W was set by another waiter, so there was no read-modify-write of ours.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return word;
}

void Event::sleep(std::uint32_t announced, std::int64_t wait_ns) noexcept {
  platform::futex_wait(word_, announced, wait_ns);
}

bool Event::someone_waits() const noexcept {
  platform::fence_after_rmw();
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

bool SpinBudget::is_elsewhere(std::uint32_t peer_on) noexcept {
  if (processors_.count < 2) return false;
  if (peer_on == 0 || peer_on != platform::current_processor()) return true;
  waits_beside_ += 1;
  return waits_beside_ % kWaitsPerTrial == 0;
}

std::int64_t SpinBudget::nanoseconds() const noexcept {
  const std::uint32_t participants = header_.producers + header_.consumers;
  std::int64_t most_ns = budget_ns_;
  if (processors_.rationed) most_ns = std::min(most_ns, kMostRationedNs);
  if (participants <= processors_.count) return most_ns;
  return std::min(most_ns, kMostSharedNs) * processors_.count / participants;
}

void SpinBudget::hit() noexcept {
  budget_ns_ = std::min(kMostNs, budget_ns_ + budget_ns_ / 4 + kLeastNs);
}

void SpinBudget::slept(std::int64_t nanoseconds) noexcept {
  if (!peer_is_elsewhere_) return;  // However short: no spin would have caught it.
  if (nanoseconds < kMostNs) {
    hit();  // A longer spin would have caught it.
    return;
  }
  // Below the least a spin is not worth its first look at the clock; a hit brings it back.
  budget_ns_ = budget_ns_ < kLeastNs ? 0 : budget_ns_ - budget_ns_ / 4;
}

}  // namespace ipc0cp::shm
