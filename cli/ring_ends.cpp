// SPDX-License-Identifier: Apache-2.0
#include "ring_ends.hpp"

#include <chrono>
#include <filesystem>

#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/error.hpp"
#include "shm/ring_name.hpp"
#include "shm/similar_names.hpp"

namespace ipc0cp::cli {

Timeout timeout_of(const std::optional<double>& seconds) {
  if (!seconds) return Timeout::forever();
  return std::chrono::duration<double>(*seconds);
}

SharedRingBufferProducer open_producer(const std::string& name,
                                       const std::optional<std::uint64_t>& size, Timeout timeout) {
  ProducerOptions options;
  options.interrupt_check = interrupted;
  options.consumer_wait_timeout = timeout;
  if (size) {
    options.open_timeout = timeout;
    return {name, *size, options};
  }
  while (true) {
    try {
      options.open_timeout = Timeout::none();
      return {name, 0, options};
    } catch (const Error& error) {
      // It does not exist, or is busy just now.
      if (error.code() != ErrorCode::timeout) throw;
    }
    try {
      options.open_timeout = timeout;
      return {name, kDefaultRingBytes, options};
    } catch (const Error& error) {
      // Somebody was faster to make it, with a size of theirs.
      if (error.code() != ErrorCode::size_mismatch) throw;
    }
  }
}

SharedRingBufferConsumer open_consumer(const std::string& name,
                                       const std::optional<std::uint64_t>& size, Timeout timeout,
                                       bool removes_ring) {
  ConsumerOptions options;
  options.interrupt_check = interrupted;
  options.auto_unlink = removes_ring;
  options.open_timeout = timeout;
  try {
    return {name, size.value_or(0), options};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::timeout || size || std::filesystem::exists(shm::path_of(name))) {
      throw;
    }
    throw Failure(kTimedOut, "time-out: there is no ring '" + name +
                                 "'; start its producer, or make it here with --size" +
                                 shm::similar_names(name));
  }
}

void leave_ended_ring(SharedRingBufferConsumer& consumer) {
  SharedRingBufferConsumer last =
      open_consumer(consumer.name(), std::nullopt, std::chrono::seconds(1), true);
  consumer.close();
  last.close();
}

}  // namespace ipc0cp::cli
