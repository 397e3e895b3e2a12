// SPDX-License-Identifier: Apache-2.0
// Who takes part: slots, their tokens, and the one test whether somebody is dead.
#pragma once

#include <cstdint>

#include "ipc0cp/error.hpp"
#include "platform/process_identity.hpp"
#include "platform/shared_memory.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::shm {

/// One handle's place in the participant table, and its view of the others.
///
/// Thread and process safety: `is_dead` and the probes may be called by any thread at any time;
/// `claim` and `drop` belong to attaching and leaving, one thread.
///
/// Invariants
/// 1. A slot is taken by its claim byte; whoever holds it may raise the incarnation, and that one
///    store voids the predecessor's lock word, role and blocks.
/// 2. The token byte is held from before the first use of an incarnation until nothing of it is
///    left: no role, no loan, no view.
/// 3. dead(slot, incarnation): the slot carries another incarnation, or its token is free.
class Participants {
 public:
  explicit Participants(const Segment& segment) noexcept
      : segment_(segment), own_slot_(&segment.slot(0)) {}
  Participants(const Participants&) = delete;
  Participants& operator=(const Participants&) = delete;
  ~Participants() { drop(); }

  /// Finds a free slot, claims it, raises its incarnation and takes the token.
  /// `token_file` and `probe_file` must be two open file descriptions, neither of them mapped.
  /// @return ok, too_many_participants, or system_error.
  ErrorCode claim(platform::File token_file, platform::File probe_file) noexcept;

  /// Whether the incarnation that held our slot before us left without closing.
  [[nodiscard]] bool predecessor_died() const noexcept { return predecessor_died_; }
  void predecessor_is_recovered() noexcept { predecessor_died_ = false; }
  [[nodiscard]] Owner self() const noexcept { return self_; }
  [[nodiscard]] Slot& own_slot() const noexcept { return *own_slot_; }
  /// Under the lock: a message that we have published or taken, for those who look at the ring.
  void count_message(std::uint64_t message_bytes) const noexcept {
    Slot& slot = own_slot();
    slot.messages += 1;
    slot.bytes += message_bytes;
  }

  /// Stores a role in our slot word; false if the incarnation is no longer ours.
  bool set_role(Role role) noexcept;
  /// Gives token and claim back: from here on we are dead. A role that is still held is left to
  /// the others' recovery, as after a kill. Idempotent.
  void drop() noexcept;
  /// The same as a kill would do it: whatever we still own is for the others to recover.
  void drop_unclean() noexcept;
  /// In a forked child: closes our copies of the descriptors; the parent keeps its locks.
  void close_inherited() noexcept;

  /// The only death test.
  [[nodiscard]] bool is_dead(Owner owner) const noexcept;
  /// Whether the owner of a slot with this word is gone; also right while it is attaching, when
  /// only the claim byte tells, and when it was voided.
  [[nodiscard]] bool is_gone(std::uint32_t slot, std::uint64_t word) const noexcept;
  /// Whether our own token is still held; a stray close_range() can free it.
  [[nodiscard]] bool own_token_is_held() const noexcept;
  /// Keeps the ring, as any number of producers may. @return false: its file cannot be locked.
  [[nodiscard]] bool keep_ring() const noexcept;
  void stop_keeping() const noexcept;
  /// Whether a RingKeeper or a producer wants the ring to stay, ourselves included.
  [[nodiscard]] bool ring_is_kept() const noexcept;
  /// Voids an owner whose token is held by a raw clone of a process that is certainly gone.
  bool void_if_certainly_gone(std::uint32_t slot, bool compare_start_time) const noexcept;

  [[nodiscard]] int token_file() const noexcept { return token_file_.get(); }
  [[nodiscard]] int probe_file() const noexcept { return probe_file_.get(); }

 private:
  ErrorCode take_slot(std::uint32_t index) noexcept;
  void describe_self(Slot& slot) noexcept;

  const Segment& segment_;
  platform::File token_file_;
  platform::File probe_file_;
  platform::ProcessIdentity identity_;
  Owner self_ = 0;
  Slot* own_slot_;
  bool predecessor_died_ = false;
};

}  // namespace ipc0cp::shm
