// SPDX-License-Identifier: Apache-2.0
// Leads victims through operations, lets them die at every store, and checks what is left.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scenario.hpp"

namespace ipc0cp::crash {

/// What happens to a victim at an instant.
enum class Fate {
  killed,          ///< SIGKILL; the living go on.
  stopped,         ///< Stopped while the living go on, then continued to its end.
  stopped_killed,  ///< Stopped while the living go on, then SIGKILL.
};
const char* to_text(Fate fate) noexcept;

enum class InstantKind { store, system_call, sample };

/// An instant at which something may happen to the victim: just before (`system_call`), or after
/// the instruction.
struct Point {
  Instant instant;
  InstantKind kind = InstantKind::store;
  std::uint64_t step = 0;
  Observation if_all_die;  ///< After recovery of a copy taken here.
};

struct Figures {
  std::uint64_t instructions = 0;
  std::uint64_t stores = 0;       ///< Instructions that changed the control pages, all checked.
  std::uint64_t recoveries = 0;   ///< Of copies in which everybody is dead.
  std::uint64_t attachments = 0;  ///< To such copies, through the front door.
  std::uint64_t kills = 0;
  std::uint64_t stops = 0;
  std::uint64_t missed = 0;  ///< Runs that took another way and met their instant never.
  std::uint64_t violations = 0;
  std::int64_t longest_wait_ns = 0;  ///< Of a survivor beyond its time-out, victim stopped.

  Figures& operator+=(const Figures& other) noexcept;
};

/// Thread safety: none; one thread drives all of it.
class Harness {
 public:
  explicit Harness(bool every_copy_attached) : attach_every_copy_(every_copy_attached) {}

  /// Steps one victim through the whole operation and checks after each store.
  std::vector<Point> step_through(const Scenario& scenario);
  /// Runs a fresh victim to the point and lets it meet its fate in sight of the living.
  void meet_fate(const Scenario& scenario, const Point& point, Fate fate);
  [[nodiscard]] const Figures& figures() const noexcept { return figures_; }
  void clear_figures() noexcept { figures_ = {}; }

 private:
  struct Phase;
  void check_copy(const Scenario& scenario, RingFile* ring, Phase& phase, Violations& violations);
  void check_beside_the_living(const Scenario& scenario, const Stage& stage, const RingFile& ring,
                               Phase& phase, Violations& violations);
  void report(const Scenario& scenario, std::uint64_t step, std::uint64_t address,
              const std::string& what, const Violations& violations);
  std::string next_name(const char* purpose);

  bool attach_every_copy_;
  Figures figures_;
  std::uint64_t rings_ = 0;
};

/// Ends the program if nothing reports progress for so long: something hangs.
void arm_watchdog(const std::string& what_runs);

}  // namespace ipc0cp::crash
