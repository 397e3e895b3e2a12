// SPDX-License-Identifier: Apache-2.0
#include "shm/long_wait.hpp"

#include <algorithm>
#include <new>
#include <string>

#include "platform/log.hpp"
#include "shm/ring_name.hpp"
#include "shm/snapshot.hpp"

namespace ipc0cp::shm {
namespace {

using inspect::Participant;

const char* name_of(inspect::Role role) noexcept {
  switch (role) {
    case inspect::Role::producer:
      return "producer";
    case inspect::Role::consumer:
      return "consumer";
    case inspect::Role::subscriber:
      return "subscriber";
    case inspect::Role::closed:
      return "closed handle";
    case inspect::Role::attaching:
      return "newcomer";
    case inspect::Role::gone:
      break;
  }
  return "participant that has left";
}

/// As a part of a sentence; nothing for what is ordinary.
const char* note_of(inspect::ProcessState state) noexcept {
  switch (state) {
    case inspect::ProcessState::stopped:
      return ", stopped";
    case inspect::ProcessState::dead:
      return ", dead";
    default:
      return "";
  }
}

bool is_stopped(const Participant& participant) noexcept {
  return participant.process_state == inspect::ProcessState::stopped;
}

inspect::Ring snapshot_of(const AttachedRing& ring) {
  return take_snapshot(ring.segment(), ring.participants().probe_file());
}

const char* name_of(Wait wait) noexcept {
  switch (wait) {
    case Wait::kLock:
      return "the ring's lock";
    case Wait::kRoom:
      return "room";
    case Wait::kConsumer:
      break;
  }
  return "a consumer";
}

std::string describe(const Participant& participant) {
  const std::int64_t age_ns =
      std::max<std::int64_t>(0, platform::now_ns() - participant.attached_ns);
  return std::string(name_of(participant.role)) + " of process " +
         std::to_string(participant.process_id) + " (" + participant.process_name + ", here for " +
         std::to_string(age_ns / platform::kSecond) + " s" + note_of(participant.process_state) +
         ")";
}

std::string holding_of(const Participant& participant) {
  return std::to_string(participant.blocks()) + " block(s) with " +
         std::to_string(participant.block_bytes()) + " bytes";
}

/// " (the oldest for 12 s)", if that is known.
std::string age_of_oldest(const inspect::Ring& snapshot) {
  if (snapshot.oldest_published_ns == 0) return {};
  const std::int64_t age_ns =
      std::max<std::int64_t>(0, snapshot.taken_ns - snapshot.oldest_published_ns);
  return " (the oldest for " + std::to_string(age_ns / platform::kSecond) + " s)";
}

std::string describe_wait(const std::string& ring, const inspect::Ring& snapshot, const char* what,
                          std::int64_t waited_ns) {
  const RingStats& stats = snapshot.stats;
  return "ring '" + ring + "': blocked for " + std::to_string(waited_ns / platform::kSecond) +
         " s, waiting for " + what + "; " + std::to_string(stats.messages) + " message(s) queued" +
         age_of_oldest(snapshot) + ", " + std::to_string(stats.used_bytes) + " of " +
         std::to_string(stats.total_data_bytes) + " bytes in use";
}

/// Null: none has anything to read, or what it has is given up for want of room.
const Participant* furthest_behind(const inspect::Ring& snapshot) noexcept {
  const Participant* furthest = nullptr;
  for (const Participant& participant : snapshot.participants) {
    if (participant.unread == 0 || participant.drops_oldest) continue;
    if (furthest == nullptr || participant.unread > furthest->unread) furthest = &participant;
  }
  return furthest;
}

std::string advice(const std::string& ring, Wait wait, bool any_stopped, bool any_held,
                   bool any_behind) {
  if (any_stopped) return "Let the stopped process go on (SIGCONT), or end it.";
  if (wait == Wait::kLock) {
    return "The lock is only ever taken from the dead: look what its holder does, or end it.";
  }
  if (wait == Wait::kConsumer) {
    return "Start a consumer, or remove the ring (ipc0cp rm --force " + ring +
           "; without that program: rm " + path_of(ring) + ").";
  }
  if (any_behind) {
    return "What one subscriber has not read keeps its room: read faster there, let it miss "
           "messages (overflow=\"drop_oldest\"), or make the ring larger (total_data_bytes, "
           "max_messages).";
  }
  if (any_held) {
    return "Consumers: let go of views that are not needed, or pop with a copy; or make the ring "
           "larger (total_data_bytes, max_messages).";
  }
  return "Consumers do not keep up: pop faster, add some, or make the ring larger "
         "(total_data_bytes, max_messages).";
}

std::string explain_wait(const AttachedRing& ring, Wait wait) {
  const inspect::Ring snapshot = snapshot_of(ring);
  std::string text = describe_wait(ring.name(), snapshot, name_of(wait), kLongWaitNs);
  bool any_stopped = false;
  bool any_held = false;
  for (const Participant& participant : snapshot.participants) {
    if (participant.blocks() == 0 && !participant.has_lock) continue;
    any_stopped |= is_stopped(participant);
    any_held |= participant.blocks() > 0;
    text += "; " + describe(participant) + " holds ";
    if (participant.has_lock) text += participant.blocks() == 0 ? "the lock" : "the lock and ";
    if (participant.blocks() > 0) text += holding_of(participant);
  }
  const Participant* behind = wait == Wait::kRoom ? furthest_behind(snapshot) : nullptr;
  if (behind != nullptr) {
    any_stopped |= is_stopped(*behind);
    text += "; " + describe(*behind) + " is furthest behind, with " +
            std::to_string(behind->unread) + " message(s) unread";
  }
  return text + ". " + advice(ring.name(), wait, any_stopped, any_held, behind != nullptr);
}

std::string explain_silence(const AttachedRing& ring, std::uint32_t expected_producers,
                            std::int64_t waited_ns) {
  const inspect::Ring snapshot = snapshot_of(ring);
  std::string producers;
  std::string holders;
  for (const Participant& participant : snapshot.participants) {
    if (participant.role == inspect::Role::producer) {
      if (!is_stopped(participant)) return {};
      producers += "; " + describe(participant);
    } else if (participant.blocks() > 0 && participant.slot != slot_of(ring.self())) {
      holders += "; " + describe(participant) + " holds " + holding_of(participant);
    }
  }
  const auto begin = [&](const char* what) {
    return describe_wait(ring.name(), snapshot, what, waited_ns) + "; " +
           std::to_string(snapshot.joined_producers) + " of " + std::to_string(expected_producers) +
           " expected producer(s) have come";
  };
  if (!producers.empty()) {
    return begin("a message") + producers +
           ". No other producer is there: let it go on (SIGCONT), or end it.";
  }
  if (snapshot.joined_producers < expected_producers) {
    if (expected_producers == ConsumerOptions::kNeverEnds) return {};
    return begin("a producer") + (snapshot.joined_producers == 0 ? "" : ", and none is left") +
           ". Start one for '" + ring.name() +
           "', look whether it uses another name, or expect fewer (expected_producers).";
  }
  if (!snapshot.redeliver || holders.empty()) return {};
  return begin("the end of the stream") + holders +
         ". What others have not finished may come again: let them finish (done), or end them.";
}

}  // namespace

bool log_silence(const AttachedRing& ring, std::uint32_t expected_producers,
                 std::int64_t waited_ns) noexcept {
  try {
    const std::string text = explain_silence(ring, expected_producers, waited_ns);
    if (!text.empty()) log(LogLevel::warning, text);
    return !text.empty();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void log_long_wait(const AttachedRing& ring, Wait wait) noexcept {
  try {
    log(LogLevel::warning, explain_wait(ring, wait));
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "a call on a ring has been blocked for 5 s");
  }
}

}  // namespace ipc0cp::shm
