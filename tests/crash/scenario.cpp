// SPDX-License-Identifier: Apache-2.0
#include "scenario.hpp"

#include <stdexcept>

#include "shm/life.hpp"

namespace ipc0cp::crash {
namespace {

constexpr std::uint64_t kSmallRing = 16 << 10;
constexpr std::uint64_t kGrowingRing = 200 << 10;
constexpr std::size_t kInline = 100;   ///< Copied inside the lock, both ways.
constexpr std::size_t kCopied = 2000;  ///< Lent and published, copied out at pop.
constexpr std::size_t kViewed = 5000;  ///< Popped as a view.

void must(ErrorCode result) {
  if (result != ErrorCode::ok) {
    throw std::runtime_error("a preparation failed: " + std::string(to_string(result)));
  }
}

void push_from(World& world, std::vector<std::pair<MessageId, std::size_t>> messages) {
  for (const auto& [id, bytes] : messages) must(push(*world.producer, id, bytes));
}

void pop_into(World& world, std::size_t count) {
  for (std::size_t message = 0; message < count; ++message) {
    MessageId id = 0;
    Message popped;
    must(pop(*world.consumer, id, popped));
    if (popped.is_view()) world.views.push_back(std::move(popped));
  }
}

void open_both(World& world) {
  world.consumer = open_consumer(world.ring);
  world.producer = open_producer(world.ring);
}

/// One view held by the living, and three messages of the three kinds queued: [2 3 4].
void usual_world(World& world) {
  open_both(world);
  push_from(world, {{1, kViewed}, {2, kInline}, {3, kCopied}, {4, kViewed}, {5, kInline}});
  pop_into(world, 1);
}

std::function<void(World&)> usual_world_after(std::size_t pops) {
  return [pops](World& world) {
    usual_world(world);
    pop_into(world, pops);
  };
}

void attach_producer(VictimHands& hands) { hands.producer = open_producer(hands.ring); }
void attach_consumer(VictimHands& hands) { hands.consumer = open_consumer(hands.ring); }

std::function<ErrorCode(VictimHands&)> push_of(std::size_t bytes, MessageId id = kVictimId) {
  return [payload = payload_of(id, bytes), metadata = metadata_of(id)](VictimHands& hands) {
    return hands.producer->push(metadata, payload, hands.patience);
  };
}

void note_view(VictimHands& hands) {
  const auto offset = hands.message.payload().data() -
                      hands.consumer->membership().segment->arena();
  hands.board->view_offset = static_cast<std::uint64_t>(offset);
  hands.board->view_bytes = hands.message.payload().size();
}

ErrorCode pop_message(VictimHands& hands) {
  const ErrorCode result = hands.consumer->pop(hands.patience, hands.message);
  if (result == ErrorCode::ok) {
    hands.board->popped = id_of(hands.message.payload(), hands.message.metadata());
    if (hands.message.is_view()) note_view(hands);
  }
  return result;
}

void attach_and_pop(VictimHands& hands) {
  attach_consumer(hands);
  must(pop_message(hands));
}

void attach_and_loan(VictimHands& hands) {
  attach_producer(hands);
  must(hands.producer->loan(kCopied, 64, 32, hands.patience, hands.loan));
  const auto payload = payload_of(kVictimId, kCopied);
  std::copy(payload.begin(), payload.end(), hands.loan.bytes().begin());
  const auto offset =
      hands.loan.bytes().data() - hands.producer->membership().segment->arena();
  hands.board->view_offset = static_cast<std::uint64_t>(offset);
  hands.board->view_bytes = kCopied;
  hands.board->popped = kVictimId;
}

Observation left(std::vector<MessageId> queue, std::uint64_t lost = 0, std::uint64_t dropped = 0) {
  Observation observation;
  observation.queue = std::move(queue);
  observation.lost = lost;
  observation.dropped = dropped;
  return observation;
}
Observation nothing_there() {
  Observation observation;
  observation.absent = true;
  return observation;
}
Observation given_up(std::vector<MessageId> queue) {
  Observation observation = left(std::move(queue));
  observation.retired = true;
  return observation;
}

RingOptions small_ring() { return {"", kSmallRing, 8, false}; }
RingOptions growing_ring() { return {"", kGrowingRing, 4, false}; }

using List = std::vector<Scenario>;

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
  list.push_back({"create_producer", small_ring(), nobody, nothing, open_as_producer,
                  {nothing_there(), left({})}});
  list.push_back({"create_consumer", small_ring(), nobody, nothing, open_as_consumer,
                  {nothing_there(), left({})}});
  list.push_back({"attach_producer", small_ring(), usual_world, nothing, open_as_producer,
                  {left({2, 3, 4, 5}, 1)}, 1});
  list.push_back({"attach_consumer", small_ring(), usual_world, nothing, open_as_consumer,
                  {left({2, 3, 4, 5}, 1)}, 1});
  // Messages of a producer that died, in a ring without anybody: recovered, then discarded.
  const auto orphan = [](World& world) {
    const Handle consumer = open_consumer(world.ring, false);
    run_and_die([&] {
      Handle producer = open_producer(world.ring);
      for (const MessageId id : {2, 3, 4}) must(push(*producer, id, kCopied));
      static_cast<void>(producer.release());  // No destructor: it dies, it does not close.
    });
  };
  list.push_back({"attach_and_discard", small_ring(), orphan, nothing,
                  [](VictimHands& hands) {
                    hands.producer = open_producer(hands.ring, Stale::discard);
                    return ErrorCode::ok;
                  },
                  {left({2, 3, 4}), left({3, 4}, 0, 1), left({4}, 0, 2), left({}, 0, 3)}});
  list.push_back({"attach_and_resume", small_ring(), orphan, nothing, open_as_consumer,
                  {left({2, 3, 4})}});
}

void add_pushing(List& list) {
  const std::vector<Observation> pushed = {left({2, 3, 4, 5}, 1), left({2, 3, 4, 5, 100}, 1)};
  const auto add = [&](std::string name, auto prepare, auto operate, auto outcomes, bool puts) {
    list.push_back({std::move(name), small_ring(), usual_world, prepare, operate, outcomes, 1,
                    false, puts});
  };
  add("push_inline", attach_producer, push_of(kInline), pushed, true);
  add("push_large", attach_producer, push_of(kCopied), pushed, true);
  const std::vector<Observation> not_pushed = {pushed.front()};
  add("loan", attach_producer,
      [](VictimHands& hands) {
        return hands.producer->loan(kCopied, 64, 32, hands.patience, hands.loan);
      },
      not_pushed, false);
  add("publish", attach_and_loan,
      [metadata = metadata_of(kVictimId)](VictimHands& hands) {
        return hands.producer->publish(hands.loan, metadata, hands.patience);
      },
      pushed, true);
  add("abandon", attach_and_loan,
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
  list.push_back({"push_collecting", small_ring(), full, attach_producer, push_of(kCopied),
                  {left({5, 6, 7, 8}), left({5, 6, 7, 8, 100})}, 0, false, true});
}

void add_growing(List& list) {
  list.push_back({"push_first", small_ring(), open_both, attach_producer, push_of(kInline),
                  {left({}), left({100})}, 0, false, true});
  const auto one_queued = [](World& world) {
    open_both(world);
    push_from(world, {{2, kInline}});
  };
  list.push_back({"push_growing", growing_ring(), one_queued, attach_producer,
                  push_of(100'000), {left({2}), left({2, 100})}, 0, false, true});
  // Two views fill the main part, so the relief block has to be taken.
  const auto filled = [](World& world) {
    open_both(world);
    push_from(world, {{1, 8000}, {2, 8000}, {3, kInline}});
    pop_into(world, 2);
  };
  list.push_back({"push_relief", small_ring(), filled, attach_producer, push_of(kCopied),
                  {left({3}, 2), left({3, 100}, 2)}, 2, false, true});
  const auto relief_queued = [filled](World& world) {
    filled(world);
    push_from(world, {{4, kCopied}});
    pop_into(world, 1);
    push_from(world, {{5, kInline}});
  };
  list.push_back({"pop_relief", small_ring(), relief_queued, attach_consumer, pop_message,
                  {left({4, 5}, 2), left({5}, 3), left({5}, 2)}, 2, true});
}

void add_popping(List& list) {
  list.push_back({"pop_inline", small_ring(), usual_world, attach_consumer, pop_message,
                  {left({2, 3, 4, 5}, 1), left({3, 4, 5}, 1)}, 1, true});
  list.push_back({"pop_copied", small_ring(), usual_world_after(1), attach_consumer, pop_message,
                  {left({3, 4, 5}, 1), left({4, 5}, 2), left({4, 5}, 1)}, 1, true});
  list.push_back({"pop_view", small_ring(), usual_world_after(2), attach_consumer, pop_message,
                  {left({4, 5}, 1), left({5}, 2)}, 1, true});
  list.push_back({"release", small_ring(), usual_world_after(2), attach_and_pop,
                  [](VictimHands& hands) {
                    hands.message.release();
                    return ErrorCode::ok;
                  },
                  {left({5}, 2), left({5}, 1)}, 1});
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
  list.push_back({"close_producer", small_ring(), usual_world, attach_producer, close_producer,
                  {left({2, 3, 4, 5}, 1)}, 1});
  list.push_back({"close_consumer", small_ring(), usual_world, attach_consumer, close_consumer,
                  {left({2, 3, 4, 5}, 1)}, 1});
  list.push_back({"close_with_view", small_ring(), usual_world_after(2), attach_and_pop,
                  close_consumer, {left({5}, 2), left({5}, 1)}, 1, false, false, true});
  list.push_back({"close_with_loan", small_ring(), usual_world, attach_and_loan, close_producer,
                  {left({2, 3, 4, 5}, 1)}, 1, false, false, true});
  list.push_back({"close_and_release", small_ring(), usual_world_after(2),
                  [](VictimHands& hands) {
                    attach_and_pop(hands);
                    hands.consumer->close();
                  },
                  [](VictimHands& hands) {
                    hands.message.release();
                    return ErrorCode::ok;
                  },
                  {left({5}, 2), left({5}, 1)}, 1});
  const auto only_producer = [](World& world) {
    const Handle consumer = open_consumer(world.ring, false);
    world.producer = open_producer(world.ring);
    push_from(world, {{2, kInline}, {3, kCopied}});
  };
  list.push_back({"close_last_consumer", small_ring(), only_producer, attach_consumer,
                  close_consumer, {left({2, 3}), given_up({2, 3}), nothing_there()}});
  list.back().repairable = false;
}

std::function<void(Board&)> body_of(const Scenario& scenario, const RingOptions& ring) {
  return [&scenario, ring](Board& board) {
    VictimHands hands;
    hands.ring = ring;
    hands.board = &board;
    scenario.prepare_victim(hands);
    hands.patience = shm::Deadline(kPatienceNs);
    Victim::begin();
    board.result = static_cast<std::uint32_t>(scenario.operate(hands));
    Victim::end(board);
  };
}

/// Rings that deliver again: what was popped and not finished comes back when its consumer dies.
void add_redelivering(List& list) {
  const auto three_queued = [](World& world) {
    open_both(world);
    push_from(world, {{1, kViewed}, {2, kInline}, {3, kCopied}});
  };
  const RingOptions ring = {"", kSmallRing, 8, true};
  const Observation all = left({1, 2, 3});
  list.push_back({"redeliver_pop", ring, three_queued, attach_consumer, pop_message, {all}, 0,
                  true});
  list.push_back({"redeliver_next", ring, three_queued, attach_and_pop,
                  [](VictimHands& hands) {
                    const ErrorCode result = hands.consumer->pop(hands.patience, hands.next);
                    hands.board->popped = id_of(hands.next.payload(), hands.next.metadata());
                    return result;
                  },
                  {all, left({2, 3})}, 0, true});
  list.back().finishes = 1;
  const auto requeue = [](VictimHands& hands) {
    hands.consumer->requeue(hands.message);
    hands.message.release();
    return ErrorCode::ok;
  };
  list.push_back({"redeliver_requeue", ring, three_queued, attach_and_pop, requeue, {all}});
  // Delivered for the third and last time: it never comes back, however that ends.
  list.push_back({"redeliver_last", ring, three_queued,
                  [requeue](VictimHands& hands) {
                    attach_consumer(hands);
                    for (int delivery = 0; delivery < 3; ++delivery) {
                      if (delivery > 0) must(requeue(hands));
                      must(pop_message(hands));
                    }
                  },
                  requeue, {left({2, 3}, 0, 1)}});
  list.back().finishes = 1;
}

}  // namespace

std::vector<Scenario> all_scenarios() {
  List list;
  add_attaching(list);
  for (Scenario& scenario : list) scenario.repairable = scenario.held_by_world > 0;
  add_pushing(list);
  add_growing(list);
  add_popping(list);
  add_closing(list);
  add_redelivering(list);
  return list;
}

std::string recovery_name(const std::string& operation, std::uint64_t step) {
  return "recover(" + operation + "@" + std::to_string(step) + ")";
}

Scenario recovery_of(const Scenario& first, const Instant& instant, std::uint64_t step,
                     const Observation& if_all_die) {
  Scenario second;
  second.name = recovery_name(first.name, step);
  second.ring = first.ring;
  second.prepare_world = first.prepare_world;
  second.prepare_victim = attach_producer;
  second.operate = push_of(kInline, kRepairerId);
  second.held_by_world = first.held_by_world;
  second.puts = true;
  second.just_before = [first, instant](World& world) {
    Victim victim(body_of(first, world.ring));
    if (!victim.run_to(instant) || victim.step() == Victim::Status::ended) throw MissedInstant{};
    victim.kill();
  };
  Observation after = if_all_die;
  after.queue.push_back(kRepairerId);
  second.outcomes = {if_all_die, after};
  return second;
}

World::~World() {
  views.clear();
  producer.reset();
  consumer.reset();
  if (!ring.name.empty()) platform::remove_name(shm::path_of(ring.name));
}

Stage::Stage(const Scenario& scenario, const std::string& ring_name)
    : world(std::make_unique<World>()) {
  world->ring = scenario.ring;
  world->ring.name = ring_name;
  scenario.prepare_world(*world);
  victim = std::make_unique<Victim>(body_of(scenario, world->ring));
  if (scenario.just_before) scenario.just_before(*world);
  // The operation shall look for deaths on its way, in every run alike.
  if (const auto ring = RingFile::open(ring_name)) ring->segment().header().last_sweep_ns.store(0);
}

}  // namespace ipc0cp::crash
