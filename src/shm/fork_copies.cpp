// SPDX-License-Identifier: Apache-2.0
#include "shm/fork_copies.hpp"

#include <algorithm>
#include <new>

#include "platform/log.hpp"
#include "platform/private_pages.hpp"

namespace ipc0cp::shm {

void ForkCopies::save() noexcept {
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;
  };
  try {
    std::vector<Range> ranges;
    const std::uint64_t page = platform::page_bytes();
    for (std::uint32_t index = 0; index < ring_.geometry().descriptor_count;
         index = ring_.segment().next_descriptor(index)) {
      const StateWord word =
          ring_.segment().descriptor(index).state.load(std::memory_order_acquire);
      const State state = state_of(word);
      const bool in_use =
          state == State::kLoaned || state == State::kBorrowed || state == State::kKept;
      const bool is_ours = in_use && owner_of(word) == ring_.participants().self();
      if (!is_ours && !ring_.has_in_hand(index, word)) continue;
      const BlockFields fields = ring_.segment().read_fields(index);
      if (fields.payload_bytes == 0 || !ring_.segment().plausible(index, fields, true)) continue;
      ranges.push_back({fields.offset / page * page,
                        (fields.offset + fields.payload_bytes + page - 1) / page * page});
    }
    std::sort(ranges.begin(), ranges.end(),
              [](const Range& left, const Range& right) { return left.begin < right.begin; });
    std::size_t merged = 0;
    for (std::size_t index = 1; index < ranges.size(); ++index) {
      if (ranges[index].begin <= ranges[merged].end) {
        ranges[merged].end = std::max(ranges[merged].end, ranges[index].end);
      } else {
        ranges[++merged] = ranges[index];
      }
    }
    if (!ranges.empty()) ranges.resize(merged + 1);
    copies_.reserve(ranges.size());
    for (const Range& range : ranges) {
      const std::size_t bytes = range.end - range.begin;
      std::byte* address = ring_.segment().arena() + range.begin;
      // Given back by another thread meanwhile, a block may have lost its memory to a trim.
      std::byte* copy = platform::copy_pages(ring_.participants().probe_file(),
                                             ring_.geometry().arena_offset + range.begin, bytes);
      if (copy == nullptr) throw std::bad_alloc();
      copies_.push_back({address, copy, bytes});
    }
  } catch (const std::bad_alloc&) {
    failed_ = true;
  }
}

void ForkCopies::discard() noexcept {
  for (const Copy& saved : copies_) platform::discard_pages(saved.copy, saved.bytes);
  copies_.clear();
}

void ForkCopies::put_in_place() noexcept {
  for (const Copy& saved : copies_) {
    platform::replace_pages(saved.address, saved.copy, saved.bytes, writable_);
  }
}

void ForkCopies::tell_if_failed() noexcept {
  if (failed_.exchange(false, std::memory_order_relaxed)) {
    log(LogLevel::warning,
        "no memory to copy the views of a ring for a forked child; there they "
        "show whatever the ring holds later");
  }
}

}  // namespace ipc0cp::shm
