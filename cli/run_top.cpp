// SPDX-License-Identifier: Apache-2.0
// ipc0cp top: all rings live, and who blocks whom.
#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "declared.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/error.hpp"
#include "ring_json.hpp"
#include "standard_streams.hpp"
#include "top_page.hpp"

namespace ipc0cp::cli {
namespace {

struct Options {
  bool once = false;
  bool json = false;
  std::optional<double> interval;
};

constexpr double kFirstInterval = 0.5;

/// Keeps the look before, so that each look has rates.
class Watch {
 public:
  TopPage look() {
    TopPage page;
    page.directory = inspect::directory();
    std::map<std::string, inspect::Ring> seen;
    std::vector<TwoLooks> pairs;
    for (const inspect::RingSummary& summary : inspect::rings()) {
      TopRow row;
      if (!take(summary, row.ring)) continue;
      const auto earlier = before_.find(summary.name);
      const bool same = earlier != before_.end() && earlier->second.ring_id == row.ring.ring_id;
      if (same) row.rates = inspect::rates(earlier->second, row.ring);
      pairs.push_back({same ? earlier->second : row.ring, row.ring});
      // Who stands still is told at the second look.
      if (same || !row.ring.has_figures()) {
        row.findings = diagnose(pairs.back(), page.directory, {});
      }
      seen[summary.name] = row.ring;
      page.rows.push_back(std::move(row));
    }
    add_cycles(page, pairs);
    sort_rows(page.rows, TopOrder::name);
    before_ = std::move(seen);
    return page;
  }

 private:
  static bool take(const inspect::RingSummary& summary, inspect::Ring& ring) {
    static_cast<inspect::RingSummary&>(ring) = summary;
    if (!summary.has_figures()) return true;
    try {
      ring = inspect::ring(summary.name);
    } catch (const Error&) {
      return false;  // It has gone meanwhile.
    }
    return true;
  }

  static void add_cycles(TopPage& page, const std::vector<TwoLooks>& pairs) {
    for (TopRow& row : page.rows) {
      std::vector<Finding> cycles = find_cycles(row.ring.name, pairs);
      if (cycles.empty()) continue;
      std::erase_if(row.findings,
                    [](const Finding& finding) { return finding.kind == "slow_consumer"; });
      row.findings.insert(row.findings.begin(), cycles.begin(), cycles.end());
    }
  }

  std::map<std::string, inspect::Ring> before_;
};

Json to_json(const TopPage& page) {
  Json json = {{"rings", Json::array()}};
  for (const TopRow& row : page.rows) {
    Json ring = summary_json(row.ring, row.rates);
    ring["findings"] = Json::array();
    for (const Finding& finding : row.findings) ring["findings"].push_back(finding.sentence);
    json["rings"].push_back(std::move(ring));
  }
  return json;
}

int show_once(const Options& options, Watch& watch) {
  watch.look();
  if (!sleep_for(options.interval.value_or(kFirstInterval))) return kInterrupted;
  const TopPage page = watch.look();
  if (options.json) {
    print_json(to_json(page), false);
  } else {
    print_text(top_text(page, terminal_size(), false, wants_color()));
  }
  return kDone;
}

int print_lines(const Options& options, Watch& watch) {
  watch.look();
  while (sleep_for(options.interval.value_or(1))) print_json(to_json(watch.look()), true);
  return kDone;
}

/// What a key other than q asks for.
void choose_order(char key, TopOrder& order) {
  switch (key) {
    case 'n':
      order = TopOrder::name;
      return;
    case 'd':
      order = TopOrder::depth;
      return;
    case 'i':
      order = TopOrder::in;
      return;
    case 'o':
      order = TopOrder::out;
      return;
    default:
      return;
  }
}

int show_live(const Options& options, Watch& watch) {
  using Clock = std::chrono::steady_clock;
  const FullScreen screen;
  TopOrder order = TopOrder::name;
  std::chrono::duration<double> wait(kFirstInterval);
  while (!interrupted()) {
    const auto next_look = Clock::now() + wait;
    wait = std::chrono::duration<double>(options.interval.value_or(1));
    TopPage page = watch.look();
    page.has_keys = true;
    // A key or another size of the window shows the same look anew.
    for (auto now = Clock::now(); now < next_look && !interrupted(); now = Clock::now()) {
      page.order = order;
      sort_rows(page.rows, order);
      screen.show(top_text(page, terminal_size(), true, wants_color()));
      const std::chrono::duration<double> left = next_look - now;
      const std::optional<char> key = screen.wait_for_key(left.count());
      if (key == 'q' || key == 'Q') return kDone;
      if (key) choose_order(*key, order);
    }
  }
  return kDone;
}

int show(const Options& options) {
  Watch watch;
  if (options.once) return show_once(options, watch);
  if (options.json) return print_lines(options, watch);
  if (!is_terminal(1)) {
    throw Failure(kWrongUsage,
                  "standard output is no terminal; take one look with: ipc0cp top "
                  "--once, or one after the other with: ipc0cp top --json");
  }
  return show_live(options, watch);
}

}  // namespace

std::function<int()> prepare_top(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.flag("--once", options->once, "One look, and no page of its own");
  arguments.flag("-j,--json", options->json, "As JSON, one value in each line");
  arguments.seconds("-i,--interval", options->interval, "Time between two looks, else 1");
  return [options] { return show(*options); };
}

}  // namespace ipc0cp::cli
