// SPDX-License-Identifier: Apache-2.0
// The name of a ring: what it may be, where its file is, and removing it.
#pragma once

#include <string>

namespace ipc0cp::shm {

std::string path_of(const std::string& name);
/// The name without its leading slash. @throws Error invalid_argument.
std::string checked_name(const std::string& name);

/// Removes the name if it still is that of `file`, a ring, and the ring is retired. Never waits:
/// life is write-locked through `file`, and whoever has it just then does the same afterwards.
/// @return 0, or why the name could not be removed (EPERM: it belongs to another user).
int remove_if_retired(int file, const std::string& name) noexcept;

}  // namespace ipc0cp::shm
