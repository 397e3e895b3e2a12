// SPDX-License-Identifier: Apache-2.0
#include "platform/limits.hpp"

#include <sys/resource.h>

#include <cerrno>

namespace ipc0cp::platform {

std::string limit_behind(int error) {
  rlimit limit{};
  if (error == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    return "; this process may have " + std::to_string(limit.rlim_cur) +
           " descriptors (RLIMIT_NOFILE), and a handle opens 3: close some, or raise the limit "
           "(ulimit -n)";
  }
  const bool is_limited =
      error == ENOMEM && getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  if (!is_limited) return {};
  return "; this process may have " + std::to_string(limit.rlim_cur) +
         " bytes of address space (RLIMIT_AS): ask for a smaller ring, or raise the limit "
         "(ulimit -v)";
}

std::uint64_t max_file_bytes() noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
  return limit.rlim_cur;
}

}  // namespace ipc0cp::platform
