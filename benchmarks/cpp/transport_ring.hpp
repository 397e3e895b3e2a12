// SPDX-License-Identifier: Apache-2.0
// ipc0cp itself, raw messages: one copy in, a view out.
#pragma once

#include <optional>

#include "ipc0cp/ring_buffer.hpp"
#include "transport.hpp"

namespace bench {

inline constexpr std::size_t kRingBytes = 256 << 20;

class RingSender final : public Sender {
 public:
  explicit RingSender(const Link& link) : producer_(link.name, kRingBytes) {}
  void send(std::span<const std::byte> payload) override { producer_.push_raw({}, payload); }

 private:
  ipc0cp::SharedRingBufferProducer producer_;
};

class RingReceiver final : public Receiver {
 public:
  explicit RingReceiver(const Link& link) : consumer_(link.name, kRingBytes) {}
  std::span<const std::byte> receive() override {
    message_.reset();
    message_ = consumer_.pop_raw();
    return message_ ? message_->payload() : std::span<const std::byte>{};
  }

 private:
  ipc0cp::SharedRingBufferConsumer consumer_;
  std::optional<ipc0cp::Message> message_;
};

inline constexpr Transport kRing =
    transport<RingSender, RingReceiver>("ring", [] { return Files{}; });

}  // namespace bench
