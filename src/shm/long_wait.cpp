// SPDX-License-Identifier: Apache-2.0
// The one line that a call writes once it has been blocked for long: who holds what, what to do.
// A consumer that is merely idle writes none, because that is how consumers spend their time; one
// that waits in vain does.
#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "log_internal.hpp"
#include "platform/clock.hpp"
#include "platform/process_identity.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {
namespace {

/// What the owner of one slot keeps from the others.
struct Holding {
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;
};

/// By slot. The ring goes on meanwhile, so the figures are those of a glance.
std::vector<Holding> holdings_of(const Segment& segment) {
  std::vector<Holding> holdings(kSlotCount);
  for (std::uint32_t index = 0; index < segment.geometry().descriptor_count; ++index) {
    const StateWord state = segment.descriptor(index).state.load(std::memory_order_relaxed);
    if (state_of(state) == State::kFree || state_of(state) == State::kReady) continue;
    Holding& holding = holdings[slot_of(owner_of(state)) % kSlotCount];
    holding.blocks += 1;
    holding.bytes += segment.read_fields(index).payload_bytes;
  }
  return holdings;
}

const char* name_of(Role role) noexcept {
  switch (role) {
    case Role::kProducer:
      return "producer";
    case Role::kConsumer:
      return "consumer";
    case Role::kLingering:
      return "closed handle";
    case Role::kAttaching:
      return "newcomer";
    case Role::kNobody:
    case Role::kVoided:
      break;
  }
  return "participant that has left";
}

bool is_stopped(const Slot& slot) noexcept {
  platform::ProcessIdentity identity;
  identity.process_id = slot.process_id;
  identity.start_time_ticks = slot.start_time_ticks;
  identity.pid_namespace_inode = slot.pid_namespace_inode;
  return platform::is_stopped(identity);
}

std::string describe(const Slot& slot, bool stopped) {
  const std::int64_t age_ns = std::max<std::int64_t>(0, platform::now_ns() - slot.attached_ns);
  return std::string(name_of(role_of(slot.word.load(std::memory_order_relaxed)))) + " of process " +
         std::to_string(slot.process_id) + " (" +
         std::string(slot.name, strnlen(slot.name, sizeof slot.name)) + ", here for " +
         std::to_string(age_ns / platform::kSecond) + " s" + (stopped ? ", stopped)" : ")");
}

std::string to_text(const Holding& holding) {
  return std::to_string(holding.blocks) + " block(s) with " + std::to_string(holding.bytes) +
         " bytes";
}

}  // namespace

std::string Channel::describe_wait(const char* what, std::int64_t waited_ns) const {
  const Header& header = ring_->header();
  return "ring '" + name() + "': blocked for " + std::to_string(waited_ns / platform::kSecond) +
         " s, waiting for " + what + "; " +
         std::to_string(header.queued.load(std::memory_order_relaxed)) + " message(s) queued, " +
         std::to_string(header.used_bytes) + " of " + std::to_string(geometry().total_data_bytes) +
         " bytes in use";
}

std::string Channel::explain_wait(Wait wait) const {
  const Header& header = ring_->header();
  std::string text = describe_wait(wait == Wait::kLock   ? "the ring's lock"
                                   : wait == Wait::kRoom ? "room"
                                                         : "a consumer",
                                   kLongWaitNs);
  const std::vector<Holding> holdings = holdings_of(*ring_->segment);
  const std::uint32_t lock_slot =
      slot_of(header.lock.load(std::memory_order_relaxed) & ~kLockWaiters);
  const std::uint32_t end = std::min<std::uint32_t>(header.slots_end, kSlotCount);
  bool any_stopped = false;
  bool any_held = false;
  for (std::uint32_t index = 1; index < end; ++index) {
    const Holding& holding = holdings[index];
    const bool has_lock = index == lock_slot;
    if (holding.blocks == 0 && !has_lock) continue;
    const Slot& slot = ring_->segment->slot(index);
    const bool stopped = is_stopped(slot);
    any_stopped |= stopped;
    any_held |= holding.blocks > 0;
    text += "; " + describe(slot, stopped) + " holds ";
    if (has_lock) text += holding.blocks == 0 ? "the lock" : "the lock and ";
    if (holding.blocks > 0) text += to_text(holding);
  }
  return text + ". " + advice(wait, any_stopped, any_held);
}

std::string Channel::advice(Wait wait, bool any_stopped, bool any_held) const {
  if (any_stopped) return "Let the stopped process go on (SIGCONT), or end it.";
  if (wait == Wait::kLock) {
    return "The lock is only ever taken from the dead: look what its holder does, or end it.";
  }
  if (wait == Wait::kConsumer) {
    return "Start a consumer, or remove the ring: ipc0cp rm " + name() + ".";
  }
  if (any_held) {
    return "Consumers: let go of views that are not needed, or pop with a copy; or make the ring "
           "larger (total_data_bytes, max_messages).";
  }
  return "Consumers do not keep up: pop faster, add some, or make the ring larger "
         "(total_data_bytes, max_messages).";
}

/// Why nothing may ever come to a pop that has found nothing; empty while any producer is there
/// that could push, and at the end of the stream.
std::string Channel::explain_silence(std::int64_t waited_ns) const {
  const Header& header = ring_->header();
  const std::vector<Holding> holdings = holdings_of(*ring_->segment);
  const std::uint32_t end = std::min<std::uint32_t>(header.slots_end, kSlotCount);
  std::string producers;
  std::string holders;
  for (std::uint32_t index = 1; index < end; ++index) {
    const Slot& slot = ring_->segment->slot(index);
    const Role role = role_of(slot.word.load(std::memory_order_relaxed));
    if (role == Role::kProducer) {
      if (!is_stopped(slot)) return {};
      producers += "; " + describe(slot, true);
    } else if (holdings[index].blocks > 0 && index != slot_of(ring_->participants.self())) {
      holders += "; " + describe(slot, is_stopped(slot)) + " holds " + to_text(holdings[index]);
    }
  }
  const std::uint32_t joined = joined_of(header.joined_left.load(std::memory_order_relaxed));
  const std::string joined_text = "; " + std::to_string(joined) + " of " +
                                  std::to_string(options_.expected_producers) +
                                  " expected producer(s) have come";
  if (!producers.empty()) {
    return describe_wait("a message", waited_ns) + joined_text + producers +
           ". No other producer is there: let it go on (SIGCONT), or end it.";
  }
  if (joined < options_.expected_producers) {
    return describe_wait("a producer", waited_ns) + joined_text +
           (joined == 0 ? "" : ", and none is left") + ". Start one for '" + name() +
           "', look whether it uses another name, or expect fewer (expected_producers).";
  }
  if (!redelivers() || holders.empty()) return {};
  return describe_wait("the end of the stream", waited_ns) + joined_text + holders +
         ". What others have not finished may come again: let them finish (done), or end them.";
}

/// @return whether there was something to tell.
bool Channel::log_silence(std::int64_t waited_ns) const noexcept {
  try {
    const std::string text = explain_silence(waited_ns);
    if (!text.empty()) log(LogLevel::warning, text);
    return !text.empty();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Channel::log_long_wait(Wait wait) const noexcept {
  try {
    log(LogLevel::warning, explain_wait(wait));
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "a call on a ring has been blocked for 5 s");
  }
}

}  // namespace ipc0cp::shm
