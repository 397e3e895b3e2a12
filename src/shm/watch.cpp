// SPDX-License-Identifier: Apache-2.0
#include "shm/watch.hpp"

#include "platform/clock.hpp"
#include "platform/deadline.hpp"

namespace ipc0cp::shm {

using platform::Deadline;

/// As AttachedRing::check_while_waiting, but for the user's check: that is for his own threads.
bool Watch::is_over() noexcept {
  return ring_.forked() ||
         ring_.sweep(platform::now_ns(), AttachedRing::kSweepIntervalNs) != ErrorCode::ok;
}

bool Watch::answer_is_ready() noexcept {
  if (ring_.waiting_messages() != 0) return true;
  return is_over() || has_answer();
}

bool Watch::has_answer() noexcept {
  if (ring_.forked() || ring_.refusal() != ErrorCode::ok) return true;
  const ErrorCode locked = ring_.lock(platform::now_ns() + Deadline::kLockPatienceNs);
  if (locked != ErrorCode::ok) return locked != ErrorCode::timeout;
  const bool ready = ring_.has_message() || ring_.stream_has_ended(expected_producers_);
  return ring_.unlock() != ErrorCode::ok || ready;
}

void Watch::await_answer(const std::atomic<bool>& given_up) noexcept {
  const std::int64_t start_ns = platform::now_ns();
  while (true) {
    const std::uint32_t announced = ring_.answer_event().announce();
    if (given_up.load(std::memory_order_seq_cst)) break;
    if (answer_is_ready()) return;
    const std::int64_t waited_ns = ring_.must_finish() ? 0 : platform::now_ns() - start_ns;
    ring_.answer_event().sleep(announced, idle_slice(waited_ns));
  }
  ring_.pass_wake_on();
}

/// Asks the ring instead of counting what was freed: two producers that each woke the other with an
/// attempt in vain would go on so for ever.
bool Watch::room_is_ready(const RoomWanted& wanted) noexcept {
  if (is_over()) return true;
  const ErrorCode locked = ring_.lock(platform::now_ns() + Deadline::kLockPatienceNs);
  if (locked != ErrorCode::ok) return locked != ErrorCode::timeout;
  admission_.keep_want(true);
  if (!wanted.nobody_reads) admission_.register_want(wanted.block_bytes, platform::now_ns());
  const bool ready = admission_.would_admit(wanted);
  return ring_.unlock() != ErrorCode::ok || ready;
}

void Watch::await_room(const RoomWanted& wanted, const std::atomic<bool>& given_up) noexcept {
  const std::int64_t start_ns = platform::now_ns();
  while (!given_up.load(std::memory_order_seq_cst)) {
    const std::uint32_t announced = ring_.space_event().announce();
    if (room_is_ready(wanted) || given_up.load(std::memory_order_seq_cst)) return;
    const std::int64_t now_ns = platform::now_ns();
    const std::int64_t waited_ns = now_ns - start_ns;
    ring_.space_event().sleep(announced, waited_ns > kBusyWaitNs
                                             ? idle_slice(waited_ns)
                                             : admission_.time_to_priority(now_ns));
  }
}

void Watch::forget_want() noexcept {
  admission_.keep_want(false);
  if (ring_.forked()) return;
  ring_.forget_want();
  // Whoever stood back for this want looks again.
  ring_.space_event().wake_all();
}

}  // namespace ipc0cp::shm
