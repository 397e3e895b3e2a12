// SPDX-License-Identifier: Apache-2.0
// Repair after a death: everything derived is built anew from the words that count.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "shm/allocator.hpp"
#include "shm/participants.hpp"
#include "shm/queue.hpp"
#include "shm/redo.hpp"
#include "shm/segment.hpp"
#include "shm/shares.hpp"

namespace ipc0cp::shm {

/// What one recover() found, for the log.
struct RecoveryReport {
  std::uint32_t deaths = 0;
  std::uint32_t lost_messages = 0;
  std::uint32_t redelivered_messages = 0;
  std::uint32_t dropped_messages = 0;
  std::uint32_t quarantined = 0;
  bool damaged = false;
};

/// Thread and process safety: `run` needs the ring's lock. It may be killed after any instruction
/// and run again from the beginning by the next holder: every truth it changes goes from a state
/// that a dead owner left to a state that means the same to the next recoverer.
///
/// Order of work
/// 1. Finish the redo record: the counter and the FREE of one block.
/// 2. Take the roles of the dead.
/// 3. Free what lies on the stack of returned blocks (it may belong to the living).
/// 4. Take the shares of dead subscribers, and what a lingering one has not read; free, requeue,
///    serve or keep every other block by its state and its owner's life. Then the entries of the
///    dead: while an entry names one, what is left of its shares is his, and nobody inherits it.
/// 5. Check the survivors for overlap; rebuild holes, bins, queue, counts.
///
/// Works on private copies in scratch memory allocated at attach: it never asks for memory.
class Recovery {
 public:
  explicit Recovery(const Segment& segment);

  /// Repairs the ring. `participants` null: nobody lives (a fresh segment, or an orphan).
  RecoveryReport run(const Participants* participants) noexcept;

 private:
  struct Entry {
    std::uint64_t key;
    std::uint32_t index;
    bool operator<(const Entry& other) const noexcept { return key < other.key; }
  };

  void take_roles_of_the_dead(const Participants* participants, RecoveryReport& report) noexcept;
  [[nodiscard]] bool owner_lives(Owner owner) const noexcept;
  void look_who_subscribes() noexcept;
  bool mask_shares(std::uint32_t index, StateWord word) noexcept;
  void free_entries_of_the_dead() noexcept;
  void free_returned_stack() noexcept;
  void free_chain(std::uint32_t head) noexcept;
  void recover_block(std::uint32_t index, RecoveryReport& report) noexcept;
  void end_use(std::uint32_t index, StateWord word) noexcept;
  void recover_borrowed(std::uint32_t index, StateWord word, RecoveryReport& report) noexcept;
  void quarantine(std::uint32_t index, RecoveryReport& report) noexcept;
  void survey(RecoveryReport& report) noexcept;
  void rebuild_blocks(RecoveryReport& report) noexcept;
  void rebuild_queue(RecoveryReport& report) noexcept;
  [[nodiscard]] bool is_counted_as_borrowed(std::uint32_t index, StateWord word) noexcept;
  void rebuild_counts() noexcept;

  const Segment& segment_;
  Header& header_;
  Allocator allocator_;
  Queue queue_;
  Shares shares_;
  RedoRecord redo_;
  std::unique_ptr<Entry[]> blocks_;
  std::unique_ptr<Entry[]> published_;
  std::uint32_t block_count_ = 0;
  std::uint32_t published_count_ = 0;
  std::uint64_t subscribing_ = 0;  ///< Bits of subscribers that live.
  std::uint64_t lingering_ = 0;    ///< Of those that have left, but have messages in their hands.
  std::array<std::uint32_t, kSlotCount> living_{};  ///< Incarnation that lives in each slot, or 0.
};

}  // namespace ipc0cp::shm
