// SPDX-License-Identifier: Apache-2.0
/// @file
/// SharedRingBufferConsumer: the reading end of a ring.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/export.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/options.hpp"
#include "ipc0cp/received_object.hpp"
#include "ipc0cp/stats.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp {

class Readiness;

namespace shm {
class Channel;
}  // namespace shm

/// The reading end of a ring. Thread-safe; move-only: calls of one that was moved from
/// fail with `closed`, its name is empty, and `close()` does nothing.
class IPC0CP_EXPORT SharedRingBufferConsumer {
 public:
  /// Opens the ring, or makes it. Parameters and errors as for the producer.
  SharedRingBufferConsumer(std::string shm_name, std::size_t total_data_bytes,
                           ConsumerOptions options = {});
  SharedRingBufferConsumer(SharedRingBufferConsumer&&) noexcept;
  SharedRingBufferConsumer& operator=(SharedRingBufferConsumer&&) noexcept;
  ~SharedRingBufferConsumer();

  /// Joins the ring; only with `auto_attach = false`. A second call does nothing.
  void attach(Timeout timeout = Timeout::forever());

  /// The next object; empty only at end of stream.
  /// @throws Error timeout, buffer_empty (not blocking), corrupt_payload (this message is dropped,
  ///   the next one still comes), closed, forked_handle, corrupt_buffer, interrupted, and whatever
  ///   a registered deserializer throws (the message counts as popped).
  std::optional<ReceivedObject> pop(Timeout timeout = Timeout::forever());
  /// The same without decoding.
  std::optional<Message> pop_raw(Timeout timeout = Timeout::forever());
  /// Waits for a message like `pop`, gives up all that is queued but the newest one, and takes
  /// that. The others count in `RingStats::overflowed`; no other consumer sees them either. With
  /// redelivery, too, they do not come back. Of what is pushed during the call it may miss some.
  /// @throws Error as `pop`.
  std::optional<ReceivedObject> pop_latest(Timeout timeout = Timeout::forever());
  /// The same without decoding.
  std::optional<Message> pop_latest_raw(Timeout timeout = Timeout::forever());
  /// Waits for one message like `pop`, then takes what else is queued, up to `most` (and 4096).
  /// Empty at end of stream. If one of them cannot be decoded, those before it are returned, the
  /// next pop throws, and those behind it follow; with redelivery they go back to the queue, for
  /// anybody. `close` gives back what still lies in the ring and counts the rest as lost.
  /// @throws Error invalid_argument if `most` is 0, else as `pop`.
  std::vector<ReceivedObject> pop_many(std::size_t most, Timeout timeout = Timeout::forever());
  /// The same without decoding.
  std::vector<Message> pop_many_raw(std::size_t most, Timeout timeout = Timeout::forever());
  /// Waits for a message like `pop` and says what it is, without taking it: another consumer may.
  /// Empty at end of stream.
  /// @throws Error as `pop`.
  std::optional<MessageHead> peek(Timeout timeout = Timeout::forever());
  /// The opposite of `push_rows`: takes up to `most` messages of exactly this metadata and size,
  /// as they are queued now, and puts their payloads side by side into `rows`. Never waits; a
  /// message that is different ends the batch and stays queued.
  /// @return how many there were.
  /// @throws Error invalid_argument if `most` does not divide the size of `rows`.
  std::size_t pop_rows(std::string_view metadata_json, std::span<std::byte> rows, std::size_t most);
  /// Redelivery: finishes what this thread popped last, as its next pop would. Else without effect.
  void done() noexcept;
  /// Redelivery: gives what this thread popped last back to the queue, for anybody.
  void requeue() noexcept;
  /// Never waits: throws buffer_empty where `pop` would wait.
  std::optional<ReceivedObject> try_pop();
  /// The same without decoding.
  std::optional<Message> try_pop_raw();

  /// The four pops above without exceptions for what a ring can answer.
  /// @param outcome `ok`; `timeout` (blocking), `buffer_empty` (not blocking, `try_pop`),
  ///   `end_of_stream`; `closed`, `interrupted`; `corrupt_payload`, `corrupt_buffer`,
  ///   `forked_handle`, `out_of_memory`. Empty unless it is `ok`.
  /// @throws Error invalid_argument (time-out), and whatever a registered deserializer throws.
  std::optional<ReceivedObject> pop(Timeout timeout, ErrorCode& outcome);
  /// The same without decoding.
  std::optional<Message> pop_raw(Timeout timeout, ErrorCode& outcome);
  /// As `pop`, but never waits.
  std::optional<ReceivedObject> try_pop(ErrorCode& outcome);
  /// The same without decoding.
  std::optional<Message> try_pop_raw(ErrorCode& outcome);

  /// For bindings that decode batches themselves: what a `pop_many_raw` took and they do not hand
  /// out. The next pop throws `error` (unless null), then come the messages; see `pop_many`.
  void put_back(std::exception_ptr error, std::span<Message> messages);
  /// Whether some of that still waits here for the next pop.
  [[nodiscard]] bool has_put_back() const noexcept;
  /// Counts a popped message as dropped, because a decoder of the caller's could not read it.
  /// @param id with redelivery the message of this number is finished, so that it neither comes nor
  ///   is counted again; 0: that is done.
  void count_damaged(std::uint64_t id) noexcept;

  /// Gives memory of the ring back to the system, as `SharedRingBufferProducer::trim` does.
  /// @return the bytes given back.
  /// @throws Error closed (also before `attach()`), interrupted, forked_handle, corrupt_buffer.
  std::size_t trim();
  /// Leaves the ring. Waits at most 1 s; other threads' calls end with `closed`. Idempotent.
  void close() noexcept;
  /// Whether `close()` was called here, in this thread or another.
  [[nodiscard]] bool closed() const noexcept;
  /// The name of the ring, without a leading '/'.
  [[nodiscard]] const std::string& name() const noexcept;
  /// A snapshot of the ring.
  /// @throws Error closed, forked_handle, corrupt_buffer.
  [[nodiscard]] RingStats stats() const;
  /// Of a subscriber: messages that it was not given, because they were given up for want of room
  /// or damaged; 0 for others. Any thread may ask.
  [[nodiscard]] std::uint64_t missed() const noexcept;
  /// How the stream ended when a pop said so last; none: it has not said so yet.
  [[nodiscard]] std::optional<StreamEnd> end() const;

  /// The core behind the handle; for the bindings and the tools.
  [[nodiscard]] shm::Channel& channel() const noexcept {
    return *channel_.load(std::memory_order_acquire);
  }

 private:
  friend Readiness;
  struct Shared;
  void wait_to_attach(std::int64_t deadline_ns);
  /// @throws Error closed.
  void check_open() const;
  [[nodiscard]] shm::Channel& attached() const;
  /// The next message. @return ok or what there is instead, as `pop` names it.
  ErrorCode take(bool waits, Timeout timeout, Message& message);
  std::optional<Message> take(bool waits, Timeout timeout, ErrorCode& outcome);
  ErrorCode take_latest(Timeout timeout, Message& message);
  [[nodiscard]] ErrorCode outcome_of(ErrorCode result, bool waits) const noexcept;
  [[noreturn]] void fail_pop(ErrorCode result) const;

  std::string name_;
  std::size_t total_data_bytes_ = 0;
  std::atomic<shm::Channel*> channel_{nullptr};  ///< Set once, by `attach`.
  ConsumerOptions options_;
  std::atomic<bool> closed_{false};
  std::shared_ptr<Shared> shared_;  ///< What must not move with the handle.
};

}  // namespace ipc0cp
