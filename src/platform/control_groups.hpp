// SPDX-License-Identifier: Apache-2.0
// The groups (cgroups) that this process is in, with all above them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ipc0cp::platform {

enum class GroupVersion : std::uint8_t { one, two };

/// Where the kernel shows the groups.
struct GroupFiles {
  std::string groups = "/proc/self/cgroup";  ///< Which groups this process is in.
  std::string root = "/sys/fs/cgroup";       ///< Where the tree of groups is mounted.
};

/// Calls `visit` with the directory of each group of `controller` that this process is in, and of
/// all groups above it, whichever of them can be seen from here.
void visit_groups(const GroupFiles& files, std::string_view controller,
                  const std::function<void(const std::string& directory, GroupVersion)>& visit);

}  // namespace ipc0cp::platform
