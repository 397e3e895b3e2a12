// SPDX-License-Identifier: Apache-2.0
// Where rings live: /dev/shm, or the directory that IPC0CP_DIRECTORY names.
#pragma once

#include <cstdint>
#include <string>

namespace ipc0cp::platform {

/// Without a slash at its end. The environment is read once, at the first call: handles must find
/// the files again that they have made.
const std::string& ring_directory();

/// Why rings cannot live in the directory.
struct DirectoryProblem {
  int error = 0;     ///< An errno; 0: there is no problem.
  std::string text;  ///< What is wrong, and the way out.
};
/// Only what IPC0CP_DIRECTORY names has to be memory: pages of a file on a disk are written back to
/// it, which IPC0CP_ALLOW_DISK=1 accepts.
DirectoryProblem ring_directory_problem();

/// Free bytes in the directory; UINT64_MAX where there is no limit.
std::uint64_t free_shared_memory();
/// Bytes that its file system may hold in all; 0 where there is no limit.
std::uint64_t total_shared_memory();

}  // namespace ipc0cp::platform
