// SPDX-License-Identifier: Apache-2.0
// Who may put a message in now: capacity, soft cap, priority for the oldest want, and what is given
// up for a message by who would rather not wait.
#pragma once

#include <cstdint>

#include "ipc0cp/options.hpp"
#include "platform/deadline.hpp"
#include "shm/attached_ring.hpp"
#include "shm/giving_up.hpp"
#include "shm/growth.hpp"
#include "shm/observers.hpp"
#include "shm/push_request.hpp"

namespace ipc0cp::shm {

/// What a producer does with a queue that is long.
struct QueuePolicy {
  Overflow overflow = Overflow::block;
  std::uint32_t depth = 0;  ///< Most unread messages; 0: no such limit.
  /// So many have to be there at the same time before the first push.
  std::uint32_t expected_consumers = 1;
};

/// The way in, of one producer.
///
///   throttle   while consumers keep up, what is queued stays small enough for the cache
///   admit      limits, priority of others, a block of the main part, growth, the relief block
///   want       what a waiting producer needs, told to the others; the oldest want gets priority:
///              others leave room for it, and it may take the relief block
///   give up    with `drop_oldest`: the head of the queue, while that brings room nearer
///
/// Thread and process safety: the members under "with the lock" need the ring's lock; hints of this
/// handle may be blurred by races of its threads, which costs time only.
class Admission {
 public:
  Admission(AttachedRing& ring, const platform::Processors& processors,
            const QueuePolicy& policy) noexcept
      : ring_(ring),
        growth_(ring),
        giving_up_(ring),
        spin_(ring.header(), processors),
        overflow_(policy.overflow),
        max_unread_(policy.depth == 0 ? kAnyNumber : policy.depth),
        wanted_consumers_(policy.expected_consumers) {}

  // ---- with the lock ----
  /// A block for the request, LOANED; or buffer_full, then perhaps with memory to reserve;
  /// no_consumers, corrupt_buffer.
  ErrorCode admit(PushRequest& request) noexcept;
  /// Whether a request that was refused may have old messages given up for it.
  [[nodiscard]] bool gives_up_for(const PushRequest& request) const noexcept {
    return may_give_up() && !request.must_reserve();
  }
  /// The same as `admit` for a request that it has just refused: gives up the oldest messages until
  /// there is room for it and for the want that has priority, `GivingUp::kMaxInOneHold` at most.
  ErrorCode give_up_and_admit(PushRequest& request) noexcept;
  /// Whether a push like the one that was refused would not be refused in the same way now. It
  /// collects what was returned, and takes nothing.
  [[nodiscard]] bool would_admit(const RoomWanted& wanted) noexcept;
  /// A message of so many bytes was published: are others too old now, and would another like it
  /// leave too much queued?
  void note_published(std::uint64_t message_bytes) noexcept {
    over_soft_cap_ = ring_.header().queued_bytes + message_bytes > kSoftCapBytes;
    // Not before: a value that is given up for one still to be written would be gone with a
    // producer that dies while it writes.
    if (ring_.blocks().queued() > max_unread_) [[unlikely]]
      heed_depth();
  }
  /// How many consumers the next push waits for: those expected until they have come, then one.
  [[nodiscard]] std::uint32_t wanted_consumers() const noexcept { return wanted_consumers_; }
  /// Registers the want, and gives priority to the oldest one of those that still wait.
  void register_want(std::uint64_t block_bytes, std::int64_t now_ns) noexcept;
  /// The request has its block: it needs no priority any more.
  void note_served(const PushRequest& request) noexcept;
  [[nodiscard]] bool has_priority() const noexcept {
    return ring_.header().priority == ring_.self();
  }
  [[nodiscard]] Growth& growth() noexcept { return growth_; }

  // ---- without the lock ----
  [[nodiscard]] Overflow overflow() const noexcept { return overflow_; }
  [[nodiscard]] bool over_soft_cap() const noexcept {
    return over_soft_cap_ && overflow_ == Overflow::block;
  }
  /// Waits up to 1 ms for what is queued to fall below the soft cap, if this call may wait.
  void throttle(std::uint64_t message_bytes, platform::Deadline& deadline) noexcept {
    if (over_soft_cap_ && waits_for_the_queue(deadline)) [[unlikely]]
      wait_for_soft_cap(message_bytes, ring_.geometry().max_messages, deadline);
  }
  /// The same for batches, which count messages.
  void throttle_batch(std::uint32_t messages_at_once, platform::Deadline& deadline) noexcept {
    if (ring_.blocks().queued() >= kSoftCapOfBatches && waits_for_the_queue(deadline)) {
      wait_for_soft_cap(0, kSoftCapOfBatches - messages_at_once, deadline);
    }
  }
  void spin_for_room() noexcept;
  /// How long until this want may get priority; a whole slice if it has it, or somebody else.
  [[nodiscard]] std::int64_t time_to_priority(std::int64_t now_ns) const noexcept;
  /// The want is over, unless a watcher keeps it. Wakes whoever left room for it.
  void end_want() noexcept;
  /// A watcher waits for room on behalf of calls that must not: their want outlasts the attempts.
  void keep_want(bool keep) noexcept { want_is_kept_.store(keep, std::memory_order_relaxed); }

 private:
  /// More than this queued would fall out of the cache before it is read.
  static constexpr std::uint64_t kSoftCapBytes = std::uint64_t{8} << 20;
  static constexpr std::uint32_t kSoftCapOfBatches = 1024;  ///< Messages.
  static constexpr std::uint32_t kAnyNumber = 0xFFFF'FFFF;

  ErrorCode take_from_main(PushRequest& request) noexcept;
  [[nodiscard]] bool unread_limit_is_reached() noexcept;
  [[nodiscard]] bool must_yield(std::uint64_t message_bytes) noexcept;
  [[nodiscard]] bool would_find_room(const RoomWanted& wanted) noexcept;
  enum class Shortage : std::uint8_t {
    hopeless,     ///< An empty queue would not be enough: producers and consumers have the room.
    of_capacity,  ///< Too many bytes or messages are queued.
    of_holes,     ///< No hole is large enough.
  };
  [[nodiscard]] Shortage shortage_of(std::uint64_t message_bytes) const noexcept;
  [[nodiscard]] Blocks::Unread to_be_given_up(std::uint64_t wanted_bytes) const noexcept;
  [[nodiscard]] Blocks::Answer would_fit_then(const PushRequest& request) const noexcept;
  [[nodiscard]] bool may_give_up() const noexcept {
    return overflow_ == Overflow::drop_oldest || giving_up_.any_drops();
  }
  [[nodiscard]] GivingUp::Of whose() const noexcept {
    return overflow_ == Overflow::drop_oldest ? GivingUp::Of::queue_too : GivingUp::Of::subscribers;
  }
  [[nodiscard]] bool brings_holes(const PushRequest& request, Blocks::Answer fits) const noexcept;
  [[gnu::noinline]] void heed_depth() noexcept;
  /// A live source is not held up so that others find more in the cache.
  [[nodiscard]] bool waits_for_the_queue(const platform::Deadline& deadline) const noexcept {
    return overflow_ == Overflow::block && !deadline.never_waits();
  }
  [[nodiscard]] std::int64_t priority_after_ns() const noexcept;
  void wait_for_soft_cap(std::uint64_t message_bytes, std::uint32_t max_queued,
                         platform::Deadline& deadline) noexcept;

  AttachedRing& ring_;
  Growth growth_;
  GivingUp giving_up_;
  SpinBudget spin_;
  const Overflow overflow_;
  const std::uint32_t max_unread_;
  Relaxed<std::uint32_t> wanted_consumers_;
  std::atomic<bool> want_is_kept_{false};
  Relaxed<bool> over_soft_cap_{};
  Relaxed<bool> served_by_relief_{};      ///< The main part had no room last time.
  Relaxed<std::uint64_t> idle_popped_{};  ///< Messages popped, plus one, when the soft cap gave up.
};

}  // namespace ipc0cp::shm
