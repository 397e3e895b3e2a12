// SPDX-License-Identifier: Apache-2.0
#include "scenario.hpp"

#include "scenario_parts.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::crash {
namespace {

std::function<void(Board&)> body_of(const Scenario& scenario, const RingOptions& ring) {
  return [&scenario, ring](Board& board) {
    VictimHands hands;
    hands.ring = ring;
    hands.board = &board;
    scenario.prepare_victim(hands);
    hands.patience = platform::Deadline(kPatienceNs);
    Victim::begin();
    board.result = static_cast<std::uint32_t>(scenario.operate(hands));
    Victim::end(board);
  };
}

}  // namespace

std::vector<Scenario> all_scenarios() {
  List list;
  add_attaching(list);
  for (Scenario& scenario : list) scenario.repairable = scenario.held_by_world > 0;
  add_pushing(list);
  add_growing(list);
  add_trimming(list);
  add_popping(list);
  add_batches(list);
  add_watching(list);
  add_closing(list);
  add_redelivering(list);
  add_living_sources(list);
  add_subscribing(list);
  add_sharing(list);
  return list;
}

std::vector<MessageId> put_by(const Scenario& scenario) {
  std::vector<MessageId> put;
  if (!scenario.puts) return put;
  const auto& before = scenario.outcomes.front().queue;
  for (const MessageId id : scenario.outcomes.back().queue) {
    if (std::find(before.begin(), before.end(), id) == before.end()) put.push_back(id);
  }
  return put;
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
  second.gives_up = first.gives_up;
  second.just_before = [first, instant](World& world) {
    Victim victim(body_of(first, world.ring));
    if (first.once_ready) first.once_ready(world);
    if (!victim.run_to(instant) || victim.step() == Victim::Status::ended) throw MissedInstant{};
    victim.kill();
  };
  second.outcomes = {if_all_die};
  if (!first.ring.broadcast) {
    second.outcomes.push_back(if_all_die);
    second.outcomes.back().queue.push_back(kRepairerId);
  }
  if (first.shared.empty()) return second;
  second.shared = first.shared;
  for (std::vector<MessageId> unread : first.shared) {
    unread.push_back(kRepairerId);
    second.shared.push_back(std::move(unread));
  }
  return second;
}

World::~World() {
  views.clear();
  producer.reset();
  subscriber.reset();
  consumer.reset();
  if (!ring.name.empty()) platform::remove_name(shm::path_of(ring.name));
}

Stage::Stage(const Scenario& scenario, const std::string& ring_name)
    : world(std::make_unique<World>()) {
  world->ring = scenario.ring;
  world->ring.name = ring_name;
  scenario.prepare_world(*world);
  victim = std::make_unique<Victim>(body_of(scenario, world->ring));
  if (scenario.once_ready) scenario.once_ready(*world);
  if (scenario.just_before) scenario.just_before(*world);
  // The operation shall look for deaths on its way, in every run alike.
  if (const auto ring = RingFile::open(ring_name)) ring->segment().header().last_sweep_ns.store(0);
}

}  // namespace ipc0cp::crash
