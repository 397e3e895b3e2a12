// SPDX-License-Identifier: Apache-2.0
#include "readings.hpp"

#include <algorithm>

namespace ipc0cp::crash {
namespace {

bool contains(const std::vector<MessageId>& ids, MessageId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// Those of `ids` that are in `chosen`, in the order of `ids`.
std::vector<MessageId> those_in(const std::vector<MessageId>& ids,
                                const std::vector<MessageId>& chosen) {
  std::vector<MessageId> found;
  for (const MessageId id : ids) {
    if (contains(chosen, id)) found.push_back(id);
  }
  return found;
}

/// What was published for certain, oldest first.
std::vector<MessageId> certain(const Scenario& scenario, const Readings& readings) {
  std::vector<MessageId> ids = scenario.shared.front();
  ids.insert(ids.end(), readings.pushed.begin(), readings.pushed.end());
  return ids;
}

void check_each_once(const Scenario& scenario, const Readings& readings, Violations& violations) {
  const std::vector<MessageId> published = certain(scenario, readings);
  for (const MessageId id : readings.got) {
    if (std::count(readings.got.begin(), readings.got.end(), id) > 1) {
      violations.push_back("a subscriber got a message twice: " + to_text(readings.got));
    }
    if (!contains(published, id) && !contains(scenario.shared.back(), id)) {
      violations.push_back("a subscriber got " + std::to_string(id) + " from nowhere");
    }
  }
  if (those_in(published, readings.got) != those_in(readings.got, published)) {
    violations.push_back("a subscriber got out of order: " + to_text(readings.got));
  }
}

void check_missed(const Scenario& scenario, const Readings& readings, Violations& violations) {
  const std::vector<MessageId> published = certain(scenario, readings);
  const std::vector<MessageId>& last = scenario.shared.back();
  std::uint64_t missing = published.size() - those_in(published, readings.got).size();
  std::uint64_t uncertain = 0;
  for (const MessageId id : last) {
    if (contains(scenario.shared.front(), id) || contains(readings.got, id)) continue;
    ++(readings.completed && scenario.puts && id == last.back() ? missing : uncertain);
  }
  if (readings.missed < missing || readings.missed > missing + uncertain) {
    violations.push_back("a subscriber missed " + std::to_string(readings.missed) + ", of " +
                         to_text(published) + " it got " + to_text(readings.got));
  }
}

}  // namespace

void check_readings(const Scenario& scenario, const Readings& readings, Violations& violations) {
  check_each_once(scenario, readings, violations);
  check_missed(scenario, readings, violations);
  if (scenario.ring.broadcast || scenario.gives_up) return;
  for (const MessageId id : scenario.shared.back()) {
    const bool is_put = !contains(scenario.shared.front(), id);
    if (is_put && contains(readings.by_worker, id) != contains(readings.got, id)) {
      violations.push_back("worker and subscriber do not agree on " + std::to_string(id));
    }
  }
}

}  // namespace ipc0cp::crash
