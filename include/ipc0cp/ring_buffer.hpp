// SPDX-License-Identifier: Apache-2.0
/// @file
/// The shared-memory ring: SharedRingBufferProducer and SharedRingBufferConsumer.
///
/// A ring carries messages between any number of producers and consumers on one host; each message
/// reaches exactly one consumer, in the order of publishing. Handles are thread-safe. A process
/// killed at any instant leaves the others running (docs/crash_safety.md).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/array_loan.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/export.hpp"
#include "ipc0cp/limits.hpp"
#include "ipc0cp/log.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/objects.hpp"
#include "ipc0cp/timeout.hpp"
#include "ipc0cp/type_registry.hpp"

namespace ipc0cp {

namespace shm {
class Deadline;
}  // namespace shm

/// A message as the caller encoded it.
struct RawMessage {
  std::string_view metadata_json;      ///< One JSON object in UTF-8; empty: a `bytes` message.
  std::span<const std::byte> payload;  ///< The bytes, copied by the push.
};

/// What the next message of a ring is, see SharedRingBufferConsumer::peek.
struct MessageHead {
  /// Longer metadata are cut off.
  static constexpr std::uint64_t kMostMetadataBytes = 64 << 10;
  std::string metadata_json;        ///< One JSON object in UTF-8; empty: a `bytes` message.
  std::uint64_t payload_bytes = 0;  ///< Size of the payload.
  std::uint64_t queued = 0;         ///< Messages in the ring, this one included.
};

/// What to do with messages left behind by producers that died (contract: "Reruns").
enum class Stale : std::uint8_t {
  resume,   ///< They are delivered.
  discard,  ///< They are dropped, and counted so.
};

/// Called about every 50 ms by a blocked call; returning true ends it with `interrupted`.
using InterruptCheck = bool (*)();

/// How a producer behaves, and what a ring is like that it makes.
struct ProducerOptions {
  bool blocking = true;  ///< false: calls never wait, time-outs are ignored.
  /// How long a push waits for a first consumer before it throws no_consumers.
  Timeout consumer_wait_timeout = std::chrono::seconds(60);
  /// Messages of a consumer that died go back to their place (fixed when the ring is created).
  bool redeliver = false;
  /// Most messages alive at once; 0: the ring's default, see `default_max_messages`.
  std::uint32_t max_messages = 0;
  bool reserve = false;  ///< Reserve the memory of the whole ring now, if this call makes it.
  unsigned mode = 0600;  ///< Permission bits of a ring made by this call, umask not applied.
  Stale stale = Stale::discard;                 ///< For the first producer after a death.
  std::vector<std::uint32_t> trusted_owners{};  ///< User ids whose rings are accepted besides ours.
  InterruptCheck interrupt_check = nullptr;     ///< None by default.
};

/// How a consumer behaves.
struct ConsumerOptions {
  bool blocking = true;     ///< false: calls never wait, time-outs are ignored.
  bool auto_attach = true;  ///< false: call `attach()` before the first pop.
  bool auto_unlink = true;  ///< The last consumer to close removes the ring.
  /// End of stream needs at least this many producers to have joined.
  std::uint32_t expected_producers = 1;
  Stale stale = Stale::resume;                  ///< For the first consumer after a death.
  std::vector<std::uint32_t> trusted_owners{};  ///< User ids whose rings are accepted besides ours.
  InterruptCheck interrupt_check = nullptr;     ///< None by default.
};

/// A snapshot of one ring, consistent within itself.
struct RingStats {
  std::uint32_t active_producers = 0;  ///< Handles that live and are not closed.
  std::uint32_t active_consumers = 0;  ///< Handles that live and are not closed.
  std::uint64_t messages = 0;          ///< Queued now.
  std::uint64_t used_bytes = 0;        ///< Metadata and payload of all blocks in use.
  std::uint64_t total_data_bytes = 0;  ///< Capacity.
  std::uint32_t max_messages = 0;      ///< Most messages alive at once.
  std::uint64_t pushed = 0;            ///< Messages published since creation.
  std::uint64_t popped = 0;            ///< Messages handed out since creation.
  std::uint64_t dropped = 0;           ///< Damaged or discarded messages.
  std::uint64_t lost = 0;              ///< Messages that died with their consumer.
  std::uint64_t repaired_deaths = 0;   ///< Participants found dead and cleaned up.
  std::uint64_t most_messages = 0;     ///< High-water mark of `messages`.
  std::uint64_t most_used_bytes = 0;   ///< High-water mark of `used_bytes`.
  std::uint64_t producer_waits = 0;    ///< Times a producer had to sleep.
  std::uint64_t consumer_waits = 0;    ///< Times a consumer had to sleep.
  std::uint64_t reserved_bytes = 0;    ///< Memory of the arena backed by /dev/shm.
};

/// A popped object: `data` is what the type's deserializer made of it.
struct IPC0CP_EXPORT RingBufferObject {
  std::unique_ptr<SerializableObject> data;  ///< Never null.
  std::uint64_t id = 0;                      ///< See Message::id.
  unsigned deliveries = 1;                   ///< See Message::deliveries.

  /// `data` as a T.
  /// @throws Error (unsupported_type) naming both types if it is something else.
  template <class T>
  [[nodiscard]] T& as() const {
    auto* object = dynamic_cast<T*>(data.get());
    if (object == nullptr) throw_wrong_type(detail::class_name<T>());
    return *object;
  }
  /// The metadata of the message, one JSON object.
  [[nodiscard]] std::string_view metadata() const { return metadata_json; }
  std::string metadata_json;  ///< As `metadata()`.

 private:
  [[noreturn]] void throw_wrong_type(std::string_view wanted) const;
};

/// The writing end of a ring. Thread-safe; move-only.
class IPC0CP_EXPORT SharedRingBufferProducer {
 public:
  /// Opens the ring, or makes it.
  /// @param shm_name 1..200 characters of [A-Za-z0-9._-]; a leading '/' is dropped.
  /// @param total_data_bytes capacity in bytes, 1 KiB .. 2^47; 0: take what is there, or wait for
  ///   a creator.
  /// @throws Error invalid_argument, size_mismatch, option_mismatch, no_space, version_mismatch,
  ///   not_a_ring, permission_denied, too_many_participants, system_error.
  SharedRingBufferProducer(std::string shm_name, std::size_t total_data_bytes,
                           ProducerOptions options = {});
  SharedRingBufferProducer(SharedRingBufferProducer&&) noexcept;
  SharedRingBufferProducer& operator=(SharedRingBufferProducer&&) noexcept;
  ~SharedRingBufferProducer();

  /// Copies `object` into the ring, once.
  /// @return false: no room in time (or at once, if not blocking); nothing is queued.
  /// @throws Error message_too_large, no_consumers, no_space, closed, forked_handle,
  ///   corrupt_buffer, interrupted.
  bool push(const SerializableObject& object, Timeout timeout = Timeout::forever());
  /// Lends memory for an array of `shape` in C order, to be filled in place.
  /// @tparam T an arithmetic type with a NumPy dtype.
  /// @throws Error invalid_argument if the shape has too many elements, else as `loan`.
  template <class T>
  ArrayLoan<T> loan_array(std::vector<std::size_t> shape, Timeout timeout = Timeout::forever()) {
    std::string metadata = detail::array_metadata(detail::dtype_of<T>(), shape);
    const std::size_t bytes = detail::array_bytes(shape, sizeof(T));
    Loan memory = loan(bytes, timeout, metadata.size());
    return ArrayLoan<T>(std::move(memory), std::move(shape), std::move(metadata));
  }
  /// The same for an encoding made by the caller. `metadata_json`: one JSON object in UTF-8.
  bool push_raw(std::string_view metadata_json, std::span<const std::byte> payload,
                Timeout timeout = Timeout::forever());
  /// Pushes many messages, small ones under one lock hold and one wake.
  /// @return how many were queued: all, or fewer if there was no room in time.
  /// @throws Error as `push`; what was queued before the failing one stays queued, and
  ///   `Error::pushed()` says how many that were.
  std::size_t push_many(std::span<const SerializableObject* const> objects,
                        Timeout timeout = Timeout::forever());
  /// The same for encodings made by the caller.
  std::size_t push_many_raw(std::span<const RawMessage> messages,
                            Timeout timeout = Timeout::forever());
  /// Pushes `count` messages of equal size and metadata, whose payloads lie side by side in `rows`.
  /// @throws Error invalid_argument if `count` does not divide the size of `rows`, else as above.
  std::size_t push_rows(std::string_view metadata_json, std::span<const std::byte> rows,
                        std::size_t count, Timeout timeout = Timeout::forever());
  /// As `push`, but never waits.
  bool try_push(const SerializableObject& object);
  /// As `push_raw`, but never waits.
  bool try_push_raw(std::string_view metadata_json, std::span<const std::byte> payload);

  /// Lends `payload_bytes` of the ring to be written in place.
  /// @param metadata_capacity room for the metadata given at publish, in bytes.
  /// @throws Error timeout (buffer_full if not blocking), else as `push`.
  Loan loan(std::size_t payload_bytes, Timeout timeout = Timeout::forever(),
            std::size_t metadata_capacity = kDefaultMetadataCapacity);
  /// Room for the metadata of a loan that asks for none, in bytes.
  static constexpr std::size_t kDefaultMetadataCapacity = 512;

  /// Leaves the ring. Waits at most 1 s; other threads' calls end with `closed`. Idempotent.
  void close() noexcept;
  /// Whether `close()` was called here, in this thread or another.
  [[nodiscard]] bool closed() const noexcept;
  /// The name of the ring, without a leading '/'.
  [[nodiscard]] const std::string& name() const noexcept;
  /// A snapshot of the ring.
  /// @throws Error closed, forked_handle, corrupt_buffer.
  [[nodiscard]] RingStats stats() const;

  /// The core behind the handle; for the bindings and the tools.
  [[nodiscard]] shm::Channel& channel() const noexcept { return *channel_; }

 private:
  bool push_object(const SerializableObject& object, shm::Deadline& deadline);
  std::size_t push_batch(std::span<const RawMessage> messages, shm::Deadline& deadline);

  shm::Channel* channel_ = nullptr;
  ProducerOptions options_;
};

/// The reading end of a ring. Thread-safe; move-only.
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
  std::optional<RingBufferObject> pop(Timeout timeout = Timeout::forever());
  /// The same without decoding.
  std::optional<Message> pop_raw(Timeout timeout = Timeout::forever());
  /// Waits for one message like `pop`, then takes what else is queued, up to `most` (and 4096).
  /// Empty at end of stream. If one of them cannot be decoded, those before it are returned, the
  /// next pop throws, and those behind it follow.
  /// @throws Error invalid_argument if `most` is 0, else as `pop`.
  std::vector<RingBufferObject> pop_many(std::size_t most, Timeout timeout = Timeout::forever());
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
  std::optional<RingBufferObject> try_pop();
  /// The same without decoding.
  std::optional<Message> try_pop_raw();

  /// Counts a popped message as dropped, because a decoder of the caller's could not read it.
  void count_damaged() noexcept;

  /// Leaves the ring. Waits at most 1 s; other threads' calls end with `closed`. Idempotent.
  void close() noexcept;
  /// Whether `close()` was called here, in this thread or another.
  [[nodiscard]] bool closed() const noexcept;
  /// The name of the ring, without a leading '/'.
  [[nodiscard]] const std::string& name() const noexcept;
  /// A snapshot of the ring.
  /// @throws Error closed, forked_handle, corrupt_buffer.
  [[nodiscard]] RingStats stats() const;

  /// The core behind the handle; for the bindings and the tools.
  [[nodiscard]] shm::Channel& channel() const noexcept {
    return *channel_.load(std::memory_order_acquire);
  }

 private:
  struct Stash;
  [[nodiscard]] shm::Channel& attached() const;
  template <class Use>
  bool use_stashed(Use use);
  bool take_stashed(Message& message);
  bool peek_stashed(MessageHead& head);
  void stash(std::exception_ptr error, std::span<Message> rest);
  [[noreturn]] void fail_pop(ErrorCode result) const;

  std::string name_;
  std::size_t total_data_bytes_ = 0;
  std::atomic<shm::Channel*> channel_{nullptr};  ///< Set once, by `attach`.
  ConsumerOptions options_;
  std::atomic<bool> closed_{false};
  /// Guards attaching, and keeps what a pop_many took when one of its messages could not be
  /// decoded.
  std::unique_ptr<Stash> stash_;
};

/// Ends every blocked call of this process with `closed` and closes all its handles; for exit
/// hooks. Loans and messages stay valid. Never waits longer than 1 s.
IPC0CP_EXPORT void close_all_handles() noexcept;

}  // namespace ipc0cp
