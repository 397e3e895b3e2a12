// SPDX-License-Identifier: Apache-2.0
// iceoryx: publish and subscribe in shared memory, made to block instead of losing messages. A copy
// is a copy into a loan; the subscriber polls, which is its fastest way to wait.
#pragma once

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <string>

#include "iceoryx_daemon.hpp"
#include "stream_account.hpp"
#include "transport.hpp"

namespace bench {

/// What both ends agree on.
struct IceoryxStream {
  /// Messages that may wait: few enough that large ones stay in the cache.
  static std::size_t queue_capacity(const Link& link) {
    constexpr std::size_t kHotBytes = 16 << 20;
    return std::clamp<std::size_t>(kHotBytes / link.max_bytes, 2, 256);
  }
  static void join(const Link& link) {
    // Besides those that wait: what both ends hold, and what the publisher keeps for itself. A
    // ping-pong has two streams.
    IceoryxDaemon::join(link, 2 * (queue_capacity(link) + 4));
  }
  static iox::capro::ServiceDescription service(const Link& link) {
    const iox::capro::IdString_t name(iox::cxx::TruncateToCapacity, link.name.c_str());
    return {"bench", name, "bytes"};
  }
};

struct IceoryxTransport {
  static constexpr std::string_view kName = "iceoryx";
  static constexpr bool kManyToMany = false;
  static constexpr std::size_t kMaxBytes = 0;

  class Sender {
   public:
    explicit Sender(const Link& link)
        : account_(link),
          publisher_((IceoryxStream::join(link), IceoryxStream::service(link)), options()) {}
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() {
      account_.end_of_producer();
      // What is published goes with its publisher.
      while (!account_.is_over()) sched_yield();
    }
    void all_have_come() {
      account_.all_have_come();
      while (!publisher_.hasSubscribers()) sched_yield();
    }
    void send(std::span<const std::byte> message) {
      std::memcpy(lend(message.size()).data(), message.data(), message.size());
      publish();
    }
    std::span<std::byte> lend(std::size_t bytes) {
      auto loan = publisher_.loan(static_cast<std::uint32_t>(bytes), 64);
      if (loan.has_error()) throw std::runtime_error("iceoryx lends no chunk");
      chunk_ = loan.value();
      return {static_cast<std::byte*>(chunk_), bytes};
    }
    void publish() {
      publisher_.publish(chunk_);
      account_.count_sent();
    }

   private:
    static iox::popo::PublisherOptions options() {
      iox::popo::PublisherOptions options;
      options.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
      return options;
    }
    StreamAccount account_;
    iox::popo::UntypedPublisher publisher_;
    void* chunk_ = nullptr;
  };

  class Receiver {
   public:
    explicit Receiver(const Link& link)
        : account_(link),
          subscriber_((IceoryxStream::join(link), IceoryxStream::service(link)), options(link)) {}
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    ~Receiver() { release(); }
    void all_have_come() { account_.all_have_come(); }
    std::span<const std::byte> receive() {
      release();
      for (std::uint32_t rounds = 1;; ++rounds) {
        auto taken = subscriber_.take();
        if (!taken.has_error()) {
          chunk_ = taken.value();
          account_.count_received();
          const auto* header = iox::mepoo::ChunkHeader::fromUserPayload(chunk_);
          return {static_cast<const std::byte*>(chunk_), header->userPayloadSize()};
        }
        if (rounds % 4096 == 0 && account_.is_over()) return {};
        if (rounds % 256 == 0) sched_yield();
        _mm_pause();
      }
    }

   private:
    static iox::popo::SubscriberOptions options(const Link& link) {
      iox::popo::SubscriberOptions options;
      options.queueCapacity = IceoryxStream::queue_capacity(link);
      options.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
      return options;
    }
    void release() {
      if (chunk_ != nullptr) subscriber_.release(chunk_);
      chunk_ = nullptr;
    }
    StreamAccount account_;
    iox::popo::UntypedSubscriber subscriber_;
    const void* chunk_ = nullptr;
  };
};

}  // namespace bench
