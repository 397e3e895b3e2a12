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
//          | Record[count]               |   what subscribers share; backed by the first of them
//          +-----------------------------+ order_offset
//          | order[power of two >= count]|   which descriptor has which of their messages
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

#include "ipc0cp/limits.hpp"
#include "shm/words.hpp"

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
/// So many descriptors are backed by memory at first, and at a time as the ring deepens: 16 KiB.
inline constexpr std::uint32_t kDescriptorsAtATime = 256;

// Bytes locked in the file, far behind its end; the same in every layout version.
inline constexpr std::uint64_t kTokenByte = std::uint64_t{1} << 40;  ///< + slot: its owner lives.
inline constexpr std::uint64_t kClaimByte = std::uint64_t{1} << 41;  ///< + slot: it is taken.
inline constexpr std::uint64_t kLifeByte = kTokenByte - 1;  ///< Read: attaching; write: removing.
inline constexpr std::uint64_t kKeepByte = std::uint64_t{1} << 42;  ///< + slot: its owner keeps it.
/// The token of slot 0: somebody wants the ring to stay without being a participant.
inline constexpr std::uint64_t kKeeperByte = kTokenByte;

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
  /// Truth, written under the lock: the number of the next message this subscriber will be given.
  /// Of a producer room, 0: how far it has carried over what it forwards.
  Relaxed<std::uint64_t> cursor;
  Relaxed<std::uint32_t> waits_for;  ///< A hint, like `blocked_since_ns`: what that call waits for.
  std::uint32_t unused;
};
static_assert(sizeof(Slot) == 128);
static_assert(offsetof(Slot, bytes) == 104);
static_assert(offsetof(Slot, want_bytes) == 56);

/// What a message is to subscribers; only looked at if its state word says `shared`.
struct alignas(16) Record {
  /// Truth. Set once by the publish, before the state; then bits are only ever cleared, each by a
  /// CAS that heeds the generation.
  std::atomic<ShareWord> shares;
  /// Derived, 1: `borrowed_*` count the block, from the first borrow or view until it is free.
  Relaxed<std::uint32_t> is_counted;
  std::uint32_t unused;
};
static_assert(sizeof(Record) == 16);

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
  Relaxed<std::uint32_t> consumers;  ///< Whom a push waits for: workers, or who subscribes.

  // Polled by spinning waiters, so apart from the rest.
  alignas(64) std::atomic<std::uint32_t> queued;  ///< Derived: messages in the queue.
  std::atomic<std::uint32_t> freed;               ///< Counts blocks freed; only ever compared.
  // Hints for who spins; 0: nothing is known.
  Relaxed<std::uint32_t> pushed_on;  ///< The processor of the last push, from 1.
  Relaxed<std::uint32_t> popped_on;  ///< The same of the last pop.
  /// Derived: the number of the last shared message, for subscribers that wait.
  std::atomic<std::uint64_t> published;
  /// For statistics, never rebuilt: payload and metadata of all that was published. Each death in
  /// the middle of a publish may leave that one message out.
  Relaxed<std::uint64_t> pushed_bytes;
  Relaxed<std::uint64_t> subscriber_bits;  ///< Derived: entries that get shares.
  Relaxed<std::uint64_t> front;            ///< Derived: the highest cursor, on a broadcast ring.
  std::uint64_t unused_queued[2];

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
  /// Truth, 1: records and order are backed by memory. Nobody touches them before.
  std::atomic<std::uint32_t> records_backed;
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
  Relaxed<std::uint32_t> workers;    ///< Consumers that do not subscribe.
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
  alignas(64) std::atomic<std::uint32_t> share_event;  ///< A shared message was published.
  std::uint32_t unused_event[15];
  std::atomic<EntryWord> entries[kSubscriberCount];  ///< Truth: who subscribes.
};
static_assert(kSubscriberCount == kMaxSubscribers);
static_assert(offsetof(Header, options) == 96 && offsetof(Header, ended_ns) == 104);
static_assert(offsetof(Header, required_features) == 112 && offsetof(Header, lock) == 128);
static_assert(offsetof(Header, queued) == 192 && offsetof(Header, pushed_bytes) == 216);
static_assert(offsetof(Header, data_event) == 256);
static_assert(offsetof(Header, returned_head) == 384);
static_assert(offsetof(Header, joined_left) == 448);
static_assert(offsetof(Header, redo) == 512 && offsetof(Header, overflowed) == 552);
static_assert(offsetof(Header, bins) % 4 == 0);
static_assert(offsetof(Header, share_event) == 3520 && sizeof(Header) <= 4096);

/// Whether a producer has fixed this option of the ring.
inline bool has_option(const Header& header, std::uint32_t option) noexcept {
  return (header.options.load(std::memory_order_relaxed) & option) != 0;
}

}  // namespace ipc0cp::shm
