// SPDX-License-Identifier: Apache-2.0
// Operations of producers and workers on messages that subscribers share.
#include "scenario_parts.hpp"

namespace ipc0cp::crash {
namespace {

using Unread = std::vector<std::vector<MessageId>>;

void attach_dropping(VictimHands& hands) {
  hands.producer = open_producer(hands.ring, Stale::resume, {Overflow::drop_oldest, 0});
}

ErrorCode release(VictimHands& hands) {
  hands.message.release();
  return ErrorCode::ok;
}

void two_shared(World& world, std::size_t first_bytes) {
  open_with_subscriber(world, false);
  push_from(world, {{4, first_bytes}, {5, kInline}});
}

/// Bytes are short, so that a small message of others still fits.
void fill(World& world) {
  for (const MessageId id : {1, 2, 3, 4, 5}) must(push(*world.producer, id, 3000));
  must(push(*world.producer, 6, 900));
}

void full_world(World& world) {
  open_with_subscriber(world, true);
  fill(world);
}

void full_world_for_subscriber(World& world) {
  full_world(world);
  read_by(*world.consumer, 6);
}

void full_broadcast_world(World& world) {
  world.consumer = open_subscriber(world.ring, true);
  world.producer = open_producer(world.ring);
  fill(world);
}

void add_publishing(List& list) {
  const auto add = [&](std::string name, auto prepare, auto operate) {
    list.push_back(
        {std::move(name), broadcast_ring(), broadcast_world, prepare, operate, {left({})}});
    list.back().puts = true;
    list.back().waits_for_room = true;
    list.back().shared = {{2, 3}, {2, 3, 100}};
  };
  add("broadcast_push_inline", attach_producer, push_of(kInline));
  add("broadcast_push_large", attach_producer, push_of(kCopied));
  add("broadcast_publish", attach_and_loan,
      [metadata = metadata_of(kVictimId)](VictimHands& hands) {
        return hands.producer->publish(hands.loan, metadata, hands.patience);
      });
  list.push_back({"shared_push_inline",
                  small_ring(),
                  shared_world,
                  attach_producer,
                  push_of(kInline),
                  {left({2, 3, 4}), left({2, 3, 4, 100})}});
  list.back().puts = true;
  list.back().waits_for_room = true;
  list.back().shared = {{2, 3, 4}, {2, 3, 4, 100}};
}

/// What a subscriber that lets go has not read makes room for a push.
void add_giving_up(List& list) {
  const Unread unread = {{1, 2, 3, 4, 5, 6}, {2, 3, 4, 5, 6}, {2, 3, 4, 5, 6, 100}};
  const auto add = [&](std::string name, auto ring, auto world, auto attach, std::size_t bytes,
                       std::vector<Observation> outcomes) {
    list.push_back({std::move(name), ring, world, attach, push_of(bytes), std::move(outcomes)});
    list.back().puts = true;
    list.back().waits_for_room = true;
    list.back().gives_up = true;
    list.back().shared = unread;
  };
  add("broadcast_push_dropping_inline", broadcast_ring(), full_broadcast_world, attach_producer,
      900, {left({})});
  add("broadcast_push_dropping", broadcast_ring(), full_broadcast_world, attach_producer, kCopied,
      {left({})});
  add("push_dropping_beside_worker", small_ring(), full_world_for_subscriber, attach_producer,
      kCopied, {left({}), left({100})});
  Observation without_oldest = left({2, 3, 4, 5, 6});
  without_oldest.overflowed = 1;
  Observation after = without_oldest;
  after.queue.push_back(kVictimId);
  add("push_dropping_shared", small_ring(), full_world, attach_dropping, kCopied,
      {left({1, 2, 3, 4, 5, 6}), without_oldest, after});
}

/// A worker beside a subscriber that has not read the message, or has finished it.
void add_working(List& list) {
  const auto add = [&](const std::string& name, std::size_t bytes, auto prepare, auto operate,
                       std::vector<Observation> outcomes, std::size_t takes) {
    const auto world = [bytes](World& living) { two_shared(living, bytes); };
    for (const bool last : {false, true}) {
      list.push_back({name + (last ? "_last" : ""), small_ring(), world, prepare, operate, outcomes,
                      0, takes});
      list.back().shared = {last ? std::vector<MessageId>{} : std::vector<MessageId>{4, 5}};
      if (last) list.back().once_ready = [](World& living) { read_by(*living.subscriber, 2); };
    }
  };
  add("shared_pop_inline", kInline, attach_consumer, pop_message, {left({4, 5}), left({5})}, 1);
  add("shared_pop_copied", kCopied, attach_consumer, pop_message,
      {left({4, 5}), left({5}, 1), left({5})}, 1);
  add("shared_pop_view", kViewed, attach_consumer, pop_message, {left({4, 5}), left({5}, 1)}, 1);
  add("shared_release", kViewed, attach_and_pop, release, {left({5}, 1), left({5})}, 0);
}

/// Messages that come back to the workers are given to no subscriber again.
void add_redelivering_shared(List& list) {
  const RingOptions ring = {"", kSmallRing, 8, true};
  const auto world = [](World& living) {
    open_with_subscriber(living, false);
    push_from(living, {{1, kViewed}, {2, kInline}, {3, kCopied}});
  };
  const auto pop_next = [](VictimHands& hands) {
    const ErrorCode result = hands.consumer->pop(hands.patience, hands.next);
    hands.board->popped = id_of(hands.next.payload(), hands.next.metadata());
    return result;
  };
  const auto requeue = [](VictimHands& hands) {
    hands.consumer->requeue(hands.message);
    hands.message.release();
    return ErrorCode::ok;
  };
  const Observation all = left({1, 2, 3});
  for (const bool last : {false, true}) {
    const std::string suffix = last ? "_last" : "";
    const auto finish = [&] {
      list.back().shared = {last ? std::vector<MessageId>{} : std::vector<MessageId>{1, 2, 3}};
      if (last) list.back().once_ready = [](World& living) { read_by(*living.subscriber, 3); };
    };
    list.push_back(
        {"redeliver_pop_shared" + suffix, ring, world, attach_consumer, pop_message, {all}, 0, 1});
    finish();
    list.push_back({"redeliver_next_shared" + suffix,
                    ring,
                    world,
                    attach_and_pop,
                    pop_next,
                    {all, left({2, 3})},
                    0,
                    1});
    list.back().finishes = 1;
    finish();
    list.push_back(
        {"redeliver_requeue_shared" + suffix, ring, world, attach_and_pop, requeue, {all}});
    finish();
  }
}

}  // namespace

void add_sharing(List& list) {
  add_publishing(list);
  add_giving_up(list);
  add_working(list);
  add_redelivering_shared(list);
}

}  // namespace ipc0cp::crash
