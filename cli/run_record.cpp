// SPDX-License-Identifier: Apache-2.0
// ipc0cp record: the messages of a ring and their times into a file.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iostream>
#include <limits>
#include <memory>

#include "declared.hpp"
#include "failure.hpp"
#include "file_types.hpp"
#include "interrupt.hpp"
#include "ipc0cp/inspect.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/stdio.hpp"
#include "recording.hpp"
#include "ring_ends.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string name;
  std::string file;
  std::optional<double> seconds;
  std::optional<double> timeout;
};

/// Producers wait for a worker, and recording is none.
void tell_of_missing_worker(const std::string& name) {
  const inspect::Ring ring = inspect::ring(name);
  if (ring.broadcast || ring.consumers > 0) return;
  std::cerr << "ipc0cp: ring '" << name
            << "' has no worker yet, and its producers wait for one: recording takes nothing from "
               "the queue, and counts for nobody. If nobody else is to read the ring: ipc0cp recv "
            << name << " > /dev/null\n";
}

StdioProducer open_output(const std::string& path) {
  StdioProducerOptions options;
  options.interrupt_check = nullptr;  // A frame that has begun is finished.
  if (path == "-") return StdioProducer(options);
  FilePointer file = open_file(path, "wb");
  const int descriptor = dup(fileno(file.get()));
  return StdioProducer(descriptor, Ownership::owned, options);
}

class Recording {
 public:
  explicit Recording(const Options& options)
      : options_(options),
        timeout_(timeout_of(options.timeout)),
        consumer_(open_subscriber(options.name, timeout_)) {
    tell_of_missing_worker(options.name);
  }

  int run() {
    StdioProducer output = open_output(options_.file);
    start_ = Clock::now();
    put(output, recording_start(options_.name), {});
    bool ended = false;
    try {
      ended = record_until_end(output);
    } catch (const Failure&) {
      close_after_failure(output);
      throw;
    }
    output.close();
    const std::uint64_t missed = consumer_.missed();
    if (ended) leave_ended_ring(consumer_);
    consumer_.close();
    std::cerr << "ipc0cp: recorded " << counted(messages_, "message") << ", "
              << short_bytes(static_cast<double>(bytes_)) << " of ring '" << options_.name
              << "' in " << short_time(elapsed());
    if (missed > 0) std::cerr << "; missed " << counted(missed, "message") << " for want of room";
    std::cerr << "\n";
    return kDone;
  }

 private:
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

  /// What is recorded up to here is whole; if it cannot be ended, either, that has been told.
  static void close_after_failure(StdioProducer& output) {
    try {
      output.close();
    } catch (const Error& error) {
      if (error.code() == ErrorCode::interrupted) throw;
    }
  }

  [[nodiscard]] bool is_over() const { return options_.seconds && elapsed() >= *options_.seconds; }

  /// Until somebody wants this to end.
  [[nodiscard]] double time_left(double waited_since) const {
    double end = std::numeric_limits<double>::infinity();
    if (options_.seconds) end = *options_.seconds;
    if (options_.timeout) end = std::min(end, waited_since + *options_.timeout);
    return end - elapsed();
  }

  /// @return whether the stream has ended; else it was the time, or a signal.
  bool record_until_end(StdioProducer& output) {
    double waited_since = 0;
    while (!interrupted()) {
      const double left = time_left(waited_since);
      if (left <= 0 && is_over()) return false;
      ErrorCode outcome = ErrorCode::ok;
      const std::optional<Message> message =
          consumer_.pop_raw(std::chrono::duration<double>(std::max(left, 0.0)), outcome);
      if (message) {
        write(output, *message);
        waited_since = elapsed();
      } else if (outcome == ErrorCode::end_of_stream) {
        return true;
      } else if (outcome == ErrorCode::timeout) {
        if (options_.timeout && elapsed() - waited_since >= *options_.timeout) {
          throw Failure(kTimedOut, "no message has come to ring '" + options_.name + "' for " +
                                       short_time(*options_.timeout));
        }
      } else if (outcome != ErrorCode::interrupted) {
        // The same again, with the sentence.
        static_cast<void>(consumer_.pop_raw(Timeout::none()));
      }
    }
    return false;
  }

  void put(StdioProducer& output, std::string_view metadata_json,
           std::span<const std::byte> payload) const {
    try {
      output.push_raw(metadata_json, payload);
    } catch (const Error& error) {
      throw Failure(kFailed, options_.file + ": " + error.what() + "; " +
                                 counted(messages_, "message") + " are recorded");
    }
  }

  void write(StdioProducer& output, const Message& message) {
    const auto since = std::chrono::nanoseconds(Clock::now() - start_).count();
    const auto nanoseconds = static_cast<std::uint64_t>(since);
    put(output, kTimeMetadata, std::as_bytes(std::span(&nanoseconds, 1)));
    put(output, message.metadata(), message.payload());
    ++messages_;
    bytes_ += message.payload().size();
  }

  const Options& options_;
  Timeout timeout_;
  SharedRingBufferConsumer consumer_;
  Clock::time_point start_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

std::function<int()> prepare_record(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.ring(options->name);
  arguments.required_text("file", options->file, kFileKind, "File to write; - for standard output");
  arguments.seconds("--for", options->seconds, "Stop after this time; the ring stays");
  arguments.seconds("-t,--timeout", options->timeout,
                    "How long to wait for the ring, and for each message; then exit with 2");
  return [options] { return Recording(*options).run(); };
}

}  // namespace ipc0cp::cli
