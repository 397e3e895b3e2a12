// SPDX-License-Identifier: Apache-2.0
// The reading half of a channel: borrow, check, copy out, release.
#include <algorithm>
#include <cstring>
#include <utility>

#include "platform/clock.hpp"
#include "shm/buffer_pool.hpp"
#include "shm/channel.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::uint64_t kLeastViewBytes = 4096;  ///< Views are given above this size.
constexpr std::uint32_t kMostUnsignalledReleases = 1024;

}  // namespace

ErrorCode Channel::pop(Deadline& deadline, Message& message) noexcept {
  in_passing(0);
  if (redelivers()) finish_popped(false);  // The next pop finishes what this thread had.
  ErrorCode result = attempt_pop_alone(message, deadline);
  if (result == ErrorCode::timeout && deadline.never_waits()) return ErrorCode::buffer_empty;
  if (result == ErrorCode::buffer_empty) result = pop_slowly(message, deadline);
  if (result == ErrorCode::corrupt_payload) ring_->space_event.wake_all();
  if (result != ErrorCode::ok) return result;
  if (message.descriptor_plus_1_ == 0) signal_space();  // Freed inside the lock.
  return complete_borrow(message);
}

/// What is there, without taking it. It begins a pop: what this thread had is finished.
ErrorCode Channel::peek(Deadline& deadline, MessageHead& head) noexcept {
  in_passing(0);
  if (redelivers()) finish_popped(false);
  ErrorCode result = attempt_pop_alone(head, deadline);
  if (result == ErrorCode::timeout && deadline.never_waits()) return ErrorCode::buffer_empty;
  if (result == ErrorCode::buffer_empty) result = pop_slowly(head, deadline);
  if (result == ErrorCode::corrupt_payload) ring_->space_event.wake_all();
  return result;
}

template <class Target>
ErrorCode Channel::attempt_pop_alone(Target& target, Deadline& deadline) noexcept {
  const ErrorCode entered = enter(deadline);
  if (entered != ErrorCode::ok) return entered;
  const ErrorCode result = attempt_pop(target);
  const ErrorCode left = ring_->leave();
  wake_next_consumer();
  return left == ErrorCode::ok ? result : left;
}
template ErrorCode Channel::attempt_pop_alone(Message& target, Deadline& deadline) noexcept;
template ErrorCode Channel::attempt_pop_alone(MessageHead& target, Deadline& deadline) noexcept;

/// Under the lock, with an empty queue.
bool Channel::stream_has_ended() const noexcept {
  const Header& header = ring_->header();
  return joined_of(header.joined_left.load(std::memory_order_relaxed)) >=
             options_.expected_producers &&
         header.producers == 0 && !(redelivers() && others_hold_messages());
}

ErrorCode Channel::attempt_pop(Message& message) noexcept {
  const std::uint32_t index = ring_->queue.head();
  if (index == kNone) return answer_without_message();
  const BlockFields fields = ring_->segment->read_fields(index);
  const StateWord word = ring_->segment->descriptor(index).state.load(std::memory_order_acquire);
  if (state_of(word) != State::kReady || !ring_->segment->plausible(index, fields, true)) {
    return drop_impossible_head();
  }
  message.id_ = fields.sequence;
  message.deliveries_ = deliveries_of(word) + 1;
  ErrorCode result = ErrorCode::ok;
  if (fields.payload_bytes + fields.metadata_bytes <= kInlineBytes && !redelivers()) {
    result = take_small(message, index, fields);
  } else {
    borrow(message, index, fields);
  }
  return result;
}

ErrorCode Channel::attempt_pop(MessageHead& head) noexcept {
  const std::uint32_t index = ring_->queue.head();
  if (index == kNone) return answer_without_message();
  const BlockFields fields = ring_->segment->read_fields(index);
  if (!ring_->segment->plausible(index, fields, true)) return drop_impossible_head();
  if (!is_intact(index, fields)) {
    drop_head(*ring_->segment, ring_->allocator, ring_->queue, ring_->recovery);
    return ErrorCode::corrupt_payload;
  }
  head.payload_bytes = fields.payload_bytes;
  head.queued = ring_->queue.size();
  try {
    const auto metadata_bytes = std::min(fields.metadata_bytes, MessageHead::kMostMetadataBytes);
    const std::string_view metadata = metadata_in_ring(fields).substr(0, metadata_bytes);
    head.metadata_json = metadata.empty() ? kBytesMetadata : metadata;
  } catch (const std::bad_alloc&) {
    return ErrorCode::out_of_memory;
  }
  return ErrorCode::ok;
}

/// Under the lock, with nothing queued: may there be more, or is this the end of the stream?
ErrorCode Channel::answer_without_message() const noexcept {
  return stream_has_ended() ? ErrorCode::end_of_stream : ErrorCode::buffer_empty;
}

bool Channel::is_intact(std::uint32_t index, const BlockFields& fields) const noexcept {
  const StateWord word = ring_->segment->descriptor(index).state.load(std::memory_order_acquire);
  return red_zone::intact(ring_->segment->arena() + fields.offset, fields.plan(), index,
                          generation_of(word));
}

std::string_view Channel::metadata_in_ring(const BlockFields& fields) const noexcept {
  const std::byte* block = ring_->segment->arena() + fields.offset;
  return {reinterpret_cast<const char*>(block + fields.plan().metadata_offset()),
          static_cast<std::size_t>(fields.metadata_bytes)};
}

ErrorCode Channel::take_small(Message& message, std::uint32_t index,
                              const BlockFields& fields) noexcept {
  const BlockPlan plan = fields.plan();
  const std::size_t metadata_begin = (plan.payload_bytes + 63) / 64 * 64;
  std::byte* buffer = buffer_pool::acquire(metadata_begin + fields.metadata_bytes);
  if (buffer == nullptr) return ErrorCode::out_of_memory;
  const std::byte* block = ring_->segment->arena() + fields.offset;
  const StateWord word = ring_->segment->descriptor(index).state.load(std::memory_order_relaxed);
  if (!red_zone::intact(block, plan, index, generation_of(word))) {
    buffer_pool::release(buffer);
    drop_head(*ring_->segment, ring_->allocator, ring_->queue, ring_->recovery);
    return ErrorCode::corrupt_payload;
  }
  std::memcpy(buffer, block, plan.payload_bytes);
  if (fields.metadata_bytes > 0) {
    std::memcpy(buffer + metadata_begin, block + plan.metadata_offset(), fields.metadata_bytes);
  }
  ring_->queue.pop_front(fields.payload_bytes + fields.metadata_bytes);
  free_block(*ring_->segment, ring_->allocator, index, word);
  message.buffer_ = buffer;
  message.payload_ = {buffer, static_cast<std::size_t>(plan.payload_bytes)};
  message.metadata_ = {reinterpret_cast<const char*>(buffer + metadata_begin),
                       static_cast<std::size_t>(fields.metadata_bytes)};
  message.descriptor_plus_1_ = 0;
  return ErrorCode::ok;
}

bool Channel::may_view(std::uint32_t index, const BlockFields& fields) const noexcept {
  const Header& header = ring_->header();
  return index != geometry().relief_descriptor() && fields.payload_bytes > kLeastViewBytes &&
         header.borrowed_bytes <= geometry().total_data_bytes / 2 &&
         header.borrowed_blocks < geometry().max_messages / 2;
}

void Channel::borrow(Message& message, std::uint32_t index, const BlockFields& fields) noexcept {
  Header& header = ring_->header();
  message.is_view_ = may_view(index, fields);
  if (!message.is_view_ && collect_returned(*ring_->segment, ring_->allocator)) {
    message.is_view_ = may_view(index, fields);
  }
  Descriptor& descriptor = ring_->segment->descriptor(index);
  const StateWord before = descriptor.state.load(std::memory_order_relaxed);
  message.word_ = make_state(State::kBorrowed, ring_->participants.self(),
                             deliveries_of(before) + 1, generation_of(before));
  descriptor.state.store(message.word_, std::memory_order_release);
  const std::uint64_t bytes = fields.payload_bytes + fields.metadata_bytes;
  ring_->queue.pop_front(bytes);
  if (index != geometry().relief_descriptor()) {
    header.borrowed_blocks += 1;
    header.borrowed_bytes += bytes;
  }
  acquired_.store(acquired_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  message.channel_ = this;
  message.descriptor_plus_1_ = index + 1;
  message.payload_ = {ring_->segment->arena() + fields.offset,
                      static_cast<std::size_t>(fields.payload_bytes)};
  message.metadata_ = metadata_in_ring(fields);
}

/// What needs no lock: check, private copies, and the release of what was copied.
ErrorCode Channel::complete_borrow(Message& message) noexcept {
  if (message.descriptor_plus_1_ != 0) {
    in_passing(message.payload_.size());
    const std::uint32_t index = message.descriptor_plus_1_ - 1;
    const BlockPlan plan{message.payload_.size(), message.metadata_.size()};
    if (!red_zone::intact(message.payload_.data(), plan, index, generation_of(message.word_))) {
      drop_borrowed(message);
      return ErrorCode::corrupt_payload;
    }
    const std::size_t payload_bytes = message.is_view_ ? 0 : message.payload_.size();
    const std::size_t metadata_begin = (payload_bytes + 63) / 64 * 64;
    if (payload_bytes + message.metadata_.size() > 0) {
      std::byte* buffer = buffer_pool::acquire(metadata_begin + message.metadata_.size());
      if (buffer == nullptr) {
        put_back(message);
        return ErrorCode::out_of_memory;
      }
      std::memcpy(buffer, message.payload_.data(), payload_bytes);
      std::memcpy(buffer + metadata_begin, message.metadata_.data(), message.metadata_.size());
      message.metadata_ = {reinterpret_cast<const char*>(buffer + metadata_begin),
                           message.metadata_.size()};
      message.buffer_ = buffer;
      if (!message.is_view_) message.payload_ = {buffer, payload_bytes};
    }
    if (redelivers()) {
      if (!unfinished_.add(index, message.word_, message.is_view_)) {
        put_back(message);
        release(message);
        return ErrorCode::out_of_memory;
      }
      // A copy may outlive its block, and then still ask for `done` or `requeue`.
      if (!message.is_view_) add_reference();
      if (closed()) finish(message);  // Too late for close() to do it.
    } else if (!message.is_view_) {
      return_block(message);
    }
  }
  if (message.metadata_.empty()) message.metadata_ = kBytesMetadata;
  return ErrorCode::ok;
}

/// A message whose red zone is broken: dropped and counted, or just returned without the lock.
void Channel::drop_borrowed(Message& message) noexcept {
  const std::uint32_t index = std::exchange(message.descriptor_plus_1_, 0) - 1;
  const StateWord word = message.word_;
  release(message);
  Deadline deadline(platform::kSecond);
  if (enter(deadline) != ErrorCode::ok) return return_word(index, word);
  const Descriptor& descriptor = ring_->segment->descriptor(index);
  if (descriptor.state.load(std::memory_order_relaxed) == word) {
    drop_block(*ring_->segment, ring_->allocator, ring_->recovery, index);
  }
  ring_->leave();
  ring_->space_event.wake_all();
  message_is_finished();
  let_go_of_one();
}

ErrorCode Channel::drop_impossible_head() noexcept {
  // The links of this block cannot be trusted either, so everything derived is built anew. A block
  // that is not READY belongs to somebody: only the link to it was wrong.
  const std::uint32_t index = ring_->queue.head();
  Descriptor& descriptor = ring_->segment->descriptor(index);
  const StateWord word = descriptor.state.load(std::memory_order_relaxed);
  if (state_of(word) == State::kReady) {
    descriptor.state.store(with_state(word, State::kQuarantined), std::memory_order_release);
    ring_->header().dropped += 1;
    ring_->header().quarantined += 1;
  }
  ring_->recover();
  return ErrorCode::corrupt_payload;
}

/// Gives the block of a message back; the message keeps only private memory.
void Channel::return_block(Message& message) noexcept {
  message.channel_ = nullptr;
  const std::uint32_t index = std::exchange(message.descriptor_plus_1_, 0) - 1;
  if (redelivers()) {
    settle(unfinished_.let_go(index, message.word_));
  } else {
    return_word(index, message.word_);
  }
}

/// BORROWED or KEPT -> RETURNED and onto the stack, from exactly our word; needs no lock.
void Channel::return_word(std::uint32_t index, StateWord word) noexcept {
  Descriptor& descriptor = ring_->segment->descriptor(index);
  StateWord expected = word;
  bool returned = descriptor.state.compare_exchange_strong(
      expected, with_state(word, State::kReturned), std::memory_order_acq_rel);
  if (!returned && expected == with_state(word, State::kKept)) {
    returned = descriptor.state.compare_exchange_strong(
        expected, with_state(word, State::kReturned), std::memory_order_acq_rel);
  }
  // A handle that counts as dead pushes nothing: its block may be somebody else's already.
  if (returned && !ring_->token_lost()) {
    push_returned(index);
    signal_space();
  }
  message_is_finished();
  let_go_of_one();
}

/// A consumer that has closed cleanly lost nothing: its views are KEPT, not BORROWED.
void Channel::keep_views() noexcept {
  for (std::uint32_t index = 0; index < geometry().descriptor_count; ++index) {
    const StateWord word = ring_->segment->descriptor(index).state.load(std::memory_order_acquire);
    if (state_of(word) == State::kBorrowed && owner_of(word) == ring_->participants.self()) {
      keep(index, word);
    }
  }
}

/// Without memory for a copy the message goes back to its place in the queue.
void Channel::put_back(Message& message) noexcept {
  const std::uint32_t index = std::exchange(message.descriptor_plus_1_, 0) - 1;
  message.channel_ = nullptr;
  message.payload_ = {};
  message.metadata_ = {};
  if (!requeue_block(index, message.word_, deliveries_of(message.word_) - 1)) {
    return_word(index, message.word_);
  }
}

void Channel::release(Message& message) noexcept {
  // A message without a block may outlive its channel, so only one with a block looks at it.
  Channel* channel = std::exchange(message.channel_, nullptr);
  message.payload_ = {};
  message.metadata_ = {};
  const bool holds_reference = !std::exchange(message.is_view_, false);
  buffer_pool::release(static_cast<std::byte*>(std::exchange(message.buffer_, nullptr)));
  if (message.descriptor_plus_1_ == 0) return;
  if (channel->forked()) {
    message.descriptor_plus_1_ = 0;
    return;
  }
  channel->return_block(message);
  if (holds_reference) channel->unreference();
}

void Channel::count_damaged() noexcept {
  Deadline deadline(platform::kSecond);
  if (enter(deadline) != ErrorCode::ok) return;
  ring_->header().dropped += 1;
  ring_->leave();
}

void Channel::push_returned(std::uint32_t index) noexcept {
  Descriptor& descriptor = ring_->segment->descriptor(index);
  std::atomic<std::uint32_t>& stack = ring_->header().returned_head;
  std::uint32_t head = stack.load(std::memory_order_relaxed);
  do {
    descriptor.returned_next = head;
  } while (!stack.compare_exchange_weak(head, index, std::memory_order_seq_cst,
                                        std::memory_order_relaxed));
}

/// A woken consumer that leaves messages behind wakes the next.
void Channel::wake_next_consumer() noexcept {
  if (ring_->queue.size() > 0) ring_->data_event.wake_one();
}

void Channel::signal_space(std::uint32_t releases) noexcept {
  if (!ring_->space_event.someone_waits()) [[likely]]
    return;
  // A full ring's producer is woken for several blocks at once; what is not signalled now is
  // signalled by a later release, an empty queue, or seen at the end of the producer's slice.
  const std::uint32_t queued = ring_->queue.size();
  const std::uint32_t enough = std::min(kMostUnsignalledReleases, queued / 8);
  unsignalled_releases_ += releases;
  if (unsignalled_releases_ < enough) return;
  unsignalled_releases_ = 0;
  ring_->space_event.wake_all();
}

void Channel::let_go_of_one() noexcept {
  if (released_.fetch_add(1, std::memory_order_acq_rel) + 1 == 0) [[unlikely]]
    drop_token();
}

}  // namespace ipc0cp::shm
