// SPDX-License-Identifier: Apache-2.0
// A private copy of the control pages, so that what is looked at stands still.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "shm/segment.hpp"

namespace ipc0cp::shm {

/// Header, slots and descriptors as they were at one moment, or nearly so. The ring goes on
/// meanwhile, and whoever may write to it may have written anything: what is read here is input.
///
/// Thread and process safety: copying needs no lock and stores nothing; a copy is a plain value.
///
/// 1. The words that one push or pop touches are copied again until nobody has the lock and nothing
///    has changed between two looks; on a ring that is never at rest, the last look counts.
/// 2. Descriptors are copied twice. One whose state word was the same both times has not changed
///    between: each loan raises the generation in it.
/// 3. From a file it is read with pread(2), so that a file that its owner shortens meanwhile gives
///    an error, never SIGBUS.
class ControlCopy {
 public:
  /// How much is copied: the header, slots and the oldest message; or the other descriptors, too.
  enum class Extent { overview, everything };

  ControlCopy() = default;
  /// Of a ring that this process has mapped. @throws std::bad_alloc
  ControlCopy(const Segment& segment, Extent extent);
  /// Of an open file with these sizes. @return 0 or an errno, ENODATA: it was shortened.
  /// @throws std::bad_alloc
  int read(int file, const Geometry& geometry, Extent extent);

  [[nodiscard]] const Geometry& geometry() const noexcept { return geometry_; }
  /// Up to the lists of the allocator, which are not copied.
  [[nodiscard]] const Header& header() const noexcept {
    return *reinterpret_cast<const Header*>(header_.bytes.data());
  }
  /// One more than the highest slot that was ever used.
  [[nodiscard]] std::uint32_t slots_end() const noexcept { return slots_end_; }
  [[nodiscard]] const Slot& slot(std::uint32_t index) const noexcept {
    return reinterpret_cast<const Slot*>(slots_.data())[index];
  }
  /// Of the relief block.
  [[nodiscard]] const Descriptor& relief() const noexcept {
    return *reinterpret_cast<const Descriptor*>(relief_.bytes.data());
  }
  /// That of the oldest message, as the header names it; FREE if none is queued. On a broadcast
  /// ring that of the first which the foremost subscriber has not read.
  [[nodiscard]] const Descriptor& head() const noexcept {
    return *reinterpret_cast<const Descriptor*>(head_.bytes.data());
  }
  /// Those that were backed by memory, and the relief block's behind them. None in an overview.
  [[nodiscard]] std::uint32_t blocks() const noexcept { return blocks_; }
  [[nodiscard]] const Descriptor& block(std::uint32_t place) const noexcept {
    return reinterpret_cast<const Descriptor*>(descriptors_.data())[place];
  }
  /// The index of a block in the table of descriptors.
  [[nodiscard]] std::uint32_t index_of(std::uint32_t place) const noexcept {
    return place + 1 == blocks_ ? geometry_.relief_descriptor() : place;
  }
  /// Bits of the subscribers that have the message in this block in their hands.
  [[nodiscard]] std::uint64_t viewers(std::uint32_t place) const noexcept;
  /// Whether the block has not changed while it was copied.
  [[nodiscard]] bool stood_still(std::uint32_t place) const noexcept { return still_[place]; }

 private:
  [[nodiscard]] std::uint32_t mark() const noexcept {
    const std::uint32_t mark = header().descriptor_mark.load(std::memory_order_relaxed);
    return mark < geometry_.relief_descriptor() ? mark : geometry_.relief_descriptor();
  }
  template <std::size_t kBytes>
  struct alignas(128) Piece {
    std::array<std::byte, kBytes> bytes{};
  };

  template <class Source>
  int copy(const Source& source, Extent extent);
  template <class Source>
  int copy_header(const Source& source);
  template <class Source>
  int copy_head(const Source& source);
  template <class Source>
  int copy_blocks(const Source& source);
  template <class Source>
  int copy_records(const Source& source);
  /// Bits of the subscribers that have not finished the message in this block.
  [[nodiscard]] std::uint64_t shares(std::uint32_t place) const noexcept;
  [[nodiscard]] bool has_records() const noexcept {
    return header().records_backed.load(std::memory_order_relaxed) != 0;
  }

  Geometry geometry_;
  Piece<sizeof(Header)> header_;
  Piece<128> relief_;
  Piece<128> head_;
  std::vector<Piece<128>> slots_;
  std::vector<Piece<128>> descriptors_;
  std::vector<bool> still_;
  std::vector<Record> records_;  ///< Of `blocks_`; none if no subscriber ever came.
  std::uint32_t slots_end_ = 0;
  std::uint32_t blocks_ = 0;
};

}  // namespace ipc0cp::shm
