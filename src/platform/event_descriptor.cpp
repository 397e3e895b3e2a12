// SPDX-License-Identifier: Apache-2.0
#include "platform/event_descriptor.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "platform/shared_memory.hpp"

namespace ipc0cp::platform {

EventDescriptor::EventDescriptor() noexcept
    : descriptor_(above_standard_streams(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
  if (descriptor_ < 0) descriptor_ = -errno;
}

EventDescriptor::~EventDescriptor() {
  if (descriptor_ >= 0) close(descriptor_);
}

void EventDescriptor::signal() const noexcept { eventfd_write(descriptor_, 1); }

bool EventDescriptor::take() const noexcept {
  eventfd_t count = 0;
  return eventfd_read(descriptor_, &count) == 0;
}

}  // namespace ipc0cp::platform
