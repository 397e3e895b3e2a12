// SPDX-License-Identifier: Apache-2.0
// The file of a ring: opening and making it, who lives in it, and the one way its name goes.
#pragma once

#include <cstdint>
#include <string>

#include "platform/liveness.hpp"
#include "platform/shared_memory.hpp"

namespace ipc0cp::shm {

/// One inode, opened three times: locks belong to an open file description, and one that is mapped
/// keeps its locks for as long as the mapping lives.
struct RingFile {
  platform::File mapped;  ///< Mapped, so it must hold no lock.
  platform::File token;   ///< Holds life, claim and token.
  platform::File probe;   ///< Looks at the locks of others.

  /// Opens what has the name. @return 0 or an errno, ENOENT: nothing has.
  int open(const std::string& path) noexcept;
  /// Makes a file without a name; a kill before `give_name` leaves nothing. @return 0 or an errno.
  int make(unsigned mode);
  /// Gives it its size, and opens it twice more. @return 0 or an errno.
  int prepare(unsigned mode, std::uint64_t bytes) noexcept;
  /// @return 0 or an errno, EEXIST: somebody else was faster.
  [[nodiscard]] int give_name(const std::string& path) const noexcept;

  /// Life read-locked: nobody removes the name meanwhile. False: somebody is about to.
  [[nodiscard]] bool begin_joining() const noexcept;
  /// Whether all three are the file that has the name, and its only name.
  [[nodiscard]] bool has_name(const std::string& path) const noexcept;
  /// Whether any handle or keeper has the ring.
  [[nodiscard]] bool anyone_lives() const noexcept;
};

/// The right to remove a name. Life is write-locked through `file`, so nobody is joining; and the
/// name still is that of `file`, so it is no newcomer's. Never waits: who has life just then looks
/// after the name itself when it lets go.
class NameLock {
 public:
  NameLock(int file, const std::string& path) noexcept;
  NameLock(const NameLock&) = delete;
  NameLock& operator=(const NameLock&) = delete;
  ~NameLock();

  [[nodiscard]] bool held() const noexcept { return held_; }
  /// @return 0, or why the name could not be removed (EPERM: it belongs to another user).
  [[nodiscard]] int remove_name() const noexcept;
  /// Gives the right up for a read lock: the ring stays, and the caller joins it.
  bool join_instead() noexcept;

 private:
  int file_;
  const std::string& path_;
  bool held_ = false;
};

/// Whether the name is that of `file`.
bool is_named(int file, const std::string& path) noexcept;

/// Removes the name of a ring that is retired: by its last consumer, or by a newcomer that kept
/// that one from doing so. `file` may hold life for reading.
/// @return 0, also if there was nothing to do, or why the name could not be removed.
int remove_if_retired(int file, const std::string& name) noexcept;

}  // namespace ipc0cp::shm
