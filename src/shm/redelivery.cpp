// SPDX-License-Identifier: Apache-2.0
#include "shm/redelivery.hpp"

#include <array>
#include <new>
#include <span>
#include <string>

#include "platform/clock.hpp"
#include "platform/log.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::size_t kVerdictsAtOnce = 64;

}  // namespace

void Redelivery::finish(std::uint32_t index, StateWord word) noexcept {
  carry_out(unfinished_.finish(index, word, [this](std::uint32_t block, StateWord borrowed) {
    return keep(block, borrowed);
  }));
}

bool Redelivery::finish(std::uint64_t id) noexcept {
  const Segment& segment = handle_.ring().segment();
  Unfinished::Verdict verdict;
  const bool found = unfinished_.finish_where(
      [&](std::uint32_t index) { return segment.descriptor(index).sequence == id; },
      [this](std::uint32_t index, StateWord word) { return keep(index, word); }, verdict);
  carry_out(verdict);
  return found;
}

void Redelivery::finish_popped(bool of_any_thread) noexcept {
  if (handle_.forked() || !handle_.ring().redelivers()) return;
  std::array<Unfinished::Verdict, kVerdictsAtOnce> verdicts;
  std::size_t returned = verdicts.size();
  while (returned == verdicts.size()) {
    returned = unfinished_.finish_popped(
        of_any_thread, verdicts,
        [this](std::uint32_t index, StateWord word) { return keep(index, word); });
    for (const Unfinished::Verdict& verdict : std::span(verdicts).first(returned)) {
      carry_out(verdict);
    }
  }
}

void Redelivery::requeue(std::uint32_t index, StateWord word) noexcept {
  carry_out(unfinished_.requeue(index, word));
}

void Redelivery::requeue_latest() noexcept {
  if (handle_.forked() || !handle_.ring().redelivers()) return;
  carry_out(unfinished_.requeue_latest());
}

/// BORROWED -> KEPT. @return the word that the block carries now.
StateWord Redelivery::keep(std::uint32_t index, StateWord word) noexcept {
  if (!handle_.ring().blocks().keep(index, word)) return word;
  handle_.ring().wake_if_stream_may_end();
  return with_state(word, State::kKept);
}

void Redelivery::carry_out(const Unfinished::Verdict& verdict) noexcept {
  if (verdict.fate == Unfinished::Fate::stays) return;
  if (verdict.fate != Unfinished::Fate::requeued) {
    handle_.ring().release_block(verdict.descriptor, verdict.word);
    handle_.count_release();
  } else if (!requeue_block(verdict.descriptor, verdict.word, deliveries_of(verdict.word),
                            platform::now_ns() + kRequeueWaitNs)) {
    // The lock's holder is stopped. The message stays BORROWED and goes back when this handle's
    // token is free: left unclean, so that others recover it.
    handle_.leave_unclean();
    handle_.count_release();
  }
}

bool Redelivery::requeue_block(std::uint32_t index, StateWord word, std::uint32_t deliveries,
                               std::int64_t deadline_ns) noexcept {
  AttachedRing& ring = handle_.ring();
  // Also a closed handle gives back what it holds; the token stays as long as it holds anything.
  if (ring.token_lost()) return false;
  if (ring.lock_although_closed(deadline_ns) != ErrorCode::ok) return false;
  const StateWord found = ring.blocks().word_of(index);
  if (found != word && found != with_state(word, State::kKept)) {
    ring.unlock();
    return false;
  }
  if (deliveries >= kMaxDeliveries) {
    const std::uint64_t id = ring.segment().descriptor(index).sequence;
    ring.blocks().drop(index);
    ring.unlock();
    ring.space_event().wake_all();
    ring.wake_if_stream_may_end();
    log_poison(id, deliveries);
  } else {
    ring.blocks().requeue(index, word, deliveries);
    ring.unlock();
    ring.data_event().wake_one();
  }
  handle_.count_release();
  return true;
}

void Redelivery::log_poison(std::uint64_t id, std::uint32_t deliveries) const noexcept {
  try {
    log(LogLevel::warning, "ring '" + handle_.ring().name() + "': message " + std::to_string(id) +
                               " is dropped, it came back from all of its " +
                               std::to_string(deliveries) + " deliveries");
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "a message is dropped after too many deliveries");
  }
}

}  // namespace ipc0cp::shm
