// SPDX-License-Identifier: Apache-2.0
// The STDIO transport, and beside it the same pipe with nothing but lengths and payloads.
#pragma once

#include <fcntl.h>

#include <optional>

#include "ipc0cp/stdio.hpp"
#include "transport.hpp"
#include "transport_pipe.hpp"

namespace bench {

struct StdioRawTransport {
  static constexpr std::string_view kName = "stdio_raw";
  static constexpr bool kManyToMany = false;
  static constexpr std::size_t kMaxBytes = 0;
  struct Sender : StreamSender {
    explicit Sender(const Link& link) : StreamSender(link.output) {
      // As large as a StdioProducer makes it, so that both have the same.
      fcntl(link.output, F_SETPIPE_SZ, 1 << 20);
    }
  };
  using Receiver = PipeTransport::Receiver;
};

struct StdioApiTransport {
  static constexpr std::string_view kName = "stdio_api";
  static constexpr bool kManyToMany = false;
  static constexpr std::size_t kMaxBytes = 0;
  class Sender {
   public:
    explicit Sender(const Link& link) : producer_(link.output, ipc0cp::Ownership::owned) {}
    void send(std::span<const std::byte> message) { producer_.push_raw({}, message); }

   private:
    ipc0cp::StdioProducer producer_;
  };
  class Receiver {
   public:
    explicit Receiver(const Link& link) : consumer_(link.input, ipc0cp::Ownership::owned) {}
    std::span<const std::byte> receive() {
      message_.reset();
      message_ = consumer_.pop_raw();
      return message_ ? message_->payload() : std::span<const std::byte>{};
    }

   private:
    ipc0cp::StdioConsumer consumer_;
    std::optional<ipc0cp::Message> message_;
  };
};

}  // namespace bench
