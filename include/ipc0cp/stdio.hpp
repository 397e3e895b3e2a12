// SPDX-License-Identifier: Apache-2.0
/// @file
/// The STDIO transport: StdioProducer and StdioConsumer carry the messages of a ring over a pipe,
/// a socket, a file, or standard output and input.
///
/// One producer, one consumer, one stream: docs/stdio_format.md. Handles are thread-safe and
/// move-only. A stream ends with the closing frame that `close()` writes; one that stops without
/// it was cut off, and the consumer says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ipc0cp/error.hpp"  // IWYU pragma: export
#include "ipc0cp/export.hpp"
#include "ipc0cp/log.hpp"  // IWYU pragma: export
#include "ipc0cp/message.hpp"
#include "ipc0cp/objects.hpp"  // IWYU pragma: export
#include "ipc0cp/options.hpp"
#include "ipc0cp/received_object.hpp"  // IWYU pragma: export
#include "ipc0cp/timeout.hpp"
#include "ipc0cp/type_registry.hpp"  // IWYU pragma: export

namespace ipc0cp {

namespace stdio {
class ProducerCore;
class ConsumerCore;
}  // namespace stdio

/// Who closes a descriptor that a handle is given.
enum class Ownership : std::uint8_t {
  borrowed,  ///< The caller, once the handle is closed.
  owned,     ///< The handle when it closes, or its constructor if it throws.
};

/// Another way to carry the bytes of a stream, for example a compressed file. Functions are called
/// by one thread at a time, and never with nothing to move. What they throw passes through.
class IPC0CP_EXPORT ByteStream {
 public:
  virtual ~ByteStream();
  /// Reads what is there, at least one byte, and keeps no pointer into `target`.
  /// @return the number of bytes; 0: the end of the file; empty: nothing there now, ask again.
  virtual std::optional<std::size_t> read_some(std::span<std::byte> target) = 0;
  /// Writes some bytes.
  /// @return the number of bytes; empty: no room now, ask again.
  /// @throws Error no_consumers if the reader has left; an Error only if it has written nothing.
  virtual std::optional<std::size_t> write_some(std::span<const std::byte> source) = 0;
  /// Sends what it may have kept back; called after each message.
  virtual void flush() {}
  /// What errors call it.
  [[nodiscard]] virtual std::string name() const { return "a byte stream"; }

 protected:
  ByteStream() = default;
  ByteStream(const ByteStream&) = default;
  ByteStream& operator=(const ByteStream&) = default;
};

/// How a producer of a stream behaves.
struct StdioProducerOptions {
  InterruptCheck interrupt_check = nullptr;  ///< None by default.
  /// Called with true right after standard output has been taken, and with false right before it
  /// is given back, so that buffers of other languages can be flushed. Those of C and C++ are.
  void (*standard_output_hook)(bool taken) = nullptr;
};

/// How a consumer of a stream behaves.
struct StdioConsumerOptions {
  InterruptCheck interrupt_check = nullptr;  ///< None by default.
  /// The first bytes of the stream, if they have been read from the descriptor before.
  std::string already_read{};
};

/// The writing end of a stream. Thread-safe; move-only.
class IPC0CP_EXPORT StdioProducer {
 public:
  /// Takes standard output for itself: until `close()` everything else that this process writes
  /// there goes to standard error, and so do lines that are still in a buffer now. One producer
  /// of a process can hold it.
  /// @throws Error invalid_argument: it is a terminal, closed, the same pipe as standard error, or
  ///   held by another producer; system_error.
  explicit StdioProducer(StdioProducerOptions options = {});
  /// Writes to a pipe, stream socket or file. The flags of the descriptor are left alone, and
  /// nobody else may write to it meanwhile.
  /// @throws Error invalid_argument: it is not open for writing, or a terminal.
  explicit StdioProducer(int descriptor, Ownership ownership = Ownership::borrowed,
                         StdioProducerOptions options = {});
  /// Writes to a stream of the caller's making.
  explicit StdioProducer(std::unique_ptr<ByteStream> stream, StdioProducerOptions options = {});
  StdioProducer(StdioProducer&&) noexcept;
  StdioProducer& operator=(StdioProducer&&) noexcept;
  /// As `close()`, or as `abandon()` if an exception is unwinding the stack; errors are logged.
  ~StdioProducer();

  /// Writes `object` as one frame, straight from where its bytes are if they are contiguous.
  /// @param timeout how long to wait until the first byte can be written. A frame that has begun
  ///   is finished, however long the reader takes.
  /// @return false: there was no room in time; nothing was written.
  /// @throws Error no_consumers: the reader has left. closed, interrupted: if the frame had begun,
  ///   the stream is cut off there. corrupt_buffer: an earlier push has cut it off.
  ///   message_too_large: metadata over `kMaxMetadataBytes`. no_space, system_error, forked_handle.
  bool push(const SerializableObject& object, Timeout timeout = Timeout::forever());
  /// The same for an encoding made by the caller. `metadata_json`: one JSON object in UTF-8, not
  /// checked here; empty: a `bytes` message.
  bool push_raw(std::string_view metadata_json, std::span<const std::byte> payload,
                Timeout timeout = Timeout::forever());

  /// Ends the stream: waits for a push of another thread that has its turn to end with `closed`,
  /// writes the closing frame, however long the reader takes, and gives standard output back.
  /// Silent if the reader has left. Idempotent.
  /// @throws Error interrupted, no_space, system_error: the stream ends without a closing frame.
  ///   The handle is closed in any case.
  void close();
  /// Ends without the closing frame: the reader learns that the stream was cut off.
  void abandon() noexcept;
  /// Whether the handle is closed.
  [[nodiscard]] bool closed() const noexcept;
  /// Messages written so far.
  [[nodiscard]] std::uint64_t messages() const noexcept;
  /// Bytes written so far.
  [[nodiscard]] std::uint64_t stream_bytes() const noexcept;
  /// What errors call the stream, for example "the stream to standard output".
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  void detach() noexcept;
  [[nodiscard]] stdio::ProducerCore& core() const;

  std::shared_ptr<stdio::ProducerCore> core_;
  int exceptions_at_birth_;
};

/// The reading end of a stream. Thread-safe; move-only.
class IPC0CP_EXPORT StdioConsumer {
 public:
  /// Takes standard input for itself: until `close()` the rest of this process reads nothing there.
  /// @throws Error as the constructors of StdioProducer.
  explicit StdioConsumer(StdioConsumerOptions options = {});
  /// Reads exactly up to the end of the closing frame, so that anything may follow it.
  explicit StdioConsumer(int descriptor, Ownership ownership = Ownership::borrowed,
                         StdioConsumerOptions options = {});
  /// Reads from a stream of the caller's making.
  explicit StdioConsumer(std::unique_ptr<ByteStream> stream, StdioConsumerOptions options = {});
  StdioConsumer(StdioConsumer&&) noexcept;
  StdioConsumer& operator=(StdioConsumer&&) noexcept;
  ~StdioConsumer();

  /// The next object; empty only at end of stream. Its payload is read straight into the memory
  /// that it keeps.
  /// @throws Error timeout: what has arrived of a frame is kept for the next pop.
  ///   corrupt_payload: the stream was cut off or is garbage, and broken for good; or this one
  ///   message cannot be decoded. version_mismatch: broken for good. closed, interrupted,
  ///   out_of_memory (the next pop tries again), system_error, forked_handle, and whatever a
  ///   registered deserializer throws.
  std::optional<ReceivedObject> pop(Timeout timeout = Timeout::forever());
  /// The same without decoding. `Message::id` counts the messages of the stream from 0.
  std::optional<Message> pop_raw(Timeout timeout = Timeout::forever());

  /// Ends calls of other threads with `closed` and gives standard input back. Idempotent.
  void close() noexcept;
  /// Whether the handle is closed.
  [[nodiscard]] bool closed() const noexcept;
  /// Messages popped so far.
  [[nodiscard]] std::uint64_t messages() const noexcept;
  /// Bytes read so far, those of a frame that has begun included.
  [[nodiscard]] std::uint64_t stream_bytes() const noexcept;
  /// What errors call the stream, for example "the stream from standard input".
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  [[nodiscard]] stdio::ConsumerCore& core() const;

  std::shared_ptr<stdio::ConsumerCore> core_;
};

/// Ends every blocked push and pop of this process with `closed` and closes all streams; for exit
/// hooks. Waits for readers as `close()` does.
/// @param abandon as StdioProducer::abandon, because the program has failed
IPC0CP_EXPORT void close_all_streams(bool abandon) noexcept;

}  // namespace ipc0cp
