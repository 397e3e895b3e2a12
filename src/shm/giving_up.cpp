// SPDX-License-Identifier: Apache-2.0
#include "shm/giving_up.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace ipc0cp::shm {
namespace {

constexpr std::uint32_t kMaxSteps = 256;  ///< Of a walk that only counts; others wait meanwhile.

}  // namespace

/// Bits of the subscribers that let their messages go.
std::uint64_t GivingUp::droppers() const noexcept {
  const Header& header = ring_.header();
  std::uint64_t found = 0;
  for (std::uint64_t rest = header.subscriber_bits & kShareBits; rest != 0; rest &= rest - 1) {
    const EntryWord entry = header.entries[std::countr_zero(rest)].load(std::memory_order_relaxed);
    if ((entry & kEntryDrops) != 0) found |= rest & -rest;
  }
  return found;
}

/// Bits of those that have still to read this message.
std::uint64_t GivingUp::unread_shares(std::uint32_t index) const noexcept {
  const Shares& shares = ring_.blocks().shares();
  const StateWord word = ring_.blocks().word_of(index);
  if (!is_shared(word)) return 0;
  const std::uint64_t left = shares.left(index, word);
  return left & ~shares.in_hand(left, ring_.segment().descriptor(index).sequence);
}

/// kNone: none of them has anything to read.
std::uint32_t GivingUp::oldest_of_droppers(std::uint64_t& sequence) const noexcept {
  const Shares& shares = ring_.blocks().shares();
  const std::uint64_t droppers = this->droppers();
  std::uint64_t cursor = std::numeric_limits<std::uint64_t>::max();
  for (std::uint64_t rest = droppers; rest != 0; rest &= rest - 1) {
    cursor = std::min(cursor, shares.cursor_of(static_cast<std::uint32_t>(std::countr_zero(rest))));
  }
  sequence = ring_.header().next_sequence;
  for (std::uint32_t index = kNone; cursor < sequence; ++cursor) {
    cursor = shares.first_unread(droppers, cursor, index);
    if (index == kNone) break;
    if ((unread_shares(index) & droppers) == 0) continue;
    sequence = cursor;
    return index;
  }
  return kNone;
}

std::uint64_t GivingUp::oldest(Of of) noexcept {
  Blocks& blocks = ring_.blocks();
  std::uint64_t sequence = 0;
  const std::uint32_t shared = oldest_of_droppers(sequence);
  const std::uint32_t head = blocks.head();
  const bool head_is_older =
      head != kNone && (shared == kNone || ring_.segment().descriptor(head).sequence < sequence);
  if (head_is_older) return of == Of::queue_too ? this->head() : 0;
  if (shared == kNone || !may_go(shared, of)) return 0;
  if (shared == head) return this->head();
  const BlockFields fields = ring_.segment().read_fields(shared);
  clear_unread(shared);
  blocks.free_served(shared, blocks.word_of(shared));
  return fields.plan().block_bytes();
}

/// The head of the queue, with the shares of those that have not read it.
std::uint64_t GivingUp::head() noexcept {
  Blocks& blocks = ring_.blocks();
  const std::uint32_t head = blocks.head();
  if (!head_is_sound() || !may_go(head, Of::queue_too)) return 0;
  const std::uint64_t bytes = ring_.segment().read_fields(head).plan().block_bytes();
  clear_unread(head);
  blocks.give_up_head();
  return bytes;
}

/// False: it was impossible, and the ring has been recovered.
bool GivingUp::head_is_sound() noexcept {
  const std::uint32_t head = ring_.blocks().head();
  const BlockFields fields = ring_.segment().read_fields(head);
  if (state_of(ring_.blocks().word_of(head)) == State::kReady &&
      ring_.segment().plausible(head, fields, true)) {
    return true;
  }
  static_cast<void>(ring_.drop_impossible_head());
  return false;
}

/// Of a message that none but droppers have still to read. First the bit, then the cursor: the
/// other way round, a death in between would leave the message in a hand that does not know of it.
void GivingUp::clear_unread(std::uint32_t index) noexcept {
  Blocks& blocks = ring_.blocks();
  const std::uint64_t sequence = ring_.segment().descriptor(index).sequence;
  for (std::uint64_t rest = unread_shares(index); rest != 0; rest &= rest - 1) {
    blocks.take_share(index, blocks.word_of(index), rest & -rest);
    const auto number = static_cast<std::uint32_t>(std::countr_zero(rest));
    const Owner owner =
        owner_of_entry(ring_.header().entries[number].load(std::memory_order_relaxed));
    ring_.segment().slot(slot_of(owner)).cursor = sequence + 1;
    blocks.advance_front(sequence + 1);
  }
}

bool GivingUp::would_be_free(std::uint32_t index, Of of) const noexcept {
  const StateWord word = ring_.blocks().word_of(index);
  const bool is_held = state_of(word) != State::kReady && state_of(word) != State::kServed;
  if (is_held || !may_go(index, of)) return false;
  return !is_shared(word) || ring_.blocks().shares().left(index, word) == unread_shares(index);
}

/// Whether nobody has still to read this message who does not let it go.
bool GivingUp::may_go(std::uint32_t index, Of of) const noexcept {
  const StateWord word = ring_.blocks().word_of(index);
  const bool is_queued = state_of(word) == State::kReady;
  if (is_queued && of != Of::queue_too) return false;
  return is_published(word) && (unread_shares(index) & ~droppers()) == 0;
}

Blocks::Unread GivingUp::to_be_had(Of of, const Blocks::Unread& enough) const noexcept {
  const Segment& segment = ring_.segment();
  const Blocks& blocks = ring_.blocks();
  const std::uint32_t relief = segment.geometry().relief_descriptor();
  Blocks::Unread found{};
  const auto is_enough = [&]() noexcept {
    return found.bytes >= enough.bytes && found.blocks >= enough.blocks;
  };
  const auto add = [&](std::uint32_t index) noexcept {
    if (index == relief || !would_be_free(index, of)) return;
    const Descriptor& block = segment.descriptor(index);
    found.bytes += block.payload_bytes + block.metadata_bytes;
    found.blocks += 1;
  };
  // What nobody shares was published before all that subscribers have.
  std::uint32_t index = blocks.head();
  std::uint32_t step = 0;
  for (; index != kNone && !is_shared(blocks.word_of(index)); ++step) {
    if (of != Of::queue_too || is_enough()) return found;
    if (step == kMaxSteps) return enough;
    add(index);
    index = segment.descriptor(index).link_next;
  }
  std::uint64_t sequence = 0;
  const std::uint32_t shared = oldest_of_droppers(sequence);
  if (index != kNone) {
    sequence = std::min<std::uint64_t>(sequence, segment.descriptor(index).sequence);
  } else if (shared == kNone) {
    return found;
  }
  for (; sequence < ring_.header().next_sequence && !is_enough(); ++sequence, ++step) {
    if (step >= kMaxSteps) return enough;
    index = blocks.shares().find(sequence);
    if (index == kNone) continue;
    if (!may_go(index, of)) break;
    add(index);
  }
  return found;
}

std::uint32_t GivingUp::all_but(std::uint32_t kept) noexcept {
  Blocks& blocks = ring_.blocks();
  std::uint32_t count = 0;
  while (count < kMaxInOneHold && blocks.queued() > kept && blocks.head() != kNone &&
         head_is_sound()) {
    blocks.give_up_head();
    count += 1;
  }
  return count;
}

}  // namespace ipc0cp::shm
