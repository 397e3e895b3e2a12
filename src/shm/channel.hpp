// SPDX-License-Identifier: Apache-2.0
// One handle of a ring: loan, publish, borrow, release. The file to read first.
//
// Life of a push (channel_push.cpp)         Life of a pop (channel_pop.cpp)
//   plan the sizes                            lock: head of the queue, sizes checked in copies,
//   lock: block, LOANED|me                          BORROWED|me, out of the queue
//   write payload, red zone (no lock)         check the red zone, copy the metadata (no lock)
//   lock: sequence, READY, queue              hand out a view, or copy and release
//   wake a consumer                           release: CAS to RETURNED, stack, wake producers
//
// Messages of up to 1 KiB are copied inside one lock hold instead, in both directions: measured
// faster up to there, and 25-45 % slower at 4 KiB.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/loan.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/options.hpp"
#include "ipc0cp/stats.hpp"
#include "platform/clock.hpp"
#include "platform/deadline.hpp"
#include "shm/admission.hpp"
#include "shm/attached_ring.hpp"
#include "shm/fork_copies.hpp"
#include "shm/handle_lifetime.hpp"
#include "shm/observers.hpp"
#include "shm/opening.hpp"
#include "shm/push_request.hpp"
#include "shm/redelivery.hpp"
#include "shm/stream_ending.hpp"
#include "shm/trimming.hpp"
#include "shm/watch.hpp"

namespace ipc0cp::shm {

using platform::Deadline;

class Channel;

/// Is told when a channel closes: once, by any thread, and before its role is given up.
class CloseListener {
 public:
  virtual ~CloseListener() = default;
  /// @return messages that were taken from the queue and are lost now; the channel counts them.
  virtual std::size_t closing(Channel& channel) noexcept = 0;
  /// Whether a pop finds something here before it asks the ring.
  [[nodiscard]] virtual bool has_answer() const noexcept { return false; }
};

struct ChannelOptions {
  OpenOptions open;
  std::shared_ptr<CloseListener> listener;  ///< May be null.
  std::int64_t consumer_wait_ns = 0;
  QueuePolicy queue;
  std::uint32_t expected_producers = 1;
  bool auto_unlink = true;
};

/// Thread and process safety: every member may be called by any number of threads; `Loan` and
/// `Message` objects belong to one thread at a time. No call throws but `open`.
///
/// Lifetime: a channel lives until its owner has detached *and* the last loan and message are gone.
class Channel final : public HandleLifetime {
 public:
  /// Opens or creates the ring and joins it. @throws Error, see open_ring.
  static Channel* open(const ChannelOptions& options, std::int64_t deadline_ns);
  /// Gives the role up. Every further call answers `closed`; loans and messages stay usable.
  /// Waits for the lock, and for threads that are in a call, until the deadline at most.
  void close(std::int64_t deadline_ns = platform::deadline_after(kCloseWaitNs)) noexcept;
  static constexpr std::int64_t kCloseWaitNs = platform::kSecond;
  /// The owner's goodbye; closes first if that was not done.
  void detach() noexcept;

  // ---- producers (channel_push.cpp, channel_batch.cpp) ----
  ErrorCode push(std::string_view metadata, std::span<const std::byte> payload,
                 Deadline& deadline) noexcept;
  // One deadline bounds both halves of a push, so it is shared by them.
  ErrorCode loan(std::uint64_t payload_bytes, std::uint64_t metadata_capacity,
                 std::uint64_t planned_metadata_bytes, Deadline& deadline, Loan& loan) noexcept;
  ErrorCode publish(Loan& loan, std::string_view metadata, Deadline& deadline) noexcept;
  void abandon(Loan& loan) noexcept;
  /// `pushed` counts what was queued, also when the call fails.
  ErrorCode push_many(std::span<const RawMessage> messages, Deadline& deadline,
                      std::size_t& pushed) noexcept;

  // ---- consumers (channel_pop.cpp, channel_batch.cpp) ----
  ErrorCode pop(Deadline& deadline, Message& message) noexcept;
  /// Gives up all that is queued but the newest message, and takes that. Waits like `pop`.
  ErrorCode pop_latest(Deadline& deadline, Message& message) noexcept;
  /// Counts messages that this handle had taken and gives up unread, as a `pop_latest` does.
  void count_given_up(std::size_t count) noexcept;
  /// Says what the next message is and leaves it there. Waits like `pop`.
  ErrorCode peek(Deadline& deadline, MessageHead& head) noexcept;
  /// Appends 1..`max_count` messages, for which `messages` must have capacity.
  ErrorCode pop_many(std::size_t max_count, Deadline& deadline,
                     std::vector<Message>& messages) noexcept;
  /// What a batch is made of: messages of exactly this metadata and size.
  struct Likeness {
    std::string_view metadata;
    std::uint64_t payload_bytes;
  };
  /// Takes what is queued, in order, as long as it is sound and like `likeness` (null: anything):
  /// at most `kMaxInOneHold` messages into `messages`, which are empty. Never waits, and belongs
  /// to the pop before it: nothing is finished.
  /// @return how many there were.
  std::size_t take_queued(std::span<Message> messages, const Likeness* likeness = nullptr) noexcept;
  /// The same with the payloads side by side in `rows`, up to `max_count` of them.
  std::size_t take_rows(const Likeness& likeness, std::span<std::byte> rows,
                        std::size_t max_count) noexcept;
  /// Others wait for the lock meanwhile: about 10 us of copying at most.
  static constexpr std::size_t kMaxInOneHold = 64;
  static void release(Message& message) noexcept;
  /// A message that was not handed out goes back to its place in the queue, and its delivery does
  /// not count. Needs the lock until `deadline_ns`; also for a handle that is closed.
  /// @return false: it is lost, because only a copy was left or, without redelivery, the lock was
  ///   not to be had. With redelivery it then goes back when this handle is gone.
  bool take_back(Message& message, std::int64_t deadline_ns) noexcept;
  /// Counts a popped message as dropped: its metadata or payload could not be decoded. With
  /// redelivery the message of this number is finished, so that it is not counted again.
  void count_damaged(std::uint64_t id) noexcept;
  // Redelivery; all of these do nothing on a ring without it.
  void finish(Message& message) noexcept;
  void requeue(Message& message) noexcept;
  [[nodiscard]] Redelivery& redelivery() noexcept { return redelivery_; }

  /// For calls that must not block.
  [[nodiscard]] Watch& watch() noexcept { return watch_; }
  /// What this thread's last push that was refused, through whatever handle, would need.
  [[nodiscard]] static RoomWanted refused_here() noexcept;
  [[nodiscard]] Observers& observers() noexcept { return observers_; }
  /// For who has taken from the consumer, or given back to it, beside the queue.
  void tell_popped() noexcept {
    if (CallObserver* observer = observers_.of_calls()) [[unlikely]]
      observer->popped();
  }
  [[nodiscard]] InterruptCheck interrupt_check() const noexcept {
    return options_.open.interrupt_check;
  }
  [[nodiscard]] Role role() const noexcept { return options_.open.role; }
  /// What is told of the end of this channel; may be null.
  [[nodiscard]] const CloseListener* listener() const noexcept { return options_.listener.get(); }
  /// How the stream ended.
  [[nodiscard]] StreamEnding& ending() noexcept { return ending_; }

  // ---- both ----
  [[nodiscard]] Trimming& trimming() noexcept { return trimming_; }
  /// How many consumers the next push waits for.
  [[nodiscard]] std::uint32_t wanted_consumers() const noexcept {
    return admission_.wanted_consumers();
  }
  /// Without the lock, of a closed handle say, the figures of a glance.
  RingStats stats() noexcept;

  [[nodiscard]] ForkCopies& fork_copies() noexcept { return fork_copies_; }
  Channel* next_in_process = nullptr;  ///< For fork_guard.cpp.
  Channel* previous_in_process = nullptr;

 private:
  static constexpr std::uint64_t kInlineBytes = 1024;  ///< Copied under the lock up to this size.

  Channel(const ChannelOptions& options, std::unique_ptr<AttachedRing> ring,
          const platform::Processors& processors);
  ~Channel() override;

  void check_for_deaths(std::uint64_t message_bytes) noexcept {
    if (ring_->check_for_deaths(message_bytes)) [[unlikely]]
      fork_copies_.tell_if_failed();
  }

  // channel_push.cpp
  [[gnu::always_inline]] ErrorCode take_block(PushRequest& request, Deadline& deadline) noexcept;
  [[gnu::always_inline]] ErrorCode admit_and_fill(PushRequest& request) noexcept;
  ErrorCode try_push(PushRequest& request) noexcept;
  [[gnu::noinline]] ErrorCode give_up_and_push(PushRequest& request, ErrorCode refused) noexcept;
  void fill_inline(const PushRequest& request) noexcept;

  // channel_pop.cpp. A pop has a target: a Message takes the head, a Peek only tells of it, a
  // Latest takes the last.
  /// What `peek` is told under the lock; the memory for the metadata is there before.
  struct Peek {
    MessageHead& head;
    std::uint64_t metadata_bytes = 0;  ///< Of the message; copied as far as there was room.
  };
  struct Latest {
    Message& message;
    std::uint64_t newest = 0;  ///< When this pop first looked; 0: it has not yet.
    bool is_behind = false;    ///< Older ones are still queued: nothing was taken yet.
    std::uint32_t given_up = 0;
  };
  template <class Target>
  ErrorCode pop_into(Target& target, Deadline& deadline) noexcept;
  template <class Target>
  ErrorCode lock_and_try_pop(Target& target, Deadline& deadline) noexcept;
  ErrorCode try_pop(Message& message) noexcept;
  ErrorCode try_pop(Peek& peek) noexcept;
  ErrorCode try_pop(Latest& latest) noexcept;
  ErrorCode nothing_queued() noexcept;
  ErrorCode copy_small(Message& message, std::uint32_t index, const BlockFields& fields,
                       StateWord word) noexcept;
  void refer_to_block(Message& message, std::uint32_t index, const BlockFields& fields) noexcept;
  void tell_of(const BlockFields& fields, Peek& peek) const noexcept;
  ErrorCode complete_borrow(Message& message) noexcept;
  void give_back(Message& message) noexcept;
  bool put_back(Message& message, std::int64_t deadline_ns) noexcept;
  void drop_borrowed(Message& message) noexcept;

  /// After the unlock: a worker wakes the next one, a subscriber tells that it has missed
  /// something.
  void follow_pop() noexcept {
    if (ring_->subscribes()) [[unlikely]]
      return ring_->subscription().log_first_gap(ring_->name());
    ring_->wake_next_consumer();
  }

  // channel_subscribe.cpp
  ErrorCode try_pop_shared(Message& message) noexcept;
  ErrorCode try_pop_shared(Peek& peek) noexcept;
  ErrorCode try_pop_shared(Latest& latest) noexcept;
  void give_up_share(std::uint32_t index, std::uint64_t sequence) noexcept;
  bool may_view_shared(std::uint32_t index, const BlockFields& fields) noexcept;
  bool keep_in_hand(Message& message) noexcept;
  bool take_back_shared(Message& message) noexcept;
  [[nodiscard]] std::uint32_t next_message() noexcept;
  void release_held() noexcept;

  // channel_wait.cpp
  static void note_refused(const RoomWanted& wanted) noexcept;
  void tell_refused(const RoomWanted& wanted) noexcept;
  void tell_result(const PushRequest& request, ErrorCode result) noexcept;
  ErrorCode push_slowly(PushRequest& request, Deadline& deadline, ErrorCode first_result) noexcept;
  ErrorCode try_push_while_waiting(PushRequest& request, Deadline& deadline) noexcept;
  ErrorCode try_push_once_while_waiting(PushRequest& request, Deadline& deadline) noexcept;
  ErrorCode try_push_beside_growth(PushRequest& request, Deadline& deadline,
                                   std::int64_t& end_ns) noexcept;
  ErrorCode add_descriptors_and_try_push(PushRequest& request, Deadline& deadline) noexcept;
  ErrorCode reserve_and_try_push(PushRequest& request, Deadline& deadline) noexcept;
  template <class Target>
  ErrorCode pop_slowly(Target& target, Deadline& deadline) noexcept;

  ChannelOptions options_;
  SpinBudget spin_;
  Admission admission_;
  GivingUp giving_up_;
  Trimming trimming_;
  Redelivery redelivery_;
  StreamEnding ending_;
  Watch watch_;
  ForkCopies fork_copies_;
  Observers observers_;
  std::int64_t views_counted_ns_ = 0;  ///< Under the lock: when a subscriber last counted them.
};

/// All channels of this process, for the fork handlers and for close_all_handles().
namespace process_channels {
void add(Channel& channel) noexcept;
void remove(Channel& channel) noexcept;
enum class Exempt : std::uint8_t { nobody, outliving };
/// Within a second for all of them together.
void close_all(Exempt exempt) noexcept;
}  // namespace process_channels

}  // namespace ipc0cp::shm
