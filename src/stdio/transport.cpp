// SPDX-License-Identifier: Apache-2.0
#include "stdio/transport.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <thread>
#include <utility>

#include "platform/clock.hpp"
#include "platform/standard_stream.hpp"

namespace ipc0cp::stdio {
namespace {

/// The default largest size of a pipe; twice as fast as the default size.
constexpr std::size_t kPipeBytes = std::size_t{1} << 20;

std::string stream_name(Direction direction, const std::string& end) {
  return (direction == Direction::read ? "the stream from " : "the stream to ") + end;
}

[[noreturn]] void fail_to_open(const std::string& name, Direction direction, int error) {
  const std::string verb = direction == Direction::read ? "reading" : "writing";
  switch (error) {
    case EBADF:
      throw Error(ErrorCode::invalid_argument, name + " is not open");
    case EACCES:
      throw Error(ErrorCode::invalid_argument, name + " is not open for " + verb);
    case ENOTTY:
      throw Error(ErrorCode::invalid_argument,
                  name +
                      " is a terminal, and a stream is not text: connect the programs by a "
                      "pipe, as in `producer | consumer`, or use a file");
    case EPROTOTYPE:
      throw Error(ErrorCode::invalid_argument,
                  name + " is a socket that keeps records apart; use a stream socket");
    default:
      throw Error(ErrorCode::system_error, name + ": " + std::strerror(error), error);
  }
}

class DescriptorTransport : public Transport {
 public:
  DescriptorTransport(platform::StreamDescriptor descriptor, std::string name)
      : descriptor_(std::move(descriptor)), name_(std::move(name)) {
    descriptor_.enlarge_pipe(kPipeBytes);
  }

  std::optional<std::size_t> read_some(Parts parts) override {
    return moved(descriptor_.read_some(parts));
  }

  std::optional<std::size_t> write_some(ConstParts parts) override {
    const platform::Transfer written = descriptor_.write_some(parts);
    if (written.error == EPIPE || written.error == ECONNRESET) {
      throw Error(ErrorCode::no_consumers, name_ + ": the reader has left");
    }
    return moved(written);
  }

  void wait(std::int64_t wait_ns) override { descriptor_.wait(wait_ns); }
  void forget() noexcept override { descriptor_.reset(); }

 protected:
  [[nodiscard]] const platform::StreamDescriptor& descriptor() const noexcept {
    return descriptor_;
  }

 private:
  [[nodiscard]] std::optional<std::size_t> moved(const platform::Transfer& transfer) const {
    if (transfer.error == 0) return transfer.bytes;
    if (transfer.error == EAGAIN) return std::nullopt;
    const ErrorCode code = transfer.error == ENOSPC || transfer.error == EDQUOT
                               ? ErrorCode::no_space
                               : ErrorCode::system_error;
    throw Error(code, name_ + ": " + std::strerror(transfer.error), transfer.error);
  }

  platform::StreamDescriptor descriptor_;
  std::string name_;
};

/// Which standard streams this process has taken; a forked child has them taken as well, because
/// what it finds in their place is not the stream.
std::array<std::atomic<bool>, 2> g_taken;

/// The right to a standard stream, and its diversion.
class StandardStream {
 public:
  StandardStream(int number, const std::string& name, void (*hook)(bool))
      : number_(number), is_taken_(g_taken[static_cast<std::size_t>(number)]) {
    if (is_taken_.exchange(true)) {
      throw Error(ErrorCode::invalid_argument,
                  name +
                      " is taken by another stream of this process, or of the process it was "
                      "forked from; close that one first, or use a descriptor");
    }
    hook_ = hook;
  }
  StandardStream(const StandardStream&) = delete;
  StandardStream& operator=(const StandardStream&) = delete;
  ~StandardStream() {
    if (original_ >= 0) {
      flush(false);
      platform::restore_standard_stream(number_, original_);
    }
    is_taken_ = false;
  }

  /// @param original a descriptor of the stream that stays open longer than this object
  int divert(int original) {
    const int error = platform::divert_standard_stream(number_);
    if (error != 0) return error;
    original_ = original;
    // What is in a buffer now would sooner or later be written between two frames.
    flush(true);
    return 0;
  }

 private:
  void flush(bool taken) const {
    if (number_ != platform::kStandardOutput) return;
    std::cout.flush();
    std::fflush(stdout);
    if (hook_ != nullptr) hook_(taken);
  }

  int number_;
  std::atomic<bool>& is_taken_;
  int original_ = -1;
  void (*hook_)(bool) = nullptr;
};

class StandardTransport final : public DescriptorTransport {
 public:
  StandardTransport(platform::StreamDescriptor descriptor, const std::string& name,
                    std::unique_ptr<StandardStream> stream)
      : DescriptorTransport(std::move(descriptor), name), stream_(std::move(stream)) {}

 private:
  std::unique_ptr<StandardStream> stream_;  // Destroyed before the descriptor it gives back.
};

class StreamTransport final : public Transport {
 public:
  explicit StreamTransport(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  std::optional<std::size_t> read_some(Parts parts) override {
    return stream_->read_some(first_of(parts));
  }
  std::optional<std::size_t> write_some(ConstParts parts) override {
    return stream_->write_some(first_of(parts));
  }
  void flush() override { stream_->flush(); }
  /// There is nothing to sleep on, so it is asked again soon.
  void wait(std::int64_t wait_ns) override {
    std::this_thread::sleep_for(
        std::chrono::nanoseconds(std::min(wait_ns, platform::kMillisecond)));
  }

 private:
  template <class Byte>
  static std::span<Byte> first_of(std::span<const std::span<Byte>> parts) {
    return *std::find_if(parts.begin(), parts.end(), [](auto part) { return !part.empty(); });
  }

  std::unique_ptr<ByteStream> stream_;
};

}  // namespace

NamedTransport open_descriptor(int descriptor, Ownership ownership, Direction direction) {
  std::string name = "descriptor " + std::to_string(descriptor);
  platform::StreamDescriptor opened;
  const int error = ownership == Ownership::owned
                        ? opened.open(platform::File(descriptor), direction)
                        : opened.open(descriptor, direction);
  if (error != 0) fail_to_open(name, direction, error);
  name = stream_name(direction, name);
  auto transport = std::make_unique<DescriptorTransport>(std::move(opened), name);
  return {std::move(transport), std::move(name)};
}

NamedTransport take_standard_stream(Direction direction, void (*hook)(bool taken)) {
  const bool reads = direction == Direction::read;
  const int number = reads ? platform::kStandardInput : platform::kStandardOutput;
  std::string name = reads ? "standard input" : "standard output";
  platform::StreamDescriptor descriptor;  // Outlives the diversion that gives it back.
  auto stream = std::make_unique<StandardStream>(number, name, hook);
  if (!reads && platform::standard_error_is_standard_output()) {
    throw Error(ErrorCode::invalid_argument,
                "standard output and standard error are the same (2>&1), so any warning would "
                "damage the stream; separate them");
  }
  platform::File copy;
  int error = platform::duplicate(number, copy);
  if (error == 0) error = descriptor.open(std::move(copy), direction);
  if (error == 0) error = stream->divert(descriptor.number());
  if (error != 0) fail_to_open(name, direction, error);
  name = stream_name(direction, name);
  auto transport =
      std::make_unique<StandardTransport>(std::move(descriptor), name, std::move(stream));
  return {std::move(transport), std::move(name)};
}

NamedTransport wrap_stream(std::unique_ptr<ByteStream> stream, Direction direction) {
  if (stream == nullptr) throw Error(ErrorCode::invalid_argument, "the byte stream is null");
  std::string name = stream_name(direction, stream->name());
  return {std::make_unique<StreamTransport>(std::move(stream)), std::move(name)};
}

}  // namespace ipc0cp::stdio
