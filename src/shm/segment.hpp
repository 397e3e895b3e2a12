// SPDX-License-Identifier: Apache-2.0
// A mapped ring: geometry kept privately, and checked access to the shared structures.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "platform/shared_memory.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {

struct BlockFields;

/// Sizes and places, all of them following from the capacity and the number of messages.
struct Geometry {
  std::uint64_t total_data_bytes = 0;
  std::uint64_t main_bytes = 0;
  std::uint64_t relief_bytes = 0;
  std::uint64_t slots_offset = 0;
  std::uint64_t descriptors_offset = 0;
  std::uint64_t records_offset = 0;
  std::uint64_t order_offset = 0;
  std::uint64_t arena_offset = 0;
  std::uint64_t file_bytes = 0;
  std::uint32_t max_messages = 0;
  std::uint32_t descriptor_count = 0;
  std::uint32_t order_mask = 0;  ///< The length of the order, a power of two, less one.

  static Geometry of(std::uint64_t total_data_bytes, std::uint32_t max_messages) noexcept;

  [[nodiscard]] std::uint32_t relief_descriptor() const noexcept { return descriptor_count - 1; }
  [[nodiscard]] std::uint64_t arena_bytes() const noexcept { return main_bytes + relief_bytes; }
  /// From the start of the file.
  [[nodiscard]] std::uint64_t offset_of_descriptor(std::uint32_t index) const noexcept {
    return descriptors_offset + index * sizeof(Descriptor);
  }
  bool operator==(const Geometry&) const noexcept = default;
  /// Whether a block that claims to be in use lies in its part, wherever memory is.
  [[nodiscard, gnu::always_inline]] inline bool may_hold(std::uint32_t index,
                                                         const BlockFields& fields) const noexcept;
};

/// Where things lie inside a block.
struct BlockPlan {
  std::uint64_t payload_bytes = 0;
  std::uint64_t metadata_capacity = 0;

  [[nodiscard]] std::uint64_t metadata_offset() const noexcept {
    return (payload_bytes + kRedZoneBytes + 15) / 16 * 16;
  }
  [[nodiscard]] std::uint64_t block_bytes() const noexcept {
    return (metadata_offset() + metadata_capacity + kBlockAlignment - 1) / kBlockAlignment *
           kBlockAlignment;
  }
};

/// A private copy of a descriptor's plain fields.
struct BlockFields {
  std::uint64_t offset = 0;
  std::uint64_t extent_bytes = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t sequence = 0;
  std::uint64_t metadata_bytes = 0;

  [[nodiscard]] BlockPlan plan() const noexcept { return {payload_bytes, metadata_bytes}; }
};

/// Thread and process safety: the mapping itself is immutable; what it shows is shared memory, and
/// who may touch what when is the business of the layers above. Every index that comes out of
/// shared memory goes through `descriptor()`, so a damaged ring cannot lead outside the mapping.
class Segment {
 public:
  /// Reads and checks the identity of an open file without storing anything.
  static ErrorCode read_geometry(const platform::File& file, Geometry& geometry,
                                 std::string& what_is_wrong);
  /// Maps the file. A consumer maps the arena read-only.
  int map(const platform::File& file, const Geometry& geometry, bool arena_writable) noexcept;
  /// Backs descriptors [begin, end) with memory, which may be there already. @return 0 or an errno.
  int reserve_descriptors(int file, std::uint32_t begin, std::uint32_t end) const noexcept;
  /// Backs the control pages of a fresh file, the descriptors up to `descriptor_mark`.
  /// @return 0 or an errno.
  int reserve_control_pages(int file, std::uint32_t descriptor_mark) const noexcept;
  /// Backs records and order, which may be there already. @return 0 or an errno.
  int reserve_records(int file) const noexcept;
  /// Fills the control pages of a fresh, all-zero file, but for the derived state.
  void initialise(std::uint32_t options, std::uint32_t descriptor_mark) noexcept;

  [[nodiscard]] const Geometry& geometry() const noexcept { return geometry_; }
  [[nodiscard]] Header& header() const noexcept { return *header_; }
  [[nodiscard]] Slot& slot(std::uint32_t index) const noexcept {
    return slots_[index < kSlotCount ? index : 0];
  }
  /// An index outside the table, or of a descriptor that is not backed by memory, gives a private
  /// descriptor and marks the ring as damaged.
  [[nodiscard, gnu::always_inline]] Descriptor& descriptor(std::uint32_t index) const noexcept {
    if (index < known_mark_.load(std::memory_order_relaxed)) [[likely]]
      return descriptors_[index];
    return relief_or_new_descriptor(index);
  }
  /// Descriptors [0, mark) are backed by memory, and that of the relief block.
  [[nodiscard]] std::uint32_t descriptor_mark() const noexcept {
    const std::uint32_t mark = header_->descriptor_mark.load(std::memory_order_acquire);
    return mark < geometry_.relief_descriptor() ? mark : geometry_.relief_descriptor();
  }
  /// For going through all descriptors that are backed: the number that follows; ends, like that
  /// of the relief block's, with their count.
  [[nodiscard]] std::uint32_t next_descriptor(std::uint32_t index) const noexcept {
    return index + 1 == descriptor_mark() ? geometry_.relief_descriptor() : index + 1;
  }
  /// Whether records and order are backed by memory: else nobody may touch them.
  [[nodiscard]] bool has_records() const noexcept {
    return header_->records_backed.load(std::memory_order_acquire) != 0;
  }
  /// Of a descriptor, like `descriptor`.
  [[nodiscard]] Record& record(std::uint32_t index) const noexcept {
    const bool sound = index < descriptor_mark() || index == geometry_.relief_descriptor();
    return sound && has_records() ? records_[index] : stray_record();
  }
  /// Where the descriptor of the shared message of this number stands. Without records a private
  /// word, and the ring is marked as damaged.
  [[nodiscard]] Relaxed<std::uint32_t>& order(std::uint64_t sequence) const noexcept {
    return has_records() ? order_[sequence & geometry_.order_mask] : stray_order();
  }
  [[nodiscard]] std::byte* arena() const noexcept { return arena_.data(); }
  [[nodiscard]] const platform::Mapping& control_mapping() const noexcept { return control_; }

  /// Whether a block that claims to be in use lies where it may. `mark_checked`: also below the
  /// reservation mark, above which a read could be SIGBUS.
  [[nodiscard, gnu::always_inline]] bool plausible(std::uint32_t index, const BlockFields& fields,
                                                   bool mark_checked) const noexcept;
  /// Reads the plain fields of a descriptor once, so that what was checked is what is used.
  [[nodiscard]] BlockFields read_fields(std::uint32_t index) const noexcept;

 private:
  [[nodiscard]] Descriptor& relief_or_new_descriptor(std::uint32_t index) const noexcept;
  [[nodiscard]] Descriptor& stray_descriptor() const noexcept;
  [[nodiscard]] Record& stray_record() const noexcept;
  [[nodiscard]] Relaxed<std::uint32_t>& stray_order() const noexcept;

  Geometry geometry_;
  platform::Mapping control_;
  platform::Mapping arena_;
  Header* header_ = nullptr;
  Slot* slots_ = nullptr;
  Descriptor* descriptors_ = nullptr;
  Record* records_ = nullptr;
  Relaxed<std::uint32_t>* order_ = nullptr;
  mutable std::atomic<std::uint32_t> known_mark_{0};  ///< The mark as it was last seen.
  mutable Descriptor stray_{};
  mutable Record stray_record_{};
  mutable Relaxed<std::uint32_t> stray_order_{};
};

inline BlockFields fields_of(const Descriptor& descriptor) noexcept {
  BlockFields fields;
  fields.offset = descriptor.offset;
  fields.extent_bytes = descriptor.extent_bytes;
  fields.payload_bytes = descriptor.payload_bytes;
  fields.sequence = descriptor.sequence;
  fields.metadata_bytes = descriptor.metadata_bytes;
  return fields;
}

inline BlockFields Segment::read_fields(std::uint32_t index) const noexcept {
  return fields_of(descriptor(index));
}

inline bool Geometry::may_hold(std::uint32_t index, const BlockFields& fields) const noexcept {
  const bool relief = index == relief_descriptor();
  const std::uint64_t begin = relief ? main_bytes : 0;
  const std::uint64_t size = relief ? relief_bytes : main_bytes;
  const std::uint64_t extent = fields.extent_bytes;
  if (fields.offset < begin || fields.offset % kBlockAlignment != 0) return false;
  if (extent == 0 || extent % kBlockAlignment != 0) return false;
  if (extent > size || fields.offset - begin > size - extent) return false;
  if (fields.payload_bytes > extent || fields.metadata_bytes > kMaxMetadataBytes) return false;
  return fields.plan().block_bytes() <= extent;
}

inline bool Segment::plausible(std::uint32_t index, const BlockFields& fields,
                               bool mark_checked) const noexcept {
  if (!geometry_.may_hold(index, fields)) return false;
  if (!mark_checked) return true;
  const bool relief = index == geometry_.relief_descriptor();
  const std::uint64_t begin = relief ? geometry_.main_bytes : 0;
  const std::uint64_t size = relief ? geometry_.relief_bytes : geometry_.main_bytes;
  const std::uint64_t mark = relief ? header_->relief_mark.load(std::memory_order_acquire)
                                    : header_->main_mark.load(std::memory_order_acquire);
  return mark <= size && fields.offset - begin + fields.plan().block_bytes() <= mark;
}

}  // namespace ipc0cp::shm
