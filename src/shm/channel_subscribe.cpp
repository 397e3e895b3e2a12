// SPDX-License-Identifier: Apache-2.0
// The reading half of a channel that subscribes: the next message of its own, and its share of it.
#include "platform/clock.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {
namespace {

/// Views that nobody needs any more are looked for so often at most.
constexpr std::int64_t kCountViewsEveryNs = 10 * platform::kMillisecond;

/// While one message is looked at, so much is copied: 3 ns.
constexpr std::uint64_t kBytesCopiedPerStep = 64;

}  // namespace

/// Under the lock: what a pop would take; kNone: nothing, or what is in hand already.
std::uint32_t Channel::next_message() noexcept {
  if (!ring_->subscribes()) return ring_->blocks().head();
  std::uint64_t sequence = 0;
  return ring_->subscription().any_held() ? kNone : ring_->subscription().next(sequence);
}

/// Under the lock.
ErrorCode Channel::try_pop_shared(Message& message) noexcept {
  Subscription& subscription = ring_->subscription();
  Blocks& blocks = ring_->blocks();
  if (!subscription.is_ours()) return ErrorCode::corrupt_buffer;
  std::uint32_t index = kNone;
  std::uint64_t sequence = 0;
  StateWord word = 0;
  const bool is_in_hand = subscription.take_held(index, word);
  if (!is_in_hand) {
    index = subscription.next(sequence);
    if (index == kNone) return ending_.answer();
    word = blocks.word_of(index);
  }
  const BlockFields fields = ring_->segment().read_fields(index);
  if (!ring_->segment().plausible(index, fields, true)) {
    if (is_in_hand) {
      count_release();
      ring_->release_share(index, word);
    } else {
      give_up_share(index, sequence);
    }
    return ErrorCode::corrupt_payload;
  }
  message.id_ = fields.sequence;
  message.deliveries_ = 1;
  if (fields.payload_bytes + fields.metadata_bytes <= kInlineBytes && !is_in_hand) {
    const ErrorCode copied = copy_small(message, index, fields, word);
    if (copied == ErrorCode::corrupt_payload) give_up_share(index, sequence);
    if (copied != ErrorCode::ok) return copied;
    subscription.take(sequence);
    blocks.note_given(sequence, fields);
    blocks.clear_shares(index, word, subscription.bit());
    return ErrorCode::ok;
  }
  message.is_view_ = may_view_shared(index, fields);
  if (!is_in_hand) {
    subscription.take(sequence);
    blocks.note_given(sequence, fields);
    count_acquired();
  }
  if (message.is_view_) blocks.count_view(index, word);
  message.word_ = word;
  refer_to_block(message, index, fields);
  return ErrorCode::ok;
}

/// Under the lock: tells of the next message and leaves it.
ErrorCode Channel::try_pop_shared(Peek& peek) noexcept {
  Subscription& subscription = ring_->subscription();
  Blocks& blocks = ring_->blocks();
  if (!subscription.is_ours()) return ErrorCode::corrupt_buffer;
  std::uint64_t sequence = 0;
  std::uint32_t index = subscription.first_held();
  const bool is_in_hand = index != kNone;
  if (!is_in_hand) index = subscription.next(sequence);
  if (index == kNone) return ending_.answer();
  const BlockFields fields = ring_->segment().read_fields(index);
  const bool is_sound =
      ring_->segment().plausible(index, fields, true) && blocks.is_intact(index, fields);
  if (!is_sound && !is_in_hand) give_up_share(index, sequence);
  if (!is_sound) return ErrorCode::corrupt_payload;
  tell_of(fields, peek);
  return ErrorCode::ok;
}

/// Under the lock: takes the last message, or gives its own shares of as many as one hold may.
ErrorCode Channel::try_pop_shared(Latest& latest) noexcept {
  Subscription& subscription = ring_->subscription();
  Blocks& blocks = ring_->blocks();
  if (!subscription.is_ours()) return ErrorCode::corrupt_buffer;
  if (latest.newest == 0) latest.newest = ring_->header().next_sequence - 1;
  latest.is_behind = false;
  for (std::uint32_t count = 0; !subscription.any_held(); ++count) {
    std::uint64_t sequence = 0;
    const std::uint32_t index = subscription.next(sequence);
    std::uint32_t newer = kNone;
    if (index != kNone) blocks.shares().first_unread(subscription.bit(), sequence + 1, newer);
    if (newer == kNone || sequence >= latest.newest) break;
    latest.is_behind = count == GivingUp::kMaxInOneHold;
    if (latest.is_behind) return ErrorCode::ok;
    give_up_share(index, sequence);
    latest.given_up += 1;
  }
  return try_pop_shared(latest.message);
}

/// Under the lock: a message is damaged, or older than what is wanted. What the queue and other
/// subscribers make of it is theirs.
void Channel::give_up_share(std::uint32_t index, std::uint64_t sequence) noexcept {
  Subscription& subscription = ring_->subscription();
  subscription.take(sequence);
  subscription.count_missed();
  ring_->blocks().advance_front(sequence + 1);
  ring_->blocks().clear_shares(index, ring_->blocks().word_of(index), subscription.bit());
}

bool Channel::may_view_shared(std::uint32_t index, const BlockFields& fields) noexcept {
  Blocks& blocks = ring_->blocks();
  if (!blocks.is_worth_viewing(index, fields)) return false;
  if (blocks.may_view(index, fields)) return true;
  if (blocks.collect() && blocks.may_view(index, fields)) return true;
  // Worth it if it takes less than the copy would; else now and then.
  if (blocks.messages_to_recount() * kBytesCopiedPerStep > fields.payload_bytes) {
    const std::int64_t now_ns = platform::now_ns();
    if (now_ns - views_counted_ns_ < kCountViewsEveryNs) return false;
    views_counted_ns_ = now_ns;
  }
  return blocks.recount_views() && blocks.may_view(index, fields);
}

/// A message of which no copy could be made: the next pop gives it. @return false: it is missed.
bool Channel::keep_in_hand(Message& message) noexcept {
  const std::uint32_t index = std::exchange(message.descriptor_, Message::kNoBlock);
  message.channel_ = nullptr;
  message.payload_ = {};
  message.metadata_ = {};
  if (ring_->subscription().hold(index, message.word_)) {
    if (closed()) release_held();  // Too late for close() to do it.
    return true;
  }
  ring_->subscription().count_missed();
  ring_->release_share(index, message.word_);
  count_release();
  return false;
}

/// A message that was not handed out, of a handle that is closed: others have shares of their own.
bool Channel::take_back_shared(Message& message) noexcept {
  release(message);
  return true;
}

/// What is in hand without being handed out, at the end.
void Channel::release_held() noexcept {
  std::uint32_t index = kNone;
  StateWord word = 0;
  while (ring_->subscription().take_held(index, word)) {
    ring_->release_share(index, word);
    count_release();
  }
}

}  // namespace ipc0cp::shm
