// SPDX-License-Identifier: Apache-2.0
#include "standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::cli {

void hold_standard_streams() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one.
    static_cast<void>(open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

bool is_terminal(int descriptor) noexcept { return isatty(descriptor) == 1; }

std::size_t read_some(int descriptor, char* target, std::size_t bytes, const std::string& name) {
  while (true) {
    const ssize_t count = read(descriptor, target, bytes);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw Failure(kFailed, "cannot read " + name + ": " + std::strerror(errno));
    if (interrupted()) throw Error(ErrorCode::interrupted, "interrupted");
  }
}

std::string read_start(int descriptor, std::size_t bytes) {
  std::string start(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    const std::size_t count =
        read_some(descriptor, start.data() + have, bytes - have, "standard input");
    if (count == 0) break;
    have += count;
  }
  start.resize(have);
  return start;
}

}  // namespace ipc0cp::cli
