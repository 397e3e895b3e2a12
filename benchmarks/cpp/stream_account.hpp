// SPDX-License-Identifier: Apache-2.0
// When a stream is over, for transports that cannot say so themselves to several consumers: how
// many messages were sent, how many have come.
#pragma once

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "shared_object.hpp"
#include "transport.hpp"

namespace bench {

/// All zeros is a stream that has not begun. A word per consumer on a cache line of its own, so
/// that counting costs a message nothing.
struct StreamCounts {
  static constexpr unsigned kMostConsumers = 64;
  struct alignas(64) Count {
    std::atomic<std::uint64_t> messages;
  };
  std::atomic<std::uint32_t> producers_ended;
  std::atomic<std::uint64_t> sent;
  Count received[kMostConsumers];
};

/// One endpoint's part in it. One thread at a time.
class StreamAccount {
 public:
  explicit StreamAccount(const Link& link) : link_(link), counts_(link.name + "-account") {
    if (link.consumers > StreamCounts::kMostConsumers) {
      throw std::invalid_argument("at most " + std::to_string(StreamCounts::kMostConsumers) +
                                  " consumers, not " + std::to_string(link.consumers));
    }
  }

  void all_have_come() { counts_.forget_name(); }

  void count_sent() { ++messages_; }
  /// A producer's last words, once the transport has taken all its messages.
  void end_of_producer() {
    counts_->sent.fetch_add(messages_, std::memory_order_relaxed);
    counts_->producers_ended.fetch_add(1, std::memory_order_release);
  }

  void count_received() {
    counts_->received[link_.index].messages.store(++messages_, std::memory_order_release);
  }
  /// Asked by a consumer that has found nothing for a while.
  [[nodiscard]] bool is_over() const {
    if (counts_->producers_ended.load(std::memory_order_acquire) < link_.producers) return false;
    std::uint64_t received = 0;
    for (unsigned i = 0; i < link_.consumers; ++i) {
      received += counts_->received[i].messages.load(std::memory_order_acquire);
    }
    return received == counts_->sent.load(std::memory_order_relaxed);
  }

 private:
  Link link_;
  SharedObject<StreamCounts> counts_;
  std::uint64_t messages_ = 0;
};

}  // namespace bench
