// SPDX-License-Identifier: Apache-2.0
// Every instruction of every operation: who dies there harms nobody.
//
//   crash_harness --brief       a sample of the kills, for each test run
//   crash_harness --whole       every kill and stop, and the death of recoverers
//   crash_harness --operation NAME [--step N] [--fate killed|stopped|stopped_killed|copied]
//       NAME of --list, `recover(NAME)`, or `recover(NAME@STEP)`: a death in NAME is repaired
//   crash_harness --list
//
// `--defect NAME --expect-violation`, of crash_harness_with_defects: the defect is in the core, and
// the run succeeds if a violation is found.
// Exit status: 0 all is well, 1 a violation, 77 this machine forbids tracing.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "harness.hpp"
#include "ipc0cp/log.hpp"
#include "platform/clock.hpp"
#include "seeded.hpp"

namespace ipc0cp::crash {
namespace {

constexpr int kSkipped = 77;
constexpr unsigned kWatchdogSeconds = 60;
constexpr std::array<std::string_view, 10> kRepairedInBrief = {"push_inline",
                                                               "push_collecting",
                                                               "push_growing",
                                                               "publish",
                                                               "pop_view",
                                                               "close_with_view",
                                                               "redeliver_next",
                                                               "push_latest",
                                                               "broadcast_push_dropping",
                                                               "subscriber_release_last"};

char g_running[256];
std::string g_defect;

void bark(int) {
  constexpr char kText[] = "VIOLATION  hangs: ";
  static_cast<void>(!write(STDOUT_FILENO, kText, sizeof kText - 1));
  static_cast<void>(!write(STDOUT_FILENO, g_running, strlen(g_running)));
  static_cast<void>(!write(STDOUT_FILENO, "\n", 1));
  _exit(1);
}

struct Options {
  bool whole = false;
  bool list = false;
  bool expect_violation = false;
  std::string operation;
  std::uint64_t step = 0;
  std::string fate;
};

bool parse(int count, char** arguments, Options& options) {
  for (int index = 1; index < count; ++index) {
    const std::string name = arguments[index];
    const bool has_value = index + 1 < count;
    if (name == "--brief") {
      options.whole = false;
    } else if (name == "--whole") {
      options.whole = true;
    } else if (name == "--list") {
      options.list = true;
    } else if (name == "--expect-violation") {
      options.expect_violation = true;
    } else if (name == "--defect" && has_value) {
      g_defect = arguments[++index];
    } else if (name == "--operation" && has_value) {
      options.operation = arguments[++index];
    } else if (name == "--step" && has_value) {
      options.step = std::strtoull(arguments[++index], nullptr, 10);
    } else if (name == "--fate" && has_value) {
      options.fate = arguments[++index];
    } else {
      return false;
    }
  }
  return true;
}

void print_row(const std::string& name, const Figures& figures, std::int64_t elapsed_ns) {
  std::printf("%-34s %9llu %6llu %6llu %6llu %6llu %6llu %5llu %7.1f %10llu %7.1f\n", name.c_str(),
              static_cast<unsigned long long>(figures.instructions),
              static_cast<unsigned long long>(figures.stores),
              static_cast<unsigned long long>(figures.recoveries),
              static_cast<unsigned long long>(figures.attachments),
              static_cast<unsigned long long>(figures.kills),
              static_cast<unsigned long long>(figures.stops),
              static_cast<unsigned long long>(figures.missed),
              static_cast<double>(figures.longest_wait_ns) / 1e6,
              static_cast<unsigned long long>(figures.violations),
              static_cast<double>(elapsed_ns) / 1e9);
  std::fflush(stdout);
}

void print_head() {
  std::printf("%-34s %9s %6s %6s %6s %6s %6s %5s %7s %10s %7s\n", "operation", "instr.", "stores",
              "recov.", "attach", "kills", "stops", "miss", "late ms", "violations", "seconds");
}

/// Which of the points of an operation meet a fate in this run.
class Selection {
 public:
  explicit Selection(const Options& options) : options_(options) {}

  [[nodiscard]] bool takes(const Point& point, std::size_t index, std::size_t count, Fate fate,
                           bool second_victim) const {
    if (options_.step != 0 && point.step != options_.step) return false;
    if (!options_.fate.empty() && options_.fate != to_text(fate)) return false;
    std::size_t wanted = fate == Fate::killed ? 24 : 5;
    if (options_.whole && second_victim) {
      wanted = fate == Fate::killed ? 16 : 2;  // There are a thousand of these operations.
    } else if (options_.whole || !options_.operation.empty()) {
      return true;
    }
    return count <= wanted || index % ((count + wanted - 1) / wanted) == 0;
  }
  /// The deaths that another victim repairs, which is stepped in turn.
  [[nodiscard]] std::vector<Point> repaired(const Scenario& scenario,
                                            const std::vector<Point>& points) const {
    const std::string& wanted = options_.operation;
    const bool exactly_one = wanted.find('@') != std::string::npos;
    std::vector<Point> chosen;
    for (const Point& point : points) {
      if (point.if_all_die.absent || point.if_all_die.retired) continue;
      if (exactly_one ? wanted == recovery_name(scenario.name, point.step)
                      : point.kind == InstantKind::store) {
        chosen.push_back(point);
      }
    }
    const auto& brief = kRepairedInBrief;
    const bool in_brief =
        recovery_only() || std::find(brief.begin(), brief.end(), scenario.name) != brief.end();
    if (!scenario.repairable || (!wanted.empty() && !recovery_only())) return {};
    if (options_.whole || exactly_one || chosen.empty()) return chosen;
    if (!in_brief) return {};
    return {chosen[chosen.size() / 2]};
  }
  [[nodiscard]] bool recovery_only() const { return options_.operation.rfind("recover(", 0) == 0; }
  [[nodiscard]] bool runs(const Scenario& scenario) const {
    if (!recovery_only()) return options_.operation.empty() || options_.operation == scenario.name;
    const std::string inside = options_.operation.substr(8);
    return inside.substr(0, inside.find_first_of("@)")) == scenario.name;
  }

 private:
  const Options& options_;
};

class Run {
 public:
  explicit Run(const Options& options) : selection_(options), harness_(options.whole) {}

  /// @return the violations found.
  std::uint64_t all() {
    print_head();
    for (const Scenario& scenario : all_scenarios()) {
      if (selection_.runs(scenario)) one(scenario);
    }
    print_row("together", total_, platform::now_ns() - start_ns_);
    return total_.violations;
  }

 private:
  void one(const Scenario& scenario) {
    const std::int64_t start_ns = platform::now_ns();
    harness_.clear_figures();
    const auto points = harness_.step_through(scenario);
    if (!selection_.recovery_only()) meet_fates(scenario, points);
    finish_row(scenario.name, start_ns);
    for (const Point& point : selection_.repaired(scenario, points)) {
      recover(recovery_of(scenario, point.instant, point.step, point.if_all_die));
    }
  }

  void recover(const Scenario& second) {
    const std::int64_t start_ns = platform::now_ns();
    harness_.clear_figures();
    try {
      meet_fates(second, harness_.step_through(second));
    } catch (const MissedInstant&) {
    }
    finish_row(second.name, start_ns);
  }

  void meet_fates(const Scenario& scenario, const std::vector<Point>& points) {
    for (std::size_t index = 0; index < points.size(); ++index) {
      for (const Fate fate : {Fate::killed, Fate::stopped, Fate::stopped_killed}) {
        const bool second = scenario.just_before != nullptr;
        if (!selection_.takes(points[index], index, points.size(), fate, second)) continue;
        harness_.meet_fate(scenario, points[index], fate);
      }
    }
  }

  void finish_row(const std::string& name, std::int64_t start_ns) {
    print_row(name, harness_.figures(), platform::now_ns() - start_ns);
    total_ += harness_.figures();
  }

  Selection selection_;
  Harness harness_;
  Figures total_;
  std::int64_t start_ns_ = platform::now_ns();
};

int run(const Options& options) {
  if (options.list) {
    for (const Scenario& scenario : all_scenarios()) std::printf("%s\n", scenario.name.c_str());
    return 0;
  }
  if (!tracing_allowed()) {
    std::printf("SKIPPED: this machine forbids ptrace, so no instruction can be stepped\n");
    return kSkipped;
  }
  pin_to_one_processor();
  set_log_level(LogLevel::off);
  signal(SIGALRM, bark);
  const std::uint64_t violations = Run(options).all();
  return (violations > 0) == options.expect_violation ? 0 : 1;
}

}  // namespace

bool seeded(std::string_view defect) noexcept { return defect == g_defect; }

void arm_watchdog(const std::string& what_runs) {
  alarm(0);
  std::snprintf(g_running, sizeof g_running, "%s", what_runs.c_str());
  alarm(kWatchdogSeconds);
}

}  // namespace ipc0cp::crash

int main(int count, char** arguments) {
  ipc0cp::crash::Options options;
  if (!ipc0cp::crash::parse(count, arguments, options)) {
    std::fprintf(stderr, "unknown or incomplete option; see the head of crash_harness.cpp\n");
    return 2;
  }
  return ipc0cp::crash::run(options);
}
