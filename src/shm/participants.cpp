// SPDX-License-Identifier: Apache-2.0
#include "shm/participants.hpp"

#include <algorithm>

#include "platform/clock.hpp"
#include "platform/liveness.hpp"

namespace ipc0cp::shm {

using platform::LockKind;
using platform::LockResult;

ErrorCode Participants::claim(platform::File token_file, platform::File probe_file) noexcept {
  token_file_ = platform::File(platform::move_high(token_file.take()));
  probe_file_ = platform::File(platform::move_high(probe_file.take()));
  identity_ = platform::current_process();
  for (std::uint32_t index = 1; index < kSlotCount; ++index) {
    switch (platform::lock_byte(token_file_.get(), kClaimByte + index, LockKind::write)) {
      case LockResult::busy:
        continue;
      case LockResult::failed:
        return ErrorCode::system_error;
      case LockResult::taken:
        break;
    }
    const ErrorCode taken = take_slot(index);
    if (taken == ErrorCode::ok) return taken;
    platform::unlock_byte(token_file_.get(), kClaimByte + index);
    if (taken != ErrorCode::buffer_full) return taken;
  }
  return ErrorCode::too_many_participants;
}

ErrorCode Participants::take_slot(std::uint32_t index) noexcept {
  Slot& slot = segment_.slot(index);
  std::uint64_t word = slot.word.load(std::memory_order_acquire);
  std::uint64_t successor = 0;
  do {
    const std::uint32_t incarnation = next_incarnation(incarnation_of_slot(word));
    successor = make_slot_word(incarnation, Role::kAttaching);
    // A role that is left over means that its owner never came to the end of leaving.
    predecessor_died_ = role_of(word) != Role::kNobody;
  } while (!slot.word.compare_exchange_weak(word, successor, std::memory_order_acq_rel));
  // From here on nothing of the predecessor counts. The token comes after: whoever sees the new
  // incarnation without a token takes us for dead, and we own nothing yet.
  switch (platform::lock_byte(token_file_.get(), kTokenByte + index, LockKind::write)) {
    case LockResult::taken:
      break;
    case LockResult::busy:
      return ErrorCode::buffer_full;  // A raw clone still holds it; take another slot.
    case LockResult::failed:
      return ErrorCode::system_error;
  }
  self_ = make_owner(index, incarnation_of_slot(successor));
  own_slot_ = &slot;
  describe_self(slot);
  return ErrorCode::ok;
}

void Participants::describe_self(Slot& slot) noexcept {
  slot.start_time_ticks = identity_.start_time_ticks;
  slot.pid_namespace_inode = identity_.pid_namespace_inode;
  slot.time_namespace_inode = identity_.time_namespace_inode;
  slot.process_id = identity_.process_id;
  slot.thread_id = platform::current_thread();
  std::copy(identity_.name.begin(), identity_.name.end(), slot.name);
  slot.want_bytes.store(0, std::memory_order_relaxed);
  slot.want_since_ns.store(0, std::memory_order_relaxed);
  slot.blocked_since_ns.store(0, std::memory_order_relaxed);
  slot.waits_for = 0;
  slot.messages = 0;
  slot.bytes = 0;
  slot.attached_ns = platform::now_ns();
}

bool Participants::set_role(Role role) noexcept {
  Slot& slot = own_slot();
  std::uint64_t word = slot.word.load(std::memory_order_acquire);
  while (incarnation_of_slot(word) == incarnation_of(self_)) {
    const std::uint64_t successor = make_slot_word(incarnation_of(self_), role);
    if (slot.word.compare_exchange_weak(word, successor, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void Participants::drop() noexcept {
  if (!token_file_.is_open()) return;
  if (self_ != 0) {
    const Role role = role_of(own_slot().word.load(std::memory_order_acquire));
    // Nothing is owned any more; a slot left clean spares its next owner a recovery.
    const bool clean = role == Role::kLingering || (role == Role::kAttaching && !predecessor_died_);
    if (clean) set_role(Role::kNobody);
  }
  drop_unclean();
}

// The probe file stays: another thread may be looking through it, and its number must not become
// another file's meanwhile. It holds no lock.
void Participants::drop_unclean() noexcept { token_file_.reset(); }

void Participants::close_inherited() noexcept {
  token_file_.reset();
  probe_file_.reset();
}

bool Participants::is_dead(Owner owner) const noexcept {
  const std::uint32_t slot = slot_of(owner);
  const std::uint64_t word = segment_.slot(slot).word.load(std::memory_order_acquire);
  if (incarnation_of_slot(word) != incarnation_of(owner)) return true;
  return !platform::range_is_held(probe_file_.get(), kTokenByte + slot, 1);
}

bool Participants::is_gone(std::uint32_t slot, std::uint64_t word) const noexcept {
  if (role_of(word) == Role::kVoided) return true;
  if (role_of(word) == Role::kAttaching) {
    return !platform::range_is_held(probe_file_.get(), kClaimByte + slot, 1);
  }
  return is_dead(make_owner(slot, incarnation_of_slot(word)));
}

bool Participants::own_token_is_held() const noexcept {
  // A successor in our slot holds the same byte.
  const std::uint64_t word = own_slot().word.load(std::memory_order_acquire);
  if (incarnation_of_slot(word) != incarnation_of(self_)) return false;
  return platform::own_byte_is_held(probe_file_.get(), kTokenByte + slot_of(self_));
}

bool Participants::keep_ring() const noexcept {
  const std::uint64_t byte = kKeepByte + slot_of(self_);
  return platform::lock_byte(token_file_.get(), byte, LockKind::write) == LockResult::taken;
}

void Participants::stop_keeping() const noexcept {
  platform::unlock_byte(token_file_.get(), kKeepByte + slot_of(self_));
}

bool Participants::ring_is_kept() const noexcept {
  return platform::range_is_held(probe_file_.get(), kKeeperByte, 1) ||
         platform::range_is_held(probe_file_.get(), kKeepByte, kSlotCount);
}

bool Participants::void_if_certainly_gone(std::uint32_t index,
                                          bool compare_start_time) const noexcept {
  Slot& slot = segment_.slot(index);
  std::uint64_t word = slot.word.load(std::memory_order_acquire);
  platform::ProcessIdentity other;
  other.process_id = slot.process_id;
  other.start_time_ticks = slot.start_time_ticks;
  other.pid_namespace_inode = slot.pid_namespace_inode;
  other.time_namespace_inode = slot.time_namespace_inode;
  // While a newcomer attaches, the description may still be the predecessor's.
  if (role_of(word) == Role::kAttaching || role_of(word) == Role::kNobody) return false;
  if (!platform::certainly_gone(other, identity_, compare_start_time)) return false;
  // One store voids the owner and asks for the recovery of what it had, so nobody's death in
  // between can make its blocks forgotten.
  const std::uint32_t incarnation = next_incarnation(incarnation_of_slot(word));
  return slot.word.compare_exchange_strong(word, make_slot_word(incarnation, Role::kVoided),
                                           std::memory_order_acq_rel);
}

}  // namespace ipc0cp::shm
