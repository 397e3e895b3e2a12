// SPDX-License-Identifier: Apache-2.0
#include "shm/blocks.hpp"

#include <algorithm>

#include "platform/clock.hpp"
#include "shm/publish_time.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::uint64_t kMinViewBytes = 4096;  ///< Views are given above this size.

}  // namespace

void PublishClock::read() noexcept {
  const std::uint32_t before = time_;
  time_ = PublishTime::of(platform::coarse_now_ns());
  at_once_ = time_ != before ? 1 : std::min(2 * at_once_, kMostAtOnce);
  left_ = at_once_;
}

// ---- writing ----------------------------------------------------------------------------------

bool Blocks::unread_limit_reached() const noexcept {
  const std::uint32_t max_messages = segment_.geometry().max_messages;
  const std::uint32_t in_main = header_.live_blocks - header_.borrowed_blocks;
  if (in_main + 1 < max_messages) [[likely]]
    return false;
  const State relief = state_of(segment_.descriptor(segment_.geometry().relief_descriptor())
                                    .state.load(std::memory_order_relaxed));
  const bool relief_is_unread =
      relief == State::kLoaned || relief == State::kReady || relief == State::kServed;
  return in_main + (relief_is_unread ? 1 : 0) >= max_messages;
}

ErrorCode Blocks::loan_relief(PushRequest& request) noexcept {
  const Geometry& geometry = segment_.geometry();
  const std::uint32_t index = geometry.relief_descriptor();
  Descriptor& descriptor = segment_.descriptor(index);
  if (state_of(descriptor.state.load(std::memory_order_relaxed)) != State::kFree ||
      request.block_bytes > geometry.relief_bytes) {
    return ErrorCode::buffer_full;
  }
  descriptor.offset = geometry.main_bytes;
  descriptor.extent_bytes = geometry.relief_bytes;
  return commit_loan(request, index);
}

bool Blocks::loan_wilderness(PushRequest& request, std::uint64_t begin,
                             std::uint64_t bytes) noexcept {
  const std::uint32_t index = allocator_.append(begin, bytes);
  if (index == kNone) return false;
  loan_memory(request, index);
  header_.live_blocks += 1;
  return true;
}

bool Blocks::loan_tail(PushRequest& request, std::uint64_t begin) noexcept {
  const std::uint32_t index = allocator_.cut_off_tail(begin);
  if (index == kNone) return false;
  loan_memory(request, index);
  header_.live_blocks += 1;
  return true;
}

bool Blocks::loan_relief_tail(PushRequest& request, std::uint64_t begin,
                              std::uint64_t bytes) noexcept {
  const std::uint32_t index = segment_.geometry().relief_descriptor();
  if (state_of(word_of(index)) != State::kFree) return false;
  Descriptor& descriptor = segment_.descriptor(index);
  descriptor.offset = segment_.geometry().main_bytes + begin;
  descriptor.extent_bytes = bytes;
  loan_memory(request, index);
  return true;
}

/// A block that is no message: whoever has it may reserve the memory of it, or give it back.
void Blocks::loan_memory(PushRequest& request, std::uint32_t index) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  descriptor.payload_bytes = 0;
  descriptor.metadata_bytes = 0;
  store_loaned(request, index);
  header_.growing = index;
}

std::uint64_t Blocks::publish(std::uint32_t index, StateWord word) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  // What goes into an empty ring is the oldest: its age is what people look at.
  const bool is_idle = queue_.size() == 0 ||
                       (header_.data_event.load(std::memory_order_relaxed) & kEventWaiters) != 0;
  descriptor.link_previous = publish_clock_.now(is_idle);
  descriptor.sequence = header_.next_sequence;
  StateWord published = make_state(State::kReady, 0, 0, generation_of(word));
  const std::uint64_t subscribers = header_.subscriber_bits;
  if (subscribers != 0) [[unlikely]]
    published = share(index, published, subscribers);
  descriptor.state.store(published, std::memory_order_release);
  header_.next_sequence += 1;
  const std::uint64_t bytes = descriptor.payload_bytes + descriptor.metadata_bytes;
  header_.pushed_bytes += bytes;
  if (state_of(published) == State::kReady) [[likely]] {
    queue_.push_back(index, bytes);
  } else {
    queue_.count(1, bytes);
    queue_.note_push();
  }
  if (subscribers != 0) {
    header_.published.store(header_.next_sequence - 1, std::memory_order_relaxed);
  }
  participants_.count_message(bytes);
  return bytes;
}

/// @return the word to publish it with.
StateWord Blocks::share(std::uint32_t index, StateWord word, std::uint64_t bits) noexcept {
  if (!segment_.has_records()) {  // Without them nobody can have subscribed.
    header_.damaged.store(1, std::memory_order_release);
    return word;
  }
  shares_.begin(index, header_.next_sequence, generation_of(word), bits & kShareBits);
  return is_broadcast() ? served(word) : word | kShared;
}

// ---- reading ----------------------------------------------------------------------------------

bool Blocks::is_intact(std::uint32_t index, const BlockFields& fields) const noexcept {
  return red_zone::intact(segment_.arena() + fields.offset, fields.plan(), index,
                          generation_of(word_of(index)));
}

bool Blocks::is_worth_viewing(std::uint32_t index, const BlockFields& fields) const noexcept {
  return index != segment_.geometry().relief_descriptor() && fields.payload_bytes > kMinViewBytes;
}

bool Blocks::may_view(std::uint32_t index, const BlockFields& fields) const noexcept {
  const Geometry& geometry = segment_.geometry();
  return is_worth_viewing(index, fields) &&
         header_.borrowed_bytes <= geometry.total_data_bytes / 2 &&
         header_.borrowed_blocks < geometry.max_messages / 2;
}

StateWord Blocks::borrow_head(std::uint32_t index, const BlockFields& fields) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  const StateWord before = descriptor.state.load(std::memory_order_relaxed);
  const StateWord borrowed = make_state(State::kBorrowed, participants_.self(),
                                        deliveries_of(before) + 1, generation_of(before)) |
                             (before & kShared);
  descriptor.state.store(borrowed, std::memory_order_release);
  const std::uint64_t bytes = fields.payload_bytes + fields.metadata_bytes;
  queue_.pop_front(bytes);
  participants_.count_message(bytes);
  if (is_shared(before)) [[unlikely]] {
    count_view(index, before);
  } else if (index != segment_.geometry().relief_descriptor()) {
    count_borrowed(bytes);
  }
  return borrowed;
}

void Blocks::take_head_off() noexcept {
  const Descriptor& block = segment_.descriptor(queue_.head());
  queue_.pop_front(block.payload_bytes + block.metadata_bytes);
}

void Blocks::drop_head() noexcept {
  const std::uint32_t index = queue_.head();
  take_head_off();
  drop(index);
}

void Blocks::give_up_head() noexcept {
  const std::uint32_t index = queue_.head();
  take_head_off();
  free_and_count(index, RedoRecord::Counter::overflowed);
}

Blocks::Unread Blocks::unread_in_main() const noexcept {
  const Descriptor& relief = segment_.descriptor(segment_.geometry().relief_descriptor());
  const bool relief_is_unread =
      state_of(relief.state.load(std::memory_order_relaxed)) == State::kReady;
  const std::uint64_t elsewhere =
      relief_is_unread ? relief.payload_bytes + relief.metadata_bytes : 0;
  const std::uint64_t bytes = header_.queued_bytes;
  const std::uint32_t blocks = queue_.size();
  // Saturating: the counts are a peer's, too.
  return {bytes - std::min(bytes, elsewhere),
          blocks - std::min(blocks, relief_is_unread ? 1U : 0U)};
}

void Blocks::quarantine_head() noexcept {
  Descriptor& descriptor = segment_.descriptor(queue_.head());
  const StateWord word = descriptor.state.load(std::memory_order_relaxed);
  // A block that is not READY belongs to somebody: only the link to it was wrong.
  if (state_of(word) != State::kReady) return;
  descriptor.state.store(with_state(word, State::kQuarantined), std::memory_order_release);
  header_.dropped += 1;
  header_.quarantined += 1;
}

void Blocks::requeue(std::uint32_t index, StateWord word, std::uint32_t deliveries) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  const std::uint64_t bytes = descriptor.payload_bytes + descriptor.metadata_bytes;
  descriptor.state.store(
      make_state(State::kReady, 0, deliveries, generation_of(word)) | (word & kShared),
      std::memory_order_release);
  queue_.insert_by_sequence(index, bytes);
  if (is_shared(word)) return;  // Counted until it is free.
  if (index != segment_.geometry().relief_descriptor()) {
    header_.borrowed_blocks -= 1;
    header_.borrowed_bytes -= bytes;
  }
}

void Blocks::prefetch_queue(std::size_t max_messages) const noexcept {
  constexpr std::uint64_t kLine = 64;
  constexpr std::uint64_t kLines = 3;  // Payload, red zone and metadata of a small message.
  const std::uint64_t last_offset = segment_.geometry().arena_bytes() - kLines * kLine;
  const std::uint32_t end = segment_.geometry().descriptor_count;
  std::uint32_t index = queue_.head();
  for (std::size_t count = 0; count < max_messages && index < end; ++count) {
    const Descriptor& descriptor = segment_.descriptor(index);
    __builtin_prefetch(&descriptor, 1);
    const std::uint32_t next = descriptor.link_next;
    const std::uint64_t offset = descriptor.offset;
    for (std::uint64_t line = 0; line < kLines && offset <= last_offset; ++line) {
      __builtin_prefetch(segment_.arena() + offset + line * kLine);
    }
    index = next;
  }
}

// ---- out of use -------------------------------------------------------------------------------

/// Takes a block that is FREE already, and had `word` before, out of the counts.
void Blocks::forget(std::uint32_t index, StateWord word) noexcept {
  header_.freed.store(header_.freed.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (header_.growing == index) header_.growing = kNone;
  if (is_shared(word)) [[unlikely]]
    leave_queue_of_broadcast(index);
  if (index == segment_.geometry().relief_descriptor()) return;
  const std::uint64_t bytes = bytes_of(index);
  header_.used_bytes -= bytes;
  header_.live_blocks -= 1;
  if (is_counted_as_borrowed(index, word)) {
    header_.borrowed_blocks -= 1;
    header_.borrowed_bytes -= bytes;
  }
  allocator_.free(index);
}

void Blocks::free(std::uint32_t index, StateWord word) noexcept {
  segment_.descriptor(index).state.store(freed(word), std::memory_order_release);
  forget(index, word);
}

bool Blocks::is_counted_as_borrowed(std::uint32_t index, StateWord word) const noexcept {
  if (is_shared(word)) [[unlikely]]
    return segment_.record(index).is_counted != 0;
  const State state = state_of(word);
  return state == State::kBorrowed || state == State::kReturned || state == State::kKept;
}

void Blocks::free_and_count(std::uint32_t index, RedoRecord::Counter counter) noexcept {
  const StateWord word = word_of(index);
  if (redo_.free_and_count(index, counter)) forget(index, word);
}

bool Blocks::collect() noexcept {
  std::uint32_t head = header_.returned_head.load(std::memory_order_seq_cst);
  if (head == kNone) return false;
  do {
    // Named before it is taken: a death in between leaves the chain findable.
    header_.collecting = head;
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } while (!header_.returned_head.compare_exchange_weak(head, kNone, std::memory_order_seq_cst));
  bool freed_any = false;
  const std::uint32_t count = segment_.geometry().descriptor_count;
  for (std::uint32_t step = 0; head < count && step < count; ++step) {
    const StateWord word = word_of(head);
    const std::uint32_t next = segment_.descriptor(head).returned_next;
    if (is_given_back(word)) {
      free(head, word);
      freed_any = true;
    }
    head = next;
  }
  std::atomic_signal_fence(std::memory_order_seq_cst);
  header_.collecting = kNone;
  return freed_any;
}

// ---- without the lock -------------------------------------------------------------------------

bool Blocks::mark_returned(std::uint32_t index, StateWord word) noexcept {
  if (is_shared(word)) [[unlikely]]
    return serve_without_lock(index, word);
  std::atomic<StateWord>& state = segment_.descriptor(index).state;
  const StateWord returned = with_state(word, State::kReturned);
  StateWord expected = word;
  if (state.compare_exchange_strong(expected, returned, std::memory_order_acq_rel)) return true;
  return expected == with_state(word, State::kKept) &&
         state.compare_exchange_strong(expected, returned, std::memory_order_acq_rel);
}

void Blocks::push_returned(std::uint32_t index) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  std::uint32_t head = header_.returned_head.load(std::memory_order_relaxed);
  do {
    descriptor.returned_next = head;
  } while (!header_.returned_head.compare_exchange_weak(head, index, std::memory_order_seq_cst,
                                                        std::memory_order_relaxed));
}

void Blocks::keep_all() noexcept {
  for (std::uint32_t index = 0; index < segment_.geometry().descriptor_count;
       index = segment_.next_descriptor(index)) {
    const StateWord word = word_of(index);
    if (state_of(word) == State::kBorrowed && owner_of(word) == participants_.self()) {
      keep(index, word);
    }
  }
}

bool Blocks::others_have_borrowed() const noexcept {
  for (std::uint32_t index = 0; index < segment_.geometry().descriptor_count;
       index = segment_.next_descriptor(index)) {
    const StateWord word = word_of(index);
    if (state_of(word) == State::kBorrowed && owner_of(word) != participants_.self()) return true;
  }
  return false;
}

bool Blocks::is_loaned_to_us(std::uint32_t index) const noexcept {
  const StateWord word = word_of(index);
  return state_of(word) == State::kLoaned && owner_of(word) == participants_.self();
}

bool Blocks::reservation_is_unfinished() const noexcept {
  const std::uint32_t growing = header_.growing;
  return (growing != kNone && is_loaned_to_us(growing)) ||
         is_loaned_to_us(segment_.geometry().relief_descriptor());
}

}  // namespace ipc0cp::shm
