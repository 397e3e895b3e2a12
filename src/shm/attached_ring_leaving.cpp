// SPDX-License-Identifier: Apache-2.0
// The end of a handle's part in its ring: role, subscription, token.
#include <bit>
#include <utility>

#include "platform/clock.hpp"
#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

void AttachedRing::give_up_role(Role role, bool auto_unlink, bool holds_blocks,
                                std::int64_t deadline_ns) noexcept {
  if (lock_although_closed(deadline_ns) != ErrorCode::ok) {
    if (holds_blocks) linger_unrecovered();
    return;
  }
  repair_if_anyone_is_gone();
  if (role == Role::kProducer) {
    header().ended_ns = platform::now_ns();  // Before the count that gives it a meaning.
    header().joined_left.store(header().joined_left.load(std::memory_order_relaxed) + 1,
                               std::memory_order_release);
    header().producers -= 1;
    participants_.stop_keeping();
    if (header().unread != 0 && nobody_reads()) retire_unless_kept();
  } else if (role == Role::kSubscriber) {
    if (!leave_subscription(deadline_ns)) return;
  } else {
    header().workers -= 1;
  }
  count_consumers();
  participants_.set_role(Role::kLingering);
  if (header().priority == participants_.self()) header().priority = 0;
  if (is_reader(role) && auto_unlink && nobody_reads()) retire_unless_kept();
  unlock();
}

/// With the lock, and with it again if it answers true: gives back what was not read, with the lock
/// free for others in between.
bool AttachedRing::leave_subscription(std::int64_t deadline_ns) noexcept {
  bool is_first = true;
  while (subscription_.is_ours()) {
    if (std::exchange(is_first, false)) {
      subscription_.begin_leaving();
      count_consumers();  // Pushes go on in between, and must not find whom nobody will read for.
    }
    if (!subscription_.give_back_unread(blocks_)) {
      blocks_.recount_front();
      return true;
    }
    unlock();
    space_event_.wake_all();
    if (lock_although_closed(deadline_ns) == ErrorCode::ok) continue;
    linger_unrecovered();
    return false;
  }
  unlock();  // Others have taken us for dead, and counted us out.
  return false;
}

/// Without the lock: what is left of our role is for others to recover, also while we linger.
void AttachedRing::linger_unrecovered() noexcept {
  participants_.set_role(Role::kLingering);
  header().recovery_wanted.store(1, std::memory_order_relaxed);
}

void AttachedRing::count_consumers() noexcept {
  header().consumers = blocks_.is_broadcast()
                           ? static_cast<std::uint32_t>(std::popcount(+header().subscriber_bits))
                           : +header().workers;
}

/// Under the lock, without consumers: gives the name up, or leaves that to who keeps the ring.
void AttachedRing::retire_unless_kept() noexcept {
  if (participants_.ring_is_kept()) {
    header().unread = 1;
  } else {
    header().retired.store(1, std::memory_order_release);
  }
}

void AttachedRing::drop_token(bool unclean) noexcept {
  // Another thread may have been about to reserve memory when this handle was closed.
  const bool is_subscribed = subscription_.is_active() && !subscription_.has_left();
  if (unclean || is_subscribed || busy() || token_lost() || blocks_.reservation_is_unfinished()) {
    participants_.drop_unclean();
  } else {
    if (subscription_.is_active()) subscription_.end_leaving();
    participants_.drop();
  }
}

}  // namespace ipc0cp::shm
