// SPDX-License-Identifier: Apache-2.0
// Operations of attaching and of producers.
#include "scenario_parts.hpp"

namespace ipc0cp::crash {

void add_attaching(List& list) {
  const auto nobody = [](World&) {};
  const auto nothing = [](VictimHands&) {};
  const auto open_as_producer = [](VictimHands& hands) {
    attach_producer(hands);
    return ErrorCode::ok;
  };
  const auto open_as_consumer = [](VictimHands& hands) {
    attach_consumer(hands);
    return ErrorCode::ok;
  };
  list.push_back({"create_producer",
                  small_ring(),
                  nobody,
                  nothing,
                  open_as_producer,
                  {nothing_there(), left({})}});
  list.push_back({"create_consumer",
                  small_ring(),
                  nobody,
                  nothing,
                  open_as_consumer,
                  {nothing_there(), left({})}});
  list.push_back({"attach_producer",
                  small_ring(),
                  usual_world,
                  nothing,
                  open_as_producer,
                  {left({2, 3, 4, 5}, 1)},
                  1});
  list.push_back({"attach_consumer",
                  small_ring(),
                  usual_world,
                  nothing,
                  open_as_consumer,
                  {left({2, 3, 4, 5}, 1)},
                  1});
  // Messages of a producer that died, in a ring without anybody: recovered, then discarded.
  const auto orphan = [](World& world) {
    const Handle consumer = open_consumer(world.ring, false);
    run_and_die([&] {
      Handle producer = open_producer(world.ring);
      for (const MessageId id : {2, 3, 4}) must(push(*producer, id, kCopied));
      static_cast<void>(producer.release());  // No destructor: it dies, it does not close.
    });
  };
  list.push_back({"attach_and_discard",
                  small_ring(),
                  orphan,
                  nothing,
                  [](VictimHands& hands) {
                    hands.producer = open_producer(hands.ring, Stale::discard);
                    return ErrorCode::ok;
                  },
                  {left({2, 3, 4}), left({3, 4}, 0, 1), left({4}, 0, 2), left({}, 0, 3)}});
  list.push_back(
      {"attach_and_resume", small_ring(), orphan, nothing, open_as_consumer, {left({2, 3, 4})}});
}

void add_pushing(List& list) {
  const std::vector<Observation> pushed = {left({2, 3, 4, 5}, 1), left({2, 3, 4, 5, 100}, 1)};
  const auto add = [&](std::string name, auto prepare, auto operate, auto outcomes, bool puts) {
    list.push_back(
        {std::move(name), small_ring(), usual_world, prepare, operate, outcomes, 1, 0, puts});
  };
  add("push_inline", attach_producer, push_of(kInline), pushed, true);
  add("push_large", attach_producer, push_of(kCopied), pushed, true);
  const std::vector<Observation> not_pushed = {pushed.front()};
  add(
      "loan", attach_producer,
      [](VictimHands& hands) {
        return hands.producer->loan(kCopied, 64, 32, hands.patience, hands.loan);
      },
      not_pushed, false);
  add(
      "publish", attach_and_loan,
      [metadata = metadata_of(kVictimId)](VictimHands& hands) {
        return hands.producer->publish(hands.loan, metadata, hands.patience);
      },
      pushed, true);
  add(
      "abandon", attach_and_loan,
      [](VictimHands& hands) {
        hands.loan.abandon();
        return ErrorCode::ok;
      },
      not_pushed, false);
  // Eight blocks are used up, four of them returned: the push has to collect them.
  const auto full = [](World& world) {
    open_both(world);
    for (const MessageId id : {1, 2, 3, 4, 5, 6, 7, 8}) must(push(*world.producer, id, 1900));
    pop_into(world, 4);
  };
  list.push_back({"push_collecting",
                  small_ring(),
                  full,
                  attach_producer,
                  push_of(kCopied),
                  {left({5, 6, 7, 8}), left({5, 6, 7, 8, 100})},
                  0,
                  0,
                  true});
}

void add_growing(List& list) {
  list.push_back({"push_first",
                  small_ring(),
                  open_both,
                  attach_producer,
                  push_of(kInline),
                  {left({}), left({100})},
                  0,
                  0,
                  true});
  const auto one_queued = [](World& world) {
    open_both(world);
    push_from(world, {{2, kInline}});
  };
  list.push_back({"push_growing",
                  growing_ring(),
                  one_queued,
                  attach_producer,
                  push_of(100'000),
                  {left({2}), left({2, 100})},
                  0,
                  0,
                  true});
  // All descriptors that have memory are in use, so others have to get some.
  std::vector<MessageId> queued;
  for (MessageId id = kRepairerId + 1; queued.size() < shm::kDescriptorsAtATime - 1; ++id) {
    queued.push_back(id);
  }
  const auto shallow = [queued](World& world) {
    open_both(world);
    for (const MessageId id : queued) push_from(world, {{id, kTiny}});
    if (!world.producer->ring().blocks().lacks_descriptors()) {
      throw std::runtime_error("a descriptor is left");
    }
  };
  std::vector<MessageId> deeper = queued;
  deeper.push_back(kVictimId);
  list.push_back({"push_deepening",
                  deepening_ring(),
                  shallow,
                  attach_producer,
                  push_of(kTiny),
                  {left(queued), left(deeper)},
                  0,
                  0,
                  true});
  // Two views fill the main part, so the relief block has to be taken.
  const auto filled = [](World& world) {
    open_both(world);
    push_from(world, {{1, 8000}, {2, 8000}, {3, kInline}});
    pop_into(world, 2);
  };
  list.push_back({"push_relief",
                  small_ring(),
                  filled,
                  attach_producer,
                  push_of(kCopied),
                  {left({3}, 2), left({3, 100}, 2)},
                  2,
                  0,
                  true});
  const auto relief_queued = [filled](World& world) {
    filled(world);
    push_from(world, {{4, kCopied}});
    pop_into(world, 1);
    push_from(world, {{5, kInline}});
  };
  list.push_back({"pop_relief",
                  small_ring(),
                  relief_queued,
                  attach_consumer,
                  pop_message,
                  {left({4, 5}, 2), left({5}, 3), left({5}, 2)},
                  2,
                  1});
}

void add_trimming(List& list) {
  const auto trim_of = [](Handle VictimHands::*handle) {
    return [handle](VictimHands& hands) {
      std::uint64_t given_back_bytes = 0;
      const ErrorCode result = (hands.*handle)->trimming().run(given_back_bytes);
      return result == ErrorCode::ok && given_back_bytes == 0 ? ErrorCode::no_space : result;
    };
  };
  // A message that lies low in a ring that has held a large one.
  const auto was_large = [](World& world) {
    open_both(world);
    push_from(world, {{1, 100'000}});
    pop_into(world, 1);
    world.views.clear();
    static_cast<void>(world.producer->stats());  // Collects the block, so that the next lies low.
    push_from(world, {{2, kInline}});
  };
  const auto add = [&](std::string name, auto prepare, auto operate) {
    list.push_back({std::move(name), growing_ring(), was_large, prepare, operate, {left({2})}, 0});
  };
  add("trim", attach_producer, trim_of(&VictimHands::producer));
  add("trim_by_consumer", attach_consumer, trim_of(&VictimHands::consumer));
  // The relief block has been used, and two views fill the main part.
  const auto relief_used = [](World& world) {
    open_both(world);
    push_from(world, {{1, 8000}, {2, 8000}});
    pop_into(world, 2);
    push_from(world, {{3, kCopied}});
    pop_into(world, 1);
    push_from(world, {{4, kInline}});
  };
  list.push_back({"trim_relief",
                  small_ring(),
                  relief_used,
                  attach_producer,
                  trim_of(&VictimHands::producer),
                  {left({4}, 2)},
                  2});
}

}  // namespace ipc0cp::crash
