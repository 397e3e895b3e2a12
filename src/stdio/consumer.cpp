// SPDX-License-Identifier: Apache-2.0
// The reading end of a stream: a FrameReader that is fed by a transport.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "ipc0cp/stdio.hpp"
#include "stdio/handle.hpp"
#include "stdio/reader.hpp"

namespace ipc0cp {
namespace stdio {

/// See StreamHandle for threads.
class ConsumerCore final : public StreamHandle {
 public:
  ConsumerCore(NamedTransport transport, StdioConsumerOptions options)
      : StreamHandle(std::move(transport), options.interrupt_check),
        reader_(name()),
        already_read_(std::move(options.already_read)) {}

  std::optional<Message> pop(Timeout timeout) {
    Call call(*this, timeout);
    if (!call.begin()) fail(ErrorCode::timeout, "other threads were popping all the time");
    while (true) {
      const Parts parts = reader_.wanted();
      if (reader_.has_ended()) return std::nullopt;
      if (reader_.is_whole()) break;
      const std::optional<std::size_t> arrived = read_some(parts);
      if (arrived.has_value()) {
        advance(*arrived);
        call.check_now_and_then();
      } else if (!call.wait()) {
        fail_in_time(timeout);
      }
    }
    messages_.fetch_add(1, std::memory_order_relaxed);
    return reader_.take();
  }

  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_.load(); }
  [[nodiscard]] std::uint64_t stream_bytes() const noexcept { return stream_bytes_.load(); }

 private:
  void finish_stream(Call& /*call*/) override {}

  std::optional<std::size_t> read_some(Parts parts) {
    const std::size_t left = already_read_.size() - used_;
    if (left == 0) return transport().read_some(parts);
    const auto part =
        *std::find_if(parts.begin(), parts.end(), [](auto some) { return !some.empty(); });
    const std::size_t count = std::min(left, part.size());
    std::memcpy(part.data(), already_read_.data() + used_, count);
    used_ += count;
    return count;
  }

  void advance(std::size_t bytes) {
    if (bytes == 0) reader_.cut_off();
    stream_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    reader_.advance(bytes);
  }

  [[noreturn]] void fail_in_time(Timeout timeout) const {
    fail(ErrorCode::timeout, "no message within " +
                                 std::to_string(static_cast<double>(timeout.nanoseconds()) * 1e-9) +
                                 " s; there are " + reader_.progress());
  }

  FrameReader reader_;  ///< This and what follows: for whoever has the turn.
  std::string already_read_;
  std::size_t used_ = 0;
  std::atomic<std::uint64_t> messages_{0};
  std::atomic<std::uint64_t> stream_bytes_{0};
};

namespace {

std::shared_ptr<ConsumerCore> make_consumer(NamedTransport transport,
                                            StdioConsumerOptions options) {
  auto core = std::make_shared<ConsumerCore>(std::move(transport), std::move(options));
  register_stream(core);
  return core;
}

}  // namespace
}  // namespace stdio

namespace {
const std::string g_no_stdio_consumer;  ///< The name of a handle that was moved from.
}  // namespace

StdioConsumer::StdioConsumer(StdioConsumerOptions options)
    : core_(stdio::make_consumer(stdio::take_standard_stream(stdio::Direction::read, nullptr),
                                 std::move(options))) {}

StdioConsumer::StdioConsumer(int descriptor, Ownership ownership, StdioConsumerOptions options)
    : core_(stdio::make_consumer(
          stdio::open_descriptor(descriptor, ownership, stdio::Direction::read),
          std::move(options))) {}

StdioConsumer::StdioConsumer(std::unique_ptr<ByteStream> stream, StdioConsumerOptions options)
    : core_(stdio::make_consumer(stdio::wrap_stream(std::move(stream), stdio::Direction::read),
                                 std::move(options))) {}

StdioConsumer::StdioConsumer(StdioConsumer&&) noexcept = default;

StdioConsumer& StdioConsumer::operator=(StdioConsumer&& other) noexcept {
  if (this != &other) {
    stdio::detach(std::move(core_), true);
    core_ = std::move(other.core_);
  }
  return *this;
}

StdioConsumer::~StdioConsumer() { stdio::detach(std::move(core_), true); }

stdio::ConsumerCore& StdioConsumer::core() const {
  if (core_ == nullptr) {
    throw Error(ErrorCode::closed, "this StdioConsumer has been moved from");
  }
  return *core_;
}

std::optional<Message> StdioConsumer::pop_raw(Timeout timeout) { return core().pop(timeout); }

void StdioConsumer::close() noexcept {
  if (core_ != nullptr) stdio::close_quietly(*core_, true);
}

bool StdioConsumer::closed() const noexcept { return core_ == nullptr || core_->closed(); }
std::uint64_t StdioConsumer::messages() const noexcept {
  return core_ == nullptr ? 0 : core_->messages();
}
std::uint64_t StdioConsumer::stream_bytes() const noexcept {
  return core_ == nullptr ? 0 : core_->stream_bytes();
}
const std::string& StdioConsumer::name() const noexcept {
  return core_ == nullptr ? g_no_stdio_consumer : core_->name();
}

}  // namespace ipc0cp
