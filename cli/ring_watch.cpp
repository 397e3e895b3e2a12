// SPDX-License-Identifier: Apache-2.0
#include "ring_watch.hpp"

#include "ipc0cp/error.hpp"

namespace ipc0cp::cli {

TopPage RingWatch::look() {
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

bool RingWatch::take(const inspect::RingSummary& summary, inspect::Ring& ring) {
  static_cast<inspect::RingSummary&>(ring) = summary;
  if (!summary.has_figures()) return true;
  try {
    ring = inspect::ring(summary.name);
  } catch (const Error&) {
    return false;  // It has gone meanwhile.
  }
  return true;
}

void RingWatch::add_cycles(TopPage& page, const std::vector<TwoLooks>& pairs) {
  for (TopRow& row : page.rows) {
    std::vector<Finding> cycles = find_cycles(row.ring.name, pairs);
    if (cycles.empty()) continue;
    std::erase_if(row.findings,
                  [](const Finding& finding) { return finding.kind == "slow_consumer"; });
    row.findings.insert(row.findings.begin(), cycles.begin(), cycles.end());
  }
}

}  // namespace ipc0cp::cli
