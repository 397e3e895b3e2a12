// SPDX-License-Identifier: Apache-2.0
// Every instruction: a copy of the ring is recovered after each one that changed it.
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "harness.hpp"
#include "platform/clock.hpp"
#include "symbols.hpp"

namespace ipc0cp::crash {
namespace {

constexpr std::size_t kMostViolationsShown = 12;

/// Whether the next instruction is a system call. The victim's code is a copy of ours.
bool at_system_call(std::uint64_t address) noexcept {
  unsigned char code[2];
  const auto* text = reinterpret_cast<const void*>(address);  // NOLINT(performance-no-int-to-ptr)
  std::memcpy(code, text, sizeof code);
  return code[0] == 0x0F && code[1] == 0x05;
}

}  // namespace

Figures& Figures::operator+=(const Figures& other) noexcept {
  instructions += other.instructions;
  stores += other.stores;
  recoveries += other.recoveries;
  attachments += other.attachments;
  kills += other.kills;
  stops += other.stops;
  missed += other.missed;
  violations += other.violations;
  longest_wait_ns = std::max(longest_wait_ns, other.longest_wait_ns);
  return *this;
}

const char* to_text(Fate fate) noexcept {
  switch (fate) {
    case Fate::killed:
      return "killed";
    case Fate::stopped:
      return "stopped";
    default:
      return "stopped_killed";
  }
}

std::string Harness::next_name(const char* purpose) {
  return "crash-" + std::to_string(getpid()) + "-" + purpose + std::to_string(++rings_);
}

/// How far the operation has come, seen from the outcomes it may have.
struct Harness::Phase {
  std::unique_ptr<CopyChecker> checker;
  std::size_t reached = 0;
  Observation last;
  std::size_t shared_reached = 0;
};

/// Beside the living, who have everything still to read that was published.
void Harness::check_beside_the_living(const Scenario& scenario, const Stage& stage,
                                      const RingFile& ring, Phase& phase, Violations& violations) {
  const World& world = *stage.world;
  if (scenario.shared.empty() || !world.producer) return;
  const auto unread = phase.checker->check_beside_the_living(
      ring, world.producer->ring(), world.reader()->ring(), stage.victim->process(), violations);
  ++figures_.recoveries;
  std::size_t outcome = phase.shared_reached;
  while (outcome < scenario.shared.size() && scenario.shared[outcome] != unread) ++outcome;
  if (outcome == scenario.shared.size()) {
    violations.push_back("a living subscriber has " + to_text(unread) +
                         " to read; admissible from here on: " +
                         to_text(scenario.shared[phase.shared_reached]) + " or later");
  } else {
    phase.shared_reached = outcome;
  }
}

void Harness::check_copy(const Scenario& scenario, RingFile* ring, Phase& phase,
                         Violations& violations) {
  Observation now;
  now.absent = ring == nullptr;
  if (ring != nullptr) {
    if (!phase.checker) phase.checker = std::make_unique<CopyChecker>(ring->segment().geometry());
    now = phase.checker->check(*ring, violations);
    ++figures_.recoveries;
  }
  const bool moved = !(now == phase.last);
  std::size_t outcome = phase.reached;
  while (outcome < scenario.outcomes.size() && !(scenario.outcomes[outcome] == now)) ++outcome;
  if (outcome == scenario.outcomes.size()) {
    violations.push_back("left behind: " + to_text(now) + "; admissible from here on: " +
                         to_text(scenario.outcomes[phase.reached]) + " or later");
  } else {
    phase.reached = outcome;
  }
  phase.last = now;
  if (ring == nullptr || !(moved || attach_every_copy_ || figures_.recoveries % 4 == 0)) return;
  check_by_attaching(*ring, next_name("copy"), now, violations);
  ++figures_.attachments;
}

void Harness::report(const Scenario& scenario, std::uint64_t step, std::uint64_t address,
                     const std::string& what, const Violations& violations) {
  if (violations.empty()) return;
  if (figures_.violations < kMostViolationsShown) {
    std::printf("VIOLATION  --operation '%s' --step %llu --fate %s  at %s\n", scenario.name.c_str(),
                static_cast<unsigned long long>(step), what.c_str(), symbol_of(address).c_str());
    for (const std::string& sentence : violations) std::printf("           %s\n", sentence.c_str());
    std::fflush(stdout);
  }
  ++figures_.violations;
}

std::vector<Point> Harness::step_through(const Scenario& scenario) {
  arm_watchdog(scenario.name + ", stepping");
  Stage stage(scenario, next_name("step"));
  Victim& victim = *stage.victim;
  const std::string& name = stage.world->ring.name;
  auto ring = RingFile::open(name);
  if (ring) ring->changed();
  std::vector<Point> points;
  Phase phase;
  Violations violations;
  check_copy(scenario, ring.get(), phase, violations);
  if (ring) check_beside_the_living(scenario, stage, *ring, phase, violations);
  report(scenario, 0, 0, "copied", violations);
  std::uint64_t step = 0;
  std::vector<Point> calls;
  while (victim.board().finished == 0) {
    Point point;
    const bool call = at_system_call(victim.address());
    const bool was_absent = ring == nullptr;
    const auto status = victim.step_counted(point.instant);
    point.step = ++step;
    if (call) {
      point.kind = InstantKind::system_call;
      point.if_all_die = phase.last;
      points.push_back(point);
      point.kind = InstantKind::store;
    }
    violations.clear();
    if (status == Victim::Status::ended) {
      violations.push_back("the operation ended by signal " + std::to_string(victim.ended_by()));
      report(scenario, step, point.instant.address, "copied", violations);
      return points;
    }
    // Only system calls make a name or take it away.
    if (call && was_absent) ring = RingFile::open(name);
    if (call && !was_absent && RingFile::open(name) == nullptr) ring.reset();
    const bool stored = ring != nullptr ? ring->changed() : !was_absent;
    if (!stored) continue;
    if (step % 64 == 0) arm_watchdog(scenario.name + ", stepping");
    check_copy(scenario, ring.get(), phase, violations);
    if (ring) check_beside_the_living(scenario, stage, *ring, phase, violations);
    report(scenario, step, point.instant.address, "copied", violations);
    ++figures_.stores;
    point.if_all_die = phase.last;
    points.push_back(point);
  }
  violations.clear();
  if (victim.board().result != 0) {
    violations.push_back("the operation failed: " +
                         std::string(to_string(static_cast<ErrorCode>(victim.board().result))));
  }
  if (phase.reached + 1 != scenario.outcomes.size()) {
    violations.push_back("the operation is over, and yet there is only " + to_text(phase.last));
  }
  const auto last_of = [](const std::vector<MessageId>& ids) {
    return ids.empty() ? 0 : ids.back();
  };
  if (!scenario.shared.empty() &&
      last_of(scenario.shared[phase.shared_reached]) != last_of(scenario.shared.back())) {
    violations.push_back("the operation is over, and yet a living subscriber has only " +
                         to_text(scenario.shared[phase.shared_reached]));
  }
  report(scenario, step, 0, "copied", violations);
  figures_.instructions += step;
  return points;
}

}  // namespace ipc0cp::crash
