// SPDX-License-Identifier: Apache-2.0
// The STDIO transport, and beside it the same pipe with nothing but lengths and payloads.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <stdexcept>

#include "ipc0cp/stdio.hpp"
#include "transport.hpp"
#include "transport_pipe.hpp"

namespace bench {

/// As large as a producer makes it, so that both have the same.
inline Files open_large_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
  return Files{ends[1], ends[0]};
}

class StdioSender final : public Sender {
 public:
  explicit StdioSender(const Link& link) : producer_(link.file, ipc0cp::Ownership::owned) {}
  void send(std::span<const std::byte> payload) override { producer_.push_raw({}, payload); }

 private:
  ipc0cp::StdioProducer producer_;
};

class StdioReceiver final : public Receiver {
 public:
  explicit StdioReceiver(const Link& link) : consumer_(link.file, ipc0cp::Ownership::owned) {}
  std::span<const std::byte> receive() override {
    message_.reset();
    message_ = consumer_.pop_raw();
    return message_ ? message_->payload() : std::span<const std::byte>{};
  }

 private:
  ipc0cp::StdioConsumer consumer_;
  std::optional<ipc0cp::Message> message_;
};

inline constexpr Transport kStdioRaw =
    transport<PipeSender, PipeReceiver>("stdio_raw", open_large_pipe);
inline constexpr Transport kStdioApi =
    transport<StdioSender, StdioReceiver>("stdio_api", open_large_pipe);

}  // namespace bench
