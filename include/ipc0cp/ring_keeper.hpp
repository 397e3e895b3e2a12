// SPDX-License-Identifier: Apache-2.0
/// @file
/// RingKeeper: a ring stays while it is handed to processes that have not attached yet.
#pragma once

#include <string>

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Keeps a ring although nobody may have a handle on it.
///
/// A handle belongs to one process; a keeper is one open file that several processes share. A
/// forked child inherits it, another process can be sent its descriptor and calls `adopt`. As long
/// as one of them has it, no closing consumer removes the ring, newcomers find what is queued, and
/// tools see that the ring is in use. Who closes it last, orderly, removes the ring, unless a
/// consumer with `auto_unlink` is attached, which then does so. If the last one is killed, the file
/// stays and counts as stale.
///
/// A keeper is no end of a ring: for the end of stream and for waiting pushes it counts as nobody.
///
/// Thread safety: one thread at a time. Move-only.
class IPC0CP_EXPORT RingKeeper {
 public:
  /// Keeps the existing ring `shm_name`; a ring has one keeper at a time, shared by copies of its
  /// descriptor.
  /// @throws Error invalid_argument if the name is bad or the ring has a keeper already,
  ///   system_error.
  explicit RingKeeper(const std::string& shm_name);
  /// Takes over a `descriptor` that was inherited or received from the keeper of `shm_name`.
  /// @throws Error invalid_argument if it is none.
  static RingKeeper adopt(const std::string& shm_name, int descriptor);

  RingKeeper(RingKeeper&& other) noexcept;
  RingKeeper& operator=(RingKeeper&& other) noexcept;
  /// Closes.
  ~RingKeeper();

  /// To be inherited or sent; it stays this keeper's. -1 once closed.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Lets go, and removes the ring if nobody else keeps it or reads it. Waits at most 1 s.
  /// Idempotent.
  void close() noexcept;

 private:
  RingKeeper(std::string name, int descriptor);

  std::string name_;
  int descriptor_ = -1;
};

}  // namespace ipc0cp
