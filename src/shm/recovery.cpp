// SPDX-License-Identifier: Apache-2.0
#include "shm/recovery.hpp"

#include <algorithm>
#include <bit>

namespace ipc0cp::shm {
namespace {

StateWord load(const Descriptor& descriptor) noexcept {
  return descriptor.state.load(std::memory_order_acquire);
}

void store(Descriptor& descriptor, StateWord word) noexcept {
  descriptor.state.store(word, std::memory_order_release);
}

}  // namespace

Recovery::Recovery(const Segment& segment)
    : segment_(segment),
      header_(segment.header()),
      allocator_(segment),
      queue_(segment),
      shares_(segment),
      redo_(segment),
      blocks_(new Entry[segment.geometry().descriptor_count]),
      published_(new Entry[segment.geometry().descriptor_count]) {}

RecoveryReport Recovery::run(const Participants* participants) noexcept {
  RecoveryReport report;
  header_.recovery_wanted.store(0, std::memory_order_relaxed);
  redo_.finish();
  take_roles_of_the_dead(participants, report);
  look_who_subscribes();
  free_returned_stack();
  for (std::uint32_t index = 0; index < segment_.geometry().descriptor_count;
       index = segment_.next_descriptor(index)) {
    recover_block(index, report);
  }
  free_entries_of_the_dead();
  survey(report);
  rebuild_blocks(report);
  rebuild_queue(report);
  rebuild_counts();
  if (report.damaged) header_.damaged.store(1, std::memory_order_release);
  return report;
}

void Recovery::take_roles_of_the_dead(const Participants* participants,
                                      RecoveryReport& report) noexcept {
  header_.producers = 0;
  header_.workers = 0;
  std::uint32_t end = 1;
  for (std::uint32_t index = 1; index < kSlotCount; ++index) {
    living_[index] = 0;
    Slot& slot = segment_.slot(index);
    std::uint64_t word = slot.word.load(std::memory_order_acquire);
    if (role_of(word) == Role::kNobody) continue;
    const std::uint32_t incarnation = incarnation_of_slot(word);
    if (participants == nullptr || participants->is_gone(index, word)) {
      if (slot.word.compare_exchange_strong(word, make_slot_word(incarnation, Role::kNobody),
                                            std::memory_order_acq_rel)) {
        slot.want_bytes.store(0, std::memory_order_relaxed);  // Nobody stands back for the dead.
        header_.repaired_deaths += 1;
        ++report.deaths;
      }
      continue;
    }
    living_[index] = incarnation;
    end = index + 1;
    if (role_of(word) == Role::kProducer) header_.producers += 1;
    if (role_of(word) == Role::kConsumer) header_.workers += 1;
  }
  header_.slots_end = std::max(end, std::min<std::uint32_t>(header_.slots_end, kSlotCount));
}

bool Recovery::owner_lives(Owner owner) const noexcept {
  const std::uint32_t slot = slot_of(owner);
  return slot < kSlotCount && living_[slot] != 0 && living_[slot] == incarnation_of(owner);
}

void Recovery::look_who_subscribes() noexcept {
  subscribing_ = 0;
  lingering_ = 0;
  for (std::uint32_t number = 0; number < kSubscriberCount; ++number) {
    EntryWord entry = header_.entries[number].load(std::memory_order_acquire);
    const Owner owner = owner_of_entry(entry);
    if (entry == 0 || !owner_lives(owner)) continue;
    const Role role = role_of(segment_.slot(slot_of(owner)).word.load(std::memory_order_acquire));
    const bool stays = role == Role::kSubscriber || role == Role::kAttaching;
    const bool leaves = !stays || (entry & kEntryLeaving) != 0;
    // Who could not get the lock to leave lingers without having said so here; and it may come to
    // the end of leaving, which needs no lock, at this moment.
    if (leaves && !header_.entries[number].compare_exchange_strong(entry, entry | kEntryLeaving,
                                                                   std::memory_order_acq_rel)) {
      continue;
    }
    (leaves ? lingering_ : subscribing_) |= std::uint64_t{1} << number;
  }
  header_.subscriber_bits = subscribing_;
  const bool is_broadcast = has_option(header_, kOptionBroadcast);
  header_.consumers =
      is_broadcast ? static_cast<std::uint32_t>(std::popcount(subscribing_)) : +header_.workers;
}

/// Of a published message: what the dead had to read goes, and what a lingering one has not read.
/// @return whether no share is left by that.
bool Recovery::mask_shares(std::uint32_t index, StateWord word) noexcept {
  const std::uint64_t in_hand = shares_.in_hand(lingering_, segment_.descriptor(index).sequence);
  return shares_.clear(index, word, ~(subscribing_ | in_hand) & kShareBits);
}

void Recovery::free_entries_of_the_dead() noexcept {
  for (std::uint32_t number = 0; number < kSubscriberCount; ++number) {
    const EntryWord entry = header_.entries[number].load(std::memory_order_acquire);
    if (entry == 0 || owner_lives(owner_of_entry(entry))) continue;
    header_.entries[number].store(0, std::memory_order_release);
  }
}

void Recovery::free_chain(std::uint32_t head) noexcept {
  // Bounded, and blind to what is not RETURNED: the chain may run into blocks freed long ago.
  std::uint32_t index = head;
  for (std::uint32_t step = 0; step <= segment_.geometry().descriptor_count; ++step) {
    if (index >= segment_.geometry().descriptor_count) return;
    Descriptor& block = segment_.descriptor(index);
    const StateWord word = load(block);
    if (is_given_back(word)) store(block, freed(word));
    index = block.returned_next;
  }
}

void Recovery::free_returned_stack() noexcept {
  free_chain(header_.collecting);
  std::uint32_t head = header_.returned_head.load(std::memory_order_seq_cst);
  do {
    // All that hangs below `head` is FREE before the stack forgets it, so a death here loses
    // nothing; what is pushed meanwhile makes the exchange fail and is walked too.
    free_chain(head);
  } while (!header_.returned_head.compare_exchange_weak(head, kNone, std::memory_order_seq_cst));
  header_.collecting = kNone;
}

void Recovery::recover_block(std::uint32_t index, RecoveryReport& report) noexcept {
  Descriptor& block = segment_.descriptor(index);
  const StateWord word = load(block);
  const State state = state_of(word);
  if (state == State::kFree || state == State::kQuarantined) return;
  if (static_cast<std::uint32_t>(state) >= kStateCount) return quarantine(index, report);
  // A worker that lives may store SERVED meanwhile, and see a share that goes here.
  if (is_shared(word) && is_published(word) && mask_shares(index, word)) {
    shares_.free_if_served(index, word);
  }
  if (state == State::kReady || state == State::kServed) {
    if (!segment_.plausible(index, segment_.read_fields(index), true)) quarantine(index, report);
    if (state == State::kServed) shares_.free_if_served(index, word);
    return;
  }
  if (owner_lives(owner_of(word))) return;
  switch (state) {
    case State::kLoaned:
    case State::kAbandoned:
    case State::kReturned:
    case State::kKept:
      end_use(index, word);
      return;
    default:
      recover_borrowed(index, word, report);
  }
}

/// Of a block of the dead. A message that subscribers have still to read is SERVED, and looked at
/// once more.
void Recovery::end_use(std::uint32_t index, StateWord word) noexcept {
  Descriptor& block = segment_.descriptor(index);
  if (!is_shared(word) || state_of(word) != State::kKept) return store(block, freed(word));
  block.state.store(served(word), std::memory_order_seq_cst);
  shares_.free_if_served(index, word);
}

void Recovery::recover_borrowed(std::uint32_t index, StateWord word,
                                RecoveryReport& report) noexcept {
  const bool redeliver = has_option(header_, kOptionRedeliver);
  if (!redeliver) {
    redo_.free_and_count(index, RedoRecord::Counter::lost);
    ++report.lost_messages;
  } else if (!segment_.plausible(index, segment_.read_fields(index), true)) {
    quarantine(index, report);
  } else if (deliveries_of(word) >= kMaxDeliveries) {
    redo_.free_and_count(index, RedoRecord::Counter::dropped);
    ++report.dropped_messages;
  } else {
    store(
        segment_.descriptor(index),
        make_state(State::kReady, 0, deliveries_of(word), generation_of(word)) | (word & kShared));
    ++report.redelivered_messages;
  }
}

void Recovery::quarantine(std::uint32_t index, RecoveryReport& report) noexcept {
  Descriptor& block = segment_.descriptor(index);
  store(block, with_state(load(block), State::kQuarantined) & ~kShared);
  header_.quarantined += 1;
  ++report.quarantined;
}

void Recovery::survey(RecoveryReport& report) noexcept {
  const std::uint32_t relief = segment_.geometry().relief_descriptor();
  block_count_ = 0;
  published_count_ = 0;
  header_.growing = kNone;
  header_.live_blocks = 0;
  header_.used_bytes = 0;
  header_.borrowed_blocks = 0;
  header_.borrowed_bytes = 0;
  const std::uint64_t mark = header_.main_mark.load(std::memory_order_relaxed);
  for (std::uint32_t index = 0; index < segment_.geometry().descriptor_count;
       index = segment_.next_descriptor(index)) {
    const StateWord word = load(segment_.descriptor(index));
    const State state = state_of(word);
    if (state == State::kFree || state == State::kQuarantined) continue;
    const BlockFields fields = segment_.read_fields(index);
    if (!segment_.plausible(index, fields, false)) {
      quarantine(index, report);
      continue;
    }
    if (is_published(word)) published_[published_count_++] = {fields.sequence, index};
    const bool is_borrowed = is_counted_as_borrowed(index, word);
    if (index == relief) continue;
    blocks_[block_count_++] = {fields.offset, index};
    if (fields.offset >= mark) header_.growing = index;
    header_.live_blocks += 1;
    header_.used_bytes += fields.payload_bytes + fields.metadata_bytes;
    if (is_borrowed) {
      header_.borrowed_blocks += 1;
      header_.borrowed_bytes += fields.payload_bytes + fields.metadata_bytes;
    }
  }
}

bool Recovery::is_counted_as_borrowed(std::uint32_t index, StateWord word) noexcept {
  const State state = state_of(word);
  const bool has_owner = state == State::kBorrowed || state == State::kKept;
  if (!is_shared(word)) return has_owner || state == State::kReturned;
  const std::uint64_t sequence = segment_.descriptor(index).sequence;
  const bool is_viewed = is_published(word) &&
                         (has_owner || shares_.in_hand(shares_.left(index, word), sequence) != 0);
  segment_.record(index).is_counted = is_viewed ? 1 : 0;
  return is_viewed;
}

void Recovery::rebuild_blocks(RecoveryReport& report) noexcept {
  std::sort(blocks_.get(), blocks_.get() + block_count_);
  allocator_.reset();
  // Descending, so that low numbers are handed out first and stay in the cache.
  for (std::uint32_t index = segment_.descriptor_mark(); index-- > 0;) {
    Descriptor& descriptor = segment_.descriptor(index);
    if (state_of(load(descriptor)) == State::kFree) allocator_.add_spare(index);
  }
  Descriptor& relief = segment_.descriptor(segment_.geometry().relief_descriptor());
  if (state_of(load(relief)) == State::kFree) {
    relief.offset = segment_.geometry().main_bytes;
    relief.extent_bytes = segment_.geometry().relief_bytes;
  }
  const std::uint64_t mark = header_.main_mark.load(std::memory_order_relaxed);
  std::uint64_t end = 0;
  for (std::uint32_t entry = 0; entry < block_count_; ++entry) {
    const std::uint32_t index = blocks_[entry].index;
    const Descriptor& block = segment_.descriptor(index);
    if (block.offset < end) report.damaged = true;
    if (block.offset > end && end < mark) {
      allocator_.add_hole_in_order(end, std::min<std::uint64_t>(block.offset, mark) - end);
    }
    allocator_.add_in_order(index);
    end = std::max(end, block.offset + block.extent_bytes);
  }
  if (end < mark) allocator_.add_hole_in_order(end, mark - end);
}

void Recovery::rebuild_queue(RecoveryReport& report) noexcept {
  std::sort(published_.get(), published_.get() + published_count_);
  queue_.reset();
  std::uint64_t previous = 0;
  for (std::uint32_t entry = 0; entry < published_count_; ++entry) {
    const std::uint32_t index = published_[entry].index;
    const BlockFields fields = segment_.read_fields(index);
    const StateWord word = load(segment_.descriptor(index));
    if (fields.sequence == previous) report.damaged = true;
    previous = fields.sequence;
    if (is_shared(word)) segment_.order(fields.sequence) = index;
    if (state_of(word) == State::kReady) {
      queue_.push_back(index, fields.payload_bytes + fields.metadata_bytes);
    }
  }
  if (previous >= header_.next_sequence) header_.next_sequence = previous + 1;
  header_.published.store(header_.next_sequence - 1, std::memory_order_relaxed);
}

void Recovery::rebuild_counts() noexcept {
  if (header_.priority != 0 && !owner_lives(header_.priority)) header_.priority = 0;
  header_.freed.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace ipc0cp::shm
