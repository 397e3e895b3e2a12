// SPDX-License-Identifier: Apache-2.0
#include "platform/poll.hpp"

#include <poll.h>

#include <cerrno>
#include <vector>

#include "platform/clock.hpp"

namespace ipc0cp::platform {

int poll_readable(std::span<const int> descriptors, std::int64_t wait_ns) {
  std::vector<pollfd> entries;
  entries.reserve(descriptors.size());
  for (const int descriptor : descriptors) entries.push_back({descriptor, POLLIN, 0});
  timespec time{};
  time.tv_sec = wait_ns / kSecond;
  time.tv_nsec = wait_ns % kSecond;
  const bool forever = wait_ns == kForever;
  if (ppoll(entries.data(), entries.size(), forever ? nullptr : &time, nullptr) >= 0) return 0;
  return errno == EINTR ? 0 : errno;
}

}  // namespace ipc0cp::platform
