// SPDX-License-Identifier: Apache-2.0
// Operations that give messages up: for room, for a newer value, for who wants the newest.
#include "scenario_parts.hpp"

namespace ipc0cp::crash {
namespace {

void attach_dropping(VictimHands& hands) {
  hands.producer = open_producer(hands.ring, Stale::resume, {Overflow::drop_oldest, 0});
}

void attach_latest(VictimHands& hands) {
  hands.producer = open_producer(hands.ring, Stale::resume, {Overflow::drop_oldest, 1});
}

Observation without(std::uint64_t given_up, std::vector<MessageId> queue, std::uint64_t lost = 0) {
  Observation observation = left(std::move(queue), lost);
  observation.overflowed = given_up;
  return observation;
}

ErrorCode pop_latest(VictimHands& hands) {
  const ErrorCode result = hands.consumer->pop_latest(hands.patience, hands.message);
  if (result == ErrorCode::ok) {
    hands.board->popped = id_of(hands.message.payload(), hands.message.metadata());
  }
  return result;
}

}  // namespace

void add_living_sources(List& list) {
  const auto add = [&list](std::string name, auto world, auto attach, auto operate, auto outcomes,
                           std::uint64_t held) {
    list.push_back({std::move(name), small_ring(), world, attach, operate, outcomes, held});
    list.back().gives_up = true;
  };
  const auto add_push = [&](std::string name, auto world, auto attach, auto operate, auto outcomes,
                            std::uint64_t held) {
    add(std::move(name), world, attach, operate, outcomes, held);
    list.back().puts = true;
  };
  // Bytes are short, so that a small message of others still fits.
  const auto full = [](World& world) {
    open_both(world);
    for (const MessageId id : {1, 2, 3, 4, 5}) must(push(*world.producer, id, 3000));
    must(push(*world.producer, 6, 900));
  };
  const std::vector<Observation> pushed = {left({1, 2, 3, 4, 5, 6}), without(1, {2, 3, 4, 5, 6}),
                                           without(1, {2, 3, 4, 5, 6, 100})};
  add_push("push_dropping_inline", full, attach_dropping, push_of(900), pushed, 0);
  add_push("push_dropping", full, attach_dropping, push_of(kCopied), pushed, 0);
  const std::vector<Observation> latest = {
      left({2, 3, 4, 5}, 1),      left({2, 3, 4, 5, 100}, 1), without(1, {3, 4, 5, 100}, 1),
      without(2, {4, 5, 100}, 1), without(3, {5, 100}, 1),    without(4, {100}, 1)};
  add_push("push_latest_inline", usual_world, attach_latest, push_of(kInline), latest, 1);
  add_push("push_latest", usual_world, attach_latest, push_of(kCopied), latest, 1);
  const std::vector<Observation> newest_copied = {left({2, 3, 4, 5}, 1), without(1, {3, 4, 5}, 1),
                                                  without(2, {4, 5}, 1), without(3, {5}, 1),
                                                  without(3, {}, 1)};
  add("pop_latest", usual_world, attach_consumer, pop_latest, newest_copied, 1);
  list.back().takes = 1;
  const auto newest_is_large = [](World& world) {
    open_both(world);
    push_from(world, {{1, kViewed}, {2, kInline}, {3, kCopied}, {4, kViewed}});
    pop_into(world, 1);
  };
  const std::vector<Observation> newest_viewed = {left({2, 3, 4}, 1), without(1, {3, 4}, 1),
                                                  without(2, {4}, 1), without(2, {}, 2)};
  add("pop_latest_view", newest_is_large, attach_consumer, pop_latest, newest_viewed, 1);
  list.back().takes = 1;
}

}  // namespace ipc0cp::crash
