// SPDX-License-Identifier: Apache-2.0
// Handles of the core as the tests use them: opened, written to, read from, put to the test.
#pragma once

#include <memory>

#include "ledger.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::crash {

struct RingOptions {
  std::string name;
  std::uint64_t total_data_bytes = 0;
  std::uint32_t max_messages = 0;
  bool redeliver = false;
  bool broadcast = false;  ///< All consumers subscribe.
};

struct LetGo {
  void operator()(shm::Channel* channel) const noexcept { channel->detach(); }
};
using Handle = std::unique_ptr<shm::Channel, LetGo>;

/// The longest that a survivor may have to wait for anything here; then it hangs.
inline constexpr std::int64_t kPatienceNs = 3'000'000'000;

Handle open_producer(const RingOptions& options, Stale stale = Stale::resume,
                     const shm::QueuePolicy& queue = {});
Handle open_consumer(const RingOptions& options, bool auto_unlink = true,
                     std::int64_t timeout_ns = kPatienceNs);

/// @param drops what it has not read is given up for want of room.
Handle open_subscriber(const RingOptions& options, bool drops = false,
                       std::int64_t timeout_ns = kPatienceNs);

ErrorCode push(shm::Channel& producer, MessageId id, std::size_t payload_bytes,
               std::int64_t timeout_ns = kPatienceNs);
/// The number of the message, 0 for a damaged one.
ErrorCode pop(shm::Channel& consumer, MessageId& id, Message& message,
              std::int64_t timeout_ns = kPatienceNs);
/// Pops and releases all there is. Of a subscriber: all that it has not read.
std::vector<MessageId> drain(shm::Channel& consumer, Violations& violations);
/// The empty ring must take as many messages as ever, small and large, up to its whole size, and
/// give them back in order. `subscriber` may be null; it must get the same as the consumer.
void exercise(shm::Channel& producer, shm::Channel& consumer, shm::Channel* subscriber,
              Violations& violations);

}  // namespace ipc0cp::crash
