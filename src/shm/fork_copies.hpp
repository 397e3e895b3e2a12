// SPDX-License-Identifier: Apache-2.0
// Views and loans that exist at a fork stay valid in the child.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// The pages of live blocks, copied before a fork; the child puts the copies over the shared ones.
///
/// Thread safety: the fork handlers call `save`, and after the fork `discard` or `put_in_place`,
/// one process at a time; `tell_if_failed` may be called by any thread.
class ForkCopies {
 public:
  /// @param writable the child's copies may be written to, as the blocks themselves.
  ForkCopies(AttachedRing& ring, bool writable) noexcept : ring_(ring), writable_(writable) {}

  /// Before the fork. Without memory there is no copy: the child sees what the ring holds later.
  void save() noexcept;
  void discard() noexcept;
  void put_in_place() noexcept;
  /// Logs, once, that there was no memory; to be called when no mutex is held.
  void tell_if_failed() noexcept;

 private:
  struct Copy {
    std::byte* address;
    std::byte* copy;
    std::size_t bytes;
  };

  AttachedRing& ring_;
  bool writable_;
  std::vector<Copy> copies_;
  std::atomic<bool> failed_{false};
};

}  // namespace ipc0cp::shm
