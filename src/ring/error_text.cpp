// SPDX-License-Identifier: Apache-2.0
#include "ring/error_text.hpp"

#include "platform/ring_directory.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp {
namespace {

std::string text_of(ErrorCode code, const std::string& ring_name) {
  switch (code) {
    case ErrorCode::timeout:
      return "it did not come to that in time";
    case ErrorCode::buffer_empty:
      return "nothing is queued";
    case ErrorCode::buffer_full:
      return "no room now";
    case ErrorCode::closed:
      return "this handle is closed; open a new one";
    case ErrorCode::forked_handle:
      return "this handle belongs to the parent process; open a new one after fork()";
    case ErrorCode::corrupt_payload:
      return "a message was damaged (its red zone or its sizes); it is dropped, the next ones"
             " still arrive";
    case ErrorCode::corrupt_buffer:
      return "the ring is damaged, or this handle lost its lock bytes (close_range?); end its"
             " users and remove it: rm " +
             shm::path_of(ring_name);
    case ErrorCode::option_mismatch:
      return "it is a broadcast ring, on which every consumer gets every message; open this "
             "consumer with subscribe=True";
    case ErrorCode::interrupted:
      return "interrupted";
    case ErrorCode::out_of_memory:
      return "no memory for a copy of the message; it stays queued";
    default:
      return std::string(explain(code));
  }
}

std::string no_consumers_text(const shm::Channel& channel, std::int64_t timeout_ns) {
  if (channel.ring().retired()) return "its last consumer has closed and removed it";
  const std::uint32_t expected = channel.wanted_consumers();
  const std::uint32_t attached = channel.ring().header().consumers;
  if (expected > 1) {
    return std::to_string(attached) + " of " + std::to_string(expected) +
           " expected consumers are attached" +
           (timeout_ns == 0 ? "" : " and no more came in time") +
           "; start the others, or expect fewer (expected_consumers)";
  }
  const bool is_broadcast = channel.ring().blocks().is_broadcast();
  return std::string(is_broadcast ? "no subscriber is attached" : "no consumer is attached") +
         (timeout_ns == 0 ? "" : " and none came in time") +
         (is_broadcast ? "; start a consumer with subscribe=True" : "; start one") +
         ", or remove the ring: ipc0cp rm --force " + channel.name() +
         " (without that program: rm " + shm::path_of(channel.name()) + ")";
}

std::string no_message_text(const shm::Channel& channel) {
  const std::uint32_t producers = channel.ring().header().producers;
  return "no message came in time; " +
         (producers == 0
              ? std::string("no producer is attached: start one, or wait longer (timeout)")
              : std::to_string(producers) + " producer(s) are attached: wait longer (timeout)");
}

}  // namespace

std::string handle_text(ErrorCode code, const std::string& ring_name) {
  return "ring '" + ring_name + "': " + text_of(code, ring_name);
}

std::string pop_text(ErrorCode code, const shm::Channel& channel) {
  if (code != ErrorCode::timeout) return handle_text(code, channel.name());
  return "ring '" + channel.name() + "': " + no_message_text(channel);
}

std::string push_text(ErrorCode code, const shm::Channel& channel, std::uint64_t message_bytes,
                      std::int64_t timeout_ns) {
  const std::string ring = "ring '" + channel.name() + "': ";
  const std::string asked = "a message of " + std::to_string(message_bytes) + " bytes ";
  switch (code) {
    case ErrorCode::message_too_large:
      return ring + asked + "can never fit, the limit is total_data_bytes=" +
             std::to_string(channel.geometry().total_data_bytes) +
             " (metadata and payload together); create a larger ring or split it";
    case ErrorCode::no_space:
      return ring + asked + "needs memory that " + platform::ring_directory() +
             " does not have: " + std::to_string(platform::free_shared_memory()) +
             " bytes are free; remove other files there, create the ring with reserve=True, or"
             " give the container more (--shm-size)";
    case ErrorCode::no_consumers:
      return ring + no_consumers_text(channel, timeout_ns);
    case ErrorCode::timeout:
      return ring + "no room for " + asked + "in time (" +
             std::to_string(static_cast<double>(timeout_ns) * 1e-9) + " s)";
    default:
      return handle_text(code, channel.name());
  }
}

}  // namespace ipc0cp
