// SPDX-License-Identifier: Apache-2.0
#include "shm/allocator.hpp"

#include <bit>

namespace ipc0cp::shm {
namespace {

// Up to 15 units of 64 bytes a bin each, above that 16 bins for every power of two.
constexpr std::uint32_t bin_of(std::uint64_t extent_bytes) noexcept {
  const std::uint64_t units = extent_bytes / kBlockAlignment;
  if (units < 16) return static_cast<std::uint32_t>(units);
  const auto power = static_cast<std::uint32_t>(std::bit_width(units)) - 1;
  const auto sixteenth = static_cast<std::uint32_t>(units >> (power - 4)) & 15U;
  const std::uint32_t bin = (power - 3) * 16 + sixteenth;
  return bin < kBinCount ? bin : kBinCount - 1;
}
static_assert(bin_of(15 * 64) == 15 && bin_of(16 * 64) == 16 && bin_of(32 * 64) == 32);

// A hole of the right bin may be too small; so many are tried before a larger bin is opened.
constexpr int kStepsInOwnBin = 8;
constexpr int kStepsAtLast = 64;
// So many freed small blocks of one size stay as they are, to be handed out again at once.
constexpr std::uint32_t kQuickMost = 64;

}  // namespace

std::uint32_t Allocator::allocate(std::uint64_t block_bytes) noexcept {
  const std::uint64_t units = block_bytes / kBlockAlignment;
  if (units < kQuickClasses && header_.quick[units].head != kNone) {
    QuickList& list = header_.quick[units];
    const std::uint32_t index = list.head;
    list.head = segment_.descriptor(index).link_next;
    list.count -= 1;
    return index;
  }
  std::uint32_t index = cut_from_hole(block_bytes);
  if (index == kNone && empty_quick_lists()) index = cut_from_hole(block_bytes);
  return index;
}

bool Allocator::has_hole_for(std::uint64_t block_bytes) noexcept {
  const std::uint64_t units = block_bytes / kBlockAlignment;
  if (units < kQuickClasses && header_.quick[units].head != kNone) return true;
  return find_hole(block_bytes) != kNone ||
         (empty_quick_lists() && find_hole(block_bytes) != kNone);
}

std::uint32_t Allocator::cut_from_hole(std::uint64_t block_bytes) noexcept {
  const std::uint32_t hole_index = find_hole(block_bytes);
  if (hole_index == kNone) return kNone;
  Descriptor& hole = segment_.descriptor(hole_index);
  const bool splits = hole.extent_bytes > block_bytes;
  const std::uint32_t index = splits ? take_spare() : kNone;
  if (index == kNone) {
    // Blocks that only wait in the quick lists must not cost others a whole hole.
    if (splits && empty_quick_lists()) return cut_from_hole(block_bytes);
    remove_from_bin(hole_index);
    return hole_index;
  }
  // The block is cut off the front; as a rule the rest stays in its bin.
  Descriptor& block = segment_.descriptor(index);
  block.offset = hole.offset;
  block.extent_bytes = block_bytes;
  insert_after(index, hole.address_previous);
  resize_hole(hole_index, hole.offset + block_bytes, hole.offset + hole.extent_bytes);
  return index;
}

void Allocator::free(std::uint32_t index) noexcept {
  Descriptor& block = segment_.descriptor(index);
  const std::uint64_t units = block.extent_bytes / kBlockAlignment;
  if (units < kQuickClasses && header_.quick[units].count < kQuickMost) {
    QuickList& list = header_.quick[units];
    block.link_previous = kQuick;
    block.link_next = list.head;
    list.head = index;
    list.count += 1;
    return;
  }
  join_to_holes(index);
}

bool Allocator::empty_quick_lists() noexcept {
  bool any = false;
  for (QuickList& list : header_.quick) {
    for (std::uint32_t step = 0; step < kQuickMost && list.head != kNone; ++step) {
      const std::uint32_t index = list.head;
      list.head = segment_.descriptor(index).link_next;
      join_to_holes(index);
      any = true;
    }
    list = {kNone, 0};
  }
  return any;
}

void Allocator::join_to_holes(std::uint32_t index) noexcept {
  Descriptor& block = segment_.descriptor(index);
  const std::uint32_t previous = block.address_previous;
  const std::uint32_t next = block.address_next;
  const bool joins_previous = previous != kNone && is_hole(previous);
  const bool joins_next = next != kNone && is_hole(next);
  std::uint64_t begin = 0;
  std::uint64_t end = header_.main_mark.load(std::memory_order_relaxed);
  if (previous != kNone) {
    const Descriptor& left = segment_.descriptor(previous);
    begin = joins_previous ? left.offset : left.offset + left.extent_bytes;
  }
  if (next != kNone) {
    const Descriptor& right = segment_.descriptor(next);
    end = joins_next ? right.offset + right.extent_bytes : right.offset;
  }
  const bool stands_alone = !joins_previous && !joins_next;
  if (stands_alone && begin < end) {
    block.offset = begin;
    block.extent_bytes = end - begin;
    insert_into_bin(index);
    return;
  }
  remove_from_address_list(index);
  add_spare(index);
  if (stands_alone) return;  // Growth that got no memory leaves nothing behind.
  if (joins_previous && joins_next) {
    remove_from_bin(next);
    remove_from_address_list(next);
    add_spare(next);
  }
  resize_hole(joins_previous ? previous : next, begin, end);
}

void Allocator::resize_hole(std::uint32_t index, std::uint64_t begin, std::uint64_t end) noexcept {
  Descriptor& hole = segment_.descriptor(index);
  const bool moves = bin_of(hole.extent_bytes) != bin_of(end - begin);
  if (moves) remove_from_bin(index);
  hole.offset = begin;
  hole.extent_bytes = end - begin;
  if (moves) insert_into_bin(index);
}

std::uint64_t Allocator::tail_hole_bytes() noexcept {
  empty_quick_lists();
  const std::uint32_t tail = header_.address_tail;
  if (tail == kNone || !is_hole(tail)) return 0;
  return segment_.descriptor(tail).extent_bytes;
}

std::uint64_t Allocator::end_of_blocks() noexcept {
  empty_quick_lists();
  const std::uint32_t tail = header_.address_tail;
  if (tail == kNone) return 0;
  const Descriptor& last = segment_.descriptor(tail);
  return is_hole(tail) ? last.offset : last.offset + last.extent_bytes;
}

std::uint32_t Allocator::cut_off_tail(std::uint64_t begin) noexcept {
  const std::uint32_t hole_index = header_.address_tail;
  if (hole_index == kNone || !is_hole(hole_index)) return kNone;
  Descriptor& hole = segment_.descriptor(hole_index);
  const std::uint64_t end = hole.offset + hole.extent_bytes;
  if (hole.offset > begin || end <= begin) return kNone;
  if (hole.offset == begin) {
    remove_from_bin(hole_index);
    return hole_index;
  }
  const std::uint32_t index = append(begin, end - begin);
  if (index != kNone) resize_hole(hole_index, hole.offset, begin);
  return index;
}

std::uint32_t Allocator::append(std::uint64_t offset, std::uint64_t extent_bytes) noexcept {
  const std::uint32_t index = take_spare();
  if (index == kNone) return kNone;
  Descriptor& block = segment_.descriptor(index);
  block.offset = offset;
  block.extent_bytes = extent_bytes;
  insert_after(index, header_.address_tail);
  return index;
}

void Allocator::reset() noexcept {
  header_.spare_head = kNone;
  header_.address_head = kNone;
  header_.address_tail = kNone;
  for (QuickList& list : header_.quick) list = {kNone, 0};
  header_.bin_summary = 0;
  for (std::uint64_t& word : header_.bin_words) word = 0;
  for (std::uint32_t& bin : header_.bins) bin = kNone;
}

void Allocator::add_spare(std::uint32_t index) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  descriptor.extent_bytes = 0;
  descriptor.link_previous = kNone;
  descriptor.link_next = header_.spare_head;
  header_.spare_head = index;
}

void Allocator::add_descriptors(std::uint32_t mark, std::uint32_t new_mark) noexcept {
  header_.descriptor_mark.store(new_mark, std::memory_order_release);
  // Descending, so that low numbers are handed out first and stay in the cache.
  for (std::uint32_t index = new_mark; index-- > mark;) add_spare(index);
}

void Allocator::add_in_order(std::uint32_t index) noexcept {
  insert_after(index, header_.address_tail);
}

void Allocator::add_hole_in_order(std::uint64_t offset, std::uint64_t extent_bytes) noexcept {
  const std::uint32_t index = append(offset, extent_bytes);
  if (index != kNone) insert_into_bin(index);
}

std::uint32_t Allocator::take_spare() noexcept {
  const std::uint32_t index = header_.spare_head;
  if (index == kNone) return kNone;
  header_.spare_head = segment_.descriptor(index).link_next;
  return index;
}

void Allocator::insert_into_bin(std::uint32_t index) noexcept {
  Descriptor& hole = segment_.descriptor(index);
  const std::uint32_t bin = bin_of(hole.extent_bytes);
  const std::uint32_t first = header_.bins[bin];
  hole.link_previous = kNone;
  hole.link_next = first;
  if (first != kNone) segment_.descriptor(first).link_previous = index;
  header_.bins[bin] = index;
  header_.bin_words[bin / 64] |= std::uint64_t{1} << (bin % 64);
  header_.bin_summary |= std::uint64_t{1} << (bin / 64);
}

void Allocator::remove_from_bin(std::uint32_t index) noexcept {
  Descriptor& hole = segment_.descriptor(index);
  const std::uint32_t bin = bin_of(hole.extent_bytes);
  if (hole.link_next != kNone) {
    segment_.descriptor(hole.link_next).link_previous = hole.link_previous;
  }
  if (hole.link_previous != kNone) {
    segment_.descriptor(hole.link_previous).link_next = hole.link_next;
    return;
  }
  header_.bins[bin] = hole.link_next;
  if (hole.link_next != kNone) return;
  header_.bin_words[bin / 64] &= ~(std::uint64_t{1} << (bin % 64));
  if (header_.bin_words[bin / 64] == 0) header_.bin_summary &= ~(std::uint64_t{1} << (bin / 64));
}

void Allocator::insert_after(std::uint32_t index, std::uint32_t previous) noexcept {
  Descriptor& descriptor = segment_.descriptor(index);
  const std::uint32_t next =
      previous == kNone ? header_.address_head : segment_.descriptor(previous).address_next;
  descriptor.address_previous = previous;
  descriptor.address_next = next;
  (previous == kNone ? header_.address_head : segment_.descriptor(previous).address_next) = index;
  (next == kNone ? header_.address_tail : segment_.descriptor(next).address_previous) = index;
}

void Allocator::remove_from_address_list(std::uint32_t index) noexcept {
  const Descriptor& descriptor = segment_.descriptor(index);
  const std::uint32_t previous = descriptor.address_previous;
  const std::uint32_t next = descriptor.address_next;
  (previous == kNone ? header_.address_head : segment_.descriptor(previous).address_next) = next;
  (next == kNone ? header_.address_tail : segment_.descriptor(next).address_previous) = previous;
}

bool Allocator::is_hole(std::uint32_t index) const noexcept {
  const Descriptor& descriptor = segment_.descriptor(index);
  return state_of(descriptor.state.load(std::memory_order_relaxed)) == State::kFree &&
         descriptor.link_previous != kQuick;
}

std::uint32_t Allocator::find_hole(std::uint64_t block_bytes) const noexcept {
  const std::uint32_t own_bin = bin_of(block_bytes);
  std::uint32_t index = search_bin(own_bin, block_bytes, kStepsInOwnBin);
  if (index != kNone) return index;
  const std::uint32_t larger = first_bin_from(own_bin + 1);
  if (larger != kNone) return search_bin(larger, block_bytes, 1);
  return search_bin(own_bin, block_bytes, kStepsAtLast);
}

std::uint32_t Allocator::first_bin_from(std::uint32_t bin) const noexcept {
  if (bin >= kBinCount) return kNone;
  std::uint32_t word = bin / 64;
  const std::uint64_t here = header_.bin_words[word] & (~std::uint64_t{0} << (bin % 64));
  if (here != 0) return word * 64 + static_cast<std::uint32_t>(std::countr_zero(here));
  const std::uint64_t later = header_.bin_summary & (~std::uint64_t{1} << word);
  if (later == 0) return kNone;
  word = static_cast<std::uint32_t>(std::countr_zero(later));
  if (word >= kBinWords || header_.bin_words[word] == 0) return kNone;
  return word * 64 + static_cast<std::uint32_t>(std::countr_zero(header_.bin_words[word]));
}

std::uint32_t Allocator::search_bin(std::uint32_t bin, std::uint64_t block_bytes,
                                    int most_steps) const noexcept {
  std::uint32_t index = header_.bins[bin];
  for (int step = 0; step < most_steps && index != kNone; ++step) {
    const Descriptor& hole = segment_.descriptor(index);
    if (hole.extent_bytes >= block_bytes) return index;
    index = hole.link_next;
  }
  return kNone;
}

}  // namespace ipc0cp::shm
