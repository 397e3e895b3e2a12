// SPDX-License-Identifier: Apache-2.0
// Waiting without taking: for a thread that watches a ring on behalf of calls that must not block.
//
// It sleeps in the ordinary event words and keeps their rules: it announces itself before it looks
// for the last time, looks for the dead after each slice, and passes on a wake that it has taken
// but will not use. What it tells is only that another attempt is worth while.
#include <algorithm>

#include "platform/clock.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kLockPatienceNs = 5 * platform::kMillisecond;

}  // namespace

bool Channel::answer_is_ready() noexcept {
  const Header& header = ring_->header();
  if (header.queued.load(std::memory_order_relaxed) != 0) return true;
  if (check_while_waiting(platform::now_ns()) != ErrorCode::ok) return true;
  Deadline soon(kLockPatienceNs);
  const ErrorCode entered = enter(soon);
  if (entered != ErrorCode::ok) return entered != ErrorCode::timeout;
  const bool ready = ring_->queue.head() != kNone || stream_has_ended();
  ring_->leave();
  return ready;
}

void Channel::await_answer(const std::atomic<bool>& given_up) noexcept {
  const std::int64_t start_ns = platform::now_ns();
  while (!given_up.load(std::memory_order_acquire)) {
    const std::uint32_t announced = ring_->data_event.announce();
    if (answer_is_ready()) return;
    const std::int64_t waited_ns = platform::now_ns() - start_ns;
    ring_->data_event.sleep(announced, redelivers() ? idle_slice(0) : idle_slice(waited_ns));
  }
  ring_->data_event.wake_one();
}

std::uint32_t Channel::blocks_freed() const noexcept {
  return ring_->header().freed.load(std::memory_order_relaxed);
}

bool Channel::claim_for_watcher(std::uint64_t block_bytes) noexcept {
  Deadline soon(kLockPatienceNs);
  if (enter(soon) != ErrorCode::ok) return false;
  Header& header = ring_->header();
  const bool had_it = header.claimant == ring_->participants.self();
  update_claim(block_bytes, platform::now_ns());
  const bool has_it = header.claimant == ring_->participants.self();
  ring_->leave();
  return has_it && !had_it;
}

void Channel::await_room(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads,
                         const std::atomic<bool>& given_up) noexcept {
  const Header& header = ring_->header();
  const std::uint64_t block_bytes = BlockPlan{message_bytes, 0}.block_bytes();
  watched_.store(true, std::memory_order_relaxed);
  std::uint32_t before = ring_->space_event.announce();
  while (!given_up.load(std::memory_order_acquire)) {
    const bool freed = header.freed.load(std::memory_order_relaxed) != freed_before ||
                       header.returned_head.load(std::memory_order_relaxed) != kNone;
    const bool somebody_came = nobody_reads && header.consumers != 0;
    if (freed || somebody_came) return;
    if (check_while_waiting(platform::now_ns()) != ErrorCode::ok) return;
    // Becoming the claimant opens the relief block, which no event tells.
    if (claim_for_watcher(block_bytes)) return;
    ring_->space_event.sleep(before, time_to_claim(platform::now_ns()));
    const std::uint32_t now = ring_->space_event.announce();
    if (now != before) return;
    before = now;
  }
}

void Channel::forget_want() noexcept {
  watched_.store(false, std::memory_order_relaxed);
  if (ring_ == nullptr || forked()) return;
  ring_->participants.own_slot().want_bytes.store(0, std::memory_order_relaxed);
  // Whoever stood back for this want looks again.
  ring_->space_event.wake_all();
}

}  // namespace ipc0cp::shm
