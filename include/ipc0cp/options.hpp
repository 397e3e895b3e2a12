// SPDX-License-Identifier: Apache-2.0
/// @file
/// How handles behave, and what a ring is like that they make.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "ipc0cp/timeout.hpp"

namespace ipc0cp {

/// What to do with messages left behind by producers that died (contract: "Reruns").
enum class Stale : std::uint8_t {
  resume,   ///< They are delivered.
  discard,  ///< They are dropped, and counted so.
};

/// What a producer does when the queue keeps a message from fitting.
enum class Overflow : std::uint8_t {
  block,        ///< It waits for room.
  drop_oldest,  ///< It gives up the oldest messages that nobody has taken yet.
  drop_newest,  ///< It gives up the message that it was about to push.
};

/// Called about every 50 ms by a blocked call; returning true ends it with `interrupted`.
using InterruptCheck = bool (*)();

/// How a producer behaves, and what a ring is like that it makes.
struct ProducerOptions {
  bool blocking = true;  ///< false: calls never wait, time-outs are ignored.
  /// How long a push waits for a first consumer before it throws no_consumers.
  Timeout consumer_wait_timeout = std::chrono::seconds(60);
  /// Messages of a consumer that died go back to their place (fixed when the ring is created).
  bool redeliver = false;
  /// Most messages alive at once; 0: the ring's default, see `default_max_messages`.
  std::uint32_t max_messages = 0;
  /// Reserve the memory of the whole ring now, if this call makes it; `trim` leaves it reserved.
  bool reserve = false;
  unsigned mode = 0600;  ///< Permission bits of a ring made by this call, umask not applied.
  Stale stale = Stale::discard;                 ///< For the first producer after a death.
  std::vector<std::uint32_t> trusted_owners{};  ///< User ids whose rings are accepted besides ours.
  InterruptCheck interrupt_check = nullptr;     ///< None by default.
  /// How long the constructor waits for others; then it throws timeout.
  Timeout open_timeout = Timeout::forever();
  /// The ring stays as long as this producer, though its last consumer closes: consumers come and
  /// go, and a push waits for the next one.
  bool keep = false;
  /// Of this producer alone; others of the ring may do otherwise. See docs/live_sources.md.
  Overflow overflow = Overflow::block;
  /// With `drop_oldest`: most messages that a publish of this producer leaves unread, the new one
  /// included; older ones are given up. 1: consumers find the latest value. 0: as many as fit.
  std::uint32_t depth = 0;
  /// Every consumer gets every message: all have to say `subscribe`. Fixed by the first producer.
  bool broadcast = false;
  /// Before its first push this producer waits, as for a first consumer, until so many are there at
  /// the same time; from then on one is enough.
  std::uint32_t expected_consumers = 1;
};

/// How a consumer behaves.
struct ConsumerOptions {
  bool blocking = true;     ///< false: calls never wait, time-outs are ignored.
  bool auto_attach = true;  ///< false: call `attach()` before the first pop.
  bool auto_unlink = true;  ///< The last consumer to close removes the ring.
  /// End of stream needs at least this many producers to have joined; `kNeverEnds`: there is none.
  std::uint32_t expected_producers = 1;
  static constexpr std::uint32_t kNeverEnds = 0xFFFF'FFFF;
  /// For the first consumer after a death, and for one that comes within 60 s after the end of a
  /// stream: `resume` tells it so, `discard` waits for a new producer.
  Stale stale = Stale::resume;
  std::vector<std::uint32_t> trusted_owners{};  ///< User ids whose rings are accepted besides ours.
  InterruptCheck interrupt_check = nullptr;     ///< None by default.
  /// How long the constructor waits for others, with `auto_attach`; then it throws timeout.
  Timeout open_timeout = Timeout::forever();
  /// A subscriber: it gets every message that is published after it has joined, whoever else reads
  /// the ring. At most `kMaxSubscribers` of one ring. `done` and `requeue` have no effect.
  bool subscribe = false;
  /// Of a subscriber: `block`, what it has not read keeps its room, and producers wait; or
  /// `drop_oldest`, it is given up for want of room, and `missed` counts it.
  Overflow overflow = Overflow::block;
};

}  // namespace ipc0cp
