// SPDX-License-Identifier: Apache-2.0
// A ring as one handle is attached to it: the mapped segment, its slot, the lock, and the repair of
// others' deaths. Everything above sees a ring through this.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/options.hpp"
#include "platform/fence.hpp"
#include "platform/process_identity.hpp"
#include "shm/blocks.hpp"
#include "shm/lock.hpp"
#include "shm/participants.hpp"
#include "shm/recovery.hpp"
#include "shm/segment.hpp"
#include "shm/subscription.hpp"
#include "shm/waiting.hpp"

namespace ipc0cp::shm {

/// Thread and process safety: `lock` / `unlock` bracket all work on shared state. What needs no
/// lock says so.
class AttachedRing {
 public:
  /// Takes over a mapped segment; joins nothing yet.
  AttachedRing(std::string name, std::unique_ptr<Segment> segment,
               InterruptCheck interrupt_check = nullptr);

  /// Fills the control pages of a fresh, all-zero file, but for the derived state.
  void initialise(std::uint32_t options, std::uint32_t descriptor_mark) noexcept {
    segment_->initialise(options, descriptor_mark);
  }

  // ---- the lock ----
  /// Takes the lock if it is free. @return ok, timeout if it is not, or why this ring refuses.
  ErrorCode try_lock() noexcept {
    if (!lock_.try_acquire()) [[unlikely]]
      return ErrorCode::timeout;
    platform::fence_after_rmw();
    const std::uint32_t gate = gate_.load(std::memory_order_relaxed);
    ErrorCode refused = refusal_in(gate);
    if (gate == 0) [[likely]] {
      if (header().damaged.load(std::memory_order_relaxed) == 0) [[likely]]
        return ErrorCode::ok;
      refused = ErrorCode::corrupt_buffer;
    }
    unlock();
    return refused == ErrorCode::ok ? ErrorCode::timeout : refused;
  }
  /// Takes the lock, repairing the ring first if its holder died.
  /// @return ok, timeout, the refusal of a closed handle, or corrupt_buffer; without the lock
  ///   unless ok.
  ErrorCode lock(std::int64_t deadline_ns) noexcept {
    // Counted before it looks: either close() waits for this thread with the token, or the thread
    // sees the refusal and takes over no lock in the name of a handle that others take for dead.
    const Busy busy(*this);
    ErrorCode refused = refusal_in(gate_.load(std::memory_order_seq_cst));
    if (refused != ErrorCode::ok) [[unlikely]]
      return refused;
    const ErrorCode locked = take_lock(deadline_ns);
    refused = refusal();
    if (locked != ErrorCode::ok || refused == ErrorCode::ok) return locked;
    unlock();
    return refused;
  }
  /// The same for calls that may still have the lock of a handle that is being closed.
  ErrorCode lock_although_closed(std::int64_t deadline_ns) noexcept {
    const Busy busy(*this);
    return take_lock(deadline_ns);
  }
  /// Gives the lock back; corrupt_buffer if it was not ours any more.
  ErrorCode unlock() noexcept {
    const bool report = report_pending_;
    if (!lock_.release()) [[unlikely]] {
      refuse_lost_token();
      return ErrorCode::corrupt_buffer;
    }
    if (report) [[unlikely]]
      log_report();
    return ErrorCode::ok;
  }
  /// Counts a thread that may wait for the lock: the token must not go while one does.
  class Busy {
   public:
    explicit Busy(AttachedRing& ring) noexcept : count_(ring.busy_) { ++count_; }
    ~Busy() { --count_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    std::atomic<int>& count_;
  };
  /// Whether any thread of this handle waits for the lock or has it. Needs no lock.
  [[nodiscard]] bool busy() const noexcept {
    const Owner holder = header().lock.load(std::memory_order_acquire) & ~kLockWaiters;
    return busy_.load(std::memory_order_seq_cst) > 0 || holder == participants_.self();
  }

  // ---- the dead ----
  static constexpr std::int64_t kSweepIntervalNs = 10 * platform::kMillisecond;  ///< While waiting.
  /// Rebuilds everything derived. Needs the lock. `unseen`: deaths that the words do not show.
  void recover(std::uint32_t unseen = 0) noexcept;
  /// The same where nobody lives: a fresh segment, or one whose handles are all gone.
  RecoveryReport recover_orphan() noexcept {
    const RecoveryReport report = recovery_.run(nullptr);
    blocks_.recount_front();
    return report;
  }
  /// Under the lock: recovers if anybody with a role is gone.
  void repair_if_anyone_is_gone() noexcept;
  /// Under the lock: the head of the queue is impossible. Takes it out of use, builds everything
  /// derived anew, and answers corrupt_payload.
  ErrorCode drop_impossible_head() noexcept;
  /// Looks for the dead and cleans up behind them, at most once per `interval_ns` over all handles.
  /// Takes the lock for it. `thorough`: may read files of /proc now and then, for the rule about
  /// raw clones.
  /// @return corrupt_buffer if this handle itself counts as dead, its refusal, or ok.
  ErrorCode sweep(std::int64_t now_ns, std::int64_t interval_ns, bool thorough = true) noexcept;
  /// What a call that waits does between two sleeps, without the lock.
  /// @return why it must end: forked_handle, interrupted, or what `sweep` says.
  ErrorCode check_while_waiting(std::int64_t now_ns) noexcept;
  /// Every busy handle looks for the dead now and then; large messages count for more. Needs no
  /// lock. @return whether it was time to.
  bool check_for_deaths(std::uint64_t message_bytes) noexcept {
    const auto work =
        static_cast<std::int32_t>(message_bytes < (1U << 20) ? message_bytes >> 8 : 4096);
    work_until_check_ -= 16 + work;
    if (work_until_check_ > 0) [[likely]]
      return false;
    check_for_deaths_now();
    return true;
  }

  // ---- this handle; without the lock ----
  /// Not ok: what every further call answers (closed, corrupt_buffer).
  [[nodiscard]] ErrorCode refusal() const noexcept {
    return refusal_in(gate_.load(std::memory_order_relaxed));
  }
  /// `closed` stays.
  void refuse(ErrorCode answer) noexcept;
  [[nodiscard]] bool forked() const noexcept {
    return !platform::ForkGeneration::is_current(fork_generation_);
  }
  /// Looks at the own token now.
  bool keeps_token() noexcept {
    if (!token_lost() && !participants_.own_token_is_held()) refuse_lost_token();
    return !token_lost();
  }
  /// Whether the token was found free, or the lock taken from us: others take this handle for dead.
  [[nodiscard]] bool token_lost() const noexcept {
    return token_lost_.load(std::memory_order_relaxed);
  }
  /// Gives the role up, under the lock that it takes. Without the lock in time it is left to the
  /// others, who find the token free, exactly as after a kill.
  /// @param holds_blocks loans or views are out, so the slot lingers.
  void give_up_role(Role role, bool auto_unlink, bool holds_blocks,
                    std::int64_t deadline_ns) noexcept;
  /// Under the lock, after any change of who takes part: whom a push waits for.
  void count_consumers() noexcept;
  /// Under the lock: no worker lives, and no subscriber.
  [[nodiscard]] bool nobody_reads() const noexcept {
    return header().workers == 0 && header().subscriber_bits == 0;
  }
  /// Under the lock: a broadcast ring on which nobody would ever get what is published.
  [[nodiscard]] bool lacks_subscribers() const noexcept {
    return header().consumers == 0 && blocks_.is_broadcast();
  }
  /// The last of a handle: from here on it counts as dead. `unclean`: others must recover it.
  void drop_token(bool unclean) noexcept;

  /// Under the lock, with nothing left for this handle: so many producers have come, and nothing
  /// more can. What comes back from workers is no concern of subscribers.
  [[nodiscard]] bool stream_has_ended(std::uint32_t expected_producers) const noexcept {
    const std::uint64_t word = header().joined_left.load(std::memory_order_relaxed);
    return joined_of(word) >= expected_producers && header().producers == 0 &&
           (subscription_.is_active() || !(redelivers() && blocks_.others_have_borrowed()));
  }

  /// Under the lock: producers that have joined this stream and left it without closing. Who closes
  /// counts itself out. Without producers, those are the dead.
  [[nodiscard]] std::uint32_t killed_producers() const noexcept {
    const std::uint64_t word = header().joined_left.load(std::memory_order_relaxed);
    return joined_of(word) - left_of(word);
  }

  // ---- what others are told of this handle's calls; without the lock ----
  // A thread whose handle was closed while it slept, or that is a forked child's, tells nothing:
  // the slot may be another handle's by then.
  /// A call has been blocked since then. With several threads the last one to say so counts.
  void note_wait(Awaited what, std::int64_t since_ns) noexcept;
  /// Inside a wait for something else, or after it.
  void note_what(Awaited what) noexcept;
  void note_no_wait() noexcept;
  /// No push waits for room any more.
  void forget_want() noexcept;
  /// The end of all that, for a handle that is closed but still has its slot.
  void clear_notes() noexcept;

  // ---- around a fork of this process ----
  /// From here on no thread takes the lock through this handle; waits for one that has it, 100 ms
  /// at most. A fork copies the page tables, 50 ms of work for 100 GB, and whoever touches fresh
  /// memory meanwhile waits for it: with the lock in its hands all other processes would, too.
  void shut_for_fork() noexcept;
  void open_after_fork() noexcept { gate_.fetch_and(~kForkIsNear, std::memory_order_release); }

  // ---- giving back and waking; without the lock ----
  /// BORROWED or KEPT -> RETURNED, and producers may collect it.
  void release_block(std::uint32_t index, StateWord word) noexcept;
  /// A subscriber has finished a message: SERVED -> RETURNED if it was the last, and so on.
  void release_share(std::uint32_t index, StateWord word) noexcept;
  /// LOANED -> ABANDONED, likewise.
  void abandon_block(std::uint32_t index, StateWord word) noexcept;
  /// Wakes producers that wait for room: of a full ring for several blocks at once.
  void signal_space(std::uint32_t releases = 1) noexcept;
  /// A woken consumer that leaves messages behind wakes the next. Subscribers are all woken at
  /// once.
  void wake_next_consumer() noexcept {
    if (!subscription_.is_active() && blocks_.queued() > 0) data_event_.wake_one();
  }
  /// A consumer was woken, and does not take what it was woken for.
  void pass_wake_on() noexcept {
    if (!subscription_.is_active()) data_event_.wake_one();
  }
  /// After a publish: one worker, and every subscriber.
  void wake_readers() noexcept {
    data_event_.wake_one();
    if (header().subscriber_bits != 0) [[unlikely]]
      share_event_.wake_all();
  }
  /// On a ring that redelivers, the end of the stream may have waited for a message to be finished.
  void wake_if_stream_may_end() noexcept {
    if (redelivers()) data_event_.wake_all();
  }
  /// Wakes every sleeper: producers, workers and subscribers.
  void wake_everybody() noexcept;

  // ---- parts ----
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const Segment& segment() const noexcept { return *segment_; }
  [[nodiscard]] const Geometry& geometry() const noexcept { return segment_->geometry(); }
  [[nodiscard]] Header& header() const noexcept { return segment_->header(); }
  [[nodiscard]] Participants& participants() noexcept { return participants_; }
  [[nodiscard]] const Participants& participants() const noexcept { return participants_; }
  [[nodiscard]] Owner self() const noexcept { return participants_.self(); }
  [[nodiscard]] Blocks& blocks() noexcept { return blocks_; }
  [[nodiscard]] const Blocks& blocks() const noexcept { return blocks_; }
  [[nodiscard]] Event& data_event() noexcept { return data_event_; }
  [[nodiscard]] Event& space_event() noexcept { return space_event_; }
  /// What a pop of this handle sleeps on.
  [[nodiscard]] Event& answer_event() noexcept {
    return subscription_.is_active() ? share_event_ : data_event_;
  }
  [[nodiscard]] Subscription& subscription() noexcept { return subscription_; }
  [[nodiscard]] const Subscription& subscription() const noexcept { return subscription_; }
  /// Whether this handle gets every message, and shares none with workers.
  [[nodiscard]] bool subscribes() const noexcept { return subscription_.is_active(); }
  /// How many messages a pop of this handle may find; 0 is certain to be none. Needs no lock.
  [[nodiscard]] std::uint64_t waiting_messages() const noexcept {
    return subscribes() ? subscription_.backlog() : blocks_.queued();
  }
  /// Under the lock: whether a pop of this handle finds one; or an error, as a worker on a
  /// broadcast ring does, and a subscriber that others have taken for dead.
  [[nodiscard]] bool has_message() noexcept;
  /// Whether this subscriber has a message in its hands. Needs no lock.
  [[nodiscard]] bool has_in_hand(std::uint32_t index, StateWord word) const noexcept {
    return subscribes() && is_shared(word) && is_published(word) &&
           (blocks_.shares().left(index, word) & subscription_.bit()) != 0 &&
           segment_->descriptor(index).sequence < participants_.own_slot().cursor;
  }
  /// Whether this handle has to finish its messages, else they come again.
  [[nodiscard]] bool must_finish() const noexcept { return redelivers() && !subscribes(); }
  [[nodiscard]] bool redelivers() const noexcept { return has_option(header(), kOptionRedeliver); }
  [[nodiscard]] bool retired() const noexcept {
    return header().retired.load(std::memory_order_relaxed) != 0;
  }

 private:
  /// Set in the gate while this process forks; below it stands the refusal.
  static constexpr std::uint32_t kForkIsNear = std::uint32_t{1} << 31;
  [[nodiscard]] bool fork_is_near() const noexcept {
    return (gate_.load(std::memory_order_relaxed) & kForkIsNear) != 0;
  }
  static ErrorCode refusal_in(std::uint32_t gate) noexcept {
    return static_cast<ErrorCode>(gate & ~kForkIsNear);
  }
  ErrorCode take_lock(std::int64_t deadline_ns) noexcept;
  template <class Store>
  void store_in_own_slot(Store store) noexcept;
  ErrorCode check_own_token(std::int64_t now_ns, std::int64_t interval_ns) noexcept;
  void check_for_deaths_now() noexcept;
  ErrorCode refuse_lost_token() noexcept;
  ErrorCode recover_after_take_over() noexcept;
  [[nodiscard]] bool anyone_is_gone(bool thorough) const noexcept;
  ErrorCode refuse_damaged() noexcept;
  void retire_unless_kept() noexcept;
  bool leave_subscription(std::int64_t deadline_ns) noexcept;
  void linger_unrecovered() noexcept;
  void log_report() noexcept;

  // Declared in the order of their dependence.
  std::string name_;
  std::unique_ptr<Segment> segment_;
  Participants participants_;
  Subscription subscription_;
  Blocks blocks_;
  Recovery recovery_;
  Lock lock_;
  Event data_event_;
  Event space_event_;
  Event share_event_;
  std::atomic<std::uint32_t> gate_{0};  ///< 0: open.

  InterruptCheck interrupt_check_;
  std::uint64_t fork_generation_;
  RecoveryReport report_;        ///< Guarded by the ring's lock until it is logged.
  bool report_pending_ = false;  ///< Likewise.
  std::atomic<std::uint32_t> sweeps_{0};
  std::atomic<int> busy_{0};
  std::atomic<bool> token_lost_{false};
  std::atomic<std::int64_t> own_token_seen_ns_{0};
  // Hints: races between the threads of a handle only blur them.
  Relaxed<std::int32_t> work_until_check_{};
  Relaxed<std::uint32_t> unsignalled_releases_{};
};

}  // namespace ipc0cp::shm
