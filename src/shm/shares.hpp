// SPDX-License-Identifier: Apache-2.0
// What subscribers share of each message: a bit for each who has not finished it, and in which
// order they read.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "shm/segment.hpp"

namespace ipc0cp::shm {

/// The words of shares and the order of one ring.
///
/// Thread and process safety: `left` and `clear` need no lock; the rest needs the ring's.
///
/// Invariants
/// 1. A bit is set once, by the publish and before the state, and then only ever cleared; each time
///    by a CAS loop that gives up if the generation is another one, or the bit is clear already.
/// 2. Unread by subscriber s: its bit is set, and the sequence is not below its cursor. In its
///    hands: its bit is set, and the sequence is below.
/// 3. `order` tells where a shared message is that somebody has not read. It is derived, nobody
///    takes anything out of it: who reads it checks sequence and state.
class Shares {
 public:
  explicit Shares(const Segment& segment) noexcept : segment_(segment), header_(segment.header()) {}

  /// Of a message that is about to be published with this number.
  void begin(std::uint32_t index, std::uint64_t sequence, std::uint32_t generation,
             std::uint64_t bits) noexcept {
    Record& record = segment_.record(index);
    record.is_counted = 0;
    segment_.order(sequence) = index;
    record.shares.store(make_shares(generation, bits), std::memory_order_relaxed);
  }
  /// Who has not finished it. Sequentially consistent: whoever has stored SERVED looks here.
  [[nodiscard]] std::uint64_t left(std::uint32_t index, StateWord word) const noexcept {
    const ShareWord shares = segment_.record(index).shares.load(std::memory_order_seq_cst);
    return generation_of_shares(shares) == generation_of(word) ? bits_of(shares) : 0;
  }
  /// Takes bits away. @return whether any of them was set, and no other one is left.
  bool clear(std::uint32_t index, StateWord word, std::uint64_t bits) noexcept {
    std::atomic<ShareWord>& shares = segment_.record(index).shares;
    ShareWord found = shares.load(std::memory_order_relaxed);
    while (generation_of_shares(found) == generation_of(word) && (found & bits) != 0) {
      if (shares.compare_exchange_weak(found, found & ~bits, std::memory_order_seq_cst,
                                       std::memory_order_relaxed)) {
        return (bits_of(found) & ~bits) == 0;
      }
    }
    return false;
  }
  /// SERVED -> FREE, unless a share is left. Exactly one frees it: a subscriber that finishes it
  /// meanwhile may be faster. @return whether it was this call.
  bool free_if_served(std::uint32_t index, StateWord word) noexcept {
    StateWord expected = served(word);
    return left(index, word) == 0 && segment_.descriptor(index).state.compare_exchange_strong(
                                         expected, freed(word), std::memory_order_seq_cst);
  }

  /// The descriptor of the shared message of this number; kNone: it is gone.
  [[nodiscard]] std::uint32_t find(std::uint64_t sequence) const noexcept {
    const std::uint32_t index = segment_.order(sequence);
    if (index >= segment_.descriptor_mark() && index != segment_.geometry().relief_descriptor()) {
      return kNone;
    }
    const Descriptor& block = segment_.descriptor(index);
    const StateWord word = block.state.load(std::memory_order_acquire);
    return is_shared(word) && is_published(word) && block.sequence == sequence ? index : kNone;
  }
  /// The first number from `cursor` on of a message that has one of these bits, and its
  /// descriptor; the next number to be given and kNone: there is none. A bit may have been cleared,
  /// and the producer killed before it moved the cursor, so those without are skipped.
  std::uint64_t first_unread(std::uint64_t bits, std::uint64_t cursor,
                             std::uint32_t& index) const noexcept {
    for (std::uint64_t sequence = oldest_from(cursor); sequence < header_.next_sequence;
         ++sequence) {
      index = find(sequence);
      if (index == kNone) continue;
      const StateWord word = segment_.descriptor(index).state.load(std::memory_order_acquire);
      if ((left(index, word) & bits) != 0) return sequence;
    }
    index = kNone;
    return header_.next_sequence;
  }
  /// What lies further back has left the order: all that one subscriber has not read is within one
  /// length of it, since each of these messages holds a descriptor.
  [[nodiscard]] std::uint64_t oldest_from(std::uint64_t cursor) const noexcept {
    const std::uint64_t length = std::uint64_t{segment_.geometry().order_mask} + 1;
    const std::uint64_t end = header_.next_sequence;
    return std::max(cursor, end - std::min(end, length));
  }
  /// Those of `bits` whose subscribers have the message in their hands.
  [[nodiscard]] std::uint64_t in_hand(std::uint64_t bits, std::uint64_t sequence) const noexcept {
    std::uint64_t found = 0;
    for (std::uint64_t rest = bits; rest != 0; rest &= rest - 1) {
      const auto number = static_cast<std::uint32_t>(std::countr_zero(rest));
      if (sequence < cursor_of(number)) found |= rest & -rest;
    }
    return found;
  }
  /// Of the subscriber with this entry; 0 if nobody has it.
  [[nodiscard]] std::uint64_t cursor_of(std::uint32_t number) const noexcept {
    const Owner owner = owner_of_entry(header_.entries[number].load(std::memory_order_relaxed));
    return owner == 0 ? std::uint64_t{0} : segment_.slot(slot_of(owner)).cursor;
  }

 private:
  const Segment& segment_;
  Header& header_;
};

}  // namespace ipc0cp::shm
