// SPDX-License-Identifier: Apache-2.0
// The consumer's pop of objects: pop_raw plus the codec.
#include "ring_buffer_objects.hpp"

#include <exception>
#include <optional>
#include <span>
#include <utility>

#include "codec.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp {

RingBufferObject decode_message(Message message) {
  RingBufferObject object;
  object.id = message.id();
  object.deliveries = message.deliveries();
  object.metadata_json = message.metadata();
  if (object.metadata_json.empty()) object.metadata_json = R"({"type":"bytes","version":"1.0"})";
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

std::optional<RingBufferObject> to_object(SharedRingBufferConsumer& consumer,
                                          std::optional<Message> message) {
  if (!message) return std::nullopt;
  try {
    return decode_message(std::move(*message));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::corrupt_payload) consumer.count_damaged();
    throw;
  }
}

}  // namespace

std::optional<RingBufferObject> SharedRingBufferConsumer::pop(Timeout timeout) {
  return to_object(*this, pop_raw(timeout));
}

std::optional<RingBufferObject> SharedRingBufferConsumer::try_pop() {
  return to_object(*this, try_pop_raw());
}

std::vector<RingBufferObject> SharedRingBufferConsumer::pop_many(std::size_t most,
                                                                 Timeout timeout) {
  std::vector<Message> messages = pop_many_raw(most, timeout);
  std::vector<RingBufferObject> objects;
  objects.reserve(messages.size());
  for (std::size_t index = 0; index < messages.size(); ++index) {
    try {
      objects.push_back(*to_object(*this, std::move(messages[index])));
    } catch (...) {
      // What was taken must not be lost to another message's damage.
      const std::span<Message> rest = std::span(messages).subspan(index + 1);
      if (objects.empty()) {
        stash(nullptr, rest);
        throw;
      }
      stash(std::current_exception(), rest);
      break;
    }
  }
  return objects;
}

void RingBufferObject::throw_wrong_type(std::string_view wanted) const {
  const std::string found = data == nullptr ? "nothing" : std::string(data->type_name());
  throw Error(ErrorCode::unsupported_type, "the message holds an object of type \"" + found +
                                               "\", not \"" + std::string(wanted) +
                                               "\"; its metadata: " + metadata_json.substr(0, 200));
}

}  // namespace ipc0cp
