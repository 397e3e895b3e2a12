// SPDX-License-Identifier: Apache-2.0
// Operations of consumers, of watching, of leaving, and of many messages at once.
#include <array>
#include <atomic>

#include "scenario_parts.hpp"

namespace ipc0cp::crash {

void add_popping(List& list) {
  list.push_back({"pop_inline",
                  small_ring(),
                  usual_world,
                  attach_consumer,
                  pop_message,
                  {left({2, 3, 4, 5}, 1), left({3, 4, 5}, 1)},
                  1,
                  1});
  list.push_back({"pop_copied",
                  small_ring(),
                  usual_world_after(1),
                  attach_consumer,
                  pop_message,
                  {left({3, 4, 5}, 1), left({4, 5}, 2), left({4, 5}, 1)},
                  1,
                  1});
  list.push_back({"pop_view",
                  small_ring(),
                  usual_world_after(2),
                  attach_consumer,
                  pop_message,
                  {left({4, 5}, 1), left({5}, 2)},
                  1,
                  1});
  list.push_back({"release",
                  small_ring(),
                  usual_world_after(2),
                  attach_and_pop,
                  [](VictimHands& hands) {
                    hands.message.release();
                    return ErrorCode::ok;
                  },
                  {left({5}, 2), left({5}, 1)},
                  1});
}

/// Several messages in one call: each is in or out by a store of its own.
void add_batches(List& list) {
  const auto small_messages = [](World& world) {
    open_both(world);
    push_from(world, {{1, kViewed}, {2, kInline}, {3, kInline}, {4, kInline}});
    pop_into(world, 1);
  };
  const auto push_three = [](VictimHands& hands) {
    const auto payload_1 = payload_of(101, kInline);
    const auto payload_2 = payload_of(103, kCopied);
    const auto payload_3 = payload_of(105, kInline);
    const std::array<RawMessage, 3> messages = {
        RawMessage{{}, payload_1}, RawMessage{{}, payload_2}, RawMessage{{}, payload_3}};
    std::size_t pushed = 0;
    return hands.producer->push_many(messages, hands.patience, pushed);
  };
  list.push_back({"push_many",
                  small_ring(),
                  small_messages,
                  attach_producer,
                  push_three,
                  {left({2, 3, 4}, 1), left({2, 3, 4, 101}, 1), left({2, 3, 4, 101, 103}, 1),
                   left({2, 3, 4, 101, 103, 105}, 1)},
                  1,
                  0,
                  true});
  const auto pop_two = [](VictimHands& hands) {
    hands.many.reserve(2);
    return hands.consumer->pop_many(2, hands.patience, hands.many);
  };
  list.push_back({"pop_many",
                  small_ring(),
                  small_messages,
                  attach_consumer,
                  pop_two,
                  {left({2, 3, 4}, 1), left({3, 4}, 1), left({4}, 1)},
                  1,
                  2});
  const auto messages_alike = [](World& world) {
    open_both(world);
    push_from(world, {{1, kViewed}, {3, kCopied}, {5, kCopied}, {7, kCopied}});
    pop_into(world, 1);
  };
  const auto take_two_rows = [](VictimHands& hands) {
    std::array<std::byte, 2 * kCopied> rows;
    const std::size_t rows_taken = hands.consumer->take_rows({{}, kCopied}, rows, 2);
    return rows_taken == 2 ? ErrorCode::ok : ErrorCode::buffer_empty;
  };
  list.push_back({"take_rows",
                  small_ring(),
                  messages_alike,
                  attach_consumer,
                  take_two_rows,
                  {left({3, 5, 7}, 1), left({5, 7}, 2), left({7}, 3), left({7}, 2), left({7}, 1)},
                  1,
                  2});
}

/// Looking without taking: whatever the instant, nothing changes for the others.
void add_watching(List& list) {
  const auto add = [&](std::string name, auto attach, auto operate) {
    list.push_back(
        {std::move(name), small_ring(), usual_world, attach, operate, {left({2, 3, 4, 5}, 1)}, 1});
  };
  add("peek", attach_consumer, [](VictimHands& hands) {
    MessageHead head;
    return hands.consumer->peek(hands.patience, head);
  });
  add("watch_for_messages", attach_consumer, [](VictimHands& hands) {
    hands.consumer->watch().await_answer(std::atomic<bool>(false));
    return ErrorCode::ok;
  });
  add("watch_for_room", attach_producer, [](VictimHands& hands) {
    // There is room for so little, so that it sleeps only in a ring that others have filled.
    const shm::RoomWanted wanted{1, shm::kBlockAlignment};
    hands.producer->watch().await_room(wanted, std::atomic<bool>(false));
    hands.producer->watch().forget_want();
    return ErrorCode::ok;
  });
  list.back().waits_for_room = true;
}

void add_closing(List& list) {
  const auto close_producer = [](VictimHands& hands) {
    hands.producer->close();
    return ErrorCode::ok;
  };
  const auto close_consumer = [](VictimHands& hands) {
    hands.consumer->close();
    return ErrorCode::ok;
  };
  list.push_back({"close_producer",
                  small_ring(),
                  usual_world,
                  attach_producer,
                  close_producer,
                  {left({2, 3, 4, 5}, 1)},
                  1});
  list.push_back({"close_consumer",
                  small_ring(),
                  usual_world,
                  attach_consumer,
                  close_consumer,
                  {left({2, 3, 4, 5}, 1)},
                  1});
  list.push_back({"close_with_view",
                  small_ring(),
                  usual_world_after(2),
                  attach_and_pop,
                  close_consumer,
                  {left({5}, 2), left({5}, 1)},
                  1,
                  0,
                  false,
                  true});
  list.push_back({"close_with_loan",
                  small_ring(),
                  usual_world,
                  attach_and_loan,
                  close_producer,
                  {left({2, 3, 4, 5}, 1)},
                  1,
                  0,
                  false,
                  true});
  list.push_back({"close_and_release",
                  small_ring(),
                  usual_world_after(2),
                  [](VictimHands& hands) {
                    attach_and_pop(hands);
                    hands.consumer->close();
                  },
                  [](VictimHands& hands) {
                    hands.message.release();
                    return ErrorCode::ok;
                  },
                  {left({5}, 2), left({5}, 1)},
                  1});
  const auto only_producer = [](World& world) {
    const Handle consumer = open_consumer(world.ring, false);
    world.producer = open_producer(world.ring);
    push_from(world, {{2, kInline}, {3, kCopied}});
  };
  list.push_back({"close_last_consumer",
                  small_ring(),
                  only_producer,
                  attach_consumer,
                  close_consumer,
                  {left({2, 3}), given_up({2, 3}), nothing_there()}});
  list.back().repairable = false;
}

/// Rings that deliver again: what was popped and not finished comes back when its consumer dies.
void add_redelivering(List& list) {
  const auto three_queued = [](World& world) {
    open_both(world);
    push_from(world, {{1, kViewed}, {2, kInline}, {3, kCopied}});
  };
  const RingOptions ring = {"", kSmallRing, 8, true};
  const Observation all = left({1, 2, 3});
  list.push_back({"redeliver_pop", ring, three_queued, attach_consumer, pop_message, {all}, 0, 1});
  list.push_back({"redeliver_next",
                  ring,
                  three_queued,
                  attach_and_pop,
                  [](VictimHands& hands) {
                    const ErrorCode result = hands.consumer->pop(hands.patience, hands.next);
                    hands.board->popped = id_of(hands.next.payload(), hands.next.metadata());
                    return result;
                  },
                  {all, left({2, 3})},
                  0,
                  1});
  list.back().finishes = 1;
  const auto requeue = [](VictimHands& hands) {
    hands.consumer->requeue(hands.message);
    hands.message.release();
    return ErrorCode::ok;
  };
  list.push_back({"redeliver_requeue", ring, three_queued, attach_and_pop, requeue, {all}});
  // Delivered for the third and last time: it never comes back, however that ends.
  list.push_back({"redeliver_last",
                  ring,
                  three_queued,
                  [requeue](VictimHands& hands) {
                    attach_consumer(hands);
                    for (int delivery = 0; delivery < 3; ++delivery) {
                      if (delivery > 0) must(requeue(hands));
                      must(pop_message(hands));
                    }
                  },
                  requeue,
                  {left({2, 3}, 0, 1)}});
  list.back().finishes = 1;
}

}  // namespace ipc0cp::crash
