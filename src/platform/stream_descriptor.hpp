// SPDX-License-Identifier: Apache-2.0
// Reading and writing a pipe, socket, file or device without ever sleeping in the transfer itself.
//
// A call that sleeps in read() or write() cannot be ended by its deadline or by another thread, so
// transfers do not wait and sleeping is a call of its own. Flags of the given descriptor are not
// changed, because other processes may share them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "platform/shared_memory.hpp"

namespace ipc0cp::platform {

enum class Direction { read, write };

/// What one attempt came to. Neither bytes nor error: the end of the file (reading).
struct Transfer {
  std::size_t bytes = 0;
  int error = 0;  ///< EAGAIN: nothing to read, or no room, now.
};

/// One direction of a byte stream. One thread at a time.
class StreamDescriptor {
 public:
  /// What is moved at once at most, so that a caller can look around in between.
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;
  static constexpr std::size_t kMostParts = 3;

  /// @return 0; EBADF: not open; EACCES: not open in this direction; ENOTTY: a terminal;
  ///   EPROTOTYPE: a socket that keeps records apart.
  int open(int descriptor, Direction direction) noexcept;
  /// The same for a descriptor that is closed with this object, or at once if opening fails.
  int open(File descriptor, Direction direction) noexcept;

  /// Fills the parts in their order. Neither waits nor, in `write_some`, raises SIGPIPE.
  Transfer read_some(std::span<const std::span<std::byte>> parts) noexcept;
  Transfer write_some(std::span<const std::span<const std::byte>> parts) noexcept;
  /// Sleeps until another attempt may do better, a signal comes or the time is over.
  void wait(std::int64_t wait_ns) const noexcept;

  /// Makes the pipe, if it is one, hold `bytes` if that is more and allowed.
  void enlarge_pipe(std::size_t bytes) const noexcept;

  [[nodiscard]] int number() const noexcept { return descriptor_; }
  /// Closes what is ours.
  void reset() noexcept;

 private:
  /// How a transfer is kept from sleeping.
  enum class Mode {
    plain,          ///< It never does: a regular file.
    socket,         ///< By a flag of the call.
    own_flags,      ///< By O_NONBLOCK on an open file description of our own.
    asking_before,  ///< By poll() before each transfer, and few bytes at once.
  };

  void choose_mode() noexcept;
  [[nodiscard]] bool is_ready(std::int64_t wait_ns) const noexcept;
  [[nodiscard]] int active() const noexcept {
    return own_flags_.is_open() ? own_flags_.get() : descriptor_;
  }

  int descriptor_ = -1;
  File owned_;      ///< The same number, if we close it.
  File own_flags_;  ///< The same pipe, opened once more.
  Direction direction_ = Direction::read;
  Mode mode_ = Mode::plain;
};

}  // namespace ipc0cp::platform
