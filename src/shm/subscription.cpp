// SPDX-License-Identifier: Apache-2.0
#include "shm/subscription.hpp"

#include <algorithm>
#include <new>

#include "platform/log.hpp"
#include "shm/blocks.hpp"

namespace ipc0cp::shm {
namespace {

constexpr int kGivenBackInOneHold = 64;  ///< About 10 us; others wait for the lock meanwhile.

}  // namespace

bool Subscription::join(bool drops) noexcept {
  Header& header = segment_.header();
  for (number_ = 0; number_ < kSubscriberCount; ++number_) {
    if (entry().load(std::memory_order_relaxed) == 0) break;
  }
  if (number_ == kSubscriberCount) return false;
  bit_ = std::uint64_t{1} << number_;
  drops_ = drops;
  expected_ = header.next_sequence;
  participants_.own_slot().cursor = expected_;
  entry().store(participants_.self() | (drops ? kEntryDrops : 0), std::memory_order_release);
  return true;
}

std::uint32_t Subscription::next(std::uint64_t& sequence) noexcept {
  std::uint32_t index = kNone;
  if (!is_ours()) return index;  // The cursor may be that of our successor in the slot.
  sequence = shares_.first_unread(bit_, participants_.own_slot().cursor, index);
  if (index == kNone) move_to(sequence, sequence);
  return index;
}

/// Under the lock.
void Subscription::note_gap(std::uint64_t count) noexcept {
  missed_.fetch_add(count, std::memory_order_relaxed);
  Gap unseen = Gap::kUnseen;
  gap_.compare_exchange_strong(unseen, Gap::kFound, std::memory_order_relaxed);
}

void Subscription::log_gap(const std::string& ring) noexcept {
  Gap found = Gap::kFound;
  if (!gap_.compare_exchange_strong(found, Gap::kLogged, std::memory_order_relaxed)) return;
  try {
    log(LogLevel::warning,
        "ring '" + ring + "': this subscriber has missed " + std::to_string(missed()) +
            (drops_ ? " message(s), which were given up for want of room before it had read them "
                      "(overflow=\"drop_oldest\"). Read faster, make the ring larger "
                      "(total_data_bytes, max_messages), or let producers wait for it "
                      "(overflow=\"block\")."
                    : " message(s), which were damaged.") +
            " Its `missed` counts on; this is said once.");
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "a subscriber has missed messages; no memory left to say more");
  }
}

bool Subscription::hold(std::uint32_t index, StateWord word) noexcept {
  const std::lock_guard guard(held_mutex_);
  const std::size_t count = held_count_.load(std::memory_order_relaxed);
  if (count == held_.size()) return false;
  held_[count] = {index, word};
  held_count_.store(count + 1, std::memory_order_relaxed);
  return true;
}

bool Subscription::take_held(std::uint32_t& index, StateWord& word) noexcept {
  if (!any_held()) [[likely]]
    return false;
  const std::lock_guard guard(held_mutex_);
  const std::size_t count = held_count_.load(std::memory_order_relaxed);
  if (count == 0) return false;
  index = held_.front().index;
  word = held_.front().word;
  std::shift_left(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(count), 1);
  held_count_.store(count - 1, std::memory_order_relaxed);
  return true;
}

void Subscription::begin_leaving() noexcept {
  entry().store(entry().load(std::memory_order_relaxed) | kEntryLeaving, std::memory_order_release);
  Header& header = segment_.header();
  header.subscriber_bits = header.subscriber_bits & ~bit_;
  given_back_ = participants_.own_slot().cursor;
}

bool Subscription::give_back_unread(Blocks& blocks) noexcept {
  for (int count = 0; count < kGivenBackInOneHold; ++count) {
    std::uint32_t index = kNone;
    const std::uint64_t sequence = shares_.first_unread(bit_, given_back_, index);
    if (index == kNone) {
      has_left_ = true;
      return false;
    }
    blocks.clear_shares(index, blocks.word_of(index), bit_);
    given_back_ = sequence + 1;
  }
  return true;
}

void Subscription::end_leaving() noexcept {
  EntryWord word = entry().load(std::memory_order_acquire);
  while (owner_of_entry(word) == participants_.self() &&
         !entry().compare_exchange_weak(word, 0, std::memory_order_acq_rel)) {
  }
}

}  // namespace ipc0cp::shm
