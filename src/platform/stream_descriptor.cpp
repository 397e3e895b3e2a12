// SPDX-License-Identifier: Apache-2.0
#include "platform/stream_descriptor.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "platform/clock.hpp"
#include "platform/liveness.hpp"

namespace ipc0cp::platform {
namespace {

/// Keeps SIGPIPE from this thread, and takes the one away that its own write has raised. The
/// disposition belongs to the process and stays what it is.
class WithoutSigpipe {
 public:
  WithoutSigpipe() noexcept {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
    was_blocked_ = sigismember(&before_, SIGPIPE) == 1;
    was_pending_ = was_blocked_ && is_pending();
  }
  ~WithoutSigpipe() {
    if (!was_blocked_) pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

  void take_away() const noexcept {
    if (was_pending_) return;  // It is somebody else's as well.
    constexpr timespec kAtOnce{};
    while (sigtimedwait(&sigpipe_, nullptr, &kAtOnce) < 0 && errno == EINTR) {
    }
  }

 private:
  static bool is_pending() noexcept {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  }
  sigset_t sigpipe_;
  sigset_t before_;
  bool was_blocked_ = false;
  bool was_pending_ = false;
};

struct Pieces {
  std::array<iovec, StreamDescriptor::kMostParts> pieces;
  std::size_t count = 0;
};

/// The first `most_bytes` of the parts as the system calls take them.
template <class Byte>
Pieces pieces_of(std::span<const std::span<Byte>> parts, std::size_t most_bytes) noexcept {
  Pieces result;
  for (const std::span<Byte> part : parts) {
    const std::size_t bytes = std::min(part.size(), most_bytes);
    if (bytes == 0) continue;
    if (result.count == result.pieces.size()) break;
    // The system calls take the source of a write as a pointer to non-const bytes.
    void* address = const_cast<std::byte*>(part.data());
    result.pieces[result.count++] = {address, bytes};
    most_bytes -= bytes;
  }
  return result;
}

msghdr message_of(Pieces& pieces) noexcept {
  msghdr message{};
  message.msg_iov = pieces.pieces.data();
  message.msg_iovlen = pieces.count;
  return message;
}

/// Calls until no signal comes in between: it never waits, so it cannot go on for ever.
template <class Call>
Transfer transfer(Call call) noexcept {
  ssize_t result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result < 0 ? Transfer{0, errno} : Transfer{static_cast<std::size_t>(result), 0};
}
static_assert(EWOULDBLOCK == EAGAIN);

bool is_stream_socket(int descriptor) noexcept {
  int type = 0;
  socklen_t bytes = sizeof type;
  return getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM;
}

}  // namespace

int StreamDescriptor::open(int descriptor, Direction direction) noexcept {
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0) return EBADF;
  const int access = flags & O_ACCMODE;
  const int wanted = direction == Direction::read ? O_RDONLY : O_WRONLY;
  if (access != O_RDWR && access != wanted) return EACCES;
  if (isatty(descriptor) != 0) return ENOTTY;
  reset();
  descriptor_ = descriptor;
  direction_ = direction;
  choose_mode();
  const bool keeps_records = mode_ == Mode::socket && !is_stream_socket(descriptor);
  return keeps_records ? EPROTOTYPE : 0;
}

int StreamDescriptor::open(File descriptor, Direction direction) noexcept {
  const int error = open(descriptor.get(), direction);
  if (error == 0) owned_ = std::move(descriptor);
  return error;
}

void StreamDescriptor::choose_mode() noexcept {
  mode_ = Mode::asking_before;
  struct stat status {};
  if (fstat(descriptor_, &status) != 0) return;
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) mode_ = Mode::plain;
  if (S_ISSOCK(status.st_mode)) mode_ = Mode::socket;
  if (!S_ISFIFO(status.st_mode)) return;
  // Fails where /proc is not mounted, the pipe is another user's, or its reader has left.
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", descriptor_);
  const int access = direction_ == Direction::read ? O_RDONLY : O_WRONLY;
  const int again = ::open(path.data(), access | O_NONBLOCK | O_CLOEXEC);
  if (again < 0) return;
  own_flags_ = File(move_high(again));
  mode_ = Mode::own_flags;
}

Transfer StreamDescriptor::read_some(std::span<const std::span<std::byte>> parts) noexcept {
  if (mode_ == Mode::asking_before && !is_ready(0)) return {0, EAGAIN};
  Pieces pieces = pieces_of(parts, kMostBytes);
  if (mode_ == Mode::socket) {
    msghdr message = message_of(pieces);
    const Transfer received = transfer([&] { return recvmsg(active(), &message, MSG_DONTWAIT); });
    // A peer that was killed with unread bytes of ours: there is nothing more to come.
    return received.error == ECONNRESET ? Transfer{} : received;
  }
  return transfer(
      [&] { return readv(active(), pieces.pieces.data(), static_cast<int>(pieces.count)); });
}

Transfer StreamDescriptor::write_some(std::span<const std::span<const std::byte>> parts) noexcept {
  if (mode_ == Mode::asking_before && !is_ready(0)) return {0, EAGAIN};
  // A pipe that is ready takes so much without a wait.
  Pieces pieces = pieces_of(parts, mode_ == Mode::asking_before ? PIPE_BUF : kMostBytes);
  if (mode_ == Mode::socket) {
    const msghdr message = message_of(pieces);
    return transfer([&] { return sendmsg(active(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  }
  const WithoutSigpipe guard;
  const Transfer written = transfer(
      [&] { return writev(active(), pieces.pieces.data(), static_cast<int>(pieces.count)); });
  if (written.error == EPIPE) guard.take_away();
  return written;
}

bool StreamDescriptor::is_ready(std::int64_t wait_ns) const noexcept {
  const short wanted = direction_ == Direction::read ? POLLIN : POLLOUT;
  pollfd question{active(), wanted, 0};
  timespec time{};
  time.tv_sec = wait_ns / kSecond;
  time.tv_nsec = wait_ns % kSecond;
  return ppoll(&question, 1, &time, nullptr) > 0;
}

void StreamDescriptor::wait(std::int64_t wait_ns) const noexcept {
  if (wait_ns > 0) static_cast<void>(is_ready(wait_ns));
}

void StreamDescriptor::enlarge_pipe(std::size_t bytes) const noexcept {
  const int before = fcntl(active(), F_GETPIPE_SZ);
  if (before >= 0 && static_cast<std::size_t>(before) < bytes) {
    fcntl(active(), F_SETPIPE_SZ, static_cast<int>(bytes));
  }
}

void StreamDescriptor::reset() noexcept {
  own_flags_.reset();
  owned_.reset();
  descriptor_ = -1;
}

}  // namespace ipc0cp::platform
