// SPDX-License-Identifier: Apache-2.0
#include "platform/memory_limit.hpp"

#include <sys/sysinfo.h>

#include <algorithm>
#include <fstream>

namespace ipc0cp::platform {
namespace {

/// The files of one version of cgroups.
struct Files {
  const char* limit;
  const char* usage;
};
constexpr Files kVersion2 = {"memory.max", "memory.current"};
constexpr Files kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes"};
/// Version 1 says "none" by a number near 2^63.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

/// False for "max", and where the file cannot be read.
bool read_number(const std::string& path, std::uint64_t& number) {
  std::ifstream file(path);
  return static_cast<bool>(file >> number);
}

/// Pages that the kernel takes back before it kills anybody. Pages of a tmpfs are not among them.
std::uint64_t page_cache_bytes(const std::string& directory) {
  std::ifstream file(directory + "/memory.stat");
  std::uint64_t sum = 0;
  std::string key;
  for (std::uint64_t value = 0; file >> key >> value;) {
    if (key == "active_file" || key == "inactive_file") sum += value;
  }
  return sum;
}

std::uint64_t free_swap_bytes(const std::string& directory) {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) return 0;
  const std::uint64_t free_bytes = std::uint64_t{info.freeswap} * info.mem_unit;
  std::uint64_t most = 0;
  std::uint64_t used = 0;
  if (!read_number(directory + "/memory.swap.max", most)) return free_bytes;
  read_number(directory + "/memory.swap.current", used);
  return std::min(free_bytes, most - std::min(most, used));
}

void look_at(const std::string& directory, const Files& files, MemoryLimit& tightest) {
  const std::string path = directory + "/" + files.limit;
  std::uint64_t limit = 0;
  if (!read_number(path, limit) || limit >= kNoLimit) return;
  std::uint64_t used = 0;
  if (!read_number(directory + "/" + files.usage, used)) return;
  used -= std::min(used, page_cache_bytes(directory));
  const std::uint64_t room = limit - std::min(limit, used) + free_swap_bytes(directory);
  if (room < tightest.room_bytes) tightest = {limit, room, path};
}

}  // namespace

MemoryLimit memory_limit(const GroupFiles& groups) {
  MemoryLimit tightest;
  visit_groups(groups, "memory", [&](const std::string& directory, GroupVersion version) {
    look_at(directory, version == GroupVersion::two ? kVersion2 : kVersion1, tightest);
  });
  return tightest;
}

}  // namespace ipc0cp::platform
