// SPDX-License-Identifier: Apache-2.0
#include "shm/attached_ring.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "platform/clock.hpp"
#include "platform/deadline.hpp"
#include "platform/log.hpp"

namespace ipc0cp::shm {

namespace {

constexpr std::int64_t kBusyIntervalNs = 50 * platform::kMillisecond;  ///< While at work.
constexpr std::int32_t kWorkUntilCheck = 4096;
constexpr std::int64_t kForkPatienceNs = 100 * platform::kMillisecond;  ///< For a thread inside.
constexpr std::int64_t kForkWaitNs = platform::kSecond;  ///< Then the lock is taken beside a fork.
constexpr std::uint32_t kMaxUnsignalledReleases = 1024;

bool is_worth_telling(const RecoveryReport& report) noexcept {
  return report.deaths + report.lost_messages + report.redelivered_messages +
                 report.dropped_messages + report.quarantined >
             0 ||
         report.damaged;
}

}  // namespace

AttachedRing::AttachedRing(std::string name, std::unique_ptr<Segment> segment,
                           InterruptCheck interrupt_check)
    : name_(std::move(name)),
      segment_(std::move(segment)),
      participants_(*segment_),
      subscription_(*segment_, participants_),
      blocks_(*segment_, participants_),
      recovery_(*segment_),
      lock_(header().lock, participants_),
      data_event_(header().data_event),
      space_event_(header().space_event),
      share_event_(header().share_event),
      interrupt_check_(interrupt_check),
      fork_generation_(platform::ForkGeneration::current()) {}

// ---- the lock -----------------------------------------------------------------------------------

ErrorCode AttachedRing::take_lock(std::int64_t deadline_ns) noexcept {
  const std::int64_t fork_is_over_ns = platform::now_ns() + kForkWaitNs;
  while (true) {
    if (!fork_is_near() || platform::now_ns() >= fork_is_over_ns) {
      const Lock::Outcome outcome = lock_.acquire(deadline_ns);
      if (outcome == Lock::Outcome::timed_out) return ErrorCode::timeout;
      if (outcome == Lock::Outcome::taken_over) return recover_after_take_over();
      platform::fence_after_rmw();
      if (!fork_is_near() || platform::now_ns() >= fork_is_over_ns) {
        return header().damaged.load(std::memory_order_relaxed) == 0 ? ErrorCode::ok
                                                                     : refuse_damaged();
      }
      lock_.release();
    }
    if (platform::now_ns() >= deadline_ns) return ErrorCode::timeout;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void AttachedRing::refuse(ErrorCode answer) noexcept {
  const auto refused = static_cast<std::uint32_t>(answer);
  std::uint32_t gate = gate_.load(std::memory_order_relaxed);
  while (refusal_in(gate) != ErrorCode::closed &&
         !gate_.compare_exchange_weak(gate, (gate & kForkIsNear) | refused,
                                      std::memory_order_seq_cst)) {
  }
}

void AttachedRing::shut_for_fork() noexcept {
  gate_.fetch_or(kForkIsNear, std::memory_order_seq_cst);
  const std::int64_t end_ns = platform::now_ns() + kForkPatienceNs;
  const auto held_by_us = [this]() noexcept {
    return (header().lock.load(std::memory_order_seq_cst) & ~kLockWaiters) == participants_.self();
  };
  while (held_by_us() && platform::now_ns() < end_ns) std::this_thread::yield();
}

ErrorCode AttachedRing::recover_after_take_over() noexcept {
  recover();
  wake_everybody();
  if (header().damaged.load(std::memory_order_relaxed) != 0) return refuse_damaged();
  return ErrorCode::ok;
}

ErrorCode AttachedRing::refuse_damaged() noexcept {
  header().damaged.store(1, std::memory_order_relaxed);
  lock_.release();
  return ErrorCode::corrupt_buffer;
}

void AttachedRing::recover(std::uint32_t unseen) noexcept {
  const RecoveryReport report = recovery_.run(&participants_);
  blocks_.recount_front();
  header().repaired_deaths += unseen;
  report_.deaths += report.deaths + unseen;
  report_.lost_messages += report.lost_messages;
  report_.redelivered_messages += report.redelivered_messages;
  report_.dropped_messages += report.dropped_messages;
  report_.quarantined += report.quarantined;
  report_.damaged |= report.damaged;
  report_pending_ = is_worth_telling(report_);
}

ErrorCode AttachedRing::drop_impossible_head() noexcept {
  blocks_.quarantine_head();
  recover();
  return ErrorCode::corrupt_payload;
}

void AttachedRing::log_report() noexcept {
  // Another thread of this handle may log at the same time; the lock decides who has the report.
  if (!lock_.try_acquire()) return;
  platform::fence_after_rmw();
  if (fork_is_near()) {
    lock_.release();  // Told another time.
    return;
  }
  const RecoveryReport report = std::exchange(report_, RecoveryReport{});
  report_pending_ = false;
  lock_.release();
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

bool AttachedRing::anyone_is_gone(bool thorough) const noexcept {
  const std::uint32_t end = std::min<std::uint32_t>(header().slots_end, kSlotCount);
  const std::uint32_t own_slot = slot_of(participants_.self());
  for (std::uint32_t index = 1; index < end; ++index) {
    if (index == own_slot) continue;
    const std::uint64_t word = segment_->slot(index).word.load(std::memory_order_acquire);
    if (role_of(word) == Role::kNobody) continue;
    if (participants_.is_gone(index, word)) return true;
    if (participants_.void_if_certainly_gone(index, thorough)) return true;
  }
  return false;
}

void AttachedRing::repair_if_anyone_is_gone() noexcept {
  if (anyone_is_gone(false) || header().recovery_wanted.load(std::memory_order_relaxed) != 0) {
    recover();
  }
}

/// On a clock of its own: where others are always first to look around, a handle that lost its
/// locks would never learn that they take it for dead.
ErrorCode AttachedRing::check_own_token(std::int64_t now_ns, std::int64_t interval_ns) noexcept {
  const std::int64_t last_ns = own_token_seen_ns_.load(std::memory_order_relaxed);
  if (std::abs(now_ns - last_ns) < interval_ns) return ErrorCode::ok;
  own_token_seen_ns_.store(now_ns, std::memory_order_relaxed);
  return participants_.own_token_is_held() ? ErrorCode::ok : refuse_lost_token();
}

ErrorCode AttachedRing::refuse_lost_token() noexcept {
  token_lost_.store(true, std::memory_order_relaxed);
  refuse(ErrorCode::corrupt_buffer);
  // Others may have had the lock at the same time as we.
  header().recovery_wanted.store(1, std::memory_order_release);
  return refusal();
}

ErrorCode AttachedRing::sweep(std::int64_t now_ns, std::int64_t interval_ns,
                              bool thorough) noexcept {
  const ErrorCode refused = refusal();
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
  const ErrorCode locked = lock(now_ns + platform::Deadline::kLockPatienceNs);
  if (locked == ErrorCode::timeout) return ErrorCode::ok;
  if (locked != ErrorCode::ok) return locked;
  recover();
  const ErrorCode unlocked = unlock();
  wake_everybody();
  return unlocked;
}

ErrorCode AttachedRing::check_while_waiting(std::int64_t now_ns) noexcept {
  if (forked()) return ErrorCode::forked_handle;
  if (interrupt_check_ != nullptr && interrupt_check_()) return ErrorCode::interrupted;
  if (forked()) return ErrorCode::forked_handle;  // A signal handler that ran in the check forked.
  return sweep(now_ns, kSweepIntervalNs);
}

void AttachedRing::check_for_deaths_now() noexcept {
  work_until_check_ = kWorkUntilCheck;
  sweep(platform::now_ns(), kBusyIntervalNs, false);
}

// ---- what others are told of calls
// ----------------------------------------------------------------

/// Counted before it looks, as in `lock`: either close() waits for this thread with the token, and
/// so with the slot, or the thread sees the refusal.
template <class Store>
void AttachedRing::store_in_own_slot(Store store) noexcept {
  const Busy busy(*this);
  if (forked() || refusal_in(gate_.load(std::memory_order_seq_cst)) != ErrorCode::ok) return;
  store(participants_.own_slot());
}

void AttachedRing::note_wait(Awaited what, std::int64_t since_ns) noexcept {
  store_in_own_slot([&](Slot& slot) {
    slot.waits_for = static_cast<std::uint32_t>(what);
    if (slot.blocked_since_ns.load(std::memory_order_relaxed) == 0) {
      slot.blocked_since_ns.store(since_ns, std::memory_order_relaxed);
    }
  });
}

void AttachedRing::note_what(Awaited what) noexcept {
  store_in_own_slot([&](Slot& slot) { slot.waits_for = static_cast<std::uint32_t>(what); });
}

void AttachedRing::note_no_wait() noexcept {
  store_in_own_slot([](Slot& slot) {
    slot.waits_for = static_cast<std::uint32_t>(Awaited::kNothing);
    slot.blocked_since_ns.store(0, std::memory_order_relaxed);
  });
}

void AttachedRing::forget_want() noexcept {
  // A read-modify-write, as every change before a wake: else the look for sleepers overtakes it.
  store_in_own_slot([](Slot& slot) { slot.want_bytes.exchange(0); });
}

void AttachedRing::clear_notes() noexcept {
  if (!keeps_token()) return;  // Others have counted us out, and the slot may be somebody's.
  Slot& slot = participants_.own_slot();
  slot.waits_for = static_cast<std::uint32_t>(Awaited::kNothing);
  slot.blocked_since_ns.store(0, std::memory_order_relaxed);
  slot.want_bytes.exchange(0);
}

bool AttachedRing::has_message() noexcept {
  if (!subscribes()) return blocks_.head() != kNone || blocks_.is_broadcast();
  std::uint64_t sequence = 0;
  return !subscription_.is_ours() || subscription_.any_held() ||
         subscription_.next(sequence) != kNone;
}

// ---- giving back and waking ---------------------------------------------------------------------

void AttachedRing::release_block(std::uint32_t index, StateWord word) noexcept {
  // A handle that counts as dead pushes nothing: its block may be somebody else's already.
  if (blocks_.mark_returned(index, word) && !token_lost()) {
    blocks_.push_returned(index);
    signal_space();
  }
  wake_if_stream_may_end();
}

void AttachedRing::release_share(std::uint32_t index, StateWord word) noexcept {
  if (!token_lost() && blocks_.finish_share(index, word, subscription_.bit())) {
    blocks_.push_returned(index);
    signal_space();
  }
}

void AttachedRing::abandon_block(std::uint32_t index, StateWord word) noexcept {
  if (!token_lost() && blocks_.mark_abandoned(index, word)) {
    blocks_.push_returned(index);
    space_event_.wake_all();
  }
}

void AttachedRing::signal_space(std::uint32_t releases) noexcept {
  if (!space_event_.someone_waits()) [[likely]]
    return;
  // What is not signalled now is signalled by a later release, an empty queue, or seen at the end
  // of the producer's slice.
  const std::uint32_t enough = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(kMaxUnsignalledReleases, waiting_messages() / 8));
  unsignalled_releases_ += releases;
  if (unsignalled_releases_ < enough) return;
  unsignalled_releases_ = 0;
  space_event_.wake_all();
}

void AttachedRing::wake_everybody() noexcept {
  data_event_.wake_all();
  space_event_.wake_all();
  share_event_.wake_all();
}

}  // namespace ipc0cp::shm
