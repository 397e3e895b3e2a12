// SPDX-License-Identifier: Apache-2.0
// What the kernel lets this process' group (cgroup) have of memory. Pages of a tmpfs count as those
// of the group that touched them first, and who goes beyond the limit is killed, not refused.
#pragma once

#include <cstdint>
#include <string>

#include "platform/control_groups.hpp"

namespace ipc0cp::platform {

/// The tightest limit above this process.
struct MemoryLimit {
  std::uint64_t limit_bytes = UINT64_MAX;  ///< UINT64_MAX: none, or none that can be read.
  std::uint64_t room_bytes = UINT64_MAX;   ///< What is left, page cache and swap counted as free.
  std::string file;                        ///< Where the limit is set.
};

MemoryLimit memory_limit(const GroupFiles& groups = {});

}  // namespace ipc0cp::platform
