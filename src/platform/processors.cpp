// SPDX-License-Identifier: Apache-2.0
#include "platform/processors.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

namespace ipc0cp::platform {
namespace {

/// 0: more than the mask of the C library can hold.
unsigned allowed_processors() noexcept {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  return sched_getaffinity(0, sizeof mask, &mask) == 0 ? static_cast<unsigned>(CPU_COUNT(&mask))
                                                       : 0;
}

/// How many processors' time a group may use, infinite: no quota. Version 1 says "none" by -1.
double quota_of(const std::string& directory, GroupVersion version) {
  std::int64_t quota = -1;
  std::int64_t period = 0;
  if (version == GroupVersion::two) {
    std::ifstream(directory + "/cpu.max") >> quota >> period;  // "max 100000" fails at once.
  } else {
    std::ifstream(directory + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(directory + "/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(quota) / static_cast<double>(period);
}

}  // namespace

Processors processors(const GroupFiles& groups) {
  Processors found;
  const unsigned allowed = allowed_processors();
  const long count = allowed > 1 ? long{allowed} : sysconf(_SC_NPROCESSORS_ONLN);
  found.count = static_cast<unsigned>(std::max(1L, count));
  heed_quotas(groups, found);
  return found;
}

void heed_quotas(const GroupFiles& groups, Processors& processors) {
  visit_groups(groups, "cpu", [&](const std::string& directory, GroupVersion version) {
    const double quota = quota_of(directory, version);
    if (quota < 2) {
      processors.rationed = true;
    } else if (quota < processors.count) {
      processors.count = static_cast<unsigned>(quota);
    }
  });
}

}  // namespace ipc0cp::platform
