// SPDX-License-Identifier: Apache-2.0
// Checks that all derived state of a ring agrees with its truth.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "shm/queue.hpp"
#include "shm/segment.hpp"
#include "shm/shares.hpp"

namespace ipc0cp::testing {

/// Walks lists, bins and queue of a ring that nobody changes meanwhile. `problems` says what
/// disagrees, one sentence each.
class InvariantCheck {
 public:
  explicit InvariantCheck(const shm::Segment& segment)
      : segment_(segment), header_(segment.header()) {
    check_addresses();
    check_bins();
    check_quick_lists();
    check_spares();
    check_queue();
    check_counts();
    check_shares();
  }
  std::vector<std::string> problems;
  /// Bytes below the mark that neither a block nor a hole covers.
  std::uint64_t gap_bytes = 0;

 private:
  [[nodiscard]] shm::State state(std::uint32_t index) const {
    return shm::state_of(segment_.descriptor(index).state.load());
  }
  [[nodiscard]] std::uint32_t relief() const { return segment_.geometry().relief_descriptor(); }
  void say(const std::string& what, std::uint64_t where) {
    problems.push_back(what + " at " + std::to_string(where));
  }

  void check_addresses() {
    std::uint64_t end = 0;
    std::uint32_t previous = shm::kNone;
    for (std::uint32_t index = header_.address_head; index != shm::kNone;) {
      const shm::Descriptor& block = segment_.descriptor(index);
      if (!listed_.insert(index).second) return say("address list turns in a circle", index);
      if (block.address_previous != previous) say("wrong back link", index);
      if (block.offset < end) say("overlap", index);
      if (block.extent_bytes == 0) say("empty extent", index);
      gap_bytes += block.offset - std::min<std::uint64_t>(block.offset, end);
      if (state(index) == shm::State::kFree && block.link_previous == shm::kQuick) {
        quick_.insert(index);
      } else if (state(index) == shm::State::kFree) {
        holes_.insert(index);
        const bool after_hole = previous != shm::kNone && holes_.count(previous) != 0;
        if (after_hole) say("two holes touch", index);
        if (block.offset + block.extent_bytes > header_.main_mark) say("hole above mark", index);
      }
      end = block.offset + block.extent_bytes;
      previous = index;
      index = block.address_next;
    }
    if (header_.address_tail != previous) say("wrong tail of the address list", previous);
    if (end < header_.main_mark) gap_bytes += header_.main_mark - end;
    for (std::uint32_t index = 0; index < segment_.descriptor_mark(); ++index) {
      const bool in_use =
          state(index) != shm::State::kFree && state(index) != shm::State::kQuarantined;
      if (in_use && listed_.count(index) == 0) say("block not in the address list", index);
    }
  }

  void check_bins() {
    std::set<std::uint32_t> binned;
    for (std::uint32_t bin = 0; bin < shm::kBinCount; ++bin) {
      const bool marked = (header_.bin_words[bin / 64] >> (bin % 64) & 1U) != 0;
      if (marked != (header_.bins[bin] != shm::kNone)) say("bin bit is wrong", bin);
      for (std::uint32_t index = header_.bins[bin]; index != shm::kNone;) {
        if (!binned.insert(index).second) return say("bin turns in a circle", bin);
        if (holes_.count(index) == 0) say("no hole, but in a bin", index);
        index = segment_.descriptor(index).link_next;
      }
    }
    for (const std::uint32_t index : holes_) {
      if (binned.count(index) == 0) say("hole in no bin", index);
    }
  }

  void check_quick_lists() {
    std::set<std::uint32_t> listed;
    for (std::uint32_t units = 0; units < shm::kQuickClasses; ++units) {
      std::uint32_t count = 0;
      for (std::uint32_t index = header_.quick[units].head; index != shm::kNone; ++count) {
        if (!listed.insert(index).second) return say("quick list turns in a circle", units);
        const shm::Descriptor& block = segment_.descriptor(index);
        if (quick_.count(index) == 0) say("not free, but in a quick list", index);
        if (block.extent_bytes != units * shm::kBlockAlignment) say("wrong quick list", index);
        index = block.link_next;
      }
      if (count != header_.quick[units].count) say("wrong count of a quick list", units);
    }
    if (listed.size() != quick_.size()) say("free, but in no list", quick_.size());
  }

  void check_spares() {
    std::set<std::uint32_t> spares;
    for (std::uint32_t index = header_.spare_head; index != shm::kNone;) {
      if (!spares.insert(index).second) return say("spares turn in a circle", index);
      if (state(index) != shm::State::kFree || listed_.count(index) != 0) say("no spare", index);
      index = segment_.descriptor(index).link_next;
    }
    for (std::uint32_t index = 0; index < segment_.descriptor_mark(); ++index) {
      const bool accounted = state(index) == shm::State::kQuarantined ||
                             listed_.count(index) + spares.count(index) == 1;
      if (!accounted) say("descriptor is lost", index);
    }
  }

  void check_queue() {
    std::set<std::uint32_t> queued;
    std::uint64_t bytes = 0;
    std::uint64_t previous = 0;
    std::uint32_t last = shm::kNone;
    for (std::uint32_t index = header_.queue_head; index != shm::kNone;) {
      const shm::Descriptor& block = segment_.descriptor(index);
      if (!queued.insert(index).second) return say("queue turns in a circle", index);
      if (state(index) != shm::State::kReady) say("queued, but not READY", index);
      if (block.sequence <= previous) say("queue out of order", index);
      if (block.sequence >= header_.next_sequence) say("sequence from the future", index);
      previous = block.sequence;
      bytes += block.payload_bytes + block.metadata_bytes;
      last = index;
      index = block.link_next;
    }
    if (header_.queue_tail != last) say("wrong tail of the queue", last);
    if (is_broadcast()) return check_broadcast_queue(queued.size());
    if (header_.queued != queued.size()) say("wrong `queued`", header_.queued);
    if (header_.queued_bytes != bytes) say("wrong `queued_bytes`", header_.queued_bytes);
    for (std::uint32_t index = 0; index <= relief(); index = segment_.next_descriptor(index)) {
      if (state(index) == shm::State::kReady && queued.count(index) == 0) {
        say("READY, but not queued", index);
      }
    }
  }

  [[nodiscard]] bool is_broadcast() const {
    return (header_.options.load() & shm::kOptionBroadcast) != 0;
  }
  [[nodiscard]] shm::StateWord word(std::uint32_t index) const {
    return segment_.descriptor(index).state.load();
  }

  void check_broadcast_queue(std::size_t ready) {
    if (ready != 0) say("READY on a broadcast ring", ready);
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    for (std::uint32_t index = 0; index <= relief(); index = segment_.next_descriptor(index)) {
      const shm::Descriptor& block = segment_.descriptor(index);
      if (state(index) != shm::State::kServed || block.sequence < header_.front) continue;
      messages += 1;
      bytes += block.payload_bytes + block.metadata_bytes;
    }
    if (header_.queued != messages) say("wrong `queued`", header_.queued);
    if (header_.queued_bytes != bytes) say("wrong `queued_bytes`", header_.queued_bytes);
  }

  /// Who subscribes, and that nothing is kept for who does not.
  void check_shares() {
    std::uint64_t bits = 0;
    std::uint64_t all = 0;
    for (std::uint32_t number = 0; number < shm::kSubscriberCount; ++number) {
      const shm::EntryWord entry = header_.entries[number].load();
      if (entry == 0) continue;
      all |= std::uint64_t{1} << number;
      if ((entry & shm::kEntryLeaving) == 0) bits |= std::uint64_t{1} << number;
    }
    if (header_.subscriber_bits != bits) say("wrong `subscriber_bits`", header_.subscriber_bits);
    if (bits != 0 && !segment_.has_records()) return say("subscribers without records", bits);
    const shm::Shares shares(segment_);
    for (std::uint32_t index = 0; index <= relief(); index = segment_.next_descriptor(index)) {
      if (state(index) == shm::State::kServed && !shm::is_shared(word(index))) {
        say("SERVED, but not shared", index);
      }
      if (!shm::is_shared(word(index)) || !shm::is_published(word(index))) continue;
      const std::uint64_t left = shares.left(index, word(index));
      if ((left & ~all) != 0) say("a share of nobody", index);
      if (left == 0 && state(index) == shm::State::kServed) say("SERVED without shares", index);
      const std::uint64_t sequence = segment_.descriptor(index).sequence;
      if (left != 0 && shares.find(sequence) != index) say("not in the order", index);
    }
  }

  [[nodiscard]] bool is_counted_as_borrowed(std::uint32_t index) const {
    if (shm::is_shared(word(index))) return segment_.record(index).is_counted != 0;
    const shm::State now = state(index);
    return now == shm::State::kBorrowed || now == shm::State::kReturned || now == shm::State::kKept;
  }

  void check_counts() {
    std::uint64_t used = 0;
    std::uint64_t borrowed = 0;
    std::uint32_t blocks = 0;
    std::uint32_t borrowed_blocks = 0;
    for (std::uint32_t index = 0; index < segment_.descriptor_mark(); ++index) {
      const shm::Descriptor& block = segment_.descriptor(index);
      const shm::State now = state(index);
      if (now == shm::State::kFree || now == shm::State::kQuarantined) continue;
      const std::uint64_t bytes = block.payload_bytes + block.metadata_bytes;
      ++blocks;
      used += bytes;
      if (is_counted_as_borrowed(index)) {
        ++borrowed_blocks;
        borrowed += bytes;
      }
    }
    if (header_.used_bytes != used) say("wrong `used_bytes`", header_.used_bytes);
    if (header_.live_blocks != blocks) say("wrong `live_blocks`", header_.live_blocks);
    if (header_.borrowed_bytes != borrowed) say("wrong `borrowed_bytes`", header_.borrowed_bytes);
    if (header_.borrowed_blocks != borrowed_blocks) {
      say("wrong `borrowed_blocks`", header_.borrowed_blocks);
    }
  }

  const shm::Segment& segment_;
  const shm::Header& header_;
  std::set<std::uint32_t> listed_;
  std::set<std::uint32_t> holes_;
  std::set<std::uint32_t> quick_;
};

inline void expect_consistent(const shm::Segment& segment, std::uint64_t allowed_gap_bytes = 0) {
  const InvariantCheck check(segment);
  for (const std::string& problem : check.problems) ADD_FAILURE() << problem;
  EXPECT_LE(check.gap_bytes, allowed_gap_bytes);
}

}  // namespace ipc0cp::testing
