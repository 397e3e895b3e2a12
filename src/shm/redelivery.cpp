// SPDX-License-Identifier: Apache-2.0
// Redelivery: a message whose consumer died goes back to its place.
//
// On such a ring every message stays BORROWED until it is finished, so that recover() finds it. A
// finished message that is still viewed is KEPT: its owner's death frees it.
#include <array>
#include <span>
#include <string>

#include "log_internal.hpp"
#include "platform/clock.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {
namespace {

// A destructor may be waiting.
constexpr std::int64_t kRequeueWaitNs = 50 * platform::kMillisecond;
constexpr std::size_t kVerdictsAtOnce = 64;

}  // namespace

void Channel::finish(Message& message) noexcept {
  if (forked() || message.descriptor_plus_1_ == 0 || !redelivers()) return;
  settle(unfinished_.finish(
      message.descriptor_plus_1_ - 1, message.word_,
      [this](std::uint32_t index, StateWord word) { return keep(index, word); }));
}

void Channel::finish_popped(bool of_any_thread) noexcept {
  if (forked() || !redelivers()) return;
  std::array<Unfinished::Verdict, kVerdictsAtOnce> verdicts;
  std::size_t returned = verdicts.size();
  while (returned == verdicts.size()) {
    returned = unfinished_.finish_popped(
        of_any_thread, verdicts,
        [this](std::uint32_t index, StateWord word) { return keep(index, word); });
    for (const Unfinished::Verdict& verdict : std::span(verdicts).first(returned)) settle(verdict);
  }
}

void Channel::requeue(Message& message) noexcept {
  if (forked() || message.descriptor_plus_1_ == 0 || !redelivers()) return;
  settle(unfinished_.requeue(message.descriptor_plus_1_ - 1, message.word_));
}

void Channel::requeue_latest() noexcept {
  if (forked() || !redelivers()) return;
  settle(unfinished_.requeue_latest());
}

/// BORROWED -> KEPT: finished, but its memory is still looked at.
StateWord Channel::keep(std::uint32_t index, StateWord word) noexcept {
  StateWord expected = word;
  const StateWord kept = with_state(word, State::kKept);
  Descriptor& descriptor = ring_->segment->descriptor(index);
  if (!descriptor.state.compare_exchange_strong(expected, kept, std::memory_order_acq_rel)) {
    return word;
  }
  message_is_finished();
  return kept;
}

/// On a ring that redelivers, the end of the stream may have waited for it.
void Channel::message_is_finished() noexcept {
  if (redelivers()) ring_->data_event.wake_all();
}

void Channel::settle(const Unfinished::Verdict& verdict) noexcept {
  if (verdict.fate == Unfinished::Fate::stays) return;
  const bool requeue = verdict.fate == Unfinished::Fate::requeued;
  const std::uint32_t deliveries = deliveries_of(verdict.word);
  if (!requeue) {
    return_word(verdict.descriptor, verdict.word);
  } else if (!requeue_block(verdict.descriptor, verdict.word, deliveries)) {
    // The lock's holder is stopped. The message stays BORROWED and goes back when this handle's
    // token is free: left unclean, so that others recover it.
    leave_unclean_ = true;
    let_go_of_one();
  }
}

/// Under the lock: BORROWED -> READY with the old sequence, or dropped after too many deliveries.
/// False if the lock was not to be had or the block is not ours any more.
bool Channel::requeue_block(std::uint32_t index, StateWord word,
                            std::uint32_t deliveries) noexcept {
  // Also a closed handle gives back what it holds; the token stays as long as it holds anything.
  if (ring_->enter_to_leave(platform::now_ns() + kRequeueWaitNs) != ErrorCode::ok) return false;
  Header& header = ring_->header();
  Descriptor& descriptor = ring_->segment->descriptor(index);
  if (descriptor.state.load(std::memory_order_relaxed) != word) {
    ring_->leave();
    return false;
  }
  const std::uint64_t bytes = descriptor.payload_bytes + descriptor.metadata_bytes;
  if (deliveries >= kMaxDeliveries) {
    const std::uint64_t id = descriptor.sequence;
    drop_block(*ring_->segment, ring_->allocator, ring_->recovery, index);
    ring_->leave();
    ring_->space_event.wake_all();
    message_is_finished();
    log_poison(id, deliveries);
    let_go_of_one();
    return true;
  }
  descriptor.state.store(make_state(State::kReady, 0, deliveries, generation_of(word)),
                         std::memory_order_release);
  ring_->queue.insert_by_sequence(index, bytes);
  if (index != geometry().relief_descriptor()) {
    header.borrowed_blocks -= 1;
    header.borrowed_bytes -= bytes;
  }
  ring_->leave();
  ring_->data_event.wake_one();
  let_go_of_one();
  return true;
}

void Channel::log_poison(std::uint64_t id, std::uint32_t deliveries) const noexcept {
  try {
    log(LogLevel::warning, "ring '" + name() + "': message " + std::to_string(id) +
                               " is dropped, it came back from all of its " +
                               std::to_string(deliveries) + " deliveries");
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "a message is dropped after too many deliveries");
  }
}

/// Under the lock: whether a message may still come back from another consumer.
bool Channel::others_hold_messages() const noexcept {
  for (std::uint32_t index = 0; index < geometry().descriptor_count; ++index) {
    const StateWord word = ring_->segment->descriptor(index).state.load(std::memory_order_relaxed);
    if (state_of(word) == State::kBorrowed && owner_of(word) != ring_->participants.self()) {
      return true;
    }
  }
  return false;
}

}  // namespace ipc0cp::shm
