// SPDX-License-Identifier: Apache-2.0
// The reading half of a channel: borrow, check, copy out, release.
#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "platform/buffer_pool.hpp"
#include "platform/clock.hpp"
#include "shm/channel.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::uint64_t kUsualMetadataBytes = 1024;  ///< Longer ones are peeked at in two goes.

/// Where the metadata of a private copy begin: payload and metadata are aligned alike.
constexpr std::size_t metadata_place(std::size_t payload_bytes) noexcept {
  return (payload_bytes + 63) / 64 * 64;
}

}  // namespace

ErrorCode Channel::pop(Deadline& deadline, Message& message) noexcept {
  platform::buffer_pool::prepare_small();
  ErrorCode result = pop_into(message, deadline);
  if (result == ErrorCode::ok) [[likely]] {
    if (message.descriptor_ == Message::kNoBlock) ring_->signal_space();  // Freed inside the lock.
    result = complete_borrow(message);
  }
  tell_popped();
  return result;
}

ErrorCode Channel::pop_latest(Deadline& deadline, Message& message) noexcept {
  platform::buffer_pool::prepare_small();
  Latest latest{message};
  ErrorCode result = ErrorCode::ok;
  do {
    result = pop_into(latest, deadline);
    if (latest.given_up > 0) ring_->signal_space(std::exchange(latest.given_up, 0));
  } while (result == ErrorCode::ok && latest.is_behind);
  if (result == ErrorCode::ok) [[likely]] {
    if (message.descriptor_ == Message::kNoBlock) ring_->signal_space();
    result = complete_borrow(message);
  }
  tell_popped();
  return result;
}

ErrorCode Channel::peek(Deadline& deadline, MessageHead& head) noexcept {
  std::uint64_t room = kUsualMetadataBytes;
  try {
    while (true) {
      head.metadata_json.resize(room);
      Peek peek{head};
      const ErrorCode result = pop_into(peek, deadline);
      if (result != ErrorCode::ok) {
        tell_popped();
        return result;
      }
      if (peek.metadata_bytes > room) {
        room = peek.metadata_bytes;
        continue;
      }
      head.metadata_json.resize(peek.metadata_bytes);
      if (peek.metadata_bytes == 0) head.metadata_json = kBytesMetadata;
      return ErrorCode::ok;
    }
  } catch (const std::bad_alloc&) {
    return ErrorCode::out_of_memory;
  }
}

template <class Target>
ErrorCode Channel::pop_into(Target& target, Deadline& deadline) noexcept {
  check_for_deaths(0);
  // The next pop finishes what this thread had.
  if (ring_->must_finish()) redelivery_.finish_popped(false);
  ErrorCode result = lock_and_try_pop(target, deadline);
  if (result == ErrorCode::timeout && deadline.never_waits()) return ErrorCode::buffer_empty;
  if (result == ErrorCode::buffer_empty) result = pop_slowly(target, deadline);
  if (result == ErrorCode::corrupt_payload) ring_->space_event().wake_all();
  return result;
}

template <class Target>
ErrorCode Channel::lock_and_try_pop(Target& target, Deadline& deadline) noexcept {
  const ErrorCode locked = lock(deadline);
  if (locked != ErrorCode::ok) return locked;
  const ErrorCode result = try_pop(target);
  const ErrorCode unlocked = ring_->unlock();
  follow_pop();
  return unlocked == ErrorCode::ok ? result : unlocked;
}
template ErrorCode Channel::lock_and_try_pop(Message& target, Deadline& deadline) noexcept;
template ErrorCode Channel::lock_and_try_pop(Peek& target, Deadline& deadline) noexcept;
template ErrorCode Channel::lock_and_try_pop(Latest& target, Deadline& deadline) noexcept;

/// Under the lock: takes the head of the queue.
ErrorCode Channel::try_pop(Message& message) noexcept {
  if (ring_->subscribes()) [[unlikely]]
    return try_pop_shared(message);
  Blocks& blocks = ring_->blocks();
  const std::uint32_t index = blocks.head();
  if (index == kNone) return nothing_queued();
  const BlockFields fields = ring_->segment().read_fields(index);
  const StateWord word = blocks.word_of(index);
  if (state_of(word) != State::kReady || !ring_->segment().plausible(index, fields, true)) {
    return ring_->drop_impossible_head();
  }
  message.id_ = fields.sequence;
  message.deliveries_ = deliveries_of(word) + 1;
  if (fields.payload_bytes + fields.metadata_bytes <= kInlineBytes && !ring_->redelivers()) {
    const ErrorCode copied = copy_small(message, index, fields, word);
    if (copied == ErrorCode::ok) [[likely]]
      blocks.free_head(index, fields, word);
    if (copied == ErrorCode::corrupt_payload) blocks.drop_head();
    return copied;
  }
  message.is_view_ = blocks.may_view(index, fields);
  if (!message.is_view_ && blocks.collect()) message.is_view_ = blocks.may_view(index, fields);
  message.word_ = blocks.borrow_head(index, fields);
  count_acquired();
  refer_to_block(message, index, fields);
  return ErrorCode::ok;
}

void Channel::refer_to_block(Message& message, std::uint32_t index,
                             const BlockFields& fields) noexcept {
  message.channel_ = this;
  message.descriptor_ = index;
  message.payload_ = {ring_->segment().arena() + fields.offset,
                      static_cast<std::size_t>(fields.payload_bytes)};
  message.metadata_ = ring_->blocks().metadata_of(fields);
}

/// Under the lock: may there be more?
ErrorCode Channel::nothing_queued() noexcept {
  // A worker was here before the first producer said what the ring is.
  if (ring_->blocks().is_broadcast()) [[unlikely]]
    return ErrorCode::option_mismatch;
  return ending_.answer();
}

/// Under the lock: takes the last message, or gives up as many as one hold may.
ErrorCode Channel::try_pop(Latest& latest) noexcept {
  if (ring_->subscribes()) return try_pop_shared(latest);
  const Blocks& blocks = ring_->blocks();
  // Behind faster producers the end of the queue would stay out of reach; what was the newest when
  // this call began does not.
  if (latest.newest == 0) latest.newest = ring_->header().next_sequence - 1;
  const std::uint32_t given_up = giving_up_.all_but(1);
  latest.given_up += given_up;
  const std::uint32_t head = blocks.head();
  latest.is_behind = given_up == GivingUp::kMaxInOneHold && head != kNone && blocks.queued() > 1 &&
                     ring_->segment().read_fields(head).sequence < latest.newest;
  return latest.is_behind ? ErrorCode::ok : try_pop(latest.message);
}

/// Under the lock: tells of the head and leaves it.
ErrorCode Channel::try_pop(Peek& peek) noexcept {
  if (ring_->subscribes()) return try_pop_shared(peek);
  Blocks& blocks = ring_->blocks();
  const std::uint32_t index = blocks.head();
  if (index == kNone) return nothing_queued();
  const BlockFields fields = ring_->segment().read_fields(index);
  if (state_of(blocks.word_of(index)) != State::kReady ||
      !ring_->segment().plausible(index, fields, true)) {
    return ring_->drop_impossible_head();
  }
  if (!blocks.is_intact(index, fields)) {
    blocks.drop_head();
    return ErrorCode::corrupt_payload;
  }
  tell_of(fields, peek);
  return ErrorCode::ok;
}

void Channel::tell_of(const BlockFields& fields, Peek& peek) const noexcept {
  peek.head.payload_bytes = fields.payload_bytes;
  peek.head.queued = ring_->waiting_messages();
  peek.metadata_bytes = fields.metadata_bytes;
  std::string& metadata = peek.head.metadata_json;
  ring_->blocks().metadata_of(fields).copy(metadata.data(), metadata.size());
}

/// Under the lock: copies the message, whose block can then go. Without memory nothing has
/// happened; corrupt_payload is for the caller to act on.
ErrorCode Channel::copy_small(Message& message, std::uint32_t index, const BlockFields& fields,
                              StateWord word) noexcept {
  const BlockPlan plan = fields.plan();
  const std::size_t metadata_begin = metadata_place(plan.payload_bytes);
  std::byte* buffer = platform::buffer_pool::acquire(metadata_begin + fields.metadata_bytes);
  if (buffer == nullptr) return ErrorCode::out_of_memory;
  const std::byte* block = ring_->segment().arena() + fields.offset;
  if (!red_zone::intact(block, plan, index, generation_of(word))) {
    platform::buffer_pool::release(buffer);
    return ErrorCode::corrupt_payload;
  }
  std::memcpy(buffer, block, plan.payload_bytes);
  if (fields.metadata_bytes > 0) {
    std::memcpy(buffer + metadata_begin, block + plan.metadata_offset(), fields.metadata_bytes);
  }
  message.buffer_ = buffer;
  message.payload_ = {buffer, static_cast<std::size_t>(plan.payload_bytes)};
  message.metadata_ = {reinterpret_cast<const char*>(buffer + metadata_begin),
                       static_cast<std::size_t>(fields.metadata_bytes)};
  message.descriptor_ = Message::kNoBlock;
  return ErrorCode::ok;
}

/// What needs no lock: check, private copies, and the release of what was copied.
ErrorCode Channel::complete_borrow(Message& message) noexcept {
  if (message.descriptor_ != Message::kNoBlock) {
    check_for_deaths(message.payload_.size());
    const std::uint32_t index = message.descriptor_;
    const BlockPlan plan{message.payload_.size(), message.metadata_.size()};
    if (!red_zone::intact(message.payload_.data(), plan, index, generation_of(message.word_))) {
      drop_borrowed(message);
      return ErrorCode::corrupt_payload;
    }
    const std::size_t payload_bytes = message.is_view_ ? 0 : message.payload_.size();
    const std::size_t metadata_begin = metadata_place(payload_bytes);
    if (payload_bytes + message.metadata_.size() > 0) {
      std::byte* buffer = platform::buffer_pool::acquire(metadata_begin + message.metadata_.size());
      if (buffer == nullptr) {
        put_back(message, platform::now_ns() + Redelivery::kRequeueWaitNs);
        return ErrorCode::out_of_memory;
      }
      std::memcpy(buffer, message.payload_.data(), payload_bytes);
      std::memcpy(buffer + metadata_begin, message.metadata_.data(), message.metadata_.size());
      message.metadata_ = {reinterpret_cast<const char*>(buffer + metadata_begin),
                           message.metadata_.size()};
      message.buffer_ = buffer;
      if (!message.is_view_) message.payload_ = {buffer, payload_bytes};
    }
    if (ring_->must_finish()) {
      if (!redelivery_.add(index, message.word_, message.is_view_)) {
        put_back(message, platform::now_ns() + Redelivery::kRequeueWaitNs);
        release(message);
        return ErrorCode::out_of_memory;
      }
      // A copy may outlive its block, and then still ask for `done` or `requeue`.
      if (!message.is_view_) add_reference();
      if (closed()) finish(message);  // Too late for close() to do it.
    } else if (!message.is_view_) {
      give_back(message);
    }
  }
  if (message.metadata_.empty()) message.metadata_ = kBytesMetadata;
  return ErrorCode::ok;
}

/// A message whose red zone is broken: dropped and counted, or just returned without the lock.
void Channel::drop_borrowed(Message& message) noexcept {
  const std::uint32_t index = std::exchange(message.descriptor_, Message::kNoBlock);
  const StateWord word = message.word_;
  release(message);
  Deadline deadline(platform::kSecond);
  if (ring_->subscribes()) {
    ring_->subscription().count_missed();  // What workers make of it is their business.
    ring_->release_share(index, word);
  } else if (lock(deadline) != ErrorCode::ok) {
    ring_->release_block(index, word);
  } else {
    if (ring_->blocks().word_of(index) == word) ring_->blocks().drop(index);
    ring_->unlock();
    ring_->space_event().wake_all();
    ring_->wake_if_stream_may_end();
  }
  count_release();
}

/// Gives the block of a message back; the message keeps only private memory.
void Channel::give_back(Message& message) noexcept {
  message.channel_ = nullptr;
  const std::uint32_t index = std::exchange(message.descriptor_, Message::kNoBlock);
  if (ring_->subscribes()) {
    ring_->release_share(index, message.word_);
  } else if (ring_->redelivers()) {
    return redelivery_.release(index, message.word_);
  } else {
    ring_->release_block(index, message.word_);
  }
  count_release();
}

bool Channel::take_back(Message& message, std::int64_t deadline_ns) noexcept {
  if (ring_->subscribes()) return take_back_shared(message);
  const bool redelivers = ring_->redelivers();
  if (forked() || message.descriptor_ == Message::kNoBlock ||
      (redelivers && !redelivery_.forget(message.descriptor_, message.word_))) {
    release(message);
    return forked();  // There it is the parent's.
  }
  const bool holds_reference = redelivers && !message.is_view_;
  const bool is_back = put_back(message, deadline_ns);
  release(message);  // Its private memory.
  if (holds_reference) unreference();
  return is_back;
}

/// BORROWED -> READY for a message that nobody has seen; see `take_back`.
bool Channel::put_back(Message& message, std::int64_t deadline_ns) noexcept {
  if (ring_->subscribes()) return keep_in_hand(message);
  const std::uint32_t index = std::exchange(message.descriptor_, Message::kNoBlock);
  message.channel_ = nullptr;
  message.payload_ = {};
  message.metadata_ = {};
  const StateWord word = message.word_;
  if (redelivery_.requeue_block(index, word, deliveries_of(word) - 1, deadline_ns)) return true;
  const bool redelivers = ring_->redelivers();
  if (redelivers) {
    leave_unclean();  // It stays BORROWED until others recover what this handle has left.
  } else {
    ring_->release_block(index, word);
  }
  count_release();
  return redelivers;
}

void Channel::release(Message& message) noexcept {
  // A message without a block may outlive its channel, so only one with a block looks at it.
  Channel* channel = std::exchange(message.channel_, nullptr);
  message.payload_ = {};
  message.metadata_ = {};
  const bool holds_reference = !std::exchange(message.is_view_, false);
  platform::buffer_pool::release(static_cast<std::byte*>(std::exchange(message.buffer_, nullptr)));
  if (message.descriptor_ == Message::kNoBlock) return;
  if (channel->forked()) {
    message.descriptor_ = Message::kNoBlock;
    return;
  }
  channel->give_back(message);
  if (holds_reference) channel->unreference();
}

void Channel::finish(Message& message) noexcept {
  if (forked() || message.descriptor_ == Message::kNoBlock || !ring_->must_finish()) return;
  redelivery_.finish(message.descriptor_, message.word_);
}

void Channel::requeue(Message& message) noexcept {
  if (forked() || message.descriptor_ == Message::kNoBlock || !ring_->must_finish()) return;
  redelivery_.requeue(message.descriptor_, message.word_);
}

void Channel::count_damaged(std::uint64_t id) noexcept {
  if (ring_->subscribes()) return ring_->subscription().count_missed();
  if (!forked() && ring_->redelivers() && id != 0 && !redelivery_.finish(id)) return;
  Deadline deadline(platform::kSecond);
  if (lock(deadline) != ErrorCode::ok) return;
  ring_->header().dropped += 1;
  ring_->unlock();
}

void Channel::count_given_up(std::size_t count) noexcept {
  if (ring_->subscribes()) return ring_->subscription().count_missed(count);
  Deadline deadline(platform::kSecond);
  if (forked() || lock(deadline) != ErrorCode::ok) return;
  ring_->header().overflowed += count;
  ring_->unlock();
}

}  // namespace ipc0cp::shm
