// SPDX-License-Identifier: Apache-2.0
// Blocks and what becomes of them: loaned, published, borrowed, given back, freed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ipc0cp/error.hpp"
#include "shm/allocator.hpp"
#include "shm/participants.hpp"
#include "shm/push_request.hpp"
#include "shm/queue.hpp"
#include "shm/redo.hpp"
#include "shm/segment.hpp"
#include "shm/shares.hpp"

namespace ipc0cp::shm {

/// When messages are published. Reading the clock takes 3 ns, a twentieth of a push and a pop of 64
/// bytes, so a handle in full flow reads it once in 16 messages; one that pushes but every few
/// milliseconds, or has just found its consumer asleep or the queue empty, each time.
class PublishClock {
 public:
  /// @param is_idle nothing is queued, or somebody sleeps until there is a message.
  [[gnu::always_inline]] std::uint32_t now(bool is_idle) noexcept {
    if (left_ == 0 || is_idle) [[unlikely]]
      read();
    left_ -= 1;
    return time_;
  }

 private:
  [[gnu::noinline]] void read() noexcept;

  static constexpr std::uint32_t kMostAtOnce = 16;
  std::uint32_t time_ = 0;
  std::uint32_t left_ = 0;  ///< Messages until it is read again.
  std::uint32_t at_once_ = 1;
};

/// The allocator, the queue and the stack of returned blocks, as one handle uses them.
///
/// Thread and process safety: the ring's lock is needed, but for the members under "without the
/// lock". A death inside any of them leaves what recover() repairs.
///
/// Invariants (while nobody is inside)
/// 1. A block is in the queue exactly while it is READY.
/// 2. `used_bytes`, `live_blocks` count what is not FREE in the main part; `borrowed_*` that part
///    of it which consumers have or have given back. The relief block is in none of them.
/// 3. Who gives a block back needs no lock: its word goes to RETURNED or ABANDONED by one CAS, and
///    the block onto a stack that the next holder of the lock collects when it lacks room.
/// 4. The queue's share of a message ends as SERVED if subscribers have not finished it, and who
///    stores that looks again; who finishes last, or looks last, takes it from there by one CAS.
/// 5. On a broadcast ring nothing is READY: `queued*` count what the foremost subscriber has not
///    been given, that is what lies from `front` on.
class Blocks {
 public:
  Blocks(const Segment& segment, const Participants& participants) noexcept
      : segment_(segment),
        header_(segment.header()),
        participants_(participants),
        allocator_(segment),
        queue_(segment),
        shares_(segment),
        redo_(segment) {}

  // ---- writing ----
  /// Whether a message of so many bytes is within the capacity and the numbers of messages.
  [[nodiscard]] bool has_room_for(std::uint64_t message_bytes) const noexcept {
    return header_.used_bytes + message_bytes <= segment_.geometry().total_data_bytes &&
           header_.live_blocks < segment_.geometry().max_messages && !unread_limit_reached();
  }
  /// Whether `max_messages` are written or queued. What consumers have in their hands does not
  /// count, what lies in the relief block does.
  [[nodiscard]] bool unread_limit_reached() const noexcept;
  /// LOANED, of the reserved memory of the main part.
  /// @return ok, buffer_full (no hole is large enough), or corrupt_buffer.
  ErrorCode loan(PushRequest& request) noexcept {
    const std::uint32_t index = allocator_.allocate(request.block_bytes);
    return index == kNone ? ErrorCode::buffer_full : commit_loan(request, index);
  }
  /// The same for the relief block. @return buffer_full while it is in use.
  ErrorCode loan_relief(PushRequest& request) noexcept;
  [[nodiscard]] bool has_spare() const noexcept { return allocator_.has_spare(); }
  /// Whether all descriptors that are backed by memory are in use, and there are others.
  [[nodiscard]] bool lacks_descriptors() const noexcept {
    return !allocator_.has_spare() &&
           segment_.descriptor_mark() < segment_.geometry().relief_descriptor();
  }
  /// Takes descriptors [mark, new_mark), which are backed now, into use.
  void add_descriptors(std::uint32_t mark, std::uint32_t new_mark) noexcept {
    allocator_.add_descriptors(mark, new_mark);
  }
  /// Whether `loan` would find a hole.
  [[nodiscard]] bool has_hole_for(std::uint64_t block_bytes) noexcept {
    return allocator_.has_hole_for(block_bytes);
  }
  /// Bytes that end at the reservation mark and are in no block.
  [[nodiscard]] std::uint64_t tail_hole_bytes() noexcept { return allocator_.tail_hole_bytes(); }
  /// LOANED, of memory above the mark that is to be reserved: nobody else grows meanwhile.
  /// @return whether there was a descriptor for it.
  bool loan_wilderness(PushRequest& request, std::uint64_t begin, std::uint64_t bytes) noexcept;
  /// Where the last block of the main part ends.
  [[nodiscard]] std::uint64_t end_of_blocks() noexcept { return allocator_.end_of_blocks(); }
  /// LOANED, of reserved memory above `begin` that is to be given back: nobody grows meanwhile.
  /// @return whether there was a descriptor for it.
  bool loan_tail(PushRequest& request, std::uint64_t begin) noexcept;
  /// The same for the relief block; false while it is in use.
  bool loan_relief_tail(PushRequest& request, std::uint64_t begin, std::uint64_t bytes) noexcept;
  /// Of a loaned block: more or less than it was planned with.
  void set_metadata_bytes(std::uint32_t index, std::uint32_t metadata_bytes) noexcept {
    Descriptor& descriptor = segment_.descriptor(index);
    if (index != segment_.geometry().relief_descriptor()) {
      header_.used_bytes += metadata_bytes - std::uint64_t{descriptor.metadata_bytes};
    }
    descriptor.metadata_bytes = metadata_bytes;
  }
  /// LOANED -> READY, at the end of the queue; or -> SERVED, on a broadcast ring.
  /// @return payload and metadata bytes.
  std::uint64_t publish(std::uint32_t index, StateWord word) noexcept;

  // ---- reading ----
  /// The oldest message, kNone: none is queued.
  [[nodiscard]] std::uint32_t head() const noexcept { return queue_.head(); }
  [[nodiscard]] StateWord word_of(std::uint32_t index) const noexcept {
    return segment_.descriptor(index).state.load(std::memory_order_acquire);
  }
  /// Whether the red zone is whole: the block was not written past its payload.
  [[nodiscard]] bool is_intact(std::uint32_t index, const BlockFields& fields) const noexcept;
  [[nodiscard]] std::string_view metadata_of(const BlockFields& fields) const noexcept {
    const std::byte* block = segment_.arena() + fields.offset;
    return {reinterpret_cast<const char*>(block + fields.plan().metadata_offset()),
            static_cast<std::size_t>(fields.metadata_bytes)};
  }
  /// Whether consumers hold so little that the head may be handed out as a view.
  [[nodiscard]] bool is_worth_viewing(std::uint32_t index,
                                      const BlockFields& fields) const noexcept;
  [[nodiscard]] bool may_view(std::uint32_t index, const BlockFields& fields) const noexcept;
  /// READY -> BORROWED by us, off the queue. @return its word.
  StateWord borrow_head(std::uint32_t index, const BlockFields& fields) noexcept;
  /// READY -> FREE, off the queue: it was copied. SERVED, if it is shared.
  void free_head(std::uint32_t index, const BlockFields& fields, StateWord word) noexcept {
    const std::uint64_t bytes = fields.payload_bytes + fields.metadata_bytes;
    queue_.pop_front(bytes);
    participants_.count_message(bytes);
    if (is_shared(word)) [[unlikely]] {
      serve(index, word);
    } else {
      free(index, word);
    }
  }
  /// READY -> FREE or SERVED, off the queue, counted as dropped.
  void drop_head() noexcept;
  /// READY -> FREE, off the queue, counted as overflowed: given up for what is newer.
  void give_up_head() noexcept;
  /// What of the main part would be free if the queue were empty.
  struct Unread {
    std::uint64_t bytes;  ///< Payload and metadata, as `used_bytes` counts them.
    std::uint32_t blocks;
  };
  [[nodiscard]] Unread unread_in_main() const noexcept;
  enum class Answer : std::uint8_t { not_asked, no, yes, unknown };
  /// Whether a block of so many bytes would fit below `end_of_memory` without those that `may_go`:
  /// what producers and consumers have in their hands may lie in between. `unknown` if that is a
  /// walk of more than 256 blocks.
  template <class MayGo>
  [[nodiscard]] Answer would_fit_without(std::uint64_t block_bytes, std::uint64_t end_of_memory,
                                         MayGo may_go) const noexcept {
    constexpr std::uint32_t kMaxSteps = 256;
    const std::uint32_t count = segment_.geometry().descriptor_count;
    std::uint64_t end = 0;  // Of the last block that stays.
    std::uint32_t index = header_.address_head;
    for (std::uint32_t step = 0; index < count; ++step) {
      if (step == kMaxSteps) return Answer::unknown;
      const Descriptor& block = segment_.descriptor(index);
      const State state = state_of(block.state.load(std::memory_order_relaxed));
      if (state != State::kFree && !may_go(index)) {
        const std::uint64_t begin = block.offset;
        if (begin >= end && begin - end >= block_bytes) return Answer::yes;
        end = begin + block.extent_bytes;
      }
      index = block.address_next;
    }
    const bool fits_behind = end <= end_of_memory && end_of_memory - end >= block_bytes;
    return fits_behind ? Answer::yes : Answer::no;
  }
  /// The head is impossible: out of use, if it is READY at all. The links to and from it cannot be
  /// trusted either, so the ring has to be recovered.
  void quarantine_head() noexcept;
  /// BORROWED -> READY, to its place by its sequence number. The word must be the block's.
  void requeue(std::uint32_t index, StateWord word, std::uint32_t deliveries) noexcept;
  /// Reads ahead what the next messages lie in. Nothing but speed depends on what it reads.
  void prefetch_queue(std::size_t max_messages) const noexcept;

  // ---- subscribers ----
  [[nodiscard]] const Shares& shares() const noexcept { return shares_; }
  /// Whether there is no queue: every consumer subscribes.
  [[nodiscard]] bool is_broadcast() const noexcept { return has_option(header_, kOptionBroadcast); }
  /// A subscriber is given this message: it stays in use until `finish_share`.
  void count_view(std::uint32_t index, StateWord word) noexcept;
  /// A subscriber was given the message of this number.
  void note_given(std::uint64_t sequence, const BlockFields& fields) noexcept {
    advance_front(sequence + 1);
    participants_.count_message(fields.payload_bytes + fields.metadata_bytes);
  }
  /// On a broadcast ring: a cursor has been moved to `cursor`.
  void advance_front(std::uint64_t cursor) noexcept;
  /// The same, counted anew: a subscriber has come or gone.
  void recount_front() noexcept;
  /// Takes shares away; the message is free if it was the last. @return whether it is.
  bool clear_shares(std::uint32_t index, StateWord word, std::uint64_t bits) noexcept {
    return take_share(index, word, bits) && free_served(index, word);
  }
  /// The same without freeing it. @return whether no share is left by that.
  bool take_share(std::uint32_t index, StateWord word, std::uint64_t bits) noexcept {
    return shares_.clear(index, word, bits);
  }
  /// SERVED -> FREE, if no share is left; an impossible block goes out of use. @return whether this
  /// call has freed it.
  bool free_served(std::uint32_t index, StateWord word) noexcept;
  /// Looks again, which views are still in use. What one subscriber has viewed and another has not
  /// read counts as viewed until then. @return whether it is fewer.
  bool recount_views() noexcept;
  /// How many messages that is, at most.
  [[nodiscard]] std::uint64_t messages_to_recount() const noexcept {
    return header_.next_sequence - shares_.oldest_from(oldest_shared_);
  }

  // ---- out of use ----
  /// Stores FREE and gives the memory back to the allocator.
  void free(std::uint32_t index, StateWord word) noexcept;
  /// The same for a message that is dropped; counter and FREE are one step.
  void drop(std::uint32_t index) noexcept { free_and_count(index, RedoRecord::Counter::dropped); }
  /// Frees what lies on the stack of returned blocks. @return whether there was anything.
  bool collect() noexcept;

  // ---- without the lock ----
  [[nodiscard]] std::uint32_t queued() const noexcept { return queue_.size(); }
  [[nodiscard]] bool any_returned() const noexcept {
    return header_.returned_head.load(std::memory_order_relaxed) != kNone;
  }
  /// A subscriber has finished a message. @return whether its descriptor is to be pushed.
  bool finish_share(std::uint32_t index, StateWord word, std::uint64_t bit) noexcept {
    return shares_.clear(index, word, bit) && return_served(index, word);
  }
  /// BORROWED or KEPT -> RETURNED, or SERVED if subscribers have not finished it, from exactly our
  /// word. @return whether its descriptor is to be pushed.
  bool mark_returned(std::uint32_t index, StateWord word) noexcept;
  /// LOANED -> ABANDONED, from exactly our word.
  bool mark_abandoned(std::uint32_t index, StateWord word) noexcept {
    return segment_.descriptor(index).state.compare_exchange_strong(
        word, with_state(word, State::kAbandoned), std::memory_order_acq_rel);
  }
  /// Onto the stack of returned blocks, for what has been marked.
  void push_returned(std::uint32_t index) noexcept;
  /// BORROWED -> KEPT, from exactly our word: finished, but its memory is still looked at.
  bool keep(std::uint32_t index, StateWord word) noexcept {
    return segment_.descriptor(index).state.compare_exchange_strong(
        word, with_state(word, State::kKept), std::memory_order_acq_rel);
  }
  /// The same for all that we have borrowed.
  void keep_all() noexcept;
  /// Whether a message may still come back from another consumer.
  [[nodiscard]] bool others_have_borrowed() const noexcept;
  /// Whether a block whose memory we were about to reserve or give back is still LOANED to us.
  [[nodiscard]] bool reservation_is_unfinished() const noexcept;

 private:
  [[gnu::always_inline]] ErrorCode commit_loan(PushRequest& request, std::uint32_t index) noexcept;
  [[gnu::always_inline]] void store_loaned(PushRequest& request, std::uint32_t index) noexcept;
  void loan_memory(PushRequest& request, std::uint32_t index) noexcept;
  void free_and_count(std::uint32_t index, RedoRecord::Counter counter) noexcept;
  void take_head_off() noexcept;
  void forget(std::uint32_t index, StateWord word) noexcept;
  [[gnu::noinline]] StateWord share(std::uint32_t index, StateWord word,
                                    std::uint64_t bits) noexcept;
  [[gnu::noinline]] void serve(std::uint32_t index, StateWord word) noexcept;
  [[gnu::noinline]] bool serve_without_lock(std::uint32_t index, StateWord word) noexcept;
  [[gnu::cold]] void quarantine_served(std::uint32_t index, StateWord word) noexcept;
  bool return_served(std::uint32_t index, StateWord word) noexcept;
  [[nodiscard]] std::uint64_t bytes_of(std::uint32_t index) const noexcept {
    const Descriptor& block = segment_.descriptor(index);
    return block.payload_bytes + block.metadata_bytes;
  }
  [[nodiscard]] bool is_counted_as_borrowed(std::uint32_t index, StateWord word) const noexcept;
  [[nodiscard]] bool is_in_use_by_readers(std::uint32_t index, StateWord word) const noexcept;
  void count_borrowed(std::uint64_t bytes) noexcept {
    header_.borrowed_blocks += 1;
    header_.borrowed_bytes += bytes;
  }
  void leave_queue_of_broadcast(std::uint32_t index) noexcept;
  [[nodiscard]] bool is_loaned_to_us(std::uint32_t index) const noexcept;

  const Segment& segment_;
  Header& header_;
  const Participants& participants_;
  Allocator allocator_;
  Queue queue_;
  Shares shares_;
  RedoRecord redo_;
  std::uint64_t oldest_shared_ = 0;  ///< Under the lock: what is older has gone.
  PublishClock publish_clock_;       ///< Under the lock, like all that publishes.
};

// In the header, so that a push is one function from here down.

/// The state comes last: it is what makes the fields true.
inline void Blocks::store_loaned(PushRequest& request, std::uint32_t index) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  descriptor.returned_next = kNone;
  const StateWord before = descriptor.state.load(std::memory_order_relaxed);
  request.word = make_state(State::kLoaned, participants_.self(), 0, generation_of(before) + 1);
  request.descriptor = index;
  descriptor.state.store(request.word, std::memory_order_release);
}

inline ErrorCode Blocks::commit_loan(PushRequest& request, std::uint32_t index) noexcept {
  const Geometry& geometry = segment_.geometry();
  Descriptor& descriptor = segment_.descriptor(index);
  const bool relief = index == geometry.relief_descriptor();
  const std::uint64_t offset = descriptor.offset;
  const std::uint64_t end =
      relief ? geometry.arena_bytes() : header_.main_mark.load(std::memory_order_relaxed);
  const bool sound = offset % kBlockAlignment == 0 && offset <= end &&
                     request.block_bytes <= end - offset && end <= geometry.arena_bytes() &&
                     request.block_bytes <= descriptor.extent_bytes &&
                     (!relief || offset == geometry.main_bytes);
  if (!sound) [[unlikely]] {
    header_.damaged.store(1, std::memory_order_release);
    return ErrorCode::corrupt_buffer;
  }
  request.offset = offset;
  descriptor.payload_bytes = request.plan.payload_bytes;
  descriptor.metadata_bytes =
      static_cast<std::uint32_t>(request.message_bytes - request.plan.payload_bytes);
  descriptor.sequence = 0;
  store_loaned(request, index);
  if (relief) return ErrorCode::ok;
  header_.used_bytes += request.message_bytes;
  header_.live_blocks += 1;
  if (header_.used_bytes > header_.peak_used_bytes) header_.peak_used_bytes = header_.used_bytes;
  return ErrorCode::ok;
}

}  // namespace ipc0cp::shm
