// SPDX-License-Identifier: Apache-2.0
// One handle's membership of a ring: the mapped segment, its slot, the lock, and the repair of
// others' deaths. Everything above sees a ring through this.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ipc0cp/error.hpp"
#include "shm/allocator.hpp"
#include "shm/lock.hpp"
#include "shm/participants.hpp"
#include "shm/queue.hpp"
#include "shm/recovery.hpp"
#include "shm/segment.hpp"
#include "shm/waiting.hpp"

namespace ipc0cp::shm {

/// Thread and process safety: `enter` / `leave` bracket all work on shared state; between them the
/// members may be used. `sweep` and the events need no lock.
class Membership {
 public:
  /// Takes over a mapped segment; joins nothing yet.
  Membership(std::string name, std::unique_ptr<Segment> segment);

  /// Takes the lock, repairing the ring first if its holder died.
  /// @return ok, timeout, the refusal of a closed handle, or corrupt_buffer; without the lock
  ///   unless ok.
  ErrorCode enter(std::int64_t deadline_ns) noexcept {
    // Counted before it looks: either close() waits for this thread with the token, or the thread
    // sees the refusal and takes over no lock in the name of a handle that others take for dead.
    const Busy busy(*this);
    ErrorCode refused = refusal.load(std::memory_order_seq_cst);
    if (refused != ErrorCode::ok) [[unlikely]]
      return refused;
    const ErrorCode entered = take_lock(deadline_ns);
    refused = refusal.load(std::memory_order_relaxed);
    if (entered != ErrorCode::ok || refused == ErrorCode::ok) return entered;
    leave();
    return refused;
  }
  /// The same for calls that may still have the lock of a handle that is being closed.
  ErrorCode enter_to_leave(std::int64_t deadline_ns) noexcept {
    const Busy busy(*this);
    return take_lock(deadline_ns);
  }
  /// Gives the lock back; corrupt_buffer if it was not ours any more.
  ErrorCode leave() noexcept {
    const bool report = report_pending_;
    if (!lock.release()) [[unlikely]] {
      refuse_lost_token();
      return ErrorCode::corrupt_buffer;
    }
    if (report) [[unlikely]]
      log_report();
    return ErrorCode::ok;
  }

  /// Rebuilds everything derived. Needs the lock. `unseen`: deaths that the words do not show.
  void recover(std::uint32_t unseen = 0) noexcept;
  /// Looks for the dead and cleans up behind them, at most once per `interval_ns` over all handles.
  /// `thorough`: may read files of /proc now and then, for the rule about raw clones.
  /// @return corrupt_buffer if this handle itself counts as dead, its refusal, or ok.
  ErrorCode sweep(std::int64_t now_ns, std::int64_t interval_ns, bool thorough = true) noexcept;
  /// Looks at the own token now.
  bool keeps_token() noexcept {
    if (!token_lost() && !participants.own_token_is_held()) refuse_lost_token();
    return !token_lost();
  }
  /// Whether the token was found free, or the lock taken from us: others take this handle for dead.
  [[nodiscard]] bool token_lost() const noexcept {
    return token_lost_.load(std::memory_order_relaxed);
  }
  /// Under the lock: recovers if anybody with a role is gone.
  void repair_if_anyone_is_gone() noexcept;
  /// Wakes every sleeper of both directions.
  void wake_everybody() noexcept;

  /// Counts a thread that may wait for the lock: the token must not go while one does.
  class Busy {
   public:
    explicit Busy(Membership& ring) noexcept : count_(ring.busy_) { ++count_; }
    ~Busy() { --count_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    std::atomic<int>& count_;
  };
  /// Whether any thread of this handle waits for the lock or has it.
  [[nodiscard]] bool busy() const noexcept {
    const Owner holder = header().lock.load(std::memory_order_relaxed) & ~kLockWaiters;
    return busy_.load(std::memory_order_seq_cst) > 0 || holder == participants.self();
  }

  [[nodiscard]] Header& header() const noexcept { return segment->header(); }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  ErrorCode take_lock(std::int64_t deadline_ns) noexcept {
    const Lock::Outcome outcome = lock.acquire(deadline_ns);
    if (outcome == Lock::Outcome::acquired) [[likely]] {
      return header().damaged.load(std::memory_order_relaxed) == 0 ? ErrorCode::ok
                                                                   : refuse_damaged();
    }
    return outcome == Lock::Outcome::timed_out ? ErrorCode::timeout : enter_after_take_over();
  }
  ErrorCode check_own_token(std::int64_t now_ns, std::int64_t interval_ns) noexcept;
  ErrorCode refuse_lost_token() noexcept;
  ErrorCode enter_after_take_over() noexcept;
  [[nodiscard]] bool anyone_is_gone(bool thorough) const noexcept;
  ErrorCode refuse_damaged() noexcept;
  void log_report() noexcept;

  std::string name_;

 public:
  // Declared in the order of their dependence.
  std::unique_ptr<Segment> segment;
  Participants participants;
  Allocator allocator;
  Queue queue;
  Recovery recovery;
  Lock lock;
  Event data_event;
  Event space_event;
  /// Not ok: what every further call answers (closed, corrupt_buffer).
  std::atomic<ErrorCode> refusal{ErrorCode::ok};

 private:
  RecoveryReport report_;        ///< Guarded by the ring's lock until it is logged.
  bool report_pending_ = false;  ///< Likewise.
  std::atomic<std::uint32_t> sweeps_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> token_lost_{false};
  std::atomic<std::int64_t> own_token_seen_ns_{0};
};

}  // namespace ipc0cp::shm
