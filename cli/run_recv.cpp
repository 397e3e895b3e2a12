// SPDX-License-Identifier: Apache-2.0
// ipc0cp recv: messages of a ring as a stream, as files, or as lines.
#include <cerrno>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>

#include "declared.hpp"
#include "failure.hpp"
#include "file_types.hpp"
#include "interrupt.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/stdio.hpp"
#include "preview.hpp"
#include "ring_ends.hpp"
#include "standard_streams.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

struct Options {
  std::string name;
  std::optional<std::uint64_t> count;
  std::string directory;
  bool lines = false;
  std::optional<std::uint64_t> size;
  std::optional<double> timeout;
};

/// Where messages go.
class Target {
 public:
  virtual ~Target() = default;
  virtual void write(const Message& message) = 0;
  virtual void close() {}
};

/// @param written whole messages
[[noreturn]] void reader_has_left(std::uint64_t written) {
  throw Failure(kFailed, "the reader of standard output has left after " +
                             counted(written, "message") +
                             "; one more had been taken from the ring, and is lost unless it "
                             "was made with redeliver=True");
}

class StreamTarget final : public Target {
 public:
  StreamTarget() : stream_(options()) {}
  void write(const Message& message) override {
    try {
      stream_.push_raw(message.metadata(), message.payload());
    } catch (const Error& error) {
      if (error.code() != ErrorCode::no_consumers) throw;
      reader_has_left(stream_.messages());
    }
  }
  void close() override { stream_.close(); }

 private:
  static StdioProducerOptions options() {
    StdioProducerOptions options;
    options.interrupt_check = interrupted;
    return options;
  }
  StdioProducer stream_;
};

/// One file for each message, numbered in the order of the ring.
class FileTarget final : public Target {
 public:
  FileTarget(std::filesystem::path directory, std::string name)
      : directory_(std::move(directory)), name_(std::move(name)) {
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    if (error) {
      throw Failure(kFailed, "cannot make " + directory_.string() + ": " + error.message());
    }
  }
  void write(const Message& message) override {
    std::ostringstream file;
    file << name_ << "-" << std::setw(6) << std::setfill('0') << message.id();
    write_message(directory_ / file.str(), message.metadata(), message.payload());
  }

 private:
  std::filesystem::path directory_;
  std::string name_;
};

/// Lines of standard output, each there before the next message is taken: who reads them while they
/// come does not want to wait for a full buffer, and what cannot be written is told of.
class Lines {
 public:
  Lines() { outlive_closed_pipes(); }
  void put(std::string_view line) {
    const bool written = std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
    if (written && std::fputc('\n', stdout) != EOF && std::fflush(stdout) == 0) {
      ++messages_;
      return;
    }
    if (errno == EPIPE) reader_has_left(messages_);
    throw Failure(kFailed, std::string("cannot write standard output: ") + std::strerror(errno) +
                               "; " + counted(messages_, "message") + " are written");
  }

 private:
  std::uint64_t messages_ = 0;
};

/// The payload and the end of a line: of texts and JSON what one wants to grep.
class LineTarget final : public Target {
 public:
  void write(const Message& message) override {
    const auto payload = message.payload();
    lines_.put({reinterpret_cast<const char*>(payload.data()), payload.size()});
  }

 private:
  Lines lines_;
};

/// For eyes.
class TerminalTarget final : public Target {
 public:
  void write(const Message& message) override {
    constexpr std::size_t kTypeWidth = 24;
    constexpr std::size_t kWidth = 60;
    std::ostringstream line;
    line << std::setw(8) << message.id() << "  " << std::left << std::setw(8)
         << one_line(type_of(message.metadata()), kTypeWidth) << std::right << std::setw(10)
         << short_bytes(static_cast<double>(message.payload().size())) << "  "
         << preview(message.metadata(), message.payload(), kWidth);
    lines_.put(line.str());
  }

 private:
  Lines lines_;
};

std::unique_ptr<Target> make_target(const Options& options) {
  if (!options.directory.empty()) {
    return std::make_unique<FileTarget>(options.directory, options.name);
  }
  if (options.lines) return std::make_unique<LineTarget>();
  if (is_terminal(1)) return std::make_unique<TerminalTarget>();
  return std::make_unique<StreamTarget>();
}

int receive(const Options& options) {
  if (options.lines && !options.directory.empty()) {
    throw Failure(kWrongUsage, "--lines and --output say two different things");
  }
  const Timeout timeout = timeout_of(options.timeout);
  // Before the ring is joined: standard output may be no good.
  const std::unique_ptr<Target> target = make_target(options);
  // Who takes a few messages and goes leaves the ring to the next.
  SharedRingBufferConsumer consumer =
      open_consumer(options.name, options.size, timeout, !options.count);
  bool ended = false;
  for (std::uint64_t taken = 0; !options.count || taken < *options.count; ++taken) {
    std::optional<Message> message = consumer.pop_raw(timeout);
    ended = !message;
    if (ended) break;
    try {
      target->write(*message);
    } catch (...) {
      message->requeue();
      throw;
    }
    message->done();
  }
  target->close();
  if (ended && options.count) leave_ended_ring(consumer);
  consumer.close();
  return kDone;
}

}  // namespace

std::function<int()> prepare_recv(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.ring(options->name);
  arguments.number("-n,--count", options->count,
                   "Take so many messages and leave the ring to others; without it, all up to the "
                   "end of the stream");
  arguments.text("-o,--output", options->directory, kDirectoryKind,
                 "Write each message to a file of its type in this directory");
  arguments.flag("-l,--lines", options->lines, "Write each payload and the end of a line");
  arguments.bytes("-s,--size", options->size,
                  "Make the ring with this capacity; without it, wait for its producer");
  arguments.seconds("-t,--timeout", options->timeout,
                    "How long to wait for the ring, and for each message; then exit with 2");
  return [options] { return receive(*options); };
}

}  // namespace ipc0cp::cli
