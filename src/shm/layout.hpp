// SPDX-License-Identifier: Apache-2.0
// Every shared byte of a ring, and nothing else. docs/shm_format.md explains the states.
//
//   file   +-----------------------------+ 0
//          | Header                      |   identity, lock, truth, derived state
//          +-----------------------------+ slots_offset
//          | Slot[1024]                  |   who takes part; slot 0 is never used
//          +-----------------------------+ descriptors_offset
//          | Descriptor[count]           |   one per block, backed up to descriptor_mark; the last
//          |                             |   one, always backed, is the relief block's
//          +-----------------------------+ records_offset (a multiple of 64 KiB)
//          | room for subscribers        |   never backed: 16 bytes per descriptor, and 4 bytes for
//          |                             |   each of a power of two that is no less than them
//          +-----------------------------+ arena_offset (a multiple of 64 KiB)
//          | main part                   |   blocks of messages, backed up to main_mark
//          +-----------------------------+ arena_offset + main_bytes
//          | relief block                |   one message of the largest size, up to relief_mark
//          +-----------------------------+ file_bytes
//
//   block  +-----------------------------+ offset, a multiple of 64
//          | payload                     |
//          +-----------------------------+ offset + payload_bytes
//          | red zone, 16..31 bytes      |   up to a multiple of 16
//          +-----------------------------+
//          | metadata                    |   none: kBytesMetadata
//          +-----------------------------+ offset + extent_bytes, a multiple of 64
//
// "Truth" is what a death leaves and recover() believes. "Derived" may be half-written at any
// instant; recover() builds it anew from the truth.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ipc0cp::shm {

inline constexpr std::uint64_t kMagic = 0x01'70'63'30'63'70'69'0A;  // "\nipc0cp" and a one
inline constexpr std::uint32_t kLayoutVersion = 2;

inline constexpr std::uint32_t kSlotCount = 1024;  ///< Slot 0 is never used: a lock word is not 0.
inline constexpr std::uint32_t kNone = 0xFFFF'FFFF;  ///< "No descriptor" in every index field.
inline constexpr std::uint32_t kQuick =
    0xFFFF'FFFE;  ///< `link_previous` of a block in a quick list.
inline constexpr std::uint64_t kBlockAlignment = 64;
inline constexpr std::uint64_t kRedZoneBytes = 16;  ///< At least; the end is rounded up to 16.
inline constexpr std::uint64_t kGranuleBytes = 64 << 10;  ///< Alignment of the parts and the marks.
inline constexpr std::uint32_t kMaxDeliveries = 3;
/// So many descriptors are backed by memory at first, and at a time as the ring deepens: 16 KiB.
inline constexpr std::uint32_t kDescriptorsAtATime = 256;

// Bytes locked in the file, far behind its end; the same in every layout version.
inline constexpr std::uint64_t kTokenByte = std::uint64_t{1} << 40;  ///< + slot: its owner lives.
inline constexpr std::uint64_t kClaimByte = std::uint64_t{1} << 41;  ///< + slot: it is taken.
inline constexpr std::uint64_t kLifeByte = kTokenByte - 1;  ///< Read: attaching; write: removing.
inline constexpr std::uint64_t kKeepByte = std::uint64_t{1} << 42;  ///< + slot: its owner keeps it.
/// The token of slot 0: somebody wants the ring to stay without being a participant.
inline constexpr std::uint64_t kKeeperByte = kTokenByte;

// ---- words ----------------------------------------------------------------------------------

/// Slot and incarnation of a handle: `slot 10 | incarnation 21`. Never 0 for a real owner.
using Owner = std::uint32_t;
inline constexpr unsigned kIncarnationBits = 21;
inline constexpr std::uint32_t kIncarnationMask = (1U << kIncarnationBits) - 1;
constexpr Owner make_owner(std::uint32_t slot, std::uint32_t incarnation) noexcept {
  return slot << kIncarnationBits | (incarnation & kIncarnationMask);
}
constexpr std::uint32_t slot_of(Owner owner) noexcept { return owner >> kIncarnationBits; }
constexpr std::uint32_t incarnation_of(Owner owner) noexcept { return owner & kIncarnationMask; }

/// Incarnations start at 1 and go round; 0 stays free for "nobody lives here".
constexpr std::uint32_t next_incarnation(std::uint32_t incarnation) noexcept {
  const std::uint32_t next = (incarnation + 1) & kIncarnationMask;
  return next == 0 ? 1 : next;
}

/// The lock word: an owner, and above it whether somebody sleeps. 0: free.
inline constexpr std::uint32_t kLockWaiters = 1U << 31;

/// Life of a block.
///
///   FREE -> LOANED -> READY -> BORROWED -> FREE     under the lock, but for
///           LOANED -> ABANDONED, BORROWED -> RETURNED      which need no lock; they go onto the
///                                                  stack of returned blocks, then -> FREE
///   BORROWED -> KEPT -> RETURNED                   redelivery: finished, but still viewed
///   any -> QUARANTINED                             an impossible descriptor, out of use
enum class State : std::uint32_t {
  kFree = 0,
  kLoaned = 1,
  kReady = 2,
  kBorrowed = 3,
  kAbandoned = 4,
  kReturned = 5,
  kKept = 6,
  kQuarantined = 7,
};
/// Values from here on have no meaning yet; a block that shows one is impossible.
inline constexpr std::uint32_t kStateCount = 8;

/// The state word of a descriptor:
///
///   63   60 59           50 49                29 28     28 27        24 23              0
///   | state 4 | owner slot 10 | owner incarnation 21 | unused 1 | deliveries 4 | generation 24 |
///
/// The unused bit is 0: room for "subscribers share this message".
using StateWord = std::uint64_t;
inline constexpr unsigned kStateShift = 60;
inline constexpr unsigned kOwnerShift = 29;
inline constexpr unsigned kDeliveriesShift = 24;
inline constexpr std::uint32_t kDeliveriesMask = 0xF;
static_assert(kMaxDeliveries <= kDeliveriesMask);
constexpr StateWord make_state(State state, Owner owner, std::uint32_t deliveries,
                               std::uint32_t generation) noexcept {
  return static_cast<StateWord>(state) << kStateShift |
         static_cast<StateWord>(owner) << kOwnerShift |
         static_cast<StateWord>(deliveries & kDeliveriesMask) << kDeliveriesShift |
         (generation & 0xFF'FFFFU);
}
constexpr State state_of(StateWord word) noexcept {
  return static_cast<State>(word >> kStateShift);
}
constexpr Owner owner_of(StateWord word) noexcept {
  return static_cast<Owner>(word >> kOwnerShift) & 0x7FFF'FFFFU;
}
constexpr std::uint32_t deliveries_of(StateWord word) noexcept {
  return static_cast<std::uint32_t>(word >> kDeliveriesShift) & kDeliveriesMask;
}
constexpr std::uint32_t generation_of(StateWord word) noexcept {
  return static_cast<std::uint32_t>(word) & 0xFF'FFFFU;
}
/// The same block in another state.
constexpr StateWord with_state(StateWord word, State state) noexcept {
  return (word & ~(StateWord{0xF} << kStateShift)) | static_cast<StateWord>(state) << kStateShift;
}

/// The word of the same block out of use: its generation stays.
constexpr StateWord freed(StateWord word) noexcept {
  return make_state(State::kFree, 0, 0, generation_of(word));
}
/// Given back without the lock, to be freed by whoever collects it.
constexpr bool is_given_back(StateWord word) noexcept {
  return state_of(word) == State::kReturned || state_of(word) == State::kAbandoned;
}

/// What the owner of a slot does. `kLingering` has left but still has loans or views; `kVoided` was
/// certainly gone although its token is held, and waits for recover().
enum class Role : std::uint32_t {
  kNobody = 0,
  kAttaching = 1,
  kProducer = 2,
  kConsumer = 3,
  kLingering = 4,
  kVoided = 5,
};
/// What a call waits for.
enum class Awaited : std::uint32_t {
  kNothing = 0,
  kMessage = 1,
  kRoom = 2,
  kConsumer = 3,
  kLock = 4,
};
/// The slot word: `incarnation 21 | role 8`.
constexpr std::uint64_t make_slot_word(std::uint32_t incarnation, Role role) noexcept {
  return static_cast<std::uint64_t>(incarnation & kIncarnationMask) << 8 |
         static_cast<std::uint64_t>(role);
}
constexpr Role role_of(std::uint64_t word) noexcept { return static_cast<Role>(word & 0xFFU); }
constexpr std::uint32_t incarnation_of_slot(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 8) & kIncarnationMask;
}

/// An event word: `sequence 31 | W 1`; W says that somebody sleeps or is about to.
inline constexpr std::uint32_t kEventWaiters = 1;

/// Producers that ever joined and those that closed: `joined 32 | left 32`.
constexpr std::uint32_t joined_of(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 32);
}
constexpr std::uint32_t left_of(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word);
}
inline constexpr std::uint64_t kOneJoined = std::uint64_t{1} << 32;

/// A stream that ended so long ago tells no newcomer that it has.
inline constexpr std::int64_t kAnswerKeptNs = 60'000'000'000;

inline constexpr std::uint32_t kOptionsFixed = 1;     ///< A producer has decided the options.
inline constexpr std::uint32_t kOptionRedeliver = 2;  ///< Blocks of dead consumers come again.
inline constexpr std::uint32_t kOptionReserved = 4;   ///< All memory is backed, and stays so.

/// A shared field that is written under the lock and may be looked at without it: every access is
/// one relaxed load or store, so the additions are no read-modify-writes.
template <class Word>
class Relaxed {
 public:
  operator Word() const noexcept {  // NOLINT: reads like the plain field it stands for
    return value_.load(std::memory_order_relaxed);
  }
  constexpr Relaxed() noexcept = default;
  constexpr explicit Relaxed(Word value) noexcept : value_(value) {}
  Relaxed& operator=(Word value) noexcept {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  Relaxed& operator=(const Relaxed& other) noexcept { return *this = static_cast<Word>(other); }
  Relaxed& operator+=(Word value) noexcept { return *this = static_cast<Word>(*this + value); }
  Relaxed& operator-=(Word value) noexcept { return *this = static_cast<Word>(*this - value); }

 private:
  std::atomic<Word> value_;
};
static_assert(sizeof(Relaxed<std::uint64_t>) == 8 && sizeof(Relaxed<std::uint32_t>) == 4);

// ---- structures -----------------------------------------------------------------------------

struct alignas(64) Descriptor {
  std::atomic<StateWord> state;          ///< Truth. Stored last when a block comes into being.
  Relaxed<std::uint64_t> offset;         ///< Truth while not FREE: from the start of the arena.
  Relaxed<std::uint64_t> extent_bytes;   ///< Truth while not FREE. FREE: a hole, 0 for a spare.
  Relaxed<std::uint64_t> payload_bytes;  ///< Truth.
  Relaxed<std::uint64_t> sequence;       ///< Truth from READY on: place in the order of publishing.
  Relaxed<std::uint32_t> metadata_bytes;    ///< Truth.
  Relaxed<std::uint32_t> returned_next;     ///< Link of the stack of returned blocks.
  Relaxed<std::uint32_t> address_previous;  ///< Derived: neighbours in address order.
  Relaxed<std::uint32_t> address_next;
  /// Derived: bin of a hole. Of a message, from READY until it is FREE again, a hint: when it was
  /// published (PublishTime).
  Relaxed<std::uint32_t> link_previous;
  Relaxed<std::uint32_t> link_next;  ///< Derived: bin, list of spares, or queue.
};
static_assert(sizeof(Descriptor) == 64);
static_assert(offsetof(Descriptor, offset) == 8);
static_assert(offsetof(Descriptor, metadata_bytes) == 40);
static_assert(offsetof(Descriptor, link_next) == 60);

struct alignas(128) Slot {
  std::atomic<std::uint64_t> word;  ///< Truth: incarnation and role.
  // For people and for the rule about raw clones; written before the role.
  std::uint64_t start_time_ticks;
  std::uint64_t pid_namespace_inode;
  std::uint64_t time_namespace_inode;
  std::uint32_t process_id;
  std::uint32_t thread_id;
  char name[16];
  // Hints, written by the owner alone.
  std::atomic<std::uint64_t> want_bytes;       ///< What a waiting producer wants, 0: nothing.
  std::atomic<std::int64_t> want_since_ns;     ///< When it began to.
  std::atomic<std::int64_t> blocked_since_ns;  ///< Since when a call waits, 0: none does.
  Relaxed<std::uint64_t> messages;             ///< Published or taken by this incarnation.
  std::atomic<std::int64_t> want_seen_ns;      ///< When it last said that it still waits.
  std::int64_t attached_ns;
  Relaxed<std::uint64_t> bytes;  ///< Payload and metadata of `messages`.
  // Room, 0: how far a subscriber has read, or a producer has carried over what it forwards.
  std::uint64_t unused_cursor;
  Relaxed<std::uint32_t> waits_for;  ///< A hint, like `blocked_since_ns`: what that call waits for.
  std::uint32_t unused;
};
static_assert(sizeof(Slot) == 128);
static_assert(offsetof(Slot, bytes) == 104);
static_assert(offsetof(Slot, want_bytes) == 56);

/// The last free and its counter: two stores made one. Redone by recover() while `valid`.
struct Redo {
  std::atomic<std::uint32_t> valid;
  Relaxed<std::uint32_t> descriptor;
  Relaxed<StateWord> expected;           ///< The state word the block had.
  Relaxed<std::uint64_t> counter_value;  ///< What `*counter` becomes.
  Relaxed<std::uint32_t> counter;        ///< 0: lost, 1: dropped, 2: overflowed.
  Relaxed<std::uint32_t> unused;
};
static_assert(sizeof(Redo) == 32);

inline constexpr std::uint32_t kQuickClasses = 16;  ///< Blocks below 1 KiB, by units of 64 bytes.
inline constexpr std::uint32_t kBinCount = 640;
inline constexpr std::uint32_t kBinWords = kBinCount / 64;

/// Head and length side by side: an allocation touches one cache line.
struct QuickList {
  std::uint32_t head;
  std::uint32_t count;
};

struct Header {
  // Identity: written before the file has a name, never changed.
  std::uint64_t magic;
  std::uint32_t layout_version;
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  std::uint64_t total_data_bytes;
  std::uint64_t main_bytes;
  std::uint64_t relief_bytes;
  std::uint32_t max_messages;
  std::uint32_t descriptor_count;
  std::uint64_t slots_offset;
  std::uint64_t descriptors_offset;
  std::uint64_t arena_offset;
  std::uint64_t ring_id;
  std::int64_t created_ns;
  std::atomic<std::uint32_t> options;  ///< Truth: fixed by the first producer.
  /// Truth, 1: the last consumer has closed and would have retired the ring, had it not been kept.
  Relaxed<std::uint32_t> unread;
  /// Truth if all that joined have left: when the last producer did (CLOCK_MONOTONIC).
  Relaxed<std::int64_t> ended_ns;
  /// What a program has to know of besides this version; 0: nothing. Another program refuses it.
  std::uint32_t required_features;
  std::uint32_t unused_identity;
  std::uint64_t records_offset;

  // What one push or pop touches.
  alignas(64) std::atomic<std::uint32_t> lock;  ///< Truth.
  Relaxed<std::uint32_t> queue_head;            ///< Derived from here to the end of the line.
  Relaxed<std::uint32_t> queue_tail;
  Relaxed<std::uint32_t> spare_head;
  Relaxed<std::uint64_t> next_sequence;  ///< Truth, together with the largest sequence in use.
  Relaxed<std::uint64_t> queued_bytes;
  Relaxed<std::uint64_t>
      used_bytes;  ///< Metadata and payload of all blocks of the main part in use.
  Relaxed<std::uint32_t> live_blocks;
  Relaxed<std::uint32_t> borrowed_blocks;
  Relaxed<std::uint64_t> borrowed_bytes;
  Relaxed<std::uint32_t> producers;
  Relaxed<std::uint32_t> consumers;

  // Polled by spinning waiters, so apart from the rest.
  alignas(64) std::atomic<std::uint32_t> queued;  ///< Derived: messages in the queue.
  std::atomic<std::uint32_t> freed;               ///< Counts blocks freed; only ever compared.
  // Hints for who spins; 0: nothing is known.
  Relaxed<std::uint32_t> pushed_on;  ///< The processor of the last push, from 1.
  Relaxed<std::uint32_t> popped_on;  ///< The same of the last pop.
  std::uint64_t unused_hint;
  /// For statistics, never rebuilt: payload and metadata of all that was published. Each death in
  /// the middle of a publish may leave that one message out.
  Relaxed<std::uint64_t> pushed_bytes;
  std::uint64_t unused_subscribers[4];  ///< Room, 0: who subscribes, and how far they are.

  alignas(64) std::atomic<std::uint32_t> data_event;     ///< Something was published.
  alignas(64) std::atomic<std::uint32_t> space_event;    ///< Something was returned.
  alignas(64) std::atomic<std::uint32_t> returned_head;  ///< Stack of returned blocks, kNone-based.

  // Truth, rarely written.
  alignas(64) std::atomic<std::uint64_t> joined_left;
  std::atomic<std::uint32_t> retired;      ///< The name is given up; nobody joins any more.
  std::atomic<std::uint32_t> damaged;      ///< Sticky: blocks overlap.
  std::atomic<std::uint64_t> main_mark;    ///< [0, mark) of the main part is backed by memory.
  std::atomic<std::uint64_t> relief_mark;  ///< The same for the relief block.
  Relaxed<std::uint32_t> collecting;       ///< Stack that is being taken apart, kNone: none.
  Relaxed<std::uint32_t> quarantined;
  Relaxed<std::uint64_t> lost;
  Relaxed<std::uint64_t> dropped;
  std::atomic<std::uint32_t> descriptor_mark;  ///< Descriptors [0, mark) are backed by memory.
  std::uint32_t unused_truth;
  alignas(64) Redo redo;
  Relaxed<std::uint64_t> repaired_deaths;
  Relaxed<std::uint64_t> overflowed;   ///< Truth, like `lost`: given up unread.
  std::atomic<std::uint64_t> refused;  ///< For statistics: pushes that `drop_newest` turned away.

  // Derived or for statistics.
  alignas(64) Relaxed<std::uint64_t> peak_messages;
  Relaxed<std::uint64_t> peak_used_bytes;
  std::atomic<std::uint64_t> producer_waits;
  std::atomic<std::uint64_t> consumer_waits;
  Relaxed<std::uint32_t> address_head;
  Relaxed<std::uint32_t> address_tail;
  Relaxed<std::uint32_t> growing;    ///< Block whose memory is got or given back, kNone: none.
  Relaxed<std::uint32_t> slots_end;  ///< One more than the highest slot ever used.
  alignas(64) std::atomic<std::int64_t> last_sweep_ns;  ///< When somebody last looked for deaths.
  std::atomic<std::uint32_t> recovery_wanted;
  Relaxed<std::uint32_t> priority;  ///< Owner of the oldest want, 0: none.
  Relaxed<std::uint64_t> priority_bytes;
  Relaxed<std::int64_t> priority_seen_ns;  ///< When it last said that it still waits.
  // Small blocks as they were freed, not yet joined to holes: derived, like the bins behind them.
  alignas(64) QuickList quick[kQuickClasses];
  alignas(64) std::uint64_t bin_summary;
  std::uint64_t bin_words[kBinWords];
  std::uint32_t bins[kBinCount];
  // Room for subscribers, 0: their event word, and an entry for each of 40.
  alignas(64) std::uint64_t unused_event[8];
  std::uint64_t unused_entries[40];
};
static_assert(offsetof(Header, options) == 96 && offsetof(Header, ended_ns) == 104);
static_assert(offsetof(Header, required_features) == 112 && offsetof(Header, lock) == 128);
static_assert(offsetof(Header, queued) == 192 && offsetof(Header, pushed_bytes) == 216);
static_assert(offsetof(Header, data_event) == 256);
static_assert(offsetof(Header, returned_head) == 384);
static_assert(offsetof(Header, joined_left) == 448);
static_assert(offsetof(Header, redo) == 512 && offsetof(Header, overflowed) == 552);
static_assert(offsetof(Header, bins) % 4 == 0);
static_assert(offsetof(Header, unused_event) == 3520 && sizeof(Header) <= 4096);

}  // namespace ipc0cp::shm
