// SPDX-License-Identifier: Apache-2.0
#include "platform/ring_directory.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string_view>

namespace ipc0cp::platform {
namespace {

constexpr const char* kDefault = "/dev/shm";
constexpr const char* kVariable = "IPC0CP_DIRECTORY";
constexpr const char* kAllowDisk = "IPC0CP_ALLOW_DISK";

struct FileSystem {
  std::uint64_t magic;
  const char* name;
};
// What rings are put on by mistake; of <linux/magic.h> where that has it.
constexpr std::array<FileSystem, 10> kFileSystems = {{
    {EXT4_SUPER_MAGIC, "ext4"},
    {0x58465342, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs"},
    {NFS_SUPER_MAGIC, "nfs"},
    {0x65735546, "fuse"},
    {0x2FC12FC1, "zfs"},
    {0x01021997, "9p"},
    {HUGETLBFS_MAGIC, "hugetlbfs"},
    {PROC_SUPER_MAGIC, "proc"},
}};

/// IPC0CP_DIRECTORY as it was at the first call, empty: not set.
const std::string& given() {
  static const std::string directory = [] {
    const char* value = std::getenv(kVariable);
    std::string text = value == nullptr ? "" : value;
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    return text;
  }();
  return directory;
}

bool disk_is_allowed() {
  const char* value = std::getenv(kAllowDisk);
  return value != nullptr && std::string_view(value) == "1";
}

std::string name_of_file_system(std::uint64_t magic) {
  for (const FileSystem& known : kFileSystems) {
    if (known.magic == magic) return known.name;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "type 0x%llx", static_cast<unsigned long long>(magic));
  return text.data();
}

/// "IPC0CP_DIRECTORY=/x" or "/dev/shm", as the subject of a sentence.
std::string subject() { return given().empty() ? kDefault : kVariable + ("=" + given()); }

/// What helps when the directory cannot be used at all.
std::string way_out() {
  return given().empty() ? "; mount a tmpfs there (mount -t tmpfs tmpfs /dev/shm), or set "
                           "IPC0CP_DIRECTORY to a "
                           "directory on one"
                         : "; name a directory on a tmpfs, or unset it to use /dev/shm";
}

}  // namespace

const std::string& ring_directory() {
  static const std::string directory = given().empty() ? kDefault : given();
  return directory;
}

namespace {
// Read at load, when there is one thread: a child forked in the middle would inherit a hidden lock.
[[maybe_unused]] const std::string& g_at_load = ring_directory();
}  // namespace

DirectoryProblem ring_directory_problem() {
  const std::string& directory = ring_directory();
  if (directory.front() != '/') {
    return {EINVAL, subject() + " is not an absolute path; begin it with '/'"};
  }
  struct stat status {};
  if (stat(directory.c_str(), &status) != 0) {
    const int error = errno;
    const std::string what =
        error == ENOENT ? " does not exist" : ": " + std::string(std::strerror(error));
    return {error, subject() + what + way_out()};
  }
  if (!S_ISDIR(status.st_mode)) return {ENOTDIR, subject() + " is not a directory" + way_out()};
  struct statfs system {};
  if (given().empty() || disk_is_allowed() || statfs(directory.c_str(), &system) != 0) return {};
  const auto magic = static_cast<std::uint64_t>(system.f_type) & 0xFFFF'FFFFU;
  if (magic == TMPFS_MAGIC || magic == RAMFS_MAGIC) return {};
  return {EINVAL, subject() + " lies on " + name_of_file_system(magic) + ", which is not memory" +
                      way_out() + "; IPC0CP_ALLOW_DISK=1 takes it nevertheless"};
}

std::uint64_t free_shared_memory() {
  struct statvfs status {};
  if (statvfs(ring_directory().c_str(), &status) != 0 || status.f_blocks == 0) {
    return std::numeric_limits<std::uint64_t>::max();
  }
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

std::uint64_t total_shared_memory() {
  struct statvfs status {};
  if (statvfs(ring_directory().c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize;
}

}  // namespace ipc0cp::platform
