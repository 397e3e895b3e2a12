// SPDX-License-Identifier: Apache-2.0
// Growing the reserved memory of a ring, so that a full /dev/shm is an error and never SIGBUS.
//
// The file is sparse. [0, main_mark) of the main part is backed by memory; above it is wilderness,
// never in the bins. Who needs more takes the wilderness as a LOANED block, has it populated
// without the lock, and moves the mark from exactly the beginning of that block. There is one
// grower at a time; a dead one leaves a LOANED block above the mark, which recover() forgets.

#include <algorithm>

#include "platform/clock.hpp"
#include "shm/channel_request.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{2} << 20;

constexpr std::uint64_t round_up(std::uint64_t value) noexcept {
  return (value + kGranuleBytes - 1) / kGranuleBytes * kGranuleBytes;
}

}  // namespace

/// Under the lock: makes the wilderness a LOANED block if it can serve the request.
ErrorCode Channel::begin_growth(Request& request) noexcept {
  Header& header = ring_->header();
  if (header.growing != kNone) return ErrorCode::buffer_full;
  const std::uint64_t mark = header.main_mark.load(std::memory_order_relaxed);
  if (mark > geometry().main_bytes || mark % kGranuleBytes != 0) {
    header.damaged.store(1, std::memory_order_release);
    return ErrorCode::corrupt_buffer;
  }
  const std::uint64_t wilderness = geometry().main_bytes - mark;
  const std::uint64_t tail = ring_->allocator.tail_hole_bytes();
  if (wilderness == 0 || tail + wilderness < request.block_bytes) return ErrorCode::buffer_full;
  // Small messages grow the ring by a share of what it has, so that growing stays rare.
  const std::uint64_t share = round_up(std::clamp(mark / 4, kGranuleBytes, kPieceBytes));
  const std::uint64_t needed = round_up(request.block_bytes - std::min(tail, request.block_bytes));
  const std::uint64_t bytes = std::min(wilderness, std::max(needed, share));
  const std::uint32_t index = ring_->allocator.append(mark, bytes);
  if (index == kNone) return ErrorCode::buffer_full;
  Descriptor& descriptor = ring_->segment->descriptor(index);
  descriptor.payload_bytes = 0;
  descriptor.metadata_bytes = 0;
  descriptor.returned_next = kNone;
  const StateWord before = descriptor.state.load(std::memory_order_relaxed);
  request.word =
      make_state(State::kLoaned, ring_->participants.self(), 0, generation_of(before) + 1);
  request.descriptor = index;
  request.reserve = Request::Reserve::main;
  request.reserve_begin = mark;
  request.reserve_bytes = bytes;
  descriptor.state.store(request.word, std::memory_order_release);
  header.growing = index;
  header.live_blocks += 1;
  return ErrorCode::buffer_full;
}

/// Under the lock, for the claimant alone: the relief block, if it is free.
ErrorCode Channel::take_relief(Request& request) noexcept {
  const std::uint32_t index = geometry().relief_descriptor();
  Descriptor& descriptor = ring_->segment->descriptor(index);
  if (state_of(descriptor.state.load(std::memory_order_relaxed)) != State::kFree) {
    return ErrorCode::buffer_full;
  }
  if (request.block_bytes > geometry().relief_bytes) return ErrorCode::buffer_full;
  const std::uint64_t mark = ring_->header().relief_mark.load(std::memory_order_relaxed);
  if (mark > geometry().relief_bytes || mark % kGranuleBytes != 0) {
    ring_->header().damaged.store(1, std::memory_order_release);
    return ErrorCode::corrupt_buffer;
  }
  descriptor.offset = geometry().main_bytes;
  descriptor.extent_bytes = geometry().relief_bytes;
  if (commit_loan(request, index) != ErrorCode::ok) return ErrorCode::corrupt_buffer;
  if (mark >= request.block_bytes) return ErrorCode::ok;
  request.reserve = Request::Reserve::relief;
  request.reserve_begin = geometry().main_bytes + mark;
  request.reserve_bytes = round_up(request.block_bytes) - mark;
  return ErrorCode::buffer_full;
}

/// Populates piece by piece and returns how much of it is backed now.
std::uint64_t Channel::reserve_memory(const Request& request) noexcept {
  const int file = ring_->participants.probe_file();
  const Descriptor& descriptor = ring_->segment->descriptor(request.descriptor);
  std::uint64_t done = 0;
  while (done < request.reserve_bytes) {
    // Closed meanwhile: what is populated above the mark stays unused until somebody grows again.
    if (ring_->refusal.load(std::memory_order_relaxed) != ErrorCode::ok) break;
    const std::uint64_t piece = std::min(kPieceBytes, request.reserve_bytes - done);
    const std::uint64_t begin = request.reserve_begin + done;
    const std::uint64_t offset = geometry().arena_offset + begin;
    if (platform::reserve(file, offset, ring_->segment->arena() + begin, piece) != 0) {
      // The piece may be backed in part; above the mark and still ours, it can go back.
      if (descriptor.state.load(std::memory_order_acquire) == request.word) {
        platform::unreserve(file, offset, piece);
      }
      break;
    }
    done += piece;
  }
  return done;
}

/// Under the lock: the block that was to be reserved becomes a hole, or the relief block is free.
void Channel::give_up_reservation(Request& request) noexcept {
  free_block(*ring_->segment, ring_->allocator, request.descriptor, request.word);
  request.descriptor = kNone;
}

/// Without the lock: reserves what `begin_growth` or `take_relief` asked for, and tries again.
ErrorCode Channel::reserve_and_attempt(Request& request, Deadline& deadline) noexcept {
  const Membership::Busy busy(*ring_);  // The block to reserve is ours, and counted nowhere else.
  const bool relief = request.reserve == Request::Reserve::relief;
  request.reserve = Request::Reserve::nothing;
  const std::uint64_t wanted = request.reserve_bytes;
  const std::uint64_t got = reserve_memory(request);
  // The block is ours alone; the lock is waited for even by a call that does not wait for room.
  Deadline patience(std::max(deadline.timeout_ns(), 10 * platform::kSecond));
  const ErrorCode entered = enter(patience);
  if (entered != ErrorCode::ok) {
    abandon_block(request.descriptor, request.word);
    return entered;
  }
  Header& header = ring_->header();
  Descriptor& descriptor = ring_->segment->descriptor(request.descriptor);
  ErrorCode result = ErrorCode::corrupt_buffer;
  if (descriptor.state.load(std::memory_order_relaxed) == request.word) {
    std::atomic<std::uint64_t>& mark = relief ? header.relief_mark : header.main_mark;
    const std::uint64_t part_begin = relief ? geometry().main_bytes : 0;
    mark.store(request.reserve_begin - part_begin + got, std::memory_order_release);
    if (relief && got == wanted) {
      complete_taken(request);
      served_by_relief_ = true;
      result = ErrorCode::ok;
    } else {
      give_up_reservation(request);
      result = attempt_push(request);
      const bool asks_again = request.must_reserve();
      if (got < wanted && asks_again) {
        // /dev/shm is full: asking again at once would only turn in a circle.
        give_up_reservation(request);
        request.reserve = Request::Reserve::nothing;
      }
      const std::uint64_t most = std::max(header.main_mark.load(), header.relief_mark.load());
      if (got < wanted && result == ErrorCode::buffer_full && request.block_bytes > most) {
        result = ErrorCode::no_space;
      }
    }
    if (result == ErrorCode::ok && header.claimant == ring_->participants.self()) {
      header.claimant = 0;
    }
  }
  const ErrorCode left = ring_->leave();
  ring_->space_event.wake_all();
  return left == ErrorCode::ok ? result : left;
}

}  // namespace ipc0cp::shm
