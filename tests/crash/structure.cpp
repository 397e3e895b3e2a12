// SPDX-License-Identifier: Apache-2.0
#include "structure.hpp"

#include <algorithm>
#include <string>

#include "shm/red_zone.hpp"
#include "shm/shares.hpp"

namespace ipc0cp::crash {
namespace {

using shm::Descriptor;
using shm::Header;
using shm::kNone;
using shm::State;

/// One check of one segment; each member looks at one list.
class StructureCheck {
 public:
  StructureCheck(const shm::Segment& segment, Inhabitants inhabitants, Violations& violations)
      : segment_(segment),
        header_(segment.header()),
        inhabitants_(inhabitants),
        violations_(violations),
        seen_(segment.geometry().descriptor_count, 0) {}

  void run() {
    check_words();
    walk_addresses();
    walk_bins();
    walk_quick_lists();
    walk_spares();
    walk_queue();
    check_descriptors();
    check_counts();
    check_entries();
    check_shares();
  }

 private:
  void require(bool holds, const std::string& sentence) {
    if (!holds) violations_.push_back(sentence);
  }
  State state(std::uint32_t index) const {
    return shm::state_of(segment_.descriptor(index).state.load());
  }
  shm::StateWord word(std::uint32_t index) const { return segment_.descriptor(index).state.load(); }
  bool is_broadcast() const { return (header_.options.load() & shm::kOptionBroadcast) != 0; }
  /// False, and a violation, if the index cannot be followed.
  bool valid(std::uint32_t index, const char* list) {
    if (index < segment_.geometry().relief_descriptor()) return true;
    require(false, std::string(list) + " names descriptor " + std::to_string(index));
    return false;
  }

  void check_words() {
    require(header_.damaged.load() == 0, "the ring counts as damaged");
    require(header_.quarantined == 0, "a block is quarantined");
    require(header_.redo.valid.load() == 0, "the redo record is still valid");
    require(header_.collecting == kNone, "a stack of returned blocks is still being collected");
    require(header_.growing == kNone, "a reservation is still in progress");
    const std::uint64_t joined_left = header_.joined_left.load();
    require(shm::joined_of(joined_left) >= shm::left_of(joined_left),
            "more producers have left than joined");
    const auto& geometry = segment_.geometry();
    require(header_.main_mark.load() <= geometry.main_bytes, "the mark is past the main part");
    require(header_.relief_mark.load() <= geometry.relief_bytes,
            "the relief mark is past the relief block");
    if (inhabitants_ == Inhabitants::some) return;
    require(header_.returned_head.load() == kNone, "the stack of returned blocks is not empty");
    require(header_.priority == 0, "a dead producer has priority");
    require(header_.producers == 0 && header_.consumers == 0, "the dead are counted as alive");
    for (std::uint32_t slot = 1; slot < shm::kSlotCount; ++slot) {
      const auto role = shm::role_of(segment_.slot(slot).word.load());
      require(role == shm::Role::kNobody, "slot " + std::to_string(slot) + " keeps a role");
    }
  }

  void walk_addresses() {
    std::uint64_t end = 0;
    std::uint32_t previous = kNone;
    bool after_hole = false;
    std::uint32_t index = header_.address_head;
    for (std::uint32_t step = 0; index != kNone; ++step) {
      if (!valid(index, "the address list")) return;
      if (step > segment_.geometry().descriptor_count) {
        require(false, "the address list has a cycle");
        return;
      }
      const Descriptor& block = segment_.descriptor(index);
      const bool quick = state(index) == State::kFree && block.link_previous == shm::kQuick;
      const bool hole = state(index) == State::kFree && !quick;
      require(block.address_previous == previous,
              "descriptor " + std::to_string(index) + " has a wrong neighbour");
      require(block.offset == end, "[" + std::to_string(end) + ", " + std::to_string(block.offset) +
                                       ") is lost or overlaps");
      require(block.extent_bytes > 0, "descriptor " + std::to_string(index) + " has no extent");
      require(!(hole && after_hole), "two holes touch at " + std::to_string(block.offset));
      seen_[index] += hole ? kAddressHole : quick ? kAddressQuick : kAddressBlock;
      end = block.offset + block.extent_bytes;
      after_hole = hole;
      previous = index;
      index = block.address_next;
    }
    require(header_.address_tail == previous, "the address list has a wrong tail");
    require(end == header_.main_mark.load(), "blocks and holes end at " + std::to_string(end) +
                                                 ", the mark is " +
                                                 std::to_string(header_.main_mark.load()));
  }

  void walk_bins() {
    std::uint64_t largest_before = 0;
    for (std::uint32_t bin = 0; bin < shm::kBinCount; ++bin) {
      const bool marked = (header_.bin_words[bin / 64] >> (bin % 64) & 1U) != 0;
      const bool summed = (header_.bin_summary >> (bin / 64) & 1U) != 0;
      std::uint32_t index = header_.bins[bin];
      require(marked == (index != kNone), "bin " + std::to_string(bin) + " has a wrong mark");
      require(!marked || summed, "bin " + std::to_string(bin) + " is not in the summary");
      std::uint64_t largest = largest_before;
      std::uint32_t previous = kNone;
      for (; index != kNone; index = segment_.descriptor(index).link_next) {
        if (!valid(index, "a bin")) return;
        if (seen_[index] != kAddressHole) {
          require(false, "bin " + std::to_string(bin) + " holds descriptor " +
                             std::to_string(index) + " that is no hole, or holds it twice");
          return;
        }
        seen_[index] += kBin;
        const Descriptor& hole = segment_.descriptor(index);
        require(hole.link_previous == previous, "a bin has a wrong back link");
        require(hole.extent_bytes > largest_before, "a hole lies in the bin of another size");
        largest = std::max<std::uint64_t>(largest, hole.extent_bytes);
        previous = index;
      }
      largest_before = largest;
    }
  }

  /// Small freed blocks that wait to be used again as they are.
  void walk_quick_lists() {
    for (std::uint32_t units = 0; units < shm::kQuickClasses; ++units) {
      std::uint32_t count = 0;
      std::uint32_t index = header_.quick[units].head;
      for (; index != kNone; index = segment_.descriptor(index).link_next) {
        if (!valid(index, "a quick list")) return;
        if (seen_[index] != kAddressQuick) {
          require(false, "a quick list holds descriptor " + std::to_string(index) +
                             " that is not free, or holds it twice");
          return;
        }
        seen_[index] += kQuickList;
        require(segment_.descriptor(index).extent_bytes / shm::kBlockAlignment == units,
                "a quick list holds a block of another size");
        ++count;
      }
      require(header_.quick[units].count == count, "a quick list is counted wrong");
    }
  }

  void walk_spares() {
    std::uint32_t index = header_.spare_head;
    while (index != kNone) {
      if (!valid(index, "the list of spares")) return;
      if (seen_[index] != 0 || state(index) != State::kFree) {
        require(false, "descriptor " + std::to_string(index) + " is no spare but listed as one");
        return;
      }
      seen_[index] += kSpare;
      index = segment_.descriptor(index).link_next;
    }
  }

  void walk_queue() {
    std::uint64_t sequence = 0;
    std::uint64_t bytes = 0;
    std::uint32_t count = 0;
    std::uint32_t last = kNone;
    for (std::uint32_t index = header_.queue_head; index != kNone;) {
      if (index >= segment_.geometry().descriptor_count || (seen_[index] & kQueue) != 0) {
        require(false, "the queue is broken at descriptor " + std::to_string(index));
        return;
      }
      const Descriptor& block = segment_.descriptor(index);
      seen_[index] += kQueue;
      require(state(index) == State::kReady, "the queue holds a block that is not READY");
      require(block.sequence > sequence, "the queue is not in the order of its sequence numbers");
      require(block.sequence < header_.next_sequence, "the next sequence number is in use");
      sequence = block.sequence;
      bytes += block.payload_bytes + block.metadata_bytes;
      ++count;
      last = index;
      index = block.link_next;
    }
    require(header_.queue_tail == last, "the queue has a wrong tail");
    if (is_broadcast()) {
      require(count == 0, "the queue of a broadcast ring holds a message");
      count_for_the_foremost(count, bytes);
    }
    require(header_.queued.load() == count, "the queue counts " +
                                                std::to_string(header_.queued.load()) + " of " +
                                                std::to_string(count) + " messages");
    require(header_.queued_bytes == bytes, "the queue counts its bytes wrong");
  }

  /// On a broadcast ring, the messages that no subscriber has been given yet count as queued.
  void count_for_the_foremost(std::uint32_t& count, std::uint64_t& bytes) const {
    for (std::uint32_t index = 0; index <= segment_.geometry().relief_descriptor();
         index = segment_.next_descriptor(index)) {
      const Descriptor& block = segment_.descriptor(index);
      if (state(index) != State::kServed || block.sequence < header_.front) continue;
      bytes += block.payload_bytes + block.metadata_bytes;
      ++count;
    }
  }

  /// Each descriptor is a block, a hole or a spare, and the right one of them.
  void check_descriptors() {
    const std::uint32_t relief = segment_.geometry().relief_descriptor();
    for (std::uint32_t index = 0; index <= relief; index = segment_.next_descriptor(index)) {
      const State now = state(index);
      const std::string who = "descriptor " + std::to_string(index);
      const bool ready = now == State::kReady;
      if (inhabitants_ == Inhabitants::none) {
        require(ready || now == State::kFree,
                who + " is in state " + std::to_string(static_cast<int>(now)));
      }
      const int in_queue = ready ? kQueue : 0;
      if (index == relief) {
        require(seen_[index] == in_queue, who + ", the relief block's, is in a wrong list");
      } else if (now == State::kFree) {
        require(seen_[index] == kAddressHole + kBin || seen_[index] == kSpare ||
                    seen_[index] == kAddressQuick + kQuickList,
                who + " is free, but lost: lists " + std::to_string(seen_[index]));
      } else {
        require(seen_[index] == kAddressBlock + in_queue,
                who + " is in use, but in lists " + std::to_string(seen_[index]));
      }
    }
  }

  void check_counts() {
    std::uint64_t used_bytes = 0;
    std::uint64_t borrowed_bytes = 0;
    std::uint32_t live = 0;
    std::uint32_t borrowed = 0;
    for (std::uint32_t index = 0; index < segment_.geometry().relief_descriptor();
         index = segment_.next_descriptor(index)) {
      const State now = state(index);
      if (now == State::kFree || now == State::kQuarantined) continue;
      const Descriptor& block = segment_.descriptor(index);
      const std::uint64_t bytes = block.payload_bytes + block.metadata_bytes;
      ++live;
      used_bytes += bytes;
      if (!is_counted_as_borrowed(index)) continue;
      ++borrowed;
      borrowed_bytes += bytes;
    }
    require(header_.live_blocks == live, "live_blocks is " + std::to_string(header_.live_blocks) +
                                             ", there are " + std::to_string(live));
    require(header_.used_bytes == used_bytes,
            "used_bytes is " + std::to_string(header_.used_bytes) + ", the blocks have " +
                std::to_string(used_bytes));
    require(header_.borrowed_blocks == borrowed && header_.borrowed_bytes == borrowed_bytes,
            "borrowed blocks or bytes are counted wrong");
  }

  [[nodiscard]] bool is_counted_as_borrowed(std::uint32_t index) const {
    if (shm::is_shared(word(index))) return segment_.record(index).is_counted != 0;
    const State now = state(index);
    return now == State::kBorrowed || now == State::kReturned || now == State::kKept;
  }

  /// An entry belongs to a slot of the same incarnation that still has a role.
  void check_entries() {
    for (std::uint32_t number = 0; number < shm::kSubscriberCount; ++number) {
      const shm::EntryWord entry = header_.entries[number].load();
      if (entry == 0) continue;
      const std::string who = "entry " + std::to_string(number);
      entries_ |= std::uint64_t{1} << number;
      if ((entry & shm::kEntryLeaving) == 0) subscribers_ |= std::uint64_t{1} << number;
      require(inhabitants_ == Inhabitants::some, who + " of the dead is not free");
      const shm::Owner owner = shm::owner_of_entry(entry);
      const std::uint64_t slot = segment_.slot(shm::slot_of(owner)).word.load();
      require(shm::incarnation_of_slot(slot) == shm::incarnation_of(owner) &&
                  shm::role_of(slot) != shm::Role::kNobody,
              who + " belongs to nobody");
    }
    require(header_.subscriber_bits == subscribers_, "`subscriber_bits` is not what entries say");
    require(subscribers_ == 0 || segment_.has_records(), "subscribers without records");
  }

  /// Nothing is kept for who does not subscribe, and who has something to read finds it.
  void check_shares() {
    const shm::Shares shares(segment_);
    for (std::uint32_t index = 0; index <= segment_.geometry().relief_descriptor();
         index = segment_.next_descriptor(index)) {
      const std::string who = "descriptor " + std::to_string(index);
      require(state(index) != State::kServed || shm::is_shared(word(index)),
              who + " is SERVED, but not shared");
      if (!shm::is_shared(word(index)) || !shm::is_published(word(index))) continue;
      const std::uint64_t left = shares.left(index, word(index));
      require((left & ~entries_) == 0, who + " has a share of nobody");
      require(left != 0 || state(index) != State::kServed, who + " is SERVED without shares");
      require(left == 0 || shares.find(segment_.descriptor(index).sequence) == index,
              who + " is not in the order");
    }
  }

  static constexpr int kAddressBlock = 1;
  static constexpr int kAddressHole = 2;
  static constexpr int kBin = 4;
  static constexpr int kSpare = 8;
  static constexpr int kQueue = 16;
  static constexpr int kAddressQuick = 32;
  static constexpr int kQuickList = 64;

  const shm::Segment& segment_;
  const Header& header_;
  Inhabitants inhabitants_;
  Violations& violations_;
  std::vector<int> seen_;
  std::uint64_t entries_ = 0;      ///< Bits of the entries that are taken,
  std::uint64_t subscribers_ = 0;  ///< and of those that are not leaving.
};

}  // namespace

void check_structure(const shm::Segment& segment, Inhabitants inhabitants, Violations& violations) {
  StructureCheck(segment, inhabitants, violations).run();
}

std::optional<MessageId> read_block(const shm::Segment& segment, const std::byte* arena,
                                    std::uint32_t index) {
  const shm::BlockFields fields = segment.read_fields(index);
  if (!segment.plausible(index, fields, true)) return std::nullopt;
  const std::uint32_t generation = shm::generation_of(segment.descriptor(index).state.load());
  const std::byte* block = arena + fields.offset;
  if (!shm::red_zone::intact(block, fields.plan(), index, generation)) return std::nullopt;
  const std::string_view metadata(
      reinterpret_cast<const char*>(block + fields.plan().metadata_offset()),
      fields.metadata_bytes);
  const MessageId id = id_of({block, fields.payload_bytes}, metadata);
  return id == 0 ? std::nullopt : std::optional(id);
}

std::vector<MessageId> read_queue(const shm::Segment& segment, const std::byte* arena,
                                  Violations& violations) {
  std::vector<MessageId> ids;
  const std::uint32_t count = segment.geometry().descriptor_count;
  std::uint32_t index = segment.header().queue_head;
  for (std::uint32_t step = 0; index < count && step < count; ++step) {
    const auto id = read_block(segment, arena, index);
    if (!id) violations.push_back("descriptor " + std::to_string(index) + " holds a torn message");
    ids.push_back(id.value_or(0));
    index = segment.descriptor(index).link_next;
  }
  return ids;
}

}  // namespace ipc0cp::crash
