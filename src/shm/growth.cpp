// SPDX-License-Identifier: Apache-2.0
#include "shm/growth.hpp"

#include <algorithm>

namespace ipc0cp::shm {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{2} << 20;

constexpr std::uint64_t round_up(std::uint64_t value) noexcept {
  return (value + kGranuleBytes - 1) / kGranuleBytes * kGranuleBytes;
}

}  // namespace

Growth::Part Growth::part_of(PushRequest::Reserve part) const noexcept {
  Header& header = ring_.header();
  const Geometry& geometry = ring_.geometry();
  if (part == PushRequest::Reserve::relief) {
    return {header.relief_mark, geometry.main_bytes, geometry.relief_bytes};
  }
  return {header.main_mark, 0, geometry.main_bytes};
}

bool Growth::is_sound(std::uint64_t mark, std::uint64_t part_bytes) const noexcept {
  if (mark <= part_bytes && mark % kGranuleBytes == 0) return true;
  ring_.header().damaged.store(1, std::memory_order_release);
  return false;
}

// ---- getting memory -----------------------------------------------------------------------------

ErrorCode Growth::begin(PushRequest& request) noexcept {
  Header& header = ring_.header();
  if (header.growing != kNone) return ErrorCode::buffer_full;
  const std::uint64_t mark = header.main_mark.load(std::memory_order_relaxed);
  const std::uint64_t main_bytes = ring_.geometry().main_bytes;
  if (!is_sound(mark, main_bytes)) return ErrorCode::corrupt_buffer;
  const std::uint64_t wilderness = main_bytes - mark;
  const std::uint64_t tail = ring_.blocks().tail_hole_bytes();
  if (wilderness == 0 || tail + wilderness < request.block_bytes) return ErrorCode::buffer_full;
  // Small messages grow the ring by a share of what it has, so that growing stays rare.
  const std::uint64_t share = round_up(std::clamp(mark / 4, kGranuleBytes, kPieceBytes));
  const std::uint64_t needed = round_up(request.block_bytes - std::min(tail, request.block_bytes));
  const std::uint64_t bytes = std::min({wilderness, std::max(needed, share), kPieceBytes});
  if (ring_.blocks().loan_wilderness(request, mark, bytes)) {
    request.reserve = PushRequest::Reserve::main;
    request.reserve_begin = mark;
    request.reserve_bytes = bytes;
  }
  return ErrorCode::buffer_full;
}

bool Growth::may_reach(std::uint64_t block_bytes) const noexcept {
  const Header& header = ring_.header();
  const std::uint64_t mark = header.main_mark.load(std::memory_order_relaxed);
  const std::uint64_t main_bytes = ring_.geometry().main_bytes;
  if (header.growing != kNone || mark >= main_bytes || !ring_.blocks().has_spare()) return false;
  return ring_.blocks().tail_hole_bytes() + (main_bytes - mark) >= block_bytes;
}

bool Growth::may_take_relief(std::uint64_t block_bytes, bool no_memory) const noexcept {
  const Geometry& geometry = ring_.geometry();
  return block_bytes <= geometry.relief_bytes &&
         (!no_memory || block_bytes <= ring_.header().relief_mark) &&
         state_of(ring_.blocks().word_of(geometry.relief_descriptor())) == State::kFree;
}

ErrorCode Growth::take_relief(PushRequest& request) noexcept {
  const Geometry& geometry = ring_.geometry();
  const std::uint64_t mark = ring_.header().relief_mark.load(std::memory_order_relaxed);
  if (!is_sound(mark, geometry.relief_bytes)) return ErrorCode::corrupt_buffer;
  if (request.no_memory && mark < request.block_bytes) return ErrorCode::buffer_full;
  const ErrorCode loaned = ring_.blocks().loan_relief(request);
  if (loaned != ErrorCode::ok || mark >= request.block_bytes) return loaned;
  request.reserve = PushRequest::Reserve::relief;
  request.reserve_begin = geometry.main_bytes + mark;
  request.reserve_bytes = round_up(request.block_bytes) - mark;
  return ErrorCode::buffer_full;
}

/// What follows on the mark, which is never taken back, can be populated by several at once.
bool Growth::populate_descriptors(const PushRequest& request) const noexcept {
  return ring_.segment().reserve_descriptors(ring_.participants().probe_file(),
                                             request.descriptor_mark,
                                             new_descriptor_mark(request)) == 0;
}

void Growth::move_descriptor_mark(const PushRequest& request) noexcept {
  if (ring_.segment().descriptor_mark() != request.descriptor_mark) return;
  ring_.blocks().add_descriptors(request.descriptor_mark, new_descriptor_mark(request));
}

std::uint32_t Growth::new_descriptor_mark(const PushRequest& request) const noexcept {
  const std::uint32_t left = ring_.geometry().relief_descriptor() - request.descriptor_mark;
  return request.descriptor_mark + std::min(left, kDescriptorsAtATime);
}

std::uint64_t Growth::populate(const PushRequest& request) noexcept {
  const int file = ring_.participants().probe_file();
  std::uint64_t done = 0;
  while (done < request.reserve_bytes) {
    // Closed meanwhile: what is populated above the mark stays unused until somebody grows again.
    if (ring_.refusal() != ErrorCode::ok) break;
    const std::uint64_t piece = std::min(kPieceBytes, request.reserve_bytes - done);
    const std::uint64_t begin = request.reserve_begin + done;
    const std::uint64_t offset = ring_.geometry().arena_offset + begin;
    if (platform::reserve(file, offset, ring_.segment().arena() + begin, piece) != 0) {
      // The piece may be backed in part; above the mark and still ours, it can go back.
      if (ring_.blocks().word_of(request.descriptor) == request.word) {
        platform::unreserve(file, offset, piece);
      }
      break;
    }
    done += piece;
  }
  return done;
}

void Growth::move_mark(const PushRequest& request, PushRequest::Reserve part,
                       std::uint64_t populated_bytes) noexcept {
  const auto [mark, part_begin, part_bytes] = part_of(part);
  mark.store(request.reserve_begin - part_begin + populated_bytes, std::memory_order_release);
}

void Growth::give_up(PushRequest& request) noexcept {
  if (request.reserve == PushRequest::Reserve::descriptors) {
    request.reserve = PushRequest::Reserve::nothing;
    return;
  }
  ring_.blocks().free(request.descriptor, request.word);
  request.descriptor = kNone;
  request.reserve = PushRequest::Reserve::nothing;
}

// ---- giving memory back -------------------------------------------------------------------------

ErrorCode Growth::shrink(PushRequest& request, PushRequest::Reserve part,
                         std::uint64_t ceiling) noexcept {
  Header& header = ring_.header();
  Blocks& blocks = ring_.blocks();
  const bool reserved = has_option(header, kOptionReserved);
  if (reserved || header.growing != kNone) return ErrorCode::ok;
  const auto [mark, part_begin, part_bytes] = part_of(part);
  const std::uint64_t end = mark.load(std::memory_order_relaxed);
  if (!is_sound(end, part_bytes)) return ErrorCode::corrupt_buffer;
  const bool relief = part == PushRequest::Reserve::relief;
  const std::uint64_t least = relief ? 0 : round_up(blocks.end_of_blocks());
  if (end > ceiling || end <= least) return ErrorCode::ok;
  const std::uint64_t bytes = std::min(kPieceBytes, end - least);
  const std::uint64_t begin = end - bytes;
  const bool taken =
      relief ? blocks.loan_relief_tail(request, begin, bytes) : blocks.loan_tail(request, begin);
  if (!taken) return ErrorCode::ok;
  // Before the memory goes: nobody may be told that it is there when it is not.
  mark.store(begin, std::memory_order_release);
  request.reserve = part;
  request.reserve_begin = part_begin + begin;
  request.reserve_bytes = bytes;
  return ErrorCode::ok;
}

std::uint64_t Growth::depopulate(const PushRequest& request) noexcept {
  // Whoever took us for dead has freed the block, and others may have grown over it.
  if (ring_.blocks().word_of(request.descriptor) != request.word) return 0;
  const int error = platform::unreserve(ring_.participants().probe_file(),
                                        ring_.geometry().arena_offset + request.reserve_begin,
                                        request.reserve_bytes);
  return error == 0 ? request.reserve_bytes : 0;
}

}  // namespace ipc0cp::shm
