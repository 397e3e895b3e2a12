// SPDX-License-Identifier: Apache-2.0
// A plain pipe: the length, then the payload, as any program would write it. The same on a stream
// socket and on a pipe as large as the STDIO transport makes its own.
#pragma once

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "transport.hpp"

namespace bench {

/// Writes lengths and payloads to a descriptor, which it closes.
class StreamSender {
 public:
  explicit StreamSender(int file) : file_(file) {
    if (file < 0) throw std::invalid_argument("this transport needs a descriptor to write to");
  }
  StreamSender(const StreamSender&) = delete;
  StreamSender& operator=(const StreamSender&) = delete;
  ~StreamSender() { close(file_); }

  void send(std::span<const std::byte> message) {
    std::uint64_t bytes = message.size();
    iovec parts[] = {{&bytes, sizeof bytes},
                     {const_cast<std::byte*>(message.data()), message.size()}};
    const auto written = writev(file_, parts, 2);
    if (written < static_cast<ssize_t>(sizeof bytes)) throw_errno("cannot write to the stream");
    message = message.subspan(static_cast<std::size_t>(written) - sizeof bytes);
    while (!message.empty()) {
      const auto more = write(file_, message.data(), message.size());
      if (more < 0) throw_errno("cannot write to the stream");
      message = message.subspan(static_cast<std::size_t>(more));
    }
  }

 private:
  int file_;
};

/// Reads what StreamSender wrote into a buffer that is used again.
class StreamReceiver {
 public:
  explicit StreamReceiver(int file) : file_(file) {
    if (file < 0) throw std::invalid_argument("this transport needs a descriptor to read from");
  }
  StreamReceiver(const StreamReceiver&) = delete;
  StreamReceiver& operator=(const StreamReceiver&) = delete;
  ~StreamReceiver() { close(file_); }

  std::span<const std::byte> receive() {
    std::uint64_t bytes = 0;
    if (!read_all(std::as_writable_bytes(std::span(&bytes, 1)))) return {};
    if (buffer_.size() < bytes) buffer_.resize(bytes);
    const std::span<std::byte> message(buffer_.data(), bytes);
    if (!read_all(message)) throw std::runtime_error("the stream ended inside a message");
    return message;
  }

 private:
  /// False at the end of the stream before the first byte.
  bool read_all(std::span<std::byte> bytes) {
    const std::size_t wanted = bytes.size();
    while (!bytes.empty()) {
      const auto got = read(file_, bytes.data(), bytes.size());
      if (got < 0) throw_errno("cannot read from the stream");
      if (got == 0 && bytes.size() == wanted) return false;
      if (got == 0) throw std::runtime_error("the stream ended inside a message");
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return true;
  }
  int file_;
  std::vector<std::byte> buffer_;
};

struct PipeTransport {
  static constexpr std::string_view kName = "pipe";
  static constexpr bool kManyToMany = false;
  static constexpr std::size_t kMaxBytes = 0;
  struct Sender : StreamSender {
    explicit Sender(const Link& link) : StreamSender(link.output) {}
  };
  struct Receiver : StreamReceiver {
    explicit Receiver(const Link& link) : StreamReceiver(link.input) {}
  };
};

}  // namespace bench
