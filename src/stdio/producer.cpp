// SPDX-License-Identifier: Apache-2.0
// The writing end of a stream: a frame is one header, metadata and payload, written from where
// they are.
#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <utility>

#include "ipc0cp/stdio.hpp"
#include "platform/buffer_pool.hpp"
#include "rules/metadata.hpp"
#include "stdio/frame.hpp"
#include "stdio/handle.hpp"

namespace ipc0cp {

ByteStream::~ByteStream() = default;

namespace stdio {
namespace {

/// What of a frame has not been written yet.
class Remainder {
 public:
  Remainder(const FrameHeader& header, std::string_view metadata,
            std::span<const std::byte> payload)
      : parts_{std::as_bytes(std::span(&header, 1)), std::as_bytes(std::span(metadata)), payload} {}

  [[nodiscard]] ConstParts parts() const noexcept { return parts_; }
  [[nodiscard]] bool empty() const noexcept {
    return std::all_of(parts_.begin(), parts_.end(), [](auto part) { return part.empty(); });
  }
  void drop(std::size_t bytes) noexcept {
    for (auto& part : parts_) {
      const std::size_t count = std::min(bytes, part.size());
      part = part.subspan(count);
      bytes -= count;
    }
  }

 private:
  std::array<std::span<const std::byte>, 3> parts_;
};

}  // namespace

/// See StreamHandle for threads. A stream is sound until it is broken, and then for good:
///
///   sound --> reader has left            every push says so; close is silent
///     +-----> cut off inside a frame     every push says so; close writes nothing
class ProducerCore final : public StreamHandle {
 public:
  ProducerCore(NamedTransport transport, const StdioProducerOptions& options)
      : StreamHandle(std::move(transport), options.interrupt_check) {}

  bool push(std::string_view metadata, std::span<const std::byte> payload, Timeout timeout) {
    if (metadata.size() > kMaxMetadataBytes || payload.size() > kMaxPayloadBytes) {
      fail(ErrorCode::message_too_large,
           "a message with " + std::to_string(metadata.size()) + " bytes of metadata and " +
               std::to_string(payload.size()) + " of payload; the limits are " +
               std::to_string(kMaxMetadataBytes) + " and " + std::to_string(kMaxPayloadBytes));
    }
    Call call(*this, timeout);
    if (!call.begin()) return false;
    check_sound();
    const FrameHeader header{kMagic, kVersion, 0, static_cast<std::uint32_t>(metadata.size()),
                             payload.size()};
    if (!write_frame(call, Remainder(header, metadata, payload))) return false;
    messages_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_.load(); }
  [[nodiscard]] std::uint64_t stream_bytes() const noexcept { return stream_bytes_.load(); }

 private:
  enum class Health : std::uint8_t { sound, reader_has_left, cut_off };

  void finish_stream(Call& call) override {
    if (health_ != Health::sound) return;
    try {
      write_frame(call, Remainder(kClosingFrame, {}, {}));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::no_consumers) throw;
    }
  }

  void check_sound() const {
    if (health_ == Health::reader_has_left) {
      fail(ErrorCode::no_consumers, "the reader has left");
    }
    if (health_ == Health::cut_off) {
      fail(ErrorCode::corrupt_buffer, "an earlier push was ended inside message " +
                                          std::to_string(messages()) +
                                          ", so the stream is cut off there; open another one");
    }
  }

  /// False: the time was over before the first byte.
  bool write_frame(Call& call, Remainder remainder) {
    // Whatever ends this early, be it an exception of the user's stream, may have cut the frame.
    health_ = Health::cut_off;
    bool has_begun = false;
    try {
      while (true) {
        const std::size_t written = transport().write_some(remainder.parts()).value_or(0);
        stream_bytes_.fetch_add(written, std::memory_order_relaxed);
        remainder.drop(written);
        if (remainder.empty()) break;
        if (written > 0) {
          if (!std::exchange(has_begun, true)) call.wait_for_ever();
          call.check_now_and_then();
        } else if (!call.wait()) {
          health_ = Health::sound;
          return false;
        }
      }
      transport().flush();
    } catch (const Error& error) {
      if (!has_begun) health_ = Health::sound;
      if (error.code() == ErrorCode::no_consumers) health_ = Health::reader_has_left;
      throw;
    }
    health_ = Health::sound;
    return true;
  }

  Health health_ = Health::sound;  ///< For whoever has the turn.
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> stream_bytes_{0};
};

namespace {

/// Memory for a payload that is put together first.
class PooledBuffer {
 public:
  explicit PooledBuffer(std::size_t bytes) : bytes_(platform::buffer_pool::acquire(bytes), bytes) {
    if (bytes_.data() == nullptr) {
      throw Error(ErrorCode::out_of_memory,
                  "no memory to put a payload of " + std::to_string(bytes) + " bytes together");
    }
  }
  ~PooledBuffer() { platform::buffer_pool::release(bytes_.data()); }
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

std::shared_ptr<ProducerCore> make_producer(NamedTransport transport,
                                            const StdioProducerOptions& options) {
  auto core = std::make_shared<ProducerCore>(std::move(transport), options);
  register_stream(core);
  return core;
}

}  // namespace
}  // namespace stdio

namespace {
const std::string g_no_stdio_producer;  ///< The name of a handle that was moved from.
}  // namespace

StdioProducer::StdioProducer(StdioProducerOptions options)
    : core_(stdio::make_producer(
          stdio::take_standard_stream(stdio::Direction::write, options.standard_output_hook),
          options)),
      exceptions_at_birth_(std::uncaught_exceptions()) {}

StdioProducer::StdioProducer(int descriptor, Ownership ownership, StdioProducerOptions options)
    : core_(stdio::make_producer(
          stdio::open_descriptor(descriptor, ownership, stdio::Direction::write), options)),
      exceptions_at_birth_(std::uncaught_exceptions()) {}

StdioProducer::StdioProducer(std::unique_ptr<ByteStream> stream, StdioProducerOptions options)
    : core_(stdio::make_producer(stdio::wrap_stream(std::move(stream), stdio::Direction::write),
                                 options)),
      exceptions_at_birth_(std::uncaught_exceptions()) {}

StdioProducer::StdioProducer(StdioProducer&&) noexcept = default;

StdioProducer& StdioProducer::operator=(StdioProducer&& other) noexcept {
  if (this != &other) {
    detach();
    core_ = std::move(other.core_);
    exceptions_at_birth_ = other.exceptions_at_birth_;
  }
  return *this;
}

StdioProducer::~StdioProducer() { detach(); }

void StdioProducer::detach() noexcept {
  const bool fails = std::uncaught_exceptions() > exceptions_at_birth_;
  stdio::detach(std::move(core_), !fails);
}

stdio::ProducerCore& StdioProducer::core() const {
  if (core_ == nullptr) {
    throw Error(ErrorCode::closed, "this StdioProducer has been moved from");
  }
  return *core_;
}

bool StdioProducer::push(const SerializableObject& object, Timeout timeout) {
  const std::string_view metadata = object.metadata_json();
  codec::check_pushed_metadata(metadata);
  if (const auto payload = object.contiguous_payload()) {
    return core().push(metadata, *payload, timeout);
  }
  const stdio::PooledBuffer buffer(object.payload_bytes());
  object.write_payload(buffer.bytes());
  return core().push(metadata, buffer.bytes(), timeout);
}

bool StdioProducer::push_raw(std::string_view metadata_json, std::span<const std::byte> payload,
                             Timeout timeout) {
  codec::check_pushed_metadata(metadata_json);
  return core().push(metadata_json, payload, timeout);
}

void StdioProducer::close() {
  if (core_ != nullptr) core_->close(true);
}

void StdioProducer::abandon() noexcept {
  if (core_ != nullptr) stdio::close_quietly(*core_, false);
}

bool StdioProducer::closed() const noexcept { return core_ == nullptr || core_->closed(); }
std::uint64_t StdioProducer::messages() const noexcept {
  return core_ == nullptr ? 0 : core_->messages();
}
std::uint64_t StdioProducer::stream_bytes() const noexcept {
  return core_ == nullptr ? 0 : core_->stream_bytes();
}
const std::string& StdioProducer::name() const noexcept {
  return core_ == nullptr ? g_no_stdio_producer : core_->name();
}

}  // namespace ipc0cp
