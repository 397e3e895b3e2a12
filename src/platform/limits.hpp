// SPDX-License-Identifier: Apache-2.0
// Limits of this process that make system calls fail.
#pragma once

#include <cstdint>
#include <string>

namespace ipc0cp::platform {

/// Which limit of this process may be behind an errno, and the way out: "; ...", to be appended to
/// an error text, or nothing.
std::string limit_behind(int error);

/// The largest file this process may make, in bytes (RLIMIT_FSIZE); UINT64_MAX: any.
std::uint64_t max_file_bytes() noexcept;

}  // namespace ipc0cp::platform
