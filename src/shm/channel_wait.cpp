// SPDX-License-Identifier: Apache-2.0
// The waiting half of a channel: spinning, sleeping, the soft cap and the claim.
#include <algorithm>
#include <cstdlib>

#include "platform/clock.hpp"
#include "shm/channel_request.hpp"

namespace ipc0cp::shm {
namespace {

using platform::kMillisecond;

constexpr std::int64_t kWorkSliceNs = 20 * kMillisecond;      ///< While work is queued or wanted.
constexpr std::int64_t kIdleSliceNs = 50 * kMillisecond;      ///< Otherwise.
constexpr std::int64_t kLongIdleSliceNs = 95 * kMillisecond;  ///< After a second without any event.
constexpr std::int64_t kBusyWaitNs = 200 * kMillisecond;      ///< A wait is idle after that,
constexpr std::int64_t kIdleWaitNs = platform::kSecond;  ///< and has long been idle after that.
constexpr std::int64_t kSweepIntervalNs = 10 * kMillisecond;
constexpr std::int64_t kClaimAfterNs = 20 * kMillisecond;
constexpr std::int64_t kClaimExpiresNs = 200 * kMillisecond;
constexpr std::int64_t kSoftCapWaitNs = kMillisecond;
constexpr int kPollsPerClock = 32;

/// Polls `condition` with pauses until it holds or the time is over.
template <class Condition>
bool spin(std::int64_t budget_ns, Condition condition) noexcept {
  if (budget_ns <= 0) return condition();
  std::int64_t end_ns = 0;
  while (true) {
    for (int poll = 0; poll < kPollsPerClock; ++poll) {
      if (condition()) return true;
      platform::pause();
    }
    const std::int64_t now_ns = platform::now_ns();
    if (end_ns == 0) end_ns = now_ns + budget_ns;
    if (now_ns >= end_ns) return false;
  }
}

}  // namespace

/// A wake costs an idle machine about 50 us, so a handle that nobody talks to looks less often.
std::int64_t Channel::idle_slice(std::int64_t waited_ns) noexcept {
  return waited_ns > kIdleWaitNs ? kLongIdleSliceNs : kIdleSliceNs;
}

ErrorCode Channel::check_while_waiting(std::int64_t now_ns) noexcept {
  if (forked()) return ErrorCode::forked_handle;
  const InterruptCheck interrupted = options_.open.interrupt_check;
  if (interrupted != nullptr && interrupted()) return ErrorCode::interrupted;
  return ring_->sweep(now_ns, kSweepIntervalNs);
}

// ---- producers --------------------------------------------------------------------------------

ErrorCode Channel::push_slowly(Request& request, Deadline& deadline,
                               ErrorCode first_result) noexcept {
  Slot& slot = ring_->participants.own_slot();
  Header& header = ring_->header();
  const std::int64_t start_ns = platform::now_ns();
  std::int64_t nobody_since_ns = start_ns;
  bool logged = false;
  bool looked = false;
  ErrorCode result = first_result;
  while (true) {
    if (request.must_reserve()) {
      result = reserve_and_attempt(request, deadline);
      if (request.must_reserve()) continue;
    }
    const bool nobody_reads = result == ErrorCode::no_consumers;
    if (result != ErrorCode::buffer_full && !nobody_reads) break;
    if (deadline.never_waits()) {
      // Not waiting is no reason not to notice that somebody died with the room in his hands.
      if (looked) break;
      looked = true;
      const ErrorCode state = ring_->sweep(platform::now_ns(), kSweepIntervalNs);
      if (state != ErrorCode::ok) {
        result = state;
        break;
      }
      result = attempt_push_while_waiting(request, deadline);
      continue;
    }
    if (nobody_reads && retired()) break;
    const std::int64_t now_ns = platform::now_ns();
    const ErrorCode state = check_while_waiting(now_ns);
    if (state != ErrorCode::ok) {
      result = state;
      break;
    }
    std::int64_t left_ns =
        deadline.at_ns() == platform::kForever ? kLongIdleSliceNs : deadline.at_ns() - now_ns;
    if (nobody_reads) {
      const std::int64_t waited_ns = now_ns - nobody_since_ns;
      left_ns = std::min(left_ns, options_.consumer_wait_ns - waited_ns);
    } else {
      nobody_since_ns = now_ns;
    }
    if (left_ns <= 0) break;
    if (!nobody_reads) {
      if (slot.want_bytes.load(std::memory_order_relaxed) == 0) spin_for_room();
      if (slot.blocked_since_ns.load(std::memory_order_relaxed) == 0) {
        slot.blocked_since_ns.store(start_ns, std::memory_order_relaxed);
      }
    }
    const std::uint32_t announced = ring_->space_event.announce();
    result = attempt_push_while_waiting(request, deadline);
    if (result != ErrorCode::buffer_full && result != ErrorCode::no_consumers) continue;
    // The last consumer may have left, and woken whoever slept, before we announced ourselves.
    if (request.must_reserve() || (result == ErrorCode::no_consumers && retired())) continue;
    header.producer_waits.fetch_add(1, std::memory_order_relaxed);
    // A wait that has lasted is looked at less often, so that an idle handle costs next to nothing.
    const std::int64_t waited_ns = now_ns - start_ns;
    const std::int64_t slice_ns =
        waited_ns > kBusyWaitNs ? idle_slice(waited_ns) : time_to_claim(now_ns);
    ring_->space_event.sleep(announced, std::min(left_ns, slice_ns));
    if (!logged && now_ns - start_ns > kLongWaitNs) {
      logged = true;
      log_long_wait(nobody_reads ? Wait::kConsumer : Wait::kRoom);
    }
  }
  end_wait_for_room();
  return result;
}

void Channel::end_wait_for_room() noexcept {
  Slot& slot = ring_->participants.own_slot();
  // The want of those that a watcher waits for outlasts the attempts they make.
  if (!watched_.load(std::memory_order_relaxed)) {
    slot.want_bytes.store(0, std::memory_order_relaxed);
  }
  slot.blocked_since_ns.store(0, std::memory_order_relaxed);
  // Whoever leaves may have taken a wake, or held a claim, that others wait for.
  ring_->space_event.wake_all();
}

ErrorCode Channel::attempt_push_while_waiting(Request& request, Deadline& deadline) noexcept {
  const ErrorCode entered = enter(deadline);
  if (entered == ErrorCode::timeout) return ErrorCode::buffer_full;
  if (entered != ErrorCode::ok) return entered;
  Header& header = ring_->header();
  update_claim(request.block_bytes, platform::now_ns());
  const ErrorCode result = attempt_push(request);
  if (result == ErrorCode::ok && header.claimant == ring_->participants.self()) {
    header.claimant = 0;
  }
  if (result == ErrorCode::ok) {
    served_by_relief_ = request.descriptor == geometry().relief_descriptor();
  }
  const ErrorCode left = ring_->leave();
  return left == ErrorCode::ok ? result : left;
}

/// Where views fill the main part for good, waiting long again each time would only cost time.
std::int64_t Channel::claim_patience_ns() const noexcept {
  return served_by_relief_ ? kMillisecond : kClaimAfterNs;
}

/// How long until this waiting producer may become the claimant; a whole slice if it is, or if
/// somebody else is.
std::int64_t Channel::time_to_claim(std::int64_t now_ns) const noexcept {
  if (ring_->header().claimant != 0) return kWorkSliceNs;
  const Slot& slot = ring_->participants.own_slot();
  const std::int64_t waited_ns = now_ns - slot.want_since_ns.load(std::memory_order_relaxed);
  return std::clamp(claim_patience_ns() - waited_ns, kMillisecond / 10, kWorkSliceNs);
}

/// Registers the want, and makes the oldest one of those that still wait the claimant.
void Channel::update_claim(std::uint64_t block_bytes, std::int64_t now_ns) noexcept {
  Header& header = ring_->header();
  const Owner self = ring_->participants.self();
  Slot& slot = ring_->participants.own_slot();
  if (slot.want_bytes.load(std::memory_order_relaxed) == 0) {
    slot.want_since_ns.store(now_ns, std::memory_order_relaxed);
  }
  slot.want_bytes.store(block_bytes, std::memory_order_relaxed);
  slot.want_seen_ns.store(now_ns, std::memory_order_relaxed);
  const std::int64_t since_ns = slot.want_since_ns.load(std::memory_order_relaxed);
  if (header.claimant == self) {
    header.claimant_seen_ns = now_ns;
    header.claimant_bytes = block_bytes;
    return;
  }
  if (header.claimant != 0 || now_ns - since_ns < claim_patience_ns()) return;
  for (std::uint32_t index = 1; index < std::min<std::uint32_t>(header.slots_end, kSlotCount);
       ++index) {
    const Slot& other = ring_->segment->slot(index);
    if (index == slot_of(self) || other.want_bytes.load(std::memory_order_relaxed) == 0) continue;
    const bool waits_still =
        std::abs(now_ns - other.want_seen_ns.load(std::memory_order_relaxed)) < kClaimExpiresNs;
    if (waits_still && other.want_since_ns.load(std::memory_order_relaxed) < since_ns) return;
  }
  header.claimant = self;
  header.claimant_bytes = block_bytes;
  header.claimant_seen_ns = now_ns;
}

/// Whether this request would take room that an older want, the claimant's, waits for.
bool Channel::must_stand_back(const Request& request) noexcept {
  Header& header = ring_->header();
  if (header.claimant == ring_->participants.self()) return false;
  const Slot& slot = ring_->segment->slot(slot_of(header.claimant));
  const bool expired = slot.want_bytes.load(std::memory_order_relaxed) == 0 ||
                       std::abs(platform::now_ns() - header.claimant_seen_ns) > kClaimExpiresNs;
  if (expired) {
    header.claimant = 0;
    return false;
  }
  return header.used_bytes + request.message_bytes + header.claimant_bytes >
         geometry().total_data_bytes;
}

void Channel::spin_for_room() noexcept {
  const Header& header = ring_->header();
  const std::uint32_t freed = header.freed.load(std::memory_order_relaxed);
  const std::uint32_t queued = header.queued.load(std::memory_order_relaxed);
  const std::uint32_t enough = std::min<std::uint32_t>(1024, queued / 8);
  const auto room = [&]() noexcept {
    const std::uint32_t queued_now = header.queued.load(std::memory_order_relaxed);
    if (queued_now > 0 && queued_now + enough > queued) return false;
    return header.freed.load(std::memory_order_relaxed) != freed ||
           header.returned_head.load(std::memory_order_relaxed) != kNone;
  };
  const std::uint32_t participants = header.producers + header.consumers;
  spin(spin_.nanoseconds(participants), room);
}

/// While pops are happening, what is queued stays small enough for the cache.
void Channel::wait_for_soft_cap(std::uint64_t message_bytes, std::uint32_t most_queued,
                                Deadline& deadline) noexcept {
  const Header& header = ring_->header();
  const auto popped_so_far = [&]() noexcept {
    return header.next_sequence - header.queued.load(std::memory_order_relaxed) + 1;
  };
  const auto below_cap = [&]() noexcept {
    const std::uint32_t queued = header.queued.load(std::memory_order_relaxed);
    return queued == 0 ||
           (queued <= most_queued && header.queued_bytes + message_bytes <= kSoftCapBytes);
  };
  if (below_cap()) return;
  const std::uint64_t popped = popped_so_far();  // Never 0.
  if (popped == idle_popped_) return;  // Nobody has read since the last wait: a burst goes in.
  const std::int64_t start_ns = platform::now_ns();
  const std::int64_t end_ns = std::min(start_ns + kSoftCapWaitNs, deadline.at_ns());
  const std::uint32_t participants = header.producers + header.consumers;
  if (spin(spin_.nanoseconds(participants), below_cap)) return;
  while (ring_->refusal.load(std::memory_order_relaxed) == ErrorCode::ok) {
    const std::int64_t now_ns = platform::now_ns();
    if (now_ns >= end_ns) break;
    const std::uint32_t announced = ring_->space_event.announce();
    if (below_cap()) return;
    ring_->space_event.sleep(announced, end_ns - now_ns);
    if (below_cap()) return;
  }
  idle_popped_ = popped_so_far() == popped ? popped : 0;
}

// ---- consumers --------------------------------------------------------------------------------

bool Channel::spin_for_data() noexcept {
  const Header& header = ring_->header();
  const auto data = [&]() noexcept {
    return header.queued.load(std::memory_order_relaxed) != 0 ||
           ring_->refusal.load(std::memory_order_relaxed) != ErrorCode::ok;
  };
  const std::uint32_t participants = header.producers + header.consumers;
  return spin(spin_.nanoseconds(participants), data);
}

template <class Target>
ErrorCode Channel::pop_slowly(Target& target, Deadline& deadline) noexcept {
  if (deadline.never_waits()) {
    // A poller must notice a death as well: the end of the stream may depend on it.
    const ErrorCode state = ring_->sweep(platform::now_ns(), kSweepIntervalNs);
    if (state != ErrorCode::ok) return state;
    const ErrorCode result = attempt_pop_alone(target, deadline);
    return result == ErrorCode::timeout ? ErrorCode::buffer_empty : result;
  }
  Slot& slot = ring_->participants.own_slot();
  Header& header = ring_->header();
  ErrorCode result = ErrorCode::buffer_empty;
  std::int64_t start_ns = 0;
  std::int64_t explain_at_ns = 0;
  while (true) {
    const bool hit = spin_for_data();
    std::uint32_t announced = 0;
    if (hit) {
      spin_.hit();
    } else {
      announced = ring_->data_event.announce();
    }
    result = attempt_pop_alone(target, deadline);
    if (result != ErrorCode::buffer_empty) break;
    const std::int64_t now_ns = platform::now_ns();
    if (start_ns == 0) {
      start_ns = now_ns;
      explain_at_ns = now_ns + kLongWaitNs;
      slot.blocked_since_ns.store(now_ns, std::memory_order_relaxed);
    }
    const ErrorCode state = check_while_waiting(now_ns);
    if (state != ErrorCode::ok) {
      result = state;
      break;
    }
    const std::int64_t left_ns =
        deadline.at_ns() == platform::kForever ? kLongIdleSliceNs : deadline.at_ns() - now_ns;
    if (left_ns <= 0) {
      result = ErrorCode::timeout;
      break;
    }
    if (now_ns > explain_at_ns) {
      explain_at_ns = log_silence(now_ns - start_ns) ? platform::kForever : now_ns + kLongWaitNs;
    }
    if (hit) continue;
    header.consumer_waits.fetch_add(1, std::memory_order_relaxed);
    // With redelivery a message may come back from the dead at any time.
    const std::int64_t slice_ns = redelivers() ? kIdleSliceNs : idle_slice(now_ns - start_ns);
    ring_->data_event.sleep(announced, std::min(left_ns, slice_ns));
    spin_.slept(platform::now_ns() - now_ns);
  }
  slot.blocked_since_ns.store(0, std::memory_order_relaxed);
  // A wake that came with the deadline, Ctrl-C or close() is passed on.
  if (result != ErrorCode::ok) ring_->data_event.wake_one();
  return result;
}
template ErrorCode Channel::pop_slowly(Message& target, Deadline& deadline) noexcept;
template ErrorCode Channel::pop_slowly(MessageHead& target, Deadline& deadline) noexcept;

}  // namespace ipc0cp::shm
