// SPDX-License-Identifier: Apache-2.0
// Who may put a message in now: capacity, soft cap, and priority for the oldest want.
#pragma once

#include <cstdint>

#include "platform/deadline.hpp"
#include "shm/attached_ring.hpp"
#include "shm/growth.hpp"
#include "shm/observers.hpp"
#include "shm/push_request.hpp"

namespace ipc0cp::shm {

/// The way in, of one producer.
///
///   throttle   while consumers keep up, what is queued stays small enough for the cache
///   admit      limits, priority of others, a block of the main part, growth, the relief block
///   want       what a waiting producer needs, told to the others; the oldest want gets priority:
///              others leave room for it, and it may take the relief block
///
/// Thread and process safety: the members under "with the lock" need the ring's lock; hints of this
/// handle may be blurred by races of its threads, which costs time only.
class Admission {
 public:
  Admission(AttachedRing& ring, const platform::Processors& processors) noexcept
      : ring_(ring), growth_(ring), spin_(ring.header(), processors) {}

  // ---- with the lock ----
  /// A block for the request, LOANED; or buffer_full, then perhaps with memory to reserve;
  /// no_consumers, corrupt_buffer.
  ErrorCode admit(PushRequest& request) noexcept;
  /// Whether a push like the one that was refused would not be refused in the same way now. It
  /// collects what was returned, and takes nothing.
  [[nodiscard]] bool would_admit(const RoomWanted& wanted) noexcept;
  /// A message of so many bytes was published: would another like it leave too much queued?
  void note_published(std::uint64_t message_bytes) noexcept {
    over_soft_cap_ = ring_.header().queued_bytes + message_bytes > kSoftCapBytes;
  }
  /// Registers the want, and gives priority to the oldest one of those that still wait.
  void register_want(std::uint64_t block_bytes, std::int64_t now_ns) noexcept;
  /// The request has its block: it needs no priority any more.
  void note_served(const PushRequest& request) noexcept;
  [[nodiscard]] bool has_priority() const noexcept {
    return ring_.header().priority == ring_.self();
  }
  [[nodiscard]] Growth& growth() noexcept { return growth_; }

  // ---- without the lock ----
  [[nodiscard]] bool over_soft_cap() const noexcept { return over_soft_cap_; }
  /// Waits up to 1 ms for what is queued to fall below the soft cap, if this call may wait.
  void throttle(std::uint64_t message_bytes, platform::Deadline& deadline) noexcept {
    if (over_soft_cap_ && !deadline.never_waits()) [[unlikely]]
      wait_for_soft_cap(message_bytes, ring_.geometry().max_messages, deadline);
  }
  /// The same for batches, which count messages.
  void throttle_batch(std::uint32_t messages_at_once, platform::Deadline& deadline) noexcept {
    if (ring_.blocks().queued() >= kSoftCapOfBatches && !deadline.never_waits()) {
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

  ErrorCode take_from_main(PushRequest& request) noexcept;
  [[nodiscard]] bool must_yield(std::uint64_t message_bytes) noexcept;
  [[nodiscard]] std::int64_t priority_after_ns() const noexcept;
  void wait_for_soft_cap(std::uint64_t message_bytes, std::uint32_t max_queued,
                         platform::Deadline& deadline) noexcept;

  AttachedRing& ring_;
  Growth growth_;
  SpinBudget spin_;
  std::atomic<bool> want_is_kept_{false};
  Relaxed<bool> over_soft_cap_{};
  Relaxed<bool> served_by_relief_{};      ///< The main part had no room last time.
  Relaxed<std::uint64_t> idle_popped_{};  ///< Messages popped, plus one, when the soft cap gave up.
};

}  // namespace ipc0cp::shm
