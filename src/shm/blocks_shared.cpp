// SPDX-License-Identifier: Apache-2.0
// Blocks that subscribers share: who frees them, and how they are counted.
#include <algorithm>
#include <bit>
#include <utility>

#include "shm/blocks.hpp"

namespace ipc0cp::shm {

// ---- the end of a message -----------------------------------------------------------------------

/// Under the lock: the queue is done with it. Stored, then looked again: a store and a load of two
/// words, of which the subscriber that finishes last does the reverse.
void Blocks::serve(std::uint32_t index, StateWord word) noexcept {
  segment_.descriptor(index).state.store(served(word), std::memory_order_seq_cst);
  if (shares_.left(index, word) == 0) free_served(index, word);
}

bool Blocks::free_served(std::uint32_t index, StateWord word) noexcept {
  if (!segment_.plausible(index, segment_.read_fields(index), true)) [[unlikely]] {
    quarantine_served(index, word);
    return false;
  }
  if (!shares_.free_if_served(index, word)) return false;
  forget(index, served(word));
  return true;
}

/// Of an impossible block, which the allocator would join to its neighbours: SERVED -> QUARANTINED,
/// unless a share is left. It stays in the counts until the next recover().
void Blocks::quarantine_served(std::uint32_t index, StateWord word) noexcept {
  StateWord expected = served(word);
  const StateWord out_of_use = with_state(freed(word), State::kQuarantined);
  if (shares_.left(index, word) != 0 || !segment_.descriptor(index).state.compare_exchange_strong(
                                            expected, out_of_use, std::memory_order_seq_cst)) {
    return;
  }
  header_.quarantined += 1;
  header_.recovery_wanted.store(1, std::memory_order_relaxed);
}

bool Blocks::serve_without_lock(std::uint32_t index, StateWord word) noexcept {
  std::atomic<StateWord>& state = segment_.descriptor(index).state;
  StateWord expected = word;
  if (!state.compare_exchange_strong(expected, served(word), std::memory_order_seq_cst) &&
      (expected != with_state(word, State::kKept) ||
       !state.compare_exchange_strong(expected, served(word), std::memory_order_seq_cst))) {
    return false;
  }
  return shares_.left(index, word) == 0 && return_served(index, word);
}

/// SERVED -> RETURNED by us, if nobody was faster.
bool Blocks::return_served(std::uint32_t index, StateWord word) noexcept {
  StateWord expected = served(word);
  return segment_.descriptor(index).state.compare_exchange_strong(
      expected, returned_from_served(word, participants_.self()), std::memory_order_seq_cst);
}

// ---- counts -------------------------------------------------------------------------------------

void Blocks::count_view(std::uint32_t index, StateWord word) noexcept {
  Relaxed<std::uint32_t>& is_counted = segment_.record(index).is_counted;
  if (is_counted != 0 || !is_shared(word)) return;
  is_counted = 1;
  if (index != segment_.geometry().relief_descriptor()) count_borrowed(bytes_of(index));
}

bool Blocks::is_in_use_by_readers(std::uint32_t index, StateWord word) const noexcept {
  const State state = state_of(word);
  return state == State::kBorrowed || state == State::kKept ||
         shares_.in_hand(shares_.left(index, word), segment_.descriptor(index).sequence) != 0;
}

bool Blocks::recount_views() noexcept {
  if (!segment_.has_records()) return false;
  bool fewer = false;
  bool is_first = true;
  for (std::uint64_t sequence = shares_.oldest_from(oldest_shared_);
       sequence < header_.next_sequence; ++sequence) {
    const std::uint32_t index = shares_.find(sequence);
    if (index == kNone) continue;
    if (std::exchange(is_first, false)) oldest_shared_ = sequence;
    if (index == segment_.geometry().relief_descriptor()) continue;
    Relaxed<std::uint32_t>& is_counted = segment_.record(index).is_counted;
    if (is_counted == 0 || is_in_use_by_readers(index, word_of(index))) continue;
    is_counted = 0;
    header_.borrowed_blocks -= 1;
    header_.borrowed_bytes -= bytes_of(index);
    fewer = true;
  }
  if (is_first) oldest_shared_ = header_.next_sequence;
  return fewer;
}

void Blocks::advance_front(std::uint64_t cursor) noexcept {
  if (!is_broadcast()) return;
  queue_.note_pop();
  if (cursor <= header_.front) return;
  // A cursor of a damaged ring may lie anywhere.
  const std::uint64_t end = std::min<std::uint64_t>(cursor, header_.next_sequence);
  for (std::uint64_t sequence = shares_.oldest_from(header_.front); sequence < end; ++sequence) {
    const std::uint32_t index = shares_.find(sequence);
    if (index != kNone) queue_.count(-1, bytes_of(index));
  }
  header_.front = cursor;
}

void Blocks::recount_front() noexcept {
  if (!is_broadcast()) return;
  std::uint64_t front = 0;
  for (std::uint64_t rest = header_.subscriber_bits & kShareBits; rest != 0; rest &= rest - 1) {
    const auto number = static_cast<std::uint32_t>(std::countr_zero(rest));
    front = std::max(front, shares_.cursor_of(number));
  }
  if (header_.subscriber_bits == 0) front = header_.next_sequence;
  queue_.reset();
  header_.front = front;
  for (std::uint64_t sequence = shares_.oldest_from(header_.front);
       sequence < header_.next_sequence; ++sequence) {
    const std::uint32_t index = shares_.find(sequence);
    if (index != kNone) queue_.count(1, bytes_of(index));
  }
}

/// What is freed before the foremost subscriber was given it.
void Blocks::leave_queue_of_broadcast(std::uint32_t index) noexcept {
  if (!is_broadcast() || segment_.descriptor(index).sequence < header_.front) return;
  queue_.count(-1, bytes_of(index));
}

}  // namespace ipc0cp::shm
