// SPDX-License-Identifier: Apache-2.0
// What a living subscriber has read beside a victim, held against what it had to read.
#pragma once

#include "scenario.hpp"

namespace ipc0cp::crash {

struct Readings {
  std::vector<MessageId> got;        ///< By the subscriber, all there was.
  std::vector<MessageId> by_worker;  ///< By the living worker, if the ring has a queue.
  std::vector<MessageId> pushed;     ///< By the living, after the operation began.
  std::uint64_t missed = 0;          ///< As the subscriber counts it.
  bool completed = false;            ///< The victim came to the end of its operation.
};

/// Each message came once and in order, but for what the subscriber has missed and counted; and
/// worker and subscriber agree on whether the victim published.
void check_readings(const Scenario& scenario, const Readings& readings, Violations& violations);

}  // namespace ipc0cp::crash
