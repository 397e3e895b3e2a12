// SPDX-License-Identifier: Apache-2.0
// Growing the reserved memory of a ring, so that a full /dev/shm is an error and never SIGBUS; and
// giving back what is not in use.
//
// The file is sparse. [0, main_mark) of the main part is backed by memory; above it is wilderness,
// never in the bins. Who needs more takes the wilderness as a LOANED block, has it populated
// without the lock, and moves the mark from exactly the beginning of that block. There is one
// grower at a time; a dead one leaves a LOANED block above the mark, which recover() forgets. It
// takes 2 MiB at a time, about 2 ms: a message of 3 GiB that had all of it reserved at once kept
// others from growing for 3.9 s, and an empty ring was full for them.
//
// So does the table of descriptors, 256 at a time, as the ring deepens: all 65,536 of a queue at
// once were 4 MiB, and 1.6 of the 1.8 ms that making it took.
//
// Giving a part back is growing it in reverse: a piece behind the last block in use becomes a
// LOANED block, the mark moves to its beginning, and only then its memory goes, without the lock.
// As nobody grows over a block of the living, memory that others have reserved anew is never taken
// from them; a death leaves memory above the mark, which the next growth uses.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "shm/attached_ring.hpp"
#include "shm/push_request.hpp"

namespace ipc0cp::shm {

/// Thread and process safety: needs the ring's lock, but for `populate` and `depopulate`.
class Growth {
 public:
  explicit Growth(AttachedRing& ring) noexcept : ring_(ring) {}

  /// Whether anybody has a piece reserved, or given back, at this moment. Needs no lock.
  [[nodiscard]] bool in_progress() const noexcept { return ring_.header().growing != kNone; }
  /// Takes a piece of wilderness towards what the request needs, if nobody grows already.
  /// @return buffer_full also then: the request says what to reserve; or corrupt_buffer.
  ErrorCode begin(PushRequest& request) noexcept;
  /// Whether `begin` would have a piece for a block of so many bytes.
  [[nodiscard]] bool may_reach(std::uint64_t block_bytes) const noexcept;
  /// Whether `take_relief` would.
  [[nodiscard]] bool may_take_relief(std::uint64_t block_bytes, bool no_memory) const noexcept;
  /// Takes the relief block, if it is free.
  /// @return ok, or buffer_full: it is not, or the request says what to reserve; or corrupt_buffer.
  ErrorCode take_relief(PushRequest& request) noexcept;
  /// Asks for more descriptors; several may at once.
  void begin_descriptors(PushRequest& request) const noexcept {
    request.reserve = PushRequest::Reserve::descriptors;
    request.descriptor_mark = ring_.segment().descriptor_mark();
  }
  /// Without the lock: backs those. @return whether there was memory.
  [[nodiscard]] bool populate_descriptors(const PushRequest& request) const noexcept;
  /// Takes them into use, unless somebody else has.
  void move_descriptor_mark(const PushRequest& request) noexcept;
  /// Without the lock: reserves piece by piece what the request says, as long as there is memory.
  /// @return how many bytes of it are backed now.
  std::uint64_t populate(const PushRequest& request) noexcept;
  /// Moves the mark of the part behind what has been populated.
  void move_mark(const PushRequest& request, PushRequest::Reserve part,
                 std::uint64_t populated_bytes) noexcept;
  /// Whether the memory reserved so far could ever hold the request.
  [[nodiscard]] bool fits(const PushRequest& request) const noexcept {
    const Header& header = ring_.header();
    return request.block_bytes <= std::max(header.main_mark.load(), header.relief_mark.load());
  }
  /// The block that was to be reserved, if any, becomes a hole, or the relief block is free.
  void give_up(PushRequest& request) noexcept;

  /// Takes the last piece of a part behind what is in use, if there is one, nobody grows, and its
  /// mark is not above `ceiling`: the request then says what memory is to be given back.
  /// @return ok, or corrupt_buffer.
  ErrorCode shrink(PushRequest& request, PushRequest::Reserve part, std::uint64_t ceiling) noexcept;
  /// Without the lock: gives back the memory that the request names.
  /// @return how many bytes that were: all of them, or 0.
  std::uint64_t depopulate(const PushRequest& request) noexcept;

 private:
  struct Part {
    std::atomic<std::uint64_t>& mark;
    std::uint64_t begin;  ///< In the arena.
    std::uint64_t bytes;
  };
  [[nodiscard]] Part part_of(PushRequest::Reserve part) const noexcept;
  [[nodiscard]] bool is_sound(std::uint64_t mark, std::uint64_t part_bytes) const noexcept;
  [[nodiscard]] std::uint32_t new_descriptor_mark(const PushRequest& request) const noexcept;

  AttachedRing& ring_;
};

}  // namespace ipc0cp::shm
