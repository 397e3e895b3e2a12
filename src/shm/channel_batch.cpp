// SPDX-License-Identifier: Apache-2.0
// Many small messages under one lock hold and one wake.
#include "shm/channel.hpp"
#include "shm/channel_request.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::shm {
namespace {

// Others wait for the lock meanwhile: about 10 us of copying at most.
constexpr std::size_t kMostInOneHold = 64;

}  // namespace

/// Pushes in order. What is too large for a lock hold, or finds no room, goes the way of `push`.
ErrorCode Channel::push_many(std::span<const RawMessage> messages, Deadline& deadline,
                             std::size_t& pushed) noexcept {
  pushed = 0;
  while (pushed < messages.size()) {
    const std::size_t before = pushed;
    const ErrorCode entered = enter(deadline);
    if (entered != ErrorCode::ok) {
      return entered == ErrorCode::timeout ? ErrorCode::buffer_full : entered;
    }
    while (pushed < messages.size() && pushed - before < kMostInOneHold && !over_soft_cap_) {
      const RawMessage& message = messages[pushed];
      Request request = inline_request(stored_form(message.metadata_json), message.payload);
      if (request.message_bytes > kInlineBytes || attempt_push(request) != ErrorCode::ok) {
        if (request.must_reserve()) give_up_reservation(request);
        break;
      }
      pushed += 1;
    }
    const ErrorCode left = ring_->leave();
    if (left != ErrorCode::ok) return left;
    if (pushed > before) {
      in_passing(0);
      ring_->data_event.wake_one();
    }
    if (pushed == messages.size() || pushed - before == kMostInOneHold) continue;
    const RawMessage& next = messages[pushed];
    const ErrorCode result = push(next.metadata_json, next.payload, deadline);
    if (result != ErrorCode::ok) return result;
    pushed += 1;
  }
  return ErrorCode::ok;
}

/// Waits for the first message like `pop`, then takes what else is queued and small.
ErrorCode Channel::pop_many(std::size_t most, Deadline& deadline,
                            std::vector<Message>& messages) noexcept {
  const std::size_t before = messages.size();
  Message first;
  const ErrorCode result = pop(deadline, first);
  if (result != ErrorCode::ok) return result;
  messages.push_back(std::move(first));
  while (messages.size() - before < most && !redelivers()) {
    Deadline now(0);
    if (enter(now) != ErrorCode::ok) return ErrorCode::ok;
    const std::size_t start = messages.size();
    while (messages.size() - before < most && messages.size() - start < kMostInOneHold) {
      Message message;
      if (!next_is_small_and_sound() || attempt_pop(message) != ErrorCode::ok) break;
      message.metadata_ = message.metadata_.empty() ? kBytesMetadata : message.metadata_;
      messages.push_back(std::move(message));
    }
    const bool full_hold = messages.size() - start == kMostInOneHold;
    if (ring_->leave() != ErrorCode::ok) return ErrorCode::ok;
    wake_next_consumer();
    if (messages.size() > start) signal_space(static_cast<std::uint32_t>(messages.size() - start));
    if (!full_hold) break;
  }
  return ErrorCode::ok;
}

/// Under the lock: whether the head can be taken inside this hold. A damaged message is left to the
/// next pop, which reports it.
bool Channel::next_is_small_and_sound() const noexcept {
  const std::uint32_t head = ring_->queue.head();
  if (head == kNone) return false;
  const BlockFields fields = ring_->segment->read_fields(head);
  if (!ring_->segment->plausible(head, fields, true)) return false;
  if (fields.payload_bytes + fields.metadata_bytes > kInlineBytes) return false;
  const StateWord word = ring_->segment->descriptor(head).state.load(std::memory_order_acquire);
  return red_zone::intact(ring_->segment->arena() + fields.offset, fields.plan(), head,
                          generation_of(word));
}

}  // namespace ipc0cp::shm
