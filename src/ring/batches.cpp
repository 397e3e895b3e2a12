// SPDX-License-Identifier: Apache-2.0
// Many small messages in one call.
#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "ipc0cp/consumer.hpp"
#include "ipc0cp/producer.hpp"
#include "ring/consumer_shared.hpp"
#include "ring/errors.hpp"
#include "rules/metadata.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {
namespace {

constexpr std::size_t kCollectedBytes = 1024;  ///< Larger objects are written into the ring.
constexpr std::size_t kBatchBytes = 64 << 10;
constexpr std::size_t kMostAtOnce = 4096;  ///< Messages of one pop_many.

std::size_t row_bytes_of(std::size_t bytes, std::size_t count) {
  if (count == 0 ? bytes == 0 : bytes % count == 0) return count == 0 ? 0 : bytes / count;
  throw Error(ErrorCode::invalid_argument, std::to_string(bytes) + " bytes are not " +
                                               std::to_string(count) + " rows of one size");
}

/// Objects written into private memory, to be queued together.
struct Collected {
  std::vector<RawMessage> messages;
  std::vector<std::byte> bytes = std::vector<std::byte>(kBatchBytes);

  /// Takes what fits of `objects`. An object that cannot be written ends it: its error is kept, so
  /// that those before it are queued first.
  std::exception_ptr collect(std::span<const SerializableObject* const> objects) {
    messages.clear();
    std::size_t used = 0;
    for (const SerializableObject* object : objects) {
      const std::size_t payload_bytes = object->payload_bytes();
      if (payload_bytes > kCollectedBytes || used + payload_bytes > kBatchBytes) break;
      const std::span<std::byte> payload(bytes.data() + used, payload_bytes);
      try {
        object->write_payload(payload);
        messages.push_back({object->metadata_json(), payload});
      } catch (...) {
        return std::current_exception();
      }
      used += (payload_bytes + 63) / 64 * 64;
    }
    return nullptr;
  }
};

}  // namespace

// ---- producer -----------------------------------------------------------------------------------

std::size_t SharedRingBufferProducer::push_many(std::span<const SerializableObject* const> objects,
                                                Timeout timeout) {
  platform::Deadline deadline(options_.blocking, timeout);
  Collected batch;
  std::size_t pushed = 0;
  try {
    while (pushed < objects.size()) {
      const std::exception_ptr error = batch.collect(objects.subspan(pushed));
      const std::size_t queued = push_batch(batch.messages, deadline);
      pushed += queued;
      if (queued < batch.messages.size()) break;
      if (error != nullptr) std::rethrow_exception(error);
      if (batch.messages.empty()) {
        if (!push_object(*objects[pushed], deadline)) break;
        pushed += 1;
      }
    }
  } catch (Error& error) {
    error.add_pushed(pushed);
    throw;
  }
  return pushed;
}

std::size_t SharedRingBufferProducer::push_many_raw(std::span<const RawMessage> messages,
                                                    Timeout timeout) {
  platform::Deadline deadline(options_.blocking, timeout);
  return push_batch(messages, deadline);
}

std::size_t SharedRingBufferProducer::push_rows(std::string_view metadata_json,
                                                std::span<const std::byte> rows, std::size_t count,
                                                Timeout timeout) {
  const std::size_t row_bytes = row_bytes_of(rows.size(), count);
  platform::Deadline deadline(options_.blocking, timeout);
  std::array<RawMessage, 4 * shm::Channel::kMaxInOneHold> batch;
  std::size_t pushed = 0;
  try {
    while (pushed < count) {
      const std::size_t size = std::min(batch.size(), count - pushed);
      for (std::size_t row = 0; row < size; ++row) {
        batch[row] = {metadata_json, rows.subspan((pushed + row) * row_bytes, row_bytes)};
      }
      const std::size_t queued = push_batch(std::span(batch).first(size), deadline);
      pushed += queued;
      if (queued < size) break;
    }
  } catch (Error& error) {
    error.add_pushed(pushed);
    throw;
  }
  return pushed;
}

std::size_t SharedRingBufferProducer::push_batch(std::span<const RawMessage> messages,
                                                 platform::Deadline& deadline) {
  for (const RawMessage& message : messages) codec::check_pushed_metadata(message.metadata_json);
  std::size_t pushed = 0;
  const ErrorCode result = channel().push_many(messages, deadline, pushed);
  if (result == ErrorCode::ok || result == ErrorCode::buffer_full) return pushed;
  const RawMessage& failed = messages[pushed];
  try {
    fail_push(result, channel(), failed.metadata_json.size() + failed.payload.size(),
              deadline.timeout_ns());
  } catch (Error& error) {
    error.add_pushed(pushed);
    throw;
  }
}

// ---- consumer -----------------------------------------------------------------------------------

std::vector<Message> SharedRingBufferConsumer::pop_many_raw(std::size_t most, Timeout timeout) {
  if (most == 0) throw Error(ErrorCode::invalid_argument, "pop_many needs a number above 0");
  shm::Channel& channel = attached();
  std::vector<Message> messages;
  most = std::min(most, kMostAtOnce);
  messages.reserve(most);
  if (shared_->put_back.any() && !channel.forked()) [[unlikely]] {
    const TellPopped tell(channel);
    messages.resize(most);
    messages.resize(shared_->put_back.take(messages));
    if (!messages.empty()) return messages;
  }
  platform::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel.pop_many(most, deadline, messages);
  if (result == ErrorCode::end_of_stream) {
    channel.ending().log();
  } else if (result != ErrorCode::ok) {
    fail_pop(outcome_of(result, true));
  }
  return messages;
}

std::optional<MessageHead> SharedRingBufferConsumer::peek(Timeout timeout) {
  shm::Channel& channel = attached();
  std::optional<MessageHead> head(std::in_place);
  if (shared_->put_back.any() && !channel.forked()) [[unlikely]] {
    const TellPopped tell(channel);  // The error before a message comes only once.
    if (shared_->put_back.describe(*head)) return head;
  }
  platform::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel.peek(deadline, *head);
  if (result == ErrorCode::end_of_stream) {
    channel.ending().log();
    head.reset();
  } else if (result != ErrorCode::ok) {
    fail_pop(outcome_of(result, true));
  }
  return head;
}

std::size_t SharedRingBufferConsumer::pop_rows(std::string_view metadata_json,
                                               std::span<std::byte> rows, std::size_t most) {
  const std::size_t row_bytes = row_bytes_of(rows.size(), most);
  shm::Channel& channel = attached();
  check_open();
  const shm::Channel::Likeness likeness{metadata_json, row_bytes};
  const TellPopped tell(channel);
  bool is_whole = true;
  const std::size_t count =
      channel.forked() ? 0 : shared_->put_back.take_rows(likeness, rows, most, is_whole);
  if (!is_whole) return count;
  return count + channel.take_rows(likeness, rows.subspan(count * row_bytes), most - count);
}

void SharedRingBufferConsumer::put_back(std::exception_ptr error, std::span<Message> messages) {
  const TellPopped tell(attached());
  shared_->put_back.add(attached(), std::move(error), messages);
}

bool SharedRingBufferConsumer::has_put_back() const noexcept {
  return shared_ != nullptr && shared_->put_back.any();
}

}  // namespace ipc0cp
