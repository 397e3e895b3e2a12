// SPDX-License-Identifier: Apache-2.0
// A plain pipe: the length, then the payload, as any program would write it.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "transport.hpp"

namespace bench {

class PipeSender final : public Sender {
 public:
  explicit PipeSender(const Link& link) : file_(link.file) {}
  ~PipeSender() override { close(file_); }
  void send(std::span<const std::byte> payload) override {
    const std::uint64_t size = payload.size();
    write_all(std::as_bytes(std::span(&size, 1)));
    write_all(payload);
  }

 private:
  void write_all(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto written = write(file_, bytes.data(), bytes.size());
      if (written < 0) throw std::runtime_error("write to the pipe failed");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  int file_;
};

class PipeReceiver final : public Receiver {
 public:
  explicit PipeReceiver(const Link& link) : file_(link.file) {}
  std::span<const std::byte> receive() override {
    std::uint64_t size = 0;
    if (!read_all(std::as_writable_bytes(std::span(&size, 1)))) return {};
    if (buffer_.size() < size) buffer_.resize(size);
    const std::span<std::byte> payload(buffer_.data(), size);
    if (!read_all(payload)) throw std::runtime_error("the pipe ended inside a message");
    return payload;
  }

 private:
  /// False at the end of the file before the first byte.
  bool read_all(std::span<std::byte> bytes) {
    const std::size_t wanted = bytes.size();
    while (!bytes.empty()) {
      const auto got = read(file_, bytes.data(), bytes.size());
      if (got == 0 && bytes.size() == wanted) return false;
      if (got <= 0) throw std::runtime_error("read from the pipe failed");
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
    return true;
  }
  int file_;
  std::vector<std::byte> buffer_;
};

inline constexpr Transport kPipe = transport<PipeSender, PipeReceiver>("pipe", [] {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  return Files{ends[1], ends[0]};
});

}  // namespace bench
