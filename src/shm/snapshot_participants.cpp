// SPDX-License-Identifier: Apache-2.0
#include "shm/snapshot_participants.hpp"

#include <bit>
#include <cstring>
#include <map>
#include <string_view>
#include <utility>

#include "platform/liveness.hpp"
#include "platform/process_identity.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::shm {
namespace {

using inspect::Participant;
using inspect::ProcessState;
using inspect::WaitsFor;

inspect::Role role_of_participant(Role role) noexcept {
  switch (role) {
    case Role::kProducer:
      return inspect::Role::producer;
    case Role::kConsumer:
      return inspect::Role::consumer;
    case Role::kSubscriber:
      return inspect::Role::subscriber;
    case Role::kLingering:
      return inspect::Role::closed;
    case Role::kAttaching:
      return inspect::Role::attaching;
    case Role::kNobody:
    case Role::kVoided:
      break;
  }
  return inspect::Role::gone;
}

/// What processes do. Each is asked once, however many handles it has.
class Processes {
 public:
  [[nodiscard]] bool numbers_mean_the_same(std::uint64_t pid_namespace) const noexcept {
    return own_namespace_ != 0 && pid_namespace == own_namespace_;
  }
  ProcessState state_of(const Slot& slot) {
    platform::ProcessIdentity identity;
    identity.process_id = slot.process_id;
    identity.start_time_ticks = slot.start_time_ticks;
    identity.pid_namespace_inode = slot.pid_namespace_inode;
    if (!numbers_mean_the_same(identity.pid_namespace_inode)) return ProcessState::unknown;
    const std::pair key(identity.process_id, identity.start_time_ticks);
    const auto known = states_.find(key);
    if (known != states_.end()) return known->second;
    const ProcessState state = named(platform::process_state(identity, own_namespace_));
    states_.emplace(key, state);
    return state;
  }

 private:
  static ProcessState named(char letter) noexcept {
    switch (letter) {
      case 'R':
        return ProcessState::running;
      case 'S':
      case 'D':
      case 'I':
        return ProcessState::sleeping;
      case 'T':
      case 't':
        return ProcessState::stopped;
      default:
        // Its locks are held, so somebody lives: a clone of a process that has ended, say.
        return ProcessState::unknown;
    }
  }

  std::uint64_t own_namespace_ = platform::own_pid_namespace();
  std::map<std::pair<std::uint32_t, std::uint64_t>, ProcessState> states_;
};

/// What each slot has in its hands.
void add_holdings(const ControlCopy& copy, std::vector<Participant>& participants) {
  for (std::uint32_t place = 0; place < copy.blocks(); ++place) {
    const Descriptor& block = copy.block(place);
    const StateWord word = block.state.load(std::memory_order_relaxed);
    const std::uint32_t slot = slot_of(owner_of(word));
    if (slot == 0 || slot >= participants.size() || !copy.stood_still(place)) continue;
    Participant& owner = participants[slot];
    switch (state_of(word)) {
      case State::kLoaned:
        owner.loans += 1;
        owner.loan_bytes += block.payload_bytes;
        break;
      case State::kBorrowed:
      case State::kKept:
        owner.views += 1;
        owner.view_bytes += block.payload_bytes;
        break;
      default:
        break;
    }
  }
}

/// What subscribers have in their hands, and what they have still to read.
void add_subscriptions(const ControlCopy& copy, std::vector<Participant>& participants) {
  const Header& header = copy.header();
  for (std::uint32_t number = 0; number < kSubscriberCount; ++number) {
    const EntryWord entry = header.entries[number].load(std::memory_order_relaxed);
    const std::uint32_t slot = slot_of(owner_of_entry(entry));
    if (slot == 0 || slot >= participants.size()) continue;
    Participant& subscriber = participants[slot];
    const std::uint64_t cursor = copy.slot(slot).cursor;
    const std::uint64_t end = header.next_sequence;
    subscriber.unread = (entry & kEntryLeaving) == 0 && end > cursor ? end - cursor : 0;
    subscriber.drops_oldest = (entry & kEntryDrops) != 0;
  }
  for (std::uint32_t place = 0; place < copy.blocks(); ++place) {
    for (std::uint64_t rest = copy.viewers(place); rest != 0; rest &= rest - 1) {
      const EntryWord entry =
          header.entries[std::countr_zero(rest)].load(std::memory_order_relaxed);
      Participant& viewer = participants[slot_of(owner_of_entry(entry))];
      viewer.views += 1;
      viewer.view_bytes += copy.block(place).payload_bytes;
    }
  }
}

WaitsFor awaited_by(const Slot& slot) noexcept {
  if (slot.blocked_since_ns.load(std::memory_order_relaxed) <= 0) return WaitsFor::nothing;
  switch (static_cast<Awaited>(static_cast<std::uint32_t>(slot.waits_for))) {
    case Awaited::kMessage:
      return WaitsFor::message;
    case Awaited::kRoom:
      return WaitsFor::room;
    case Awaited::kConsumer:
      return WaitsFor::consumer;
    case Awaited::kLock:
      return WaitsFor::lock;
    case Awaited::kNothing:
      break;
  }
  return WaitsFor::nothing;
}

void describe(const Slot& slot, const Header& header, Participant& participant) {
  participant.role = role_of_participant(role_of(slot.word.load(std::memory_order_relaxed)));
  participant.process_id = slot.process_id;
  participant.process_name =
      printable(std::string_view(slot.name, strnlen(slot.name, sizeof slot.name)));
  participant.pid_namespace = slot.pid_namespace_inode;
  participant.attached_ns = moment_of(slot.attached_ns);
  participant.blocked_since_ns = moment_of(slot.blocked_since_ns.load(std::memory_order_relaxed));
  participant.wanted_bytes = slot.want_bytes.load(std::memory_order_relaxed);
  participant.has_priority = slot_of(header.priority) == participant.slot;
  participant.waits_for = awaited_by(slot);
  participant.messages = slot.messages;
  participant.bytes = slot.bytes;
}

}  // namespace

bool slot_lives(int probe_file, std::uint32_t slot, Role role) noexcept {
  if (role == Role::kNobody || role == Role::kVoided) return false;
  if (probe_file < 0) return true;
  const std::uint64_t byte = role == Role::kAttaching ? kClaimByte : kTokenByte;
  return platform::range_is_held(probe_file, byte + slot, 1);
}

std::vector<Participant> participants_of(const ControlCopy& copy, int probe_file) {
  const Header& header = copy.header();
  const Owner lock_holder = header.lock.load(std::memory_order_relaxed) & ~kLockWaiters;
  std::vector<Participant> by_slot(copy.slots_end());
  add_holdings(copy, by_slot);
  add_subscriptions(copy, by_slot);
  std::vector<Participant> found;
  Processes processes;
  for (std::uint32_t index = 1; index < by_slot.size(); ++index) {
    Participant& participant = by_slot[index];
    participant.slot = index;
    participant.has_lock = slot_of(lock_holder) == index;
    const Slot& slot = copy.slot(index);
    const Role role = role_of(slot.word.load(std::memory_order_relaxed));
    if (role == Role::kNobody && participant.blocks() == 0 && !participant.has_lock) continue;
    describe(slot, header, participant);
    participant.in_this_namespace = processes.numbers_mean_the_same(participant.pid_namespace);
    participant.process_state =
        slot_lives(probe_file, index, role) ? processes.state_of(slot) : ProcessState::dead;
    found.push_back(std::move(participant));
  }
  return found;
}

}  // namespace ipc0cp::shm
