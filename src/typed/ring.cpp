// SPDX-License-Identifier: Apache-2.0
// The consumer's pop of objects: pop_raw plus the codec.
#include "typed/ring.hpp"

#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "ipc0cp/error.hpp"
#include "objects/codec.hpp"

namespace ipc0cp {

ReceivedObject decode_message(Message message) {
  ReceivedObject object;
  object.id = message.id();
  object.deliveries = message.deliveries();
  object.metadata_json = message.metadata();
  if (object.metadata_json.empty()) object.metadata_json = kBytesMetadata;
  // Held here, not only in the cache: a registered deserializer may pop from another ring.
  const codec::Prepared prepared = codec::thread_cache().find(object.metadata_json);
  if (codec::keeps_payload(*prepared, message.payload().size())) {
    object.data = codec::decode(prepared, std::move(message).share());
  } else {
    object.data = codec::decode(prepared, Payload{message.payload(), nullptr});
  }
  return object;
}

namespace {

std::optional<ReceivedObject> to_object(SharedRingBufferConsumer& consumer,
                                        std::optional<Message> message) {
  if (!message) return std::nullopt;
  const std::uint64_t id = message->id();
  try {
    return decode_message(std::move(*message));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt_payload) consumer.count_damaged(id);
    throw;
  }
}

/// A damaged message is an outcome; what a registered deserializer throws is not.
std::optional<ReceivedObject> to_object(SharedRingBufferConsumer& consumer,
                                        std::optional<Message> message, ErrorCode& outcome) {
  try {
    return to_object(consumer, std::move(message));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt_payload) throw;
    outcome = error.code();
    return std::nullopt;
  }
}

}  // namespace

std::optional<ReceivedObject> SharedRingBufferConsumer::pop(Timeout timeout) {
  return to_object(*this, pop_raw(timeout));
}

std::optional<ReceivedObject> SharedRingBufferConsumer::try_pop() {
  return to_object(*this, try_pop_raw());
}

std::optional<ReceivedObject> SharedRingBufferConsumer::pop_latest(Timeout timeout) {
  return to_object(*this, pop_latest_raw(timeout));
}

std::optional<ReceivedObject> SharedRingBufferConsumer::pop(Timeout timeout, ErrorCode& outcome) {
  return to_object(*this, pop_raw(timeout, outcome), outcome);
}

std::optional<ReceivedObject> SharedRingBufferConsumer::try_pop(ErrorCode& outcome) {
  return to_object(*this, try_pop_raw(outcome), outcome);
}

std::vector<ReceivedObject> SharedRingBufferConsumer::pop_many(std::size_t most, Timeout timeout) {
  std::vector<Message> messages = pop_many_raw(most, timeout);
  std::vector<ReceivedObject> objects;
  objects.reserve(messages.size());
  for (std::size_t index = 0; index < messages.size(); ++index) {
    try {
      objects.push_back(*to_object(*this, std::move(messages[index])));
    } catch (...) {
      // What was taken must not be lost to another message's damage.
      const std::span<Message> rest = std::span(messages).subspan(index + 1);
      if (objects.empty()) {
        put_back(nullptr, rest);
        throw;
      }
      put_back(std::current_exception(), rest);
      break;
    }
  }
  return objects;
}

void ReceivedObject::throw_wrong_type(std::string_view wanted) const {
  const std::string found = data == nullptr ? "nothing" : std::string(data->type_name());
  throw Error(ErrorCode::unsupported_type, "the message holds an object of type \"" + found +
                                               "\", not \"" + std::string(wanted) +
                                               "\"; its metadata: " + metadata_json.substr(0, 200));
}

}  // namespace ipc0cp
