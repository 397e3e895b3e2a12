// SPDX-License-Identifier: Apache-2.0
#include "ring_buffer_errors.hpp"

#include <cerrno>

#include "platform/shared_memory.hpp"

namespace ipc0cp {
namespace {

std::string text_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::timeout:
      return "the time is over";
    case ErrorCode::buffer_empty:
      return "nothing is queued";
    case ErrorCode::buffer_full:
      return "no room now";
    case ErrorCode::closed:
      return "this handle is closed; open a new one";
    case ErrorCode::forked_handle:
      return "this handle belongs to the parent process; open a new one after fork()";
    case ErrorCode::corrupt_payload:
      return "a message was damaged (its red zone or its sizes); it is dropped, the next ones "
             "still "
             "arrive";
    case ErrorCode::corrupt_buffer:
      return "the ring is damaged, or this handle lost its lock bytes (close_range?); end its "
             "users "
             "and remove it with `ipc0cp rm`";
    case ErrorCode::interrupted:
      return "interrupted";
    case ErrorCode::out_of_memory:
      return "no memory for a copy of the message; it stays queued";
    default:
      return std::string(to_string(code));
  }
}

}  // namespace

void fail(ErrorCode code, const shm::Channel& channel) {
  throw Error(code, "ring '" + channel.name() + "': " + text_of(code));
}

void fail_push(ErrorCode code, const shm::Channel& channel, std::uint64_t message_bytes,
               std::int64_t timeout_ns) {
  const std::string ring = "ring '" + channel.name() + "': ";
  const std::string asked = "a message of " + std::to_string(message_bytes) + " bytes ";
  const shm::Geometry& geometry = channel.geometry();
  switch (code) {
    case ErrorCode::message_too_large:
      throw Error(code, ring + asked + "can never fit, the limit is total_data_bytes=" +
                            std::to_string(geometry.total_data_bytes) +
                            " (metadata and payload together); create a larger ring or split it");
    case ErrorCode::no_space:
      throw Error(code,
                  ring + asked + "needs memory that /dev/shm does not have: " +
                      std::to_string(platform::free_shared_memory()) +
                      " bytes are free; remove other files there, create the ring with "
                      "reserve=True, or give the container more (--shm-size)",
                  ENOSPC);
    case ErrorCode::no_consumers:
      if (channel.retired()) {
        throw Error(code, ring + "its last consumer has closed and removed it");
      }
      throw Error(code, ring + "no consumer is attached" +
                            (timeout_ns == 0 ? std::string() : " and none came in time") +
                            "; start one, or remove the ring with `ipc0cp rm " + channel.name() +
                            "`");
    case ErrorCode::timeout:
      throw Error(code, ring + "no room for " + asked + "in time (" +
                            std::to_string(static_cast<double>(timeout_ns) * 1e-9) + " s)");
    default:
      fail(code, channel);
  }
}

}  // namespace ipc0cp
