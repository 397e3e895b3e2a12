// SPDX-License-Identifier: Apache-2.0
#include "ring_ends.hpp"

#include <chrono>
#include <filesystem>
#include <utility>

#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/inspect.hpp"
#include "ipc0cp/limits.hpp"
#include "shm/ring_name.hpp"
#include "shm/similar_names.hpp"

namespace ipc0cp::cli {

namespace {

SharedRingBufferConsumer join(const std::string& name, const std::optional<std::uint64_t>& size,
                              ConsumerOptions options, const std::string& way_out) {
  options.interrupt_check = interrupted;
  try {
    return {name, size.value_or(0), std::move(options)};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::timeout || size || std::filesystem::exists(shm::path_of(name))) {
      throw;
    }
    throw Failure(kTimedOut,
                  "time-out: there is no ring '" + name + "'" + way_out + shm::similar_names(name));
  }
}

}  // namespace

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
  options.auto_unlink = removes_ring;
  options.open_timeout = timeout;
  return join(name, size, std::move(options), "; start its producer, or make it here with --size");
}

SharedRingBufferConsumer open_subscriber(const std::string& name, Timeout timeout) {
  ConsumerOptions options;
  options.auto_unlink = false;
  options.open_timeout = timeout;
  options.subscribe = true;
  options.overflow = Overflow::drop_oldest;
  return join(name, std::nullopt, std::move(options), "; start its producer");
}

void leave_ended_ring(SharedRingBufferConsumer& consumer) {
  const inspect::Ring ring = inspect::ring(consumer.name());
  ConsumerOptions options;
  options.open_timeout = std::chrono::seconds(1);
  options.subscribe = ring.broadcast;
  const bool is_full = ring.broadcast && ring.subscribers >= kMaxSubscribers;
  // What workers have not taken is kept for the next one; of so many others one is the last.
  if ((ring.consumers == 0 && ring.stats.messages > 0) || is_full) return consumer.close();
  SharedRingBufferConsumer last = join(consumer.name(), std::nullopt, std::move(options), "");
  consumer.close();
  last.close();
}

}  // namespace ipc0cp::cli
