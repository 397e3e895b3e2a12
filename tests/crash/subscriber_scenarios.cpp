// SPDX-License-Identifier: Apache-2.0
// Operations of subscribers: joining, reading, finishing, leaving.
#include "scenario_parts.hpp"

namespace ipc0cp::crash {
namespace {

constexpr MessageId kFedId = 10;

/// It lets its messages go, so that it may be stopped for long.
void attach_subscriber(VictimHands& hands) { hands.consumer = open_subscriber(hands.ring, true); }

ErrorCode join(VictimHands& hands) {
  attach_subscriber(hands);
  return ErrorCode::ok;
}

/// What the victim has to read was pushed after it had joined.
void feed(VictimHands& hands, std::vector<std::size_t> sizes) {
  const Handle producer = open_producer(hands.ring);
  MessageId id = kFedId;
  for (const std::size_t bytes : sizes) must(push(*producer, id++, bytes));
}

std::function<void(VictimHands&)> attach_and_feed(std::vector<std::size_t> sizes) {
  return [sizes](VictimHands& hands) {
    attach_subscriber(hands);
    feed(hands, sizes);
  };
}

void view_one_of_two(VictimHands& hands) {
  attach_subscriber(hands);
  feed(hands, {kViewed, kInline});
  must(pop_message(hands));
}

ErrorCode release(VictimHands& hands) {
  hands.message.release();
  return ErrorCode::ok;
}

ErrorCode close(VictimHands& hands) {
  hands.consumer->close();
  return ErrorCode::ok;
}

ErrorCode pop_latest(VictimHands& hands) {
  const ErrorCode result = hands.consumer->pop_latest(hands.patience, hands.message);
  if (result == ErrorCode::ok) {
    hands.board->popped = id_of(hands.message.payload(), hands.message.metadata());
  }
  return result;
}

void add_joining(List& list) {
  list.push_back({"subscriber_join_first",
                  small_ring(),
                  usual_world,
                  [](VictimHands&) {},
                  join,
                  {left({2, 3, 4, 5}, 1)},
                  1});
  list.push_back({"subscriber_join",
                  small_ring(),
                  shared_world,
                  [](VictimHands&) {},
                  join,
                  {left({2, 3, 4})}});
  list.back().shared = {{2, 3, 4}};
  list.push_back(
      {"broadcast_join", broadcast_ring(), broadcast_world, [](VictimHands&) {}, join, {left({})}});
  list.back().shared = {{2, 3}};
}

}  // namespace

void add_subscribing(List& list) {
  add_joining(list);
  // Whatever it does, nothing changes for worker and subscriber beside it.
  const auto add = [&](std::string name, auto prepare, auto operate,
                       std::vector<MessageId> unread) {
    list.push_back({std::move(name), small_ring(), shared_world, prepare, operate, {left(unread)}});
    list.back().shared = {unread};
  };
  // The same when everybody else has finished what it has.
  const auto add_last = [&](std::string name, auto prepare, auto operate) {
    add(std::move(name), prepare, operate, {});
    list.back().once_ready = read_all;
  };
  add("subscriber_pop_inline", attach_and_feed({kInline}), pop_message, {2, 3, 4, 10});
  add("subscriber_pop_copied", attach_and_feed({kCopied}), pop_message, {2, 3, 4, 10});
  add("subscriber_pop_view", attach_and_feed({kViewed}), pop_message, {2, 3, 4, 10});
  add("subscriber_pop_latest", attach_and_feed({kInline, kInline, kInline}), pop_latest,
      {2, 3, 4, 10, 11, 12});
  add("subscriber_release", view_one_of_two, release, {2, 3, 4, 10, 11});
  add("subscriber_close", attach_and_feed({kInline, kCopied}), close, {2, 3, 4, 10, 11});
  add("subscriber_close_with_view", view_one_of_two, close, {2, 3, 4, 10, 11});
  list.back().keeps_block = true;
  const auto view_and_close = [](VictimHands& hands) {
    view_one_of_two(hands);
    static_cast<void>(close(hands));
  };
  add("subscriber_close_and_release", view_and_close, release, {2, 3, 4, 10, 11});
  add_last("subscriber_pop_inline_last", attach_and_feed({kInline}), pop_message);
  add_last("subscriber_pop_copied_last", attach_and_feed({kCopied}), pop_message);
  add_last("subscriber_release_last", view_one_of_two, release);
  add_last("subscriber_close_last", attach_and_feed({kInline, kCopied}), close);
  add_last("subscriber_close_and_release_last", view_and_close, release);
  add_last("subscriber_pop_latest_last", attach_and_feed({kInline, kInline, kInline}), pop_latest);
  // The last one of a broadcast ring takes the name away, and its shares with it.
  const auto only_producer = [](World& world) {
    const Handle consumer = open_consumer(world.ring, false);
    world.producer = open_producer(world.ring);
  };
  list.push_back({"broadcast_close_last",
                  broadcast_ring(),
                  only_producer,
                  attach_and_feed({kInline, kCopied}),
                  close,
                  {left({}), given_up({}), nothing_there()}});
  list.back().repairable = false;
}

}  // namespace ipc0cp::crash
