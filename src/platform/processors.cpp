// SPDX-License-Identifier: Apache-2.0
#include "platform/processors.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace ipc0cp::platform {
namespace {

/// 0: more than the mask of the C library can hold.
unsigned allowed_processors() noexcept {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  return sched_getaffinity(0, sizeof mask, &mask) == 0 ? static_cast<unsigned>(CPU_COUNT(&mask))
                                                       : 0;
}

/// Whether a group has a quota of less than two processors. Version 1 says "none" by -1.
bool is_rationed(const std::string& directory, GroupVersion version) {
  std::int64_t quota = -1;
  std::int64_t period = 0;
  if (version == GroupVersion::two) {
    std::ifstream(directory + "/cpu.max") >> quota >> period;  // "max 100000" fails at once.
  } else {
    std::ifstream(directory + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(directory + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 && quota / period < 2;
}

}  // namespace

Processors processors(const GroupFiles& groups) {
  Processors found;
  const unsigned allowed = allowed_processors();
  const long count = allowed > 1 ? long{allowed} : sysconf(_SC_NPROCESSORS_ONLN);
  found.count = static_cast<unsigned>(std::max(1L, count));
  visit_groups(groups, "cpu", [&](const std::string& directory, GroupVersion version) {
    found.rationed |= is_rationed(directory, version);
  });
  return found;
}

}  // namespace ipc0cp::platform
