// SPDX-License-Identifier: Apache-2.0
/// @file
/// Looking at rings from outside: which there are, who takes part, what is queued, who waits.
///
/// Nothing here joins a ring, takes its lock or stores a byte into it, so looking changes nothing.
/// Files that are damaged, of another layout version, foreign or no rings at all are told by a
/// `RingState` and a sentence. Everything is copied before it is looked at: a ring that others
/// write meanwhile, or write nonsense into, gives figures of a glance, never a crash.
///
/// Thread safety: all functions may be called by any thread at any time.
/// Times are nanoseconds of CLOCK_MONOTONIC, of the time namespace of whoever wrote them; sizes are
/// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/stats.hpp"

namespace ipc0cp::inspect {

/// What a file among the rings is. From `damaged` on, figures may be missing or wrong.
enum class RingState : std::uint8_t {
  live,                  ///< Somebody lives in it who reads, or it waits for a first message.
  waiting_for_consumer,  ///< Producers live, and nobody reads.
  orphan,                ///< Nobody lives in it, nor keeps it.
  retired,               ///< Its name is given up: nobody can join it any more.
  damaged,               ///< It contradicts itself.
  other_version,         ///< A ring of another layout version.
  not_a_ring,            ///< Something else has the name.
  no_permission,         ///< This user may not read it.
};
/// "live", "waiting for a consumer", "orphan", "retired", "damaged", "other version", "not a ring",
/// "no permission".
IPC0CP_EXPORT std::string_view to_string(RingState state) noexcept;

/// What a participant does in a ring.
enum class Role : std::uint8_t {
  producer,
  consumer,    ///< A worker: each message goes to one of them.
  subscriber,  ///< It gets every message.
  attaching,   ///< It is just joining.
  closed,      ///< A closed handle whose loans or views are still in use.
  gone,        ///< It has left, or died and was noticed, and something of it is still there.
};
IPC0CP_EXPORT std::string_view to_string(Role role) noexcept;

/// What the process of a participant does.
enum class ProcessState : std::uint8_t {
  running,   ///< R
  sleeping,  ///< S or D: it waits, which is how most processes spend their time.
  stopped,   ///< T: by a signal or a debugger.
  dead,      ///< It has ended, and nobody has cleaned up behind it yet.
  unknown,   ///< It lives, in another pid namespace or hidden from this user.
};
/// "running", "sleeping", "stopped", "dead", "unknown".
IPC0CP_EXPORT std::string_view to_string(ProcessState state) noexcept;

/// What a call of a participant is blocked on.
enum class WaitsFor : std::uint8_t { nothing, message, room, consumer, lock };
/// "nothing", "a message", "room", "a consumer", "the lock".
IPC0CP_EXPORT std::string_view to_string(WaitsFor what) noexcept;

/// A handle on a ring, and what it keeps from the others. Texts are printable ASCII.
struct Participant {
  std::uint32_t slot = 0;  ///< Its place in the ring's table, from 1.
  Role role = Role::gone;
  ProcessState process_state = ProcessState::unknown;
  std::uint32_t process_id = 0;  ///< As its own pid namespace numbers it.
  std::string process_name;
  std::uint64_t pid_namespace = 0;  ///< Inode of /proc/PID/ns/pid.
  bool in_this_namespace = false;   ///< Whether `process_id` means the same here.
  std::int64_t attached_ns = 0;     ///< When it came; 0: not known.
  WaitsFor waits_for = WaitsFor::nothing;
  std::int64_t blocked_since_ns = 0;  ///< Since when it waits, 0: it does not.
  std::uint64_t wanted_bytes = 0;     ///< What it waits for room for, 0: nothing.
  bool has_priority = false;          ///< The others leave room for it.
  bool has_lock = false;
  std::uint64_t messages = 0;    ///< Pushed by a producer or popped by a consumer.
  std::uint64_t bytes = 0;       ///< Payload and metadata of these.
  std::uint64_t loans = 0;       ///< Blocks that it is writing,
  std::uint64_t loan_bytes = 0;  ///< and their payloads.
  std::uint64_t views = 0;       ///< Messages and views in its hands,
  std::uint64_t view_bytes = 0;  ///< and their payloads.
  std::uint64_t unread = 0;      ///< Of a subscriber: messages that it has still to read, at most.
  bool drops_oldest = false;     ///< Of a subscriber: they are given up for want of room.

  [[nodiscard]] bool lives() const noexcept {
    return process_state != ProcessState::dead && role != Role::gone;
  }
  [[nodiscard]] std::uint64_t blocks() const noexcept { return loans + views; }
  [[nodiscard]] std::uint64_t block_bytes() const noexcept { return loan_bytes + view_bytes; }
};

/// A message that waits in the queue.
struct QueuedMessage {
  std::uint64_t id = 0;  ///< Its number in the order of publishing, from 1.
  std::uint64_t payload_bytes = 0;
  std::uint64_t metadata_bytes = 0;  ///< 0: those of plain bytes, which are not stored.
  std::uint32_t deliveries = 0;      ///< How often a consumer had it before.
  /// By a clock of 1 to 10 ms, and up to 15 messages early; 0: not known.
  std::int64_t published_ns = 0;
};

/// The payload area. The main part is for everybody; the relief block behind it holds one message,
/// of the producer with priority.
struct Memory {
  std::uint64_t main_bytes = 0;
  std::uint64_t main_backed_bytes = 0;  ///< So much of it has memory behind it.
  std::uint64_t relief_bytes = 0;
  std::uint64_t relief_backed_bytes = 0;
  bool relief_in_use = false;
  std::uint64_t holes = 0;               ///< Pieces of the main part between blocks, and behind.
  std::uint64_t hole_bytes = 0;          ///< All of them together.
  std::uint64_t largest_hole_bytes = 0;  ///< The largest one.
  /// The largest payload of plain bytes that a push finds room for now, without waiting.
  std::uint64_t largest_that_fits_bytes = 0;
  std::uint64_t views_out = 0;        ///< Blocks in the hands of consumers,
  std::uint64_t views_out_bytes = 0;  ///< and their bytes.
  std::uint64_t loans_out = 0;        ///< Blocks that are being written,
  std::uint64_t loans_out_bytes = 0;  ///< and their payloads.
  std::uint32_t quarantined = 0;      ///< Blocks that are out of use for good, after damage.
};

/// What `ls` shows of a ring.
struct RingSummary {
  std::string name;  ///< Printable ASCII; '?' for what is not.
  RingState state = RingState::not_a_ring;
  std::string problem;             ///< What is wrong and what to do, in a sentence; empty: nothing.
  std::uint32_t owner = 0;         ///< User number of the file's owner,
  std::uint32_t mode = 0;          ///< and its permission bits.
  std::uint64_t file_bytes = 0;    ///< Address space, not memory.
  std::uint64_t backed_bytes = 0;  ///< Memory behind the file.
  std::uint32_t layout_version = 0;
  std::uint64_t ring_id = 0;      ///< Drawn at creation: another ring of the same name has another.
  std::int64_t created_ns = 0;    ///< When it was made.
  std::int64_t taken_ns = 0;      ///< When this was looked at.
  RingStats stats;                ///< As `stats()` of a handle tells them.
  std::uint32_t producers = 0;    ///< That live,
  std::uint32_t consumers = 0;    ///< workers that live,
  std::uint32_t subscribers = 0;  ///< those that get every message and live,
  std::uint32_t dead = 0;         ///< and those of all that have died and nobody has noticed.
  bool kept = false;              ///< A keeper wants it to stay although nobody may live in it.
  double depth = 0;               ///< How full it is, 0 to 1: of the messages or of the bytes.
  std::int64_t oldest_published_ns = 0;  ///< Of the message at the head; 0: none, or not known.

  /// All consumers that live.
  [[nodiscard]] std::uint32_t readers() const noexcept { return consumers + subscribers; }
  /// Whether the figures could be read.
  [[nodiscard]] bool has_figures() const noexcept { return ring_id != 0; }
};

/// Everything that can be seen of a ring from outside.
struct Ring : RingSummary {
  bool redeliver = false;              ///< Messages of dead consumers come again.
  bool reserved = false;               ///< All memory was backed at creation.
  bool broadcast = false;              ///< There is no queue: every consumer subscribes.
  bool options_fixed = false;          ///< A producer has decided these.
  std::uint32_t joined_producers = 0;  ///< That ever came since the ring was last empty of handles,
  std::uint32_t left_producers = 0;    ///< and those of them that have closed.
  bool recovery_wanted = false;        ///< Somebody has asked the others to clean up.
  Memory memory;
  std::vector<Participant> participants;  ///< By slot; those that have left only if they hold.
  std::vector<QueuedMessage> queue;       ///< Oldest first; those that stood still meanwhile.
};

/// All files of rings in the directory of rings, by name; also those that are none.
/// @throws Error system_error: the directory cannot be read, or this process has no descriptor
/// left.
IPC0CP_EXPORT std::vector<RingSummary> rings();

/// One ring, whatever state it is in.
/// @throws Error invalid_argument: no ring can have this name; system_error with errno ENOENT:
///   there is none, and the text names those with similar names; with another one: this process has
///   no descriptor left.
IPC0CP_EXPORT Ring ring(const std::string& name);
/// The same without participants and queue, which is faster.
IPC0CP_EXPORT RingSummary summary(const std::string& name);

/// A queued message and how it begins. The bytes are whatever a producer wrote: nobody has checked
/// them, and a terminal must not see them as they are.
struct MessagePreview : QueuedMessage {
  std::string metadata;            ///< JSON text in UTF-8, cut off at `max_metadata_bytes`.
  std::vector<std::byte> payload;  ///< Its first bytes, at most `max_payload_bytes`.
};
/// What `preview` shows.
struct PreviewOptions {
  std::size_t max_messages = 16;
  std::size_t max_payload_bytes = 64;
  std::size_t max_metadata_bytes = 4096;
  std::uint64_t after_id = 0;  ///< Only messages with larger numbers: to follow a ring.
};
/// What is queued, oldest first, and stays there. A message that is popped or freed while it is
/// looked at is left out: its block carried the same generation before and after.
/// @throws Error as `ring`; and version_mismatch, not_a_ring, corrupt_buffer, permission_denied for
///   a file whose messages cannot be looked at.
IPC0CP_EXPORT std::vector<MessagePreview> preview(const std::string& name,
                                                  const PreviewOptions& options = {});

/// What went in and out per second.
struct Rates {
  double seconds = 0;  ///< Between the two looks.
  double messages_in = 0;
  double messages_out = 0;
  double bytes_in = 0;
  double bytes_out = 0;
};
/// Between two looks at one ring; empty if it is not the same one, or no time has passed.
IPC0CP_EXPORT std::optional<Rates> rates(const RingSummary& earlier,
                                         const RingSummary& later) noexcept;

/// Where rings live, and the memory that is left there.
struct Directory {
  std::string path;
  std::uint64_t total_bytes = 0;  ///< 0: there is no limit.
  std::uint64_t free_bytes = 0;   ///< UINT64_MAX: there is no limit.
};
IPC0CP_EXPORT Directory directory();

}  // namespace ipc0cp::inspect
