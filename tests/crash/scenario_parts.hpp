// SPDX-License-Identifier: Apache-2.0
// What the operations are made of: rings, worlds, hands and outcomes.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "scenario.hpp"

namespace ipc0cp::crash {

inline constexpr std::uint64_t kSmallRing = 16 << 10;
inline constexpr std::uint64_t kGrowingRing = 200 << 10;
inline constexpr std::size_t kTiny = 16;
inline constexpr std::size_t kInline = 100;   ///< Copied inside the lock, both ways.
inline constexpr std::size_t kCopied = 2000;  ///< Lent and published, copied out at pop.
inline constexpr std::size_t kViewed = 5000;  ///< Popped as a view.

inline void must(ErrorCode result) {
  if (result != ErrorCode::ok) {
    throw std::runtime_error("a preparation failed: " + std::string(to_string(result)));
  }
}

inline void push_from(World& world, std::vector<std::pair<MessageId, std::size_t>> messages) {
  for (const auto& [id, bytes] : messages) must(push(*world.producer, id, bytes));
}

inline void pop_into(World& world, std::size_t count) {
  for (std::size_t message = 0; message < count; ++message) {
    MessageId id = 0;
    Message popped;
    must(pop(*world.consumer, id, popped));
    if (popped.is_view()) world.views.push_back(std::move(popped));
  }
}

inline void open_both(World& world) {
  world.consumer = open_consumer(world.ring);
  world.producer = open_producer(world.ring);
}

/// A subscriber beside worker and producer.
inline void open_with_subscriber(World& world, bool drops) {
  open_both(world);
  world.subscriber = open_subscriber(world.ring, drops);
}

/// Three messages of the three kinds that worker and subscriber have still to read: [2 3 4].
inline void shared_world(World& world) {
  open_with_subscriber(world, false);
  push_from(world, {{2, kInline}, {3, kCopied}, {4, kViewed}});
}

/// Two messages that the subscriber of a broadcast ring has still to read: [2 3].
inline void broadcast_world(World& world) {
  open_both(world);
  push_from(world, {{2, kInline}, {3, kCopied}});
}

inline void read_by(shm::Channel& consumer, std::size_t count) {
  for (std::size_t message = 0; message < count; ++message) {
    MessageId id = 0;
    Message popped;
    must(pop(consumer, id, popped));
  }
}

/// Worker and subscriber finish all there is.
inline void read_all(World& world) {
  const std::uint64_t count = world.producer->stats().messages;
  read_by(*world.consumer, count);
  read_by(*world.subscriber, count);
}

/// One view held by the living, and three messages of the three kinds queued: [2 3 4].
inline void usual_world(World& world) {
  open_both(world);
  push_from(world, {{1, kViewed}, {2, kInline}, {3, kCopied}, {4, kViewed}, {5, kInline}});
  pop_into(world, 1);
}

inline std::function<void(World&)> usual_world_after(std::size_t pops) {
  return [pops](World& world) {
    usual_world(world);
    pop_into(world, pops);
  };
}

inline void attach_producer(VictimHands& hands) { hands.producer = open_producer(hands.ring); }
inline void attach_consumer(VictimHands& hands) { hands.consumer = open_consumer(hands.ring); }

inline std::function<ErrorCode(VictimHands&)> push_of(std::size_t bytes, MessageId id = kVictimId) {
  return [payload = payload_of(id, bytes), metadata = metadata_of(id)](VictimHands& hands) {
    return hands.producer->push(metadata, payload, hands.patience);
  };
}

inline void note_view(VictimHands& hands) {
  const auto offset = hands.message.payload().data() - hands.consumer->ring().segment().arena();
  hands.board->view_offset = static_cast<std::uint64_t>(offset);
  hands.board->view_bytes = hands.message.payload().size();
}

inline ErrorCode pop_message(VictimHands& hands) {
  const ErrorCode result = hands.consumer->pop(hands.patience, hands.message);
  if (result == ErrorCode::ok) {
    hands.board->popped = id_of(hands.message.payload(), hands.message.metadata());
    if (hands.message.is_view()) note_view(hands);
  }
  return result;
}

inline void attach_and_pop(VictimHands& hands) {
  attach_consumer(hands);
  must(pop_message(hands));
}

inline void attach_and_loan(VictimHands& hands) {
  attach_producer(hands);
  must(hands.producer->loan(kCopied, 64, 32, hands.patience, hands.loan));
  const auto payload = payload_of(kVictimId, kCopied);
  std::copy(payload.begin(), payload.end(), hands.loan.bytes().begin());
  const auto offset = hands.loan.bytes().data() - hands.producer->ring().segment().arena();
  hands.board->view_offset = static_cast<std::uint64_t>(offset);
  hands.board->view_bytes = kCopied;
  hands.board->popped = kVictimId;
}

inline Observation left(std::vector<MessageId> queue, std::uint64_t lost = 0,
                        std::uint64_t dropped = 0) {
  Observation observation;
  observation.queue = std::move(queue);
  observation.lost = lost;
  observation.dropped = dropped;
  return observation;
}
inline Observation nothing_there() {
  Observation observation;
  observation.absent = true;
  return observation;
}
inline Observation given_up(std::vector<MessageId> queue) {
  Observation observation = left(std::move(queue));
  observation.retired = true;
  return observation;
}

inline RingOptions small_ring() { return {"", kSmallRing, 8, false}; }
inline RingOptions broadcast_ring() { return {"", kSmallRing, 8, false, true}; }
inline RingOptions growing_ring() { return {"", kGrowingRing, 4, false}; }

inline RingOptions deepening_ring() {
  return {"", kGrowingRing, shm::kDescriptorsAtATime + 4, false};
}

using List = std::vector<Scenario>;

void add_attaching(List& list);
void add_pushing(List& list);
void add_growing(List& list);
void add_trimming(List& list);
void add_popping(List& list);
void add_batches(List& list);
void add_watching(List& list);
void add_closing(List& list);
void add_redelivering(List& list);
void add_living_sources(List& list);
void add_subscribing(List& list);
void add_sharing(List& list);

}  // namespace ipc0cp::crash
