// SPDX-License-Identifier: Apache-2.0
// A descriptor that one thread makes readable and an event loop watches.
#pragma once

namespace ipc0cp::platform {

/// Thread safety: all members may be called from any thread.
class EventDescriptor {
 public:
  EventDescriptor() noexcept;
  ~EventDescriptor();
  EventDescriptor(const EventDescriptor&) = delete;
  EventDescriptor& operator=(const EventDescriptor&) = delete;

  /// Where the system had none to give: minus its errno.
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  /// Makes it readable.
  void signal() const noexcept;
  /// Makes it unreadable again; whether it was readable.
  [[nodiscard]] bool take() const noexcept;

 private:
  int descriptor_;
};

}  // namespace ipc0cp::platform
