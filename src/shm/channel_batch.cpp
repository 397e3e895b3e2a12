// SPDX-License-Identifier: Apache-2.0
// Many small messages under one lock hold and one wake.
#include <algorithm>
#include <array>
#include <cstring>

#include "platform/buffer_pool.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {

/// Pushes in order. What is too large for a lock hold, or finds no room, goes the way of `push`.
ErrorCode Channel::push_many(std::span<const RawMessage> messages, Deadline& deadline,
                             std::size_t& pushed) noexcept {
  pushed = 0;
  while (pushed < messages.size()) {
    const std::size_t before = pushed;
    // A short queue of small messages stays in the cache; one by one they are better off apart.
    admission_.throttle_batch(kMaxInOneHold, deadline);
    for (const RawMessage& message :
         messages.subspan(pushed).first(std::min(kMaxInOneHold, messages.size() - pushed))) {
      touch(message.metadata_json, message.payload);
    }
    const ErrorCode locked = lock(deadline);
    if (locked != ErrorCode::ok) {
      if (locked != ErrorCode::timeout) return locked;
      const PushRequest next =
          inline_request(stored_form(messages[pushed].metadata_json), messages[pushed].payload);
      tell_refused({next.message_bytes, next.block_bytes});
      return ErrorCode::buffer_full;
    }
    while (pushed < messages.size() && pushed - before < kMaxInOneHold &&
           !admission_.over_soft_cap()) {
      const RawMessage& message = messages[pushed];
      PushRequest request = inline_request(stored_form(message.metadata_json), message.payload);
      if (request.message_bytes > kInlineBytes || try_push(request) != ErrorCode::ok) {
        if (request.must_reserve()) admission_.growth().give_up(request);
        break;
      }
      pushed += 1;
    }
    const ErrorCode unlocked = ring_->unlock();
    if (unlocked != ErrorCode::ok) return unlocked;
    if (pushed > before) {
      check_for_deaths(0);
      ring_->wake_readers();
    }
    if (pushed == messages.size() || pushed - before == kMaxInOneHold) continue;
    const RawMessage& next = messages[pushed];
    const ErrorCode result = push(next.metadata_json, next.payload, deadline);
    if (result != ErrorCode::ok) return result;
    pushed += 1;
  }
  return ErrorCode::ok;
}

/// Waits for the first message like `pop`, then takes what else is queued.
ErrorCode Channel::pop_many(std::size_t max_count, Deadline& deadline,
                            std::vector<Message>& messages) noexcept {
  const std::size_t begin = messages.size();
  Message first;
  const ErrorCode result = pop(deadline, first);
  if (result != ErrorCode::ok) return result;
  messages.push_back(std::move(first));
  while (messages.size() - begin < max_count) {
    const std::size_t count = messages.size();
    const std::size_t places = std::min(kMaxInOneHold, begin + max_count - count);
    messages.resize(count + places);  // Within its capacity, so nothing is allocated.
    const std::size_t taken = take_queued(std::span(messages).subspan(count));
    messages.resize(count + taken);
    if (taken < places) break;
  }
  return ErrorCode::ok;
}

std::size_t Channel::take_queued(std::span<Message> messages, const Likeness* likeness) noexcept {
  messages = messages.first(std::min(messages.size(), kMaxInOneHold));
  const std::size_t likely = std::min<std::size_t>(messages.size(), ring_->waiting_messages());
  platform::buffer_pool::prepare_small(static_cast<int>(likely));
  if (!ring_->subscribes()) ring_->blocks().prefetch_queue(messages.size());
  Deadline now(0);
  if (messages.empty() || lock(now) != ErrorCode::ok) return 0;
  // A damaged message is left to the next pop, which reports it.
  const auto next_can_be_taken = [&]() noexcept {
    const Blocks& blocks = ring_->blocks();
    const std::uint32_t head = next_message();
    if (head == kNone) return false;
    const BlockFields fields = ring_->segment().read_fields(head);
    if (!ring_->segment().plausible(head, fields, true)) return false;
    const bool alike =
        likeness == nullptr || (fields.payload_bytes == likeness->payload_bytes &&
                                blocks.metadata_of(fields) == stored_form(likeness->metadata));
    return alike && blocks.is_intact(head, fields);
  };
  std::size_t taken = 0;
  std::uint32_t freed = 0;
  while (taken < messages.size() && next_can_be_taken() &&
         try_pop(messages[taken]) == ErrorCode::ok) {
    if (messages[taken].descriptor_ == Message::kNoBlock) freed += 1;
    taken += 1;
  }
  static_cast<void>(ring_->unlock());  // What was taken is ours, whatever has become of the lock.
  follow_pop();
  if (freed > 0) ring_->signal_space(freed);
  std::size_t whole = 0;
  for (Message& message : messages.first(taken)) {
    // Without memory a message goes back to its place, and those behind it overtake it.
    if (complete_borrow(message) != ErrorCode::ok) continue;
    if (&messages[whole] != &message) messages[whole] = std::move(message);
    whole += 1;
  }
  tell_popped();
  return whole;
}

std::size_t Channel::take_rows(const Likeness& likeness, std::span<std::byte> rows,
                               std::size_t max_count) noexcept {
  const std::size_t row_bytes = likeness.payload_bytes;
  std::size_t count = 0;
  while (count < max_count) {
    std::array<Message, kMaxInOneHold> messages;
    const std::size_t places = std::min(kMaxInOneHold, max_count - count);
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

}  // namespace ipc0cp::shm
