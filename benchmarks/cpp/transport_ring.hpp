// SPDX-License-Identifier: Apache-2.0
// ipc0cp itself: raw messages, objects, and batches of small messages.
#pragma once

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "transport.hpp"

namespace bench {

inline constexpr std::size_t kRingBytes = 256 << 20;

inline std::string ring_of(const Link& link) { return "bench-" + link.name; }
inline ipc0cp::ConsumerOptions consumer_options(const Link& link) {
  ipc0cp::ConsumerOptions options;
  options.expected_producers = link.producers;
  return options;
}

/// Raw messages: one copy in or a loan, a view out.
struct RingTransport {
  static constexpr std::string_view kName = "ring";
  static constexpr bool kManyToMany = true;
  static constexpr std::size_t kMaxBytes = kRingBytes;
  class Sender {
   public:
    explicit Sender(const Link& link) : producer_(ring_of(link), kRingBytes) {}
    void send(std::span<const std::byte> message) { producer_.push_raw({}, message); }
    std::span<std::byte> lend(std::size_t bytes) {
      loan_ = producer_.loan(bytes);
      return loan_.bytes();
    }
    void publish() { loan_.publish(); }

   private:
    ipc0cp::SharedRingBufferProducer producer_;
    ipc0cp::Loan loan_;
  };
  class Receiver {
   public:
    explicit Receiver(const Link& link)
        : consumer_(ring_of(link), kRingBytes, consumer_options(link)) {}
    std::span<const std::byte> receive() {
      message_.reset();
      message_ = consumer_.pop_raw();
      return message_ ? message_->payload() : std::span<const std::byte>{};
    }

   private:
    ipc0cp::SharedRingBufferConsumer consumer_;
    std::optional<ipc0cp::Message> message_;
  };
};

/// Arrays of bytes, as a program pushes and pops them.
struct RingObjectsTransport {
  static constexpr std::string_view kName = "ring_objects";
  static constexpr bool kManyToMany = true;
  static constexpr std::size_t kMaxBytes = kRingBytes;
  class Sender {
   public:
    explicit Sender(const Link& link) : producer_(ring_of(link), kRingBytes) {}
    void send(std::span<const std::byte> message) {
      // An array over memory of the caller's; the owner only says that there is one.
      const ipc0cp::Payload payload{message, owner_};
      producer_.push(ipc0cp::NumpyArray("|u1", {message.size()}, payload));
    }
    std::span<std::byte> lend(std::size_t bytes) {
      loan_.emplace(producer_.loan_array<std::uint8_t>({bytes}));
      return std::as_writable_bytes(loan_->values());
    }
    void publish() { loan_->publish(); }

   private:
    ipc0cp::SharedRingBufferProducer producer_;
    std::optional<ipc0cp::ArrayLoan<std::uint8_t>> loan_;
    std::shared_ptr<const void> owner_ = std::make_shared<int>();
  };
  class Receiver {
   public:
    explicit Receiver(const Link& link)
        : consumer_(ring_of(link), kRingBytes, consumer_options(link)) {}
    std::span<const std::byte> receive() {
      object_.reset();
      object_ = consumer_.pop();
      if (!object_) return {};
      return std::as_bytes(object_->as<ipc0cp::NumpyArray>().values<std::uint8_t>());
    }

   private:
    ipc0cp::SharedRingBufferConsumer consumer_;
    std::optional<ipc0cp::ReceivedObject> object_;
  };
};

/// Raw messages, many per call. The sender collects them in memory of its own, as a program does
/// that has small records to send.
struct RingBatchTransport {
  static constexpr std::string_view kName = "ring_batch";
  static constexpr bool kManyToMany = true;
  static constexpr std::size_t kMaxBytes = 64 << 10;
  static constexpr std::size_t kBatch = 64;
  class Sender {
   public:
    explicit Sender(const Link& link)
        : producer_(ring_of(link), kRingBytes),
          row_bytes_(link.max_bytes),
          rows_(kBatch * link.max_bytes) {
      batch_.reserve(kBatch);
    }
    void send(std::span<const std::byte> message) {
      std::byte* row = &rows_[batch_.size() * row_bytes_];
      std::memcpy(row, message.data(), message.size());
      batch_.push_back({{}, {row, message.size()}});
      if (batch_.size() == kBatch) finish();
    }
    /// Pushes what has been collected.
    void finish() {
      producer_.push_many_raw(batch_);
      batch_.clear();
    }

   private:
    ipc0cp::SharedRingBufferProducer producer_;
    std::size_t row_bytes_;
    std::vector<std::byte> rows_;
    std::vector<ipc0cp::RawMessage> batch_;
  };
  class Receiver {
   public:
    explicit Receiver(const Link& link)
        : consumer_(ring_of(link), kRingBytes, consumer_options(link)) {}
    std::span<const std::byte> receive() {
      if (next_ == batch_.size()) {
        batch_.clear();
        batch_ = consumer_.pop_many_raw(kBatch);
        next_ = 0;
        if (batch_.empty()) return {};
      }
      return batch_[next_++].payload();
    }

   private:
    ipc0cp::SharedRingBufferConsumer consumer_;
    std::vector<ipc0cp::Message> batch_;
    std::size_t next_ = 0;
  };
};

}  // namespace bench
