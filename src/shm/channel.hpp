// SPDX-License-Identifier: Apache-2.0
// One handle of a ring: loan, publish, borrow, release. The file to read first.
//
// Life of a push                            Life of a pop
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

#include "ipc0cp/message.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "platform/clock.hpp"
#include "platform/process_identity.hpp"
#include "shm/life.hpp"
#include "shm/membership.hpp"
#include "shm/unfinished.hpp"

namespace ipc0cp::shm {

/// How long a call may wait; the clock is read only once it has to.
class Deadline {
 public:
  explicit Deadline(std::int64_t timeout_ns) noexcept : timeout_ns_(timeout_ns) {}
  /// Of a call on a handle that waits, or never does.
  Deadline(bool blocking, Timeout timeout) noexcept
      : timeout_ns_(blocking ? timeout.nanoseconds() : 0) {}
  [[nodiscard]] bool never_waits() const noexcept { return timeout_ns_ == 0; }
  [[nodiscard]] std::int64_t timeout_ns() const noexcept { return timeout_ns_; }
  std::int64_t at_ns() noexcept;

 private:
  std::int64_t timeout_ns_;
  std::int64_t at_ns_ = 0;
};

struct ChannelOptions {
  OpenOptions open;
  std::int64_t consumer_wait_ns = 0;
  std::uint32_t expected_producers = 1;
  bool auto_unlink = true;
};

/// Thread and process safety: every member may be called by any number of threads; `Loan` and
/// `Message` objects belong to one thread at a time. No call throws but `open`.
///
/// Lifetime: a channel lives until its owner has let go of it *and* the last loan and message are
/// gone. The token is kept until the latter ("lingering"), because freeing it earlier would hand
/// out memory under a live view.
class Channel {
 public:
  /// Opens or creates the ring and joins it. @throws Error, see open_ring.
  static Channel* open(const ChannelOptions& options, std::int64_t deadline_ns);
  /// The owner's goodbye; closes first if that was not done.
  void let_go() noexcept;

  // ---- producers ----
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

  // ---- consumers ----
  ErrorCode pop(Deadline& deadline, Message& message) noexcept;
  /// Says what the next message is and leaves it there. Waits like `pop`.
  ErrorCode peek(Deadline& deadline, MessageHead& head) noexcept;
  /// Appends 1..`most` messages, for which `messages` must have capacity.
  ErrorCode pop_many(std::size_t most, Deadline& deadline, std::vector<Message>& messages) noexcept;
  /// What a batch is made of: messages of exactly this metadata and size.
  struct Likeness {
    std::string_view metadata;
    std::uint64_t payload_bytes;
  };
  /// Takes what is queued, in order, as long as it is sound and like `likeness` (null: anything):
  /// at most `kMostInOneHold` messages into `messages`, which are empty. Never waits, and belongs
  /// to the pop before it: nothing is finished.
  /// @return how many there were.
  std::size_t take_queued(std::span<Message> messages, const Likeness* likeness = nullptr) noexcept;
  /// The same with the payloads side by side in `rows`, up to `most` of them.
  std::size_t take_rows(const Likeness& likeness, std::span<std::byte> rows,
                        std::size_t most) noexcept;
  /// Others wait for the lock meanwhile: about 10 us of copying at most.
  static constexpr std::size_t kMostInOneHold = 64;
  static void release(Message& message) noexcept;
  /// Counts a popped message as dropped: its metadata or payload could not be decoded.
  void count_damaged() noexcept;
  // Redelivery; all of these do nothing on a ring without it (redelivery.cpp).
  void finish(Message& message) noexcept;
  void requeue(Message& message) noexcept;
  void finish_popped(bool of_any_thread) noexcept;
  void requeue_latest() noexcept;

  // ---- watching, for calls that must not block; one thread at a time (channel_watch.cpp) ----
  /// Returns when a pop has an answer, be it an error; or soon after `given_up` is set.
  void await_answer(const std::atomic<bool>& given_up) noexcept;
  /// Returns when another attempt to push `message_bytes` is worth while. Keeps the want of this
  /// handle registered until `forget_want`.
  /// @param freed_before `blocks_freed()` from before the attempt that found no room.
  /// @param nobody_reads that attempt found no consumers.
  void await_room(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads,
                  const std::atomic<bool>& given_up) noexcept;
  [[nodiscard]] std::uint32_t blocks_freed() const noexcept;
  /// Nobody waits for room any more.
  void forget_want() noexcept;

  // ---- both ----
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept {
    return closed_once_.load(std::memory_order_acquire);
  }
  RingStats stats() noexcept;
  [[nodiscard]] const std::string& name() const noexcept { return ring_->name(); }
  [[nodiscard]] const Geometry& geometry() const noexcept { return ring_->segment->geometry(); }
  [[nodiscard]] Membership& membership() const noexcept { return *ring_; }
  [[nodiscard]] bool forked() const noexcept {
    return !platform::ForkGeneration::is_current(fork_generation_);
  }
  [[nodiscard]] bool retired() const noexcept {
    return ring_->header().retired.load(std::memory_order_relaxed) != 0;
  }

  // ---- fork handlers (fork_guard.cpp) ----
  void prepare_fork() noexcept;
  void finish_fork_in_parent() noexcept;
  void finish_fork_in_child() noexcept;
  /// Keeps the channel for a moment; false if it is being deleted already.
  bool add_reference() noexcept;
  void unreference() noexcept;
  Channel* next_in_process = nullptr;
  Channel* previous_in_process = nullptr;

 private:
  static constexpr std::uint64_t kInlineBytes = 1024;  ///< Copied under the lock up to this size.
  /// The metadata that is not stored: most small messages then fit two cache lines.
  static constexpr std::string_view kBytesMetadata = R"({"type":"bytes","version":"1.0"})";
  static std::string_view stored_form(std::string_view metadata) noexcept {
    return metadata == kBytesMetadata ? std::string_view{} : metadata;
  }
  /// A call that has been blocked for so long says why, once.
  static constexpr std::int64_t kLongWaitNs = 5 * platform::kSecond;
  /// More than this queued would fall out of the cache before it is read.
  static constexpr std::uint64_t kSoftCapBytes = std::uint64_t{8} << 20;
  static constexpr std::uint32_t kSoftCapOfBatches = 1024;  ///< Messages.
  /// From this size on a message goes into what was returned last; see take_block.
  static constexpr std::uint64_t kWarmBytes = 256 << 10;
  struct Request;  // channel.cpp: what a push or loan asks for
  /// Pages of live blocks, saved for a forked child.
  struct PrivateCopy {
    std::byte* address;
    std::byte* copy;
    std::size_t bytes;
  };

  explicit Channel(const ChannelOptions& options, std::unique_ptr<Membership> ring);
  ~Channel();

  // channel.cpp
  ErrorCode enter(Deadline& deadline) noexcept;
  ErrorCode enter_slowly(Deadline& deadline) noexcept;
  [[nodiscard]] Request inline_request(std::string_view metadata,
                                       std::span<const std::byte> payload) const noexcept;
  ErrorCode attempt_push(Request& request) noexcept;
  void warm_up(std::size_t most) const noexcept;
  [[nodiscard]] bool next_can_be_taken(const Likeness* likeness) const noexcept;
  void complete_taken(const Request& request) noexcept;
  ErrorCode take_block(Request& request) noexcept;
  [[nodiscard]] bool has_most_unread() const noexcept;
  ErrorCode take_from_main(Request& request) noexcept;
  ErrorCode commit_loan(Request& request, std::uint32_t index) noexcept;
  void publish_locked(std::uint32_t index, StateWord word) noexcept;
  [[nodiscard]] bool stream_has_ended() const noexcept;
  // A pop has a target: a Message takes the head of the queue, a MessageHead only tells of it.
  ErrorCode attempt_pop(Message& message) noexcept;
  ErrorCode attempt_pop(MessageHead& head) noexcept;
  template <class Target>
  ErrorCode attempt_pop_alone(Target& target, Deadline& deadline) noexcept;
  [[nodiscard]] ErrorCode answer_without_message() const noexcept;
  [[nodiscard]] bool is_intact(std::uint32_t index, const BlockFields& fields) const noexcept;
  [[nodiscard]] std::string_view metadata_in_ring(const BlockFields& fields) const noexcept;
  ErrorCode take_small(Message& message, std::uint32_t index, const BlockFields& fields) noexcept;
  void borrow(Message& message, std::uint32_t index, const BlockFields& fields) noexcept;
  ErrorCode complete_borrow(Message& message) noexcept;
  ErrorCode drop_impossible_head() noexcept;
  void return_block(Message& message) noexcept;
  void put_back(Message& message) noexcept;
  [[nodiscard]] bool may_view(std::uint32_t index, const BlockFields& fields) const noexcept;
  void abandon_block(std::uint32_t index, StateWord word) noexcept;
  void drop_borrowed(Message& message) noexcept;
  void keep_views() noexcept;
  void return_word(std::uint32_t index, StateWord word) noexcept;
  void push_returned(std::uint32_t index) noexcept;
  void signal_space(std::uint32_t releases = 1) noexcept;
  void wake_next_consumer() noexcept;
  void let_go_of_one() noexcept;
  /// Every busy handle looks for the dead now and then; large messages count for more.
  void in_passing(std::uint64_t bytes) noexcept {
    const auto work = static_cast<std::int32_t>(bytes < (1U << 20) ? bytes >> 8 : 4096);
    passing_budget_ -= 16 + work;
    if (passing_budget_ <= 0) [[unlikely]]
      look_around();
  }
  void look_around() noexcept;

  // redelivery.cpp
  [[nodiscard]] bool redelivers() const noexcept {
    return (ring_->header().options.load(std::memory_order_relaxed) & kOptionRedeliver) != 0;
  }
  void settle(const Unfinished::Verdict& verdict) noexcept;
  StateWord keep(std::uint32_t index, StateWord word) noexcept;
  void message_is_finished() noexcept;
  bool requeue_block(std::uint32_t index, StateWord word, std::uint32_t deliveries) noexcept;
  [[nodiscard]] bool others_hold_messages() const noexcept;
  void log_poison(std::uint64_t id, std::uint32_t deliveries) const noexcept;

  // channel_wait.cpp
  ErrorCode push_slowly(Request& request, Deadline& deadline, ErrorCode first_result) noexcept;
  void end_wait_for_room() noexcept;
  ErrorCode attempt_push_while_waiting(Request& request, Deadline& deadline) noexcept;
  template <class Target>
  ErrorCode pop_slowly(Target& target, Deadline& deadline) noexcept;
  ErrorCode check_while_waiting(std::int64_t now_ns) noexcept;
  [[nodiscard]] static std::int64_t idle_slice(std::int64_t waited_ns) noexcept;
  void heed_soft_cap(std::uint64_t message_bytes, Deadline& deadline) noexcept {
    if (over_soft_cap_ && !deadline.never_waits()) {
      wait_for_soft_cap(message_bytes, geometry().max_messages, deadline);
    }
  }
  void wait_for_soft_cap(std::uint64_t message_bytes, std::uint32_t most_queued,
                         Deadline& deadline) noexcept;
  void spin_for_room() noexcept;
  bool spin_for_data() noexcept;
  [[nodiscard]] std::int64_t claim_patience_ns() const noexcept;
  [[nodiscard]] std::int64_t time_to_claim(std::int64_t now_ns) const noexcept;
  void update_claim(std::uint64_t block_bytes, std::int64_t now_ns) noexcept;
  [[nodiscard]] bool must_stand_back(const Request& request) noexcept;

  // long_wait.cpp
  /// What a blocked call waits for.
  enum class Wait { kLock, kRoom, kConsumer };
  void log_long_wait(Wait wait) const noexcept;
  bool log_silence(std::int64_t waited_ns) const noexcept;
  [[nodiscard]] std::string describe_wait(const char* what, std::int64_t waited_ns) const;
  [[nodiscard]] std::string explain_wait(Wait wait) const;
  [[nodiscard]] std::string explain_silence(std::int64_t waited_ns) const;
  [[nodiscard]] std::string advice(Wait wait, bool any_stopped, bool any_held) const;

  // channel_watch.cpp
  [[nodiscard]] bool answer_is_ready() noexcept;
  bool claim_for_watcher(std::uint64_t block_bytes) noexcept;

  // reservation.cpp
  ErrorCode begin_growth(Request& request) noexcept;
  ErrorCode take_relief(Request& request) noexcept;
  void give_up_reservation(Request& request) noexcept;
  ErrorCode reserve_and_attempt(Request& request, Deadline& deadline) noexcept;
  std::uint64_t reserve_memory(const Request& request) noexcept;

  // channel_close.cpp
  void leave_ring() noexcept;
  [[nodiscard]] bool owns_unfinished_reservation() const noexcept;
  void drop_token() noexcept;

  ChannelOptions options_;
  std::unique_ptr<Membership> ring_;
  std::uint64_t fork_generation_;
  SpinBudget spin_;

  std::atomic<bool> closed_once_{false};
  /// Loans and messages handed out; written under the ring's lock.
  std::atomic<std::int64_t> acquired_{0};
  /// Loans and messages given back; `close` subtracts `acquired_`, so that the last one makes 0.
  alignas(64) std::atomic<std::int64_t> released_{0};
  std::atomic<int> references_{2};  ///< The owner, and all loans and messages together.

  // Hints: races between the threads of a handle only blur them.
  Relaxed<std::int32_t> passing_budget_{};         ///< Work left until the next look around.
  Relaxed<std::uint32_t> unsignalled_releases_{};  ///< Releases since the last wake.
  Relaxed<std::uint64_t> idle_popped_{};  ///< Messages popped, plus one, when the soft cap gave up.
  Relaxed<bool> over_soft_cap_{};         ///< The next push had better look.
  Relaxed<bool> served_by_relief_{};      ///< The main part had no room last time.
  std::atomic<bool> watched_{false};      ///< A watcher waits for room.
  std::vector<PrivateCopy> private_copies_;
  std::atomic<bool> fork_copies_failed_{false};  ///< To be logged when no mutex is held.
  Unfinished unfinished_;
  std::atomic<bool> leave_unclean_{false};  ///< Something of ours must be recovered by others.
};

/// All channels of this process, for the fork handlers and for close_all_handles().
namespace process_channels {
void add(Channel& channel) noexcept;
void remove(Channel& channel) noexcept;
void close_all() noexcept;
}  // namespace process_channels

}  // namespace ipc0cp::shm
