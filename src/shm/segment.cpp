// SPDX-License-Identifier: Apache-2.0
#include "shm/segment.hpp"

#include <bit>
#include <cerrno>
#include <cstring>

#include "platform/clock.hpp"
#include "platform/process_identity.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) noexcept {
  return (value + unit - 1) / unit * unit;
}

constexpr std::uint32_t kSpareDescriptors = 8;      ///< For holes beyond `max_messages` blocks.
constexpr std::uint64_t kBlockOverheadBytes = 128;  ///< Red zone and alignment of one message.

}  // namespace

Geometry Geometry::of(std::uint64_t total_data_bytes, std::uint32_t max_messages) noexcept {
  Geometry geometry;
  geometry.total_data_bytes = total_data_bytes;
  geometry.max_messages = max_messages;
  geometry.descriptor_count = max_messages + kSpareDescriptors + 1;
  // Room for the headers of as many messages as there can be, so that k of total / k fit.
  const std::uint64_t overhead = kBlockOverheadBytes * max_messages + 4096;
  geometry.main_bytes = round_up(total_data_bytes + overhead, kGranuleBytes);
  geometry.relief_bytes = round_up(total_data_bytes + 4096, kGranuleBytes);
  geometry.slots_offset = 4096;
  geometry.descriptors_offset = geometry.slots_offset + kSlotCount * sizeof(Slot);
  const std::uint64_t count = geometry.descriptor_count;
  geometry.records_offset =
      round_up(geometry.descriptors_offset + count * sizeof(Descriptor), kGranuleBytes);
  geometry.order_offset = geometry.records_offset + count * sizeof(Record);
  const std::uint64_t length = std::bit_ceil(count);
  geometry.order_mask = static_cast<std::uint32_t>(length - 1);
  geometry.arena_offset =
      round_up(geometry.order_offset + length * sizeof(std::uint32_t), kGranuleBytes);
  geometry.file_bytes = geometry.arena_offset + geometry.arena_bytes();
  return geometry;
}

ErrorCode Segment::read_geometry(const platform::File& file, Geometry& geometry,
                                 std::string& what_is_wrong) {
  struct Identity {
    std::uint64_t magic;
    std::uint32_t layout_version;
    std::uint32_t header_bytes;
    std::uint64_t file_bytes;
    std::uint64_t total_data_bytes;
    std::uint64_t main_bytes;
    std::uint64_t relief_bytes;
    std::uint32_t max_messages;
    std::uint32_t descriptor_count;
  } identity{};
  static_assert(offsetof(Identity, descriptor_count) == offsetof(Header, descriptor_count));
  platform::FileIdentity status;
  if (platform::identity_of(file.get(), status) != 0 || !status.regular) {
    what_is_wrong = "it is not a regular file";
    return ErrorCode::not_a_ring;
  }
  if (platform::read_at(file.get(), 0, &identity, sizeof identity) != 0 ||
      identity.magic != kMagic) {
    what_is_wrong = "it does not begin like a ring";
    return ErrorCode::not_a_ring;
  }
  if (identity.layout_version != kLayoutVersion) {
    what_is_wrong = "its layout version is " + std::to_string(identity.layout_version) +
                    ", this program knows version " + std::to_string(kLayoutVersion);
    return ErrorCode::version_mismatch;
  }
  std::uint32_t required_features = 0;
  constexpr std::uint64_t kFeaturesOffset = offsetof(Header, required_features);
  if (platform::read_at(file.get(), kFeaturesOffset, &required_features,
                        sizeof required_features) != 0) {
    what_is_wrong = "it is shorter than the header of a ring";
    return ErrorCode::not_a_ring;
  }
  if (required_features != 0) {
    what_is_wrong = "it uses features (" + std::to_string(required_features) +
                    ") of a later program, of which this one knows none";
    return ErrorCode::version_mismatch;
  }
  if (identity.total_data_bytes < kMinTotalDataBytes ||
      identity.total_data_bytes > kMaxTotalDataBytes || identity.max_messages == 0 ||
      identity.max_messages > kMaxMaxMessages) {
    what_is_wrong = "its sizes are impossible";
    return ErrorCode::not_a_ring;
  }
  geometry = Geometry::of(identity.total_data_bytes, identity.max_messages);
  if (identity.main_bytes != geometry.main_bytes ||
      identity.relief_bytes != geometry.relief_bytes ||
      identity.descriptor_count != geometry.descriptor_count ||
      identity.file_bytes != geometry.file_bytes || status.bytes != geometry.file_bytes) {
    what_is_wrong = "its sizes contradict each other";
    return ErrorCode::not_a_ring;
  }
  return ErrorCode::ok;
}

int Segment::map(const platform::File& file, const Geometry& geometry,
                 bool arena_writable) noexcept {
  geometry_ = geometry;
  if (const int error = platform::map(file, 0, geometry.arena_offset, true, control_)) return error;
  if (const int error = platform::map(file, geometry.arena_offset, geometry.arena_bytes(),
                                      arena_writable, arena_)) {
    return error;
  }
  header_ = reinterpret_cast<Header*>(control_.data());
  slots_ = reinterpret_cast<Slot*>(control_.data() + geometry.slots_offset);
  descriptors_ = reinterpret_cast<Descriptor*>(control_.data() + geometry.descriptors_offset);
  records_ = reinterpret_cast<Record*>(control_.data() + geometry.records_offset);
  order_ = reinterpret_cast<Relaxed<std::uint32_t>*>(control_.data() + geometry.order_offset);
  return 0;
}

int Segment::reserve_records(int file) const noexcept {
  const std::uint64_t bytes = geometry_.arena_offset - geometry_.records_offset;
  return platform::reserve(file, geometry_.records_offset,
                           control_.data() + geometry_.records_offset, bytes);
}

int Segment::reserve_descriptors(int file, std::uint32_t begin, std::uint32_t end) const noexcept {
  const std::uint64_t page = platform::page_bytes();
  const std::uint64_t first_byte = geometry_.offset_of_descriptor(begin) / page * page;
  const std::uint64_t end_byte = geometry_.offset_of_descriptor(end);
  return platform::reserve(file, first_byte, control_.data() + first_byte, end_byte - first_byte);
}

int Segment::reserve_control_pages(int file, std::uint32_t descriptor_mark) const noexcept {
  const int error =
      platform::reserve(file, 0, control_.data(), geometry_.offset_of_descriptor(descriptor_mark));
  if (error != 0) return error;
  const std::uint32_t relief = geometry_.relief_descriptor();
  return reserve_descriptors(file, relief, relief + 1);
}

void Segment::initialise(std::uint32_t options, std::uint32_t descriptor_mark) noexcept {
  Header& header = *header_;
  header.magic = kMagic;
  header.layout_version = kLayoutVersion;
  header.header_bytes = sizeof(Header);
  header.file_bytes = geometry_.file_bytes;
  header.total_data_bytes = geometry_.total_data_bytes;
  header.main_bytes = geometry_.main_bytes;
  header.relief_bytes = geometry_.relief_bytes;
  header.max_messages = geometry_.max_messages;
  header.descriptor_count = geometry_.descriptor_count;
  header.slots_offset = geometry_.slots_offset;
  header.descriptors_offset = geometry_.descriptors_offset;
  header.records_offset = geometry_.records_offset;
  header.arena_offset = geometry_.arena_offset;
  header.ring_id = platform::random_word();
  header.created_ns = platform::now_ns();
  header.options.store(options, std::memory_order_relaxed);
  header.descriptor_mark.store(descriptor_mark, std::memory_order_relaxed);
  header.next_sequence = 1;
  header.returned_head.store(kNone, std::memory_order_relaxed);
  header.collecting = kNone;
}

Descriptor& Segment::relief_or_new_descriptor(std::uint32_t index) const noexcept {
  if (index == geometry_.relief_descriptor()) return descriptors_[index];
  const std::uint32_t mark = descriptor_mark();
  if (index >= mark) return stray_descriptor();
  known_mark_.store(mark, std::memory_order_relaxed);
  return descriptors_[index];
}

Record& Segment::stray_record() const noexcept {
  header_->damaged.store(1, std::memory_order_release);
  stray_record_.shares.store(0, std::memory_order_relaxed);
  return stray_record_;
}

Relaxed<std::uint32_t>& Segment::stray_order() const noexcept {
  header_->damaged.store(1, std::memory_order_release);
  stray_order_ = kNone;
  return stray_order_;
}

Descriptor& Segment::stray_descriptor() const noexcept {
  header_->damaged.store(1, std::memory_order_release);
  stray_.link_next = stray_.link_previous = kNone;
  stray_.address_next = stray_.address_previous = kNone;
  stray_.returned_next = kNone;
  return stray_;
}

}  // namespace ipc0cp::shm
