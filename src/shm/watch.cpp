// SPDX-License-Identifier: Apache-2.0
#include "shm/watch.hpp"

#include "platform/clock.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kLockPatienceNs = 5 * platform::kMillisecond;

}  // namespace

bool Watch::answer_is_ready() noexcept {
  const Header& header = ring_.header();
  if (header.queued.load(std::memory_order_relaxed) != 0) return true;
  if (ring_.check_while_waiting(platform::now_ns()) != ErrorCode::ok) return true;
  const ErrorCode locked = ring_.lock(platform::now_ns() + kLockPatienceNs);
  if (locked != ErrorCode::ok) return locked != ErrorCode::timeout;
  const bool ready = ring_.blocks().head() != kNone || ring_.stream_has_ended(expected_producers_);
  ring_.unlock();
  return ready;
}

void Watch::await_answer(const std::atomic<bool>& given_up) noexcept {
  const std::int64_t start_ns = platform::now_ns();
  while (true) {
    const std::uint32_t announced = ring_.data_event().announce();
    if (given_up.load(std::memory_order_seq_cst)) break;
    if (answer_is_ready()) return;
    const std::int64_t waited_ns = ring_.redelivers() ? 0 : platform::now_ns() - start_ns;
    ring_.data_event().sleep(announced, idle_slice(waited_ns));
  }
  ring_.data_event().wake_one();
}

bool Watch::gained_priority(std::uint64_t block_bytes) noexcept {
  if (ring_.lock(platform::now_ns() + kLockPatienceNs) != ErrorCode::ok) return false;
  const bool had_it = admission_.has_priority();
  admission_.register_want(block_bytes, platform::now_ns());
  const bool has_it = admission_.has_priority();
  ring_.unlock();
  return has_it && !had_it;
}

void Watch::await_room(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads,
                       const std::atomic<bool>& given_up) noexcept {
  const Header& header = ring_.header();
  const std::uint64_t block_bytes = BlockPlan{message_bytes, 0}.block_bytes();
  admission_.keep_want(true);
  std::uint32_t before = ring_.space_event().announce();
  while (!given_up.load(std::memory_order_seq_cst)) {
    const bool freed =
        !nobody_reads && (header.freed.load(std::memory_order_relaxed) != freed_before ||
                          header.returned_head.load(std::memory_order_relaxed) != kNone);
    const bool somebody_came = nobody_reads && header.consumers != 0;
    if (freed || somebody_came) return;
    if (ring_.check_while_waiting(platform::now_ns()) != ErrorCode::ok) return;
    // Priority opens the relief block, which no event tells.
    if (gained_priority(block_bytes)) return;
    ring_.space_event().sleep(before, admission_.time_to_priority(platform::now_ns()));
    const std::uint32_t now = ring_.space_event().announce();
    if (now != before) return;
    before = now;
  }
}

void Watch::forget_want() noexcept {
  admission_.keep_want(false);
  if (ring_.forked()) return;
  ring_.participants().own_slot().want_bytes.exchange(0);
  // Whoever stood back for this want looks again.
  ring_.space_event().wake_all();
}

}  // namespace ipc0cp::shm
