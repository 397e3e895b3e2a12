// SPDX-License-Identifier: Apache-2.0
#include "platform/liveness.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace ipc0cp::platform {
namespace {

struct flock byte_range(short type, std::uint64_t first_byte, std::uint64_t count) noexcept {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(first_byte);
  range.l_len = static_cast<off_t>(count);
  return range;
}

}  // namespace

LockResult lock_byte(int file, std::uint64_t byte, LockKind kind) noexcept {
  auto range = byte_range(kind == LockKind::read ? F_RDLCK : F_WRLCK, byte, 1);
  while (fcntl(file, F_OFD_SETLK, &range) != 0) {
    if (errno == EINTR) continue;
    return errno == EAGAIN || errno == EACCES ? LockResult::busy : LockResult::failed;
  }
  return LockResult::taken;
}

void unlock_byte(int file, std::uint64_t byte) noexcept {
  auto range = byte_range(F_UNLCK, byte, 1);
  while (fcntl(file, F_OFD_SETLK, &range) != 0 && errno == EINTR) {
  }
}

bool range_is_held(int file, std::uint64_t first_byte, std::uint64_t count) noexcept {
  // A read lock conflicts with write locks only, so readers of the life byte do not count.
  auto range = byte_range(F_RDLCK, first_byte, count);
  if (fcntl(file, F_OFD_GETLK, &range) != 0) return true;
  return range.l_type != F_UNLCK;
}

bool own_byte_is_held(int file, std::uint64_t byte) noexcept {
  auto range = byte_range(F_RDLCK, byte, 1);
  if (fcntl(file, F_OFD_GETLK, &range) != 0) return errno != EBADF;
  return range.l_type != F_UNLCK;
}

int move_high(int file) noexcept {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return file;
  constexpr rlim_t kHighest = 1 << 16;
  const rlim_t end = std::min(limit.rlim_cur, kHighest);
  const int moved = fcntl(file, F_DUPFD_CLOEXEC, static_cast<int>(end - end / 4));
  if (moved < 0) return file;
  close(file);
  return moved;
}

}  // namespace ipc0cp::platform
