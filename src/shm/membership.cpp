// SPDX-License-Identifier: Apache-2.0
#include "shm/membership.hpp"

#include <algorithm>
#include <utility>

#include "log_internal.hpp"
#include "platform/clock.hpp"

namespace ipc0cp::shm {

namespace {

bool is_worth_telling(const RecoveryReport& report) noexcept {
  return report.deaths + report.lost_messages + report.redelivered_messages +
                 report.dropped_messages + report.quarantined >
             0 ||
         report.damaged;
}

}  // namespace

Membership::Membership(std::string name, std::unique_ptr<Segment> segment_to_use)
    : name_(std::move(name)),
      segment(std::move(segment_to_use)),
      participants(*segment),
      allocator(*segment),
      queue(*segment),
      recovery(*segment, allocator, queue),
      lock(segment->header().lock, participants),
      data_event(segment->header().data_event),
      space_event(segment->header().space_event) {}

ErrorCode Membership::enter_after_take_over() noexcept {
  recover();
  wake_everybody();
  if (header().damaged.load(std::memory_order_relaxed) != 0) return refuse_damaged();
  return ErrorCode::ok;
}

ErrorCode Membership::refuse_damaged() noexcept {
  header().damaged.store(1, std::memory_order_relaxed);
  lock.release();
  return ErrorCode::corrupt_buffer;
}

void Membership::recover(std::uint32_t unseen) noexcept {
  const RecoveryReport report = recovery.run(&participants);
  header().repaired_deaths += unseen;
  report_.deaths += report.deaths + unseen;
  report_.lost_messages += report.lost_messages;
  report_.redelivered_messages += report.redelivered_messages;
  report_.dropped_messages += report.dropped_messages;
  report_.quarantined += report.quarantined;
  report_.damaged |= report.damaged;
  report_pending_ = is_worth_telling(report_);
}

void Membership::log_report() noexcept {
  // Another thread of this handle may log at the same time; the lock decides who has the report.
  if (!lock.try_acquire()) return;
  const RecoveryReport report = std::exchange(report_, RecoveryReport{});
  report_pending_ = false;
  lock.release();
  if (!is_worth_telling(report)) return;
  try {
    std::string text = "ring '" + name_ + "': cleaned up after " + std::to_string(report.deaths) +
                       " participant(s) that died";
    if (report.lost_messages > 0) {
      text += "; " + std::to_string(report.lost_messages) + " message(s) in their hands are lost";
    }
    if (report.redelivered_messages > 0) {
      text += "; " + std::to_string(report.redelivered_messages) + " message(s) go back";
    }
    if (report.dropped_messages > 0) {
      text += "; " + std::to_string(report.dropped_messages) +
              " message(s) dropped after too many deliveries";
    }
    if (report.quarantined > 0) {
      text += "; " + std::to_string(report.quarantined) + " impossible block(s) put out of use";
    }
    if (report.damaged) text += "; the ring is damaged and refuses further calls";
    const bool harm = report.lost_messages + report.dropped_messages + report.quarantined > 0;
    log(harm || report.damaged ? LogLevel::warning : LogLevel::info, text);
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "a ring was repaired after a death; no memory left to say more");
  }
}

bool Membership::anyone_is_gone(bool thorough) const noexcept {
  const std::uint32_t end = std::min<std::uint32_t>(header().slots_end, kSlotCount);
  const std::uint32_t own_slot = slot_of(participants.self());
  for (std::uint32_t index = 1; index < end; ++index) {
    if (index == own_slot) continue;
    const std::uint64_t word = segment->slot(index).word.load(std::memory_order_acquire);
    if (role_of(word) == Role::kNobody) continue;
    if (participants.is_gone(index, word)) return true;
    if (participants.void_if_certainly_gone(index, thorough)) return true;
  }
  return false;
}

void Membership::repair_if_anyone_is_gone() noexcept {
  if (anyone_is_gone(false) || header().recovery_wanted.load(std::memory_order_relaxed) != 0) {
    recover();
  }
}

/// On a clock of its own: where others are always first to look around, a handle that lost its
/// locks would never learn that they take it for dead.
ErrorCode Membership::check_own_token(std::int64_t now_ns, std::int64_t interval_ns) noexcept {
  const std::int64_t last_ns = own_token_seen_ns_.load(std::memory_order_relaxed);
  if (std::abs(now_ns - last_ns) < interval_ns) return ErrorCode::ok;
  own_token_seen_ns_.store(now_ns, std::memory_order_relaxed);
  return participants.own_token_is_held() ? ErrorCode::ok : refuse_lost_token();
}

ErrorCode Membership::refuse_lost_token() noexcept {
  token_lost_.store(true, std::memory_order_relaxed);
  ErrorCode open = ErrorCode::ok;
  refusal.compare_exchange_strong(open, ErrorCode::corrupt_buffer);
  // Others may have had the lock at the same time as we.
  header().recovery_wanted.store(1, std::memory_order_release);
  return refusal.load(std::memory_order_relaxed);
}

ErrorCode Membership::sweep(std::int64_t now_ns, std::int64_t interval_ns, bool thorough) noexcept {
  const ErrorCode refused = refusal.load(std::memory_order_relaxed);
  if (refused != ErrorCode::ok) return refused;
  const ErrorCode own = check_own_token(now_ns, interval_ns);
  if (own != ErrorCode::ok) return own;
  std::int64_t last_ns = header().last_sweep_ns.load(std::memory_order_relaxed);
  // Clocks of another time namespace may lie anywhere, so the distance counts, not the order.
  if (std::abs(now_ns - last_ns) < interval_ns) return ErrorCode::ok;
  if (!header().last_sweep_ns.compare_exchange_strong(last_ns, now_ns, std::memory_order_relaxed)) {
    return ErrorCode::ok;
  }
  constexpr std::uint32_t kThoroughEvery = 32;
  const bool compare_start_times = thorough && ++sweeps_ % kThoroughEvery == 0;
  if (!anyone_is_gone(compare_start_times) &&
      header().recovery_wanted.load(std::memory_order_relaxed) == 0) {
    return ErrorCode::ok;
  }
  constexpr std::int64_t kPatienceNs = 5 * platform::kMillisecond;
  const ErrorCode entered = enter(now_ns + kPatienceNs);
  if (entered == ErrorCode::timeout) return ErrorCode::ok;
  if (entered != ErrorCode::ok) return entered;
  recover();
  const ErrorCode left = leave();
  wake_everybody();
  return left;
}

void Membership::wake_everybody() noexcept {
  data_event.wake_all();
  space_event.wake_all();
}

}  // namespace ipc0cp::shm
