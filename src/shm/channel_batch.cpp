// SPDX-License-Identifier: Apache-2.0
// Many small messages under one lock hold and one wake.
#include <algorithm>
#include <array>
#include <cstring>

#include "shm/channel.hpp"
#include "shm/channel_request.hpp"

namespace ipc0cp::shm {

/// Pushes in order. What is too large for a lock hold, or finds no room, goes the way of `push`.
ErrorCode Channel::push_many(std::span<const RawMessage> messages, Deadline& deadline,
                             std::size_t& pushed) noexcept {
  pushed = 0;
  while (pushed < messages.size()) {
    const std::size_t before = pushed;
    // A short queue of small messages stays in the cache; one by one they are better off apart.
    if (ring_->queue.size() >= kSoftCapOfBatches && !deadline.never_waits()) {
      wait_for_soft_cap(0, kSoftCapOfBatches - kMostInOneHold, deadline);
    }
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

/// Waits for the first message like `pop`, then takes what else is queued.
ErrorCode Channel::pop_many(std::size_t most, Deadline& deadline,
                            std::vector<Message>& messages) noexcept {
  const std::size_t begin = messages.size();
  Message first;
  const ErrorCode result = pop(deadline, first);
  if (result != ErrorCode::ok) return result;
  messages.push_back(std::move(first));
  while (messages.size() - begin < most) {
    const std::size_t count = messages.size();
    const std::size_t places = std::min(kMostInOneHold, begin + most - count);
    messages.resize(count + places);  // Within its capacity, so nothing is allocated.
    const std::size_t taken = take_queued(std::span(messages).subspan(count));
    messages.resize(count + taken);
    if (taken < places) break;
  }
  return ErrorCode::ok;
}

std::size_t Channel::take_queued(std::span<Message> messages, const Likeness* likeness) noexcept {
  messages = messages.first(std::min(messages.size(), kMostInOneHold));
  warm_up(messages.size());
  Deadline now(0);
  if (messages.empty() || enter(now) != ErrorCode::ok) return 0;
  std::size_t taken = 0;
  std::uint32_t freed = 0;
  while (taken < messages.size() && next_can_be_taken(likeness) &&
         attempt_pop(messages[taken]) == ErrorCode::ok) {
    if (messages[taken].descriptor_plus_1_ == 0) freed += 1;
    taken += 1;
  }
  static_cast<void>(ring_->leave());  // What was taken is ours, whatever has become of the lock.
  wake_next_consumer();
  if (freed > 0) signal_space(freed);
  std::size_t whole = 0;
  for (Message& message : messages.first(taken)) {
    // Without memory a message goes back to its place, and those behind it overtake it.
    if (complete_borrow(message) != ErrorCode::ok) continue;
    if (&messages[whole] != &message) messages[whole] = std::move(message);
    whole += 1;
  }
  return whole;
}

std::size_t Channel::take_rows(const Likeness& likeness, std::span<std::byte> rows,
                               std::size_t most) noexcept {
  const std::size_t row_bytes = likeness.payload_bytes;
  std::size_t count = 0;
  while (count < most) {
    std::array<Message, kMostInOneHold> messages;
    const std::size_t places = std::min(kMostInOneHold, most - count);
    const std::size_t taken = take_queued(std::span(messages).first(places), &likeness);
    for (const Message& message : std::span(messages).first(taken)) {
      if (row_bytes > 0) {
        std::memcpy(rows.data() + count * row_bytes, message.payload().data(), row_bytes);
      }
      count += 1;
    }
    if (taken < places) break;
  }
  return count;
}

/// Without the lock: nothing that it reads can be relied on, and nothing but speed depends on it.
void Channel::warm_up(std::size_t most) const noexcept {
  constexpr std::uint64_t kLine = 64;
  constexpr std::uint64_t kLines = 3;  // Payload, red zone and metadata of a small message.
  const std::uint64_t last_offset = geometry().arena_bytes() - kLines * kLine;
  std::uint32_t index = ring_->queue.head();
  for (std::size_t count = 0; count < most && index < geometry().descriptor_count; ++count) {
    const Descriptor& descriptor = ring_->segment->descriptor(index);
    __builtin_prefetch(&descriptor, 1);
    const std::uint32_t next = descriptor.link_next;
    const std::uint64_t offset = descriptor.offset;
    for (std::uint64_t line = 0; line < kLines && offset <= last_offset; ++line) {
      __builtin_prefetch(ring_->segment->arena() + offset + line * kLine);
    }
    index = next;
  }
}

/// Under the lock: whether the head is sound and like what is asked for. A damaged message is left
/// to the next pop, which reports it.
bool Channel::next_can_be_taken(const Likeness* likeness) const noexcept {
  const std::uint32_t head = ring_->queue.head();
  if (head == kNone) return false;
  const BlockFields fields = ring_->segment->read_fields(head);
  if (!ring_->segment->plausible(head, fields, true)) return false;
  if (likeness != nullptr && (fields.payload_bytes != likeness->payload_bytes ||
                              metadata_in_ring(fields) != stored_form(likeness->metadata))) {
    return false;
  }
  return is_intact(head, fields);
}

}  // namespace ipc0cp::shm
