// SPDX-License-Identifier: Apache-2.0
#include "platform/standard_stream.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "platform/liveness.hpp"

namespace ipc0cp::platform {
namespace {

int put_in_place(int source, int target) noexcept {
  int result = 0;
  do {
    result = dup2(source, target);
  } while (result < 0 && (errno == EINTR || errno == EBUSY));
  return result < 0 ? errno : 0;
}

}  // namespace

int duplicate(int descriptor, File& copy) noexcept {
  const int duplicated = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (duplicated < 0) return errno;
  copy = File(move_high(duplicated));
  return 0;
}

int divert_standard_stream(int descriptor) noexcept {
  if (descriptor == kStandardOutput && fcntl(STDERR_FILENO, F_GETFD) >= 0) {
    return put_in_place(STDERR_FILENO, descriptor);
  }
  const File nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  return nothing.is_open() ? put_in_place(nothing.get(), descriptor) : errno;
}

void restore_standard_stream(int descriptor, int original) noexcept {
  put_in_place(original, descriptor);
}

bool standard_error_is_standard_output() noexcept {
  struct stat output {};
  struct stat errors {};
  if (fstat(STDOUT_FILENO, &output) != 0 || fstat(STDERR_FILENO, &errors) != 0) return false;
  // Devices such as /dev/null keep nothing that could be damaged.
  return !S_ISCHR(output.st_mode) && output.st_dev == errors.st_dev &&
         output.st_ino == errors.st_ino;
}

}  // namespace ipc0cp::platform
