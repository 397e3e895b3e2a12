// SPDX-License-Identifier: Apache-2.0
#include "handles.hpp"

#include "platform/clock.hpp"

namespace ipc0cp::crash {
namespace {

constexpr MessageId kExerciseIds = 1'000'001;
/// There is room, so nothing has to be waited for; the relief block must not come into it.
constexpr std::int64_t kExercisePatienceNs = 0;

std::string text_of(ErrorCode code) { return std::string(to_string(code)); }

shm::ChannelOptions channel_options(const RingOptions& options, shm::Role role) {
  shm::ChannelOptions channel;
  channel.open.name = options.name;
  channel.open.role = role;
  channel.open.total_data_bytes = options.total_data_bytes;
  channel.open.max_messages = options.max_messages;
  channel.open.redeliver = options.redeliver;
  channel.open.broadcast = options.broadcast && role == shm::Role::kProducer;
  channel.consumer_wait_ns = kPatienceNs;
  return channel;
}

}  // namespace

Handle open_producer(const RingOptions& options, Stale stale, const shm::QueuePolicy& queue) {
  auto channel = channel_options(options, shm::Role::kProducer);
  channel.queue = queue;
  channel.open.stale = stale;
  return Handle(shm::Channel::open(channel, platform::deadline_after(kPatienceNs)));
}

Handle open_consumer(const RingOptions& options, bool auto_unlink, std::int64_t timeout_ns) {
  const auto role = options.broadcast ? shm::Role::kSubscriber : shm::Role::kConsumer;
  auto channel = channel_options(options, role);
  channel.auto_unlink = auto_unlink;
  return Handle(shm::Channel::open(channel, platform::deadline_after(timeout_ns)));
}

Handle open_subscriber(const RingOptions& options, bool drops, std::int64_t timeout_ns) {
  auto channel = channel_options(options, shm::Role::kSubscriber);
  channel.open.drops = drops;
  return Handle(shm::Channel::open(channel, platform::deadline_after(timeout_ns)));
}

ErrorCode push(shm::Channel& producer, MessageId id, std::size_t payload_bytes,
               std::int64_t timeout_ns) {
  const auto payload = payload_of(id, payload_bytes);
  platform::Deadline deadline(timeout_ns);
  return producer.push(metadata_of(id), payload, deadline);
}

ErrorCode pop(shm::Channel& consumer, MessageId& id, Message& message, std::int64_t timeout_ns) {
  platform::Deadline deadline(timeout_ns);
  const ErrorCode result = consumer.pop(deadline, message);
  id = result == ErrorCode::ok ? id_of(message.payload(), message.metadata()) : 0;
  return result;
}

std::vector<MessageId> drain(shm::Channel& consumer, Violations& violations) {
  std::vector<MessageId> ids;
  while (true) {
    MessageId id = 0;
    Message message;
    const ErrorCode result = pop(consumer, id, message, 0);
    if (result == ErrorCode::buffer_empty || result == ErrorCode::end_of_stream) return ids;
    if (result != ErrorCode::ok) {
      violations.push_back("a pop of the rest failed: " + text_of(result));
      return ids;
    }
    if (id == 0) violations.emplace_back("a popped message is torn");
    ids.push_back(id);
  }
}

void exercise(shm::Channel& producer, shm::Channel& consumer, shm::Channel* subscriber,
              Violations& violations) {
  const auto& geometry = producer.geometry();
  MessageId next = kExerciseIds;
  const auto round = [&](std::uint32_t count, std::size_t payload_bytes) {
    std::vector<MessageId> pushed;
    for (std::uint32_t message = 0; message < count; ++message) {
      const ErrorCode result = push(producer, next, payload_bytes, kExercisePatienceNs);
      if (result != ErrorCode::ok) {
        violations.push_back("the empty ring refuses message " + std::to_string(message + 1) +
                             " of " + std::to_string(count) + " with " +
                             std::to_string(payload_bytes) + " bytes: " + text_of(result));
        break;
      }
      pushed.push_back(next);
      next += 2;  // Odd numbers have no metadata, so the payload may have the ring's whole size.
    }
    const auto popped = drain(consumer, violations);
    if (popped != pushed) {
      violations.push_back("pushed " + to_text(pushed) + ", popped " + to_text(popped));
    }
    if (subscriber == nullptr) return;
    const auto read = drain(*subscriber, violations);
    if (read != pushed) {
      violations.push_back("pushed " + to_text(pushed) + ", a subscriber read " + to_text(read));
    }
  };
  const std::uint64_t total = geometry.total_data_bytes;
  round(geometry.max_messages, 64);
  round(geometry.max_messages, total / geometry.max_messages);
  round(1, total);
  round(2, total / 2);
}

}  // namespace ipc0cp::crash
