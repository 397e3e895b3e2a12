// SPDX-License-Identifier: Apache-2.0
// Processes that wait for one another around a circle of rings.
//
// 1. Who waits: a process with a call that is blocked in a ring in which nothing moves.
// 2. For whom: a push without room for the consumers of its ring, a pop without a message for the
//    producers.
// 3. Whoever waits for somebody that can go on is taken out, until nobody is. Those who are left
//    wait for one another only.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "diagnosis.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using inspect::Participant;
using inspect::Ring;
using inspect::Role;
using inspect::WaitsFor;

/// A process number means something within its namespace only.
using Process = std::pair<std::uint64_t, std::uint32_t>;

struct Wait {
  const Ring* ring = nullptr;
  const Participant* who = nullptr;
  std::set<Process> peers;
};

Process process_of(const Participant& one) { return {one.pid_namespace, one.process_id}; }

std::set<Process> those_with(const Ring& ring, Role role) {
  std::set<Process> processes;
  for (const Participant& one : ring.participants) {
    if (one.role == role && one.lives()) processes.insert(process_of(one));
  }
  return processes;
}

std::map<Process, Wait> waits_in(const std::vector<TwoLooks>& rings) {
  std::map<Process, Wait> waits;
  for (const TwoLooks& looks : rings) {
    if (!looks.stands_still()) continue;
    const Ring& ring = looks.now;
    for (const Participant& one : ring.participants) {
      if (one.blocked_since_ns == 0 || !one.lives()) continue;
      // Since before the first look, so it is no wait that comes and goes.
      if (one.blocked_since_ns > looks.before.taken_ns) continue;
      Role of_peers = Role::gone;
      if (one.waits_for == WaitsFor::room) of_peers = Role::consumer;
      if (one.waits_for == WaitsFor::message && ring.stats.messages == 0) {
        of_peers = Role::producer;
      }
      if (of_peers == Role::gone) continue;
      std::set<Process> peers = those_with(ring, of_peers);
      // Nobody to wait for is no circle. A push says more than a pop of the same process.
      if (peers.empty()) continue;
      if (waits.count(process_of(one)) != 0 && one.waits_for != WaitsFor::room) continue;
      waits[process_of(one)] = {&ring, &one, std::move(peers)};
    }
  }
  return waits;
}

void keep_those_who_cannot_go_on(std::map<Process, Wait>& waits) {
  bool changed = true;
  while (changed) {
    changed = false;
    for (auto place = waits.begin(); place != waits.end();) {
      const std::set<Process>& peers = place->second.peers;
      const bool stuck = std::all_of(peers.begin(), peers.end(),
                                     [&](const Process& peer) { return waits.count(peer) != 0; });
      changed |= !stuck;
      place = stuck ? std::next(place) : waits.erase(place);
    }
  }
}

/// From one to the next until somebody comes twice.
std::vector<const Wait*> circle_from(const Process& first, const std::map<Process, Wait>& waits) {
  std::vector<const Wait*> path;
  std::vector<Process> seen;
  Process process = first;
  while (std::find(seen.begin(), seen.end(), process) == seen.end()) {
    const Wait& wait = waits.at(process);
    seen.push_back(process);
    path.push_back(&wait);
    process = *wait.peers.begin();
  }
  const auto start = std::find(seen.begin(), seen.end(), process) - seen.begin();
  path.erase(path.begin(), path.begin() + start);
  return path;
}

Finding describe(const std::vector<const Wait*>& circle) {
  Finding finding;
  finding.kind = "cycle";
  for (const Wait* wait : circle) {
    const bool for_room = wait->who->waits_for == WaitsFor::room;
    finding.sentence += finding.sentence.empty() ? "" : ", ";
    finding.sentence += "pid " + std::to_string(wait->who->process_id) + " (" +
                        wait->who->process_name + ") waits for " +
                        (for_room ? "room" : "a message") + " in '" + wait->ring->name + "'";
    finding.evidence += finding.evidence.empty() ? "" : "; ";
    finding.evidence += "'" + wait->ring->name + "': nothing moves, blocked since " +
                        short_age(wait->who->blocked_since_ns, wait->ring->taken_ns);
  }
  finding.sentence = "each waits for the next, around a circle: " + finding.sentence;
  const auto full = std::find_if(circle.begin(), circle.end(), [](const Wait* wait) {
    return wait->who->waits_for == WaitsFor::room;
  });
  if (full != circle.end()) {
    const std::string& name = (*full)->ring->name;
    finding.advice =
        "Pop and push in different threads, or make the ring larger than what is ever on its way. "
        "It goes on now if a message is taken out by hand:";
    finding.command = "ipc0cp recv " + name + " --count 1 --output " + name + "-messages";
  } else {
    finding.advice = "Somebody has to push first; one message by hand lets it go on:";
    finding.command = "ipc0cp send " + circle.front()->ring->name + " FILE";
  }
  return finding;
}

}  // namespace

std::vector<Finding> find_cycles(const std::string& name, const std::vector<TwoLooks>& rings) {
  std::map<Process, Wait> waits = waits_in(rings);
  keep_those_who_cannot_go_on(waits);
  for (const auto& [process, wait] : waits) {
    const std::vector<const Wait*> circle = circle_from(process, waits);
    const bool through_it = std::any_of(circle.begin(), circle.end(),
                                        [&](const Wait* one) { return one->ring->name == name; });
    if (through_it) return {describe(circle)};
  }
  return {};
}

}  // namespace ipc0cp::cli
