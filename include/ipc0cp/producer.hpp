// SPDX-License-Identifier: Apache-2.0
/// @file
/// SharedRingBufferProducer: the writing end of a ring.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc0cp/array_loan.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/export.hpp"
#include "ipc0cp/loan.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/options.hpp"
#include "ipc0cp/serializable_object.hpp"
#include "ipc0cp/stats.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp {

namespace platform {
class Deadline;
}  // namespace platform

namespace shm {
class Channel;
}  // namespace shm

/// The writing end of a ring. Thread-safe; move-only: calls of one that was moved from fail with
/// `closed`, its name is empty, and `close()` does nothing.
class IPC0CP_EXPORT SharedRingBufferProducer {
 public:
  /// Opens the ring, or makes it.
  /// @param shm_name 1..200 characters of [A-Za-z0-9._-]; a leading '/' is dropped.
  /// @param total_data_bytes capacity in bytes, 1 KiB .. 2^45 (2^44 for two handles of one
  ///   process); 0: take what is there, or wait for a creator.
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
  /// @throws Error invalid_argument if the shape has too many dimensions or elements, else as
  ///   `loan`.
  template <class T>
  ArrayLoan<T> loan_array(std::vector<std::size_t> shape, Timeout timeout = Timeout::forever()) {
    std::string metadata = detail::array_metadata(detail::dtype_of<T>(), shape);
    const std::size_t bytes = detail::array_bytes(shape, sizeof(T));
    Loan memory = loan(bytes, timeout, metadata.size());
    return ArrayLoan<T>(std::move(memory), std::move(shape), std::move(metadata));
  }
  /// The same for an encoding made by the caller. `metadata_json`: one JSON object in UTF-8 with a
  /// "type", or nothing, which stands for that of bytes.
  /// @throws Error invalid_argument for other metadata, naming what is wrong; else as `push`.
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
  /// The four pushes above without exceptions for what a ring can answer.
  /// @param outcome `ok`; `timeout` (blocking), `buffer_full` (not blocking, `try_push`);
  ///   `no_consumers`, `message_too_large`, `no_space`; `closed`, `interrupted`, `forked_handle`,
  ///   `corrupt_buffer`. Nothing is queued unless it is `ok`.
  /// @return whether it is `ok`.
  /// @throws Error invalid_argument (time-out, metadata), and whatever `object` throws.
  bool push(const SerializableObject& object, Timeout timeout, ErrorCode& outcome);
  /// The same for an encoding made by the caller.
  bool push_raw(std::string_view metadata_json, std::span<const std::byte> payload, Timeout timeout,
                ErrorCode& outcome);
  /// As `push`, but never waits.
  bool try_push(const SerializableObject& object, ErrorCode& outcome);
  /// As `push_raw`, but never waits.
  bool try_push_raw(std::string_view metadata_json, std::span<const std::byte> payload,
                    ErrorCode& outcome);

  /// Lends `payload_bytes` of the ring to be written in place.
  /// @param metadata_capacity room for the metadata given at publish, in bytes.
  /// @throws Error timeout (buffer_full if not blocking), else as `push`.
  Loan loan(std::size_t payload_bytes, Timeout timeout = Timeout::forever(),
            std::size_t metadata_capacity = kDefaultMetadataCapacity);
  /// The same without exceptions for what a ring can answer: `outcome` as for `push`.
  /// @return a loan that is not `active()` unless the outcome is `ok`.
  Loan loan(std::size_t payload_bytes, Timeout timeout, ErrorCode& outcome,
            std::size_t metadata_capacity = kDefaultMetadataCapacity);
  /// Room for the metadata of a loan that asks for none, in bytes.
  static constexpr std::size_t kDefaultMetadataCapacity = 512;

  /// Gives memory of the ring back to the system: what lies behind the last block in use (queued,
  /// lent or viewed), and the relief block if it is free. The ring takes memory anew when it needs
  /// it. Takes about 0.15 s per GiB; who needs memory meanwhile waits for 2 MiB, some 0.3 ms.
  /// @return the bytes given back. 0: there were none; the ring was made with `reserve`; or others
  ///   have its lock, or take memory just now. `RingStats::reserved_bytes` says what it keeps.
  /// @throws Error closed, interrupted, forked_handle, corrupt_buffer; what was given back before
  ///   stays so.
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

  /// The core behind the handle; for the bindings and the tools.
  /// @throws Error closed: moved from.
  [[nodiscard]] shm::Channel& channel() const;

 private:
  ErrorCode put(const SerializableObject& object, platform::Deadline& deadline);
  [[nodiscard]] bool accepted(ErrorCode result, std::size_t message_bytes,
                              const platform::Deadline& deadline) const;
  [[nodiscard]] ErrorCode outcome_of(ErrorCode result, bool waits) const noexcept;
  bool push_object(const SerializableObject& object, platform::Deadline& deadline);
  std::size_t push_batch(std::span<const RawMessage> messages, platform::Deadline& deadline);

  shm::Channel* channel_ = nullptr;
  ProducerOptions options_;
};

}  // namespace ipc0cp
