// SPDX-License-Identifier: Apache-2.0
// ipc0cp replay: a recording into a ring, at the pace at which it was made.
#include <charconv>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>

#include "declared.hpp"
#include "failure.hpp"
#include "file_types.hpp"
#include "interrupt.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/stdio.hpp"
#include "recording.hpp"
#include "ring_ends.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string file;
  std::string name;
  std::string speed = "1";
  std::optional<std::uint64_t> size;
  std::optional<double> timeout;
};

/// A factor; 0 stands for "max".
double parse_speed(const std::string& text) {
  if (text == "max") return 0;
  double speed = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), speed);
  const bool whole = rest == text.data() + text.size() || (*rest == 'x' && rest[1] == '\0');
  if (error != std::errc() || !whole || !(speed > 0) || !std::isfinite(speed)) {
    throw Failure(kWrongUsage,
                  "'" + text + "' is no speed; write a factor above 0 (1, 0.5, 10), or max");
  }
  return speed;
}

class Replaying {
 public:
  Replaying(const Options& options, double speed)
      : options_(options), speed_(speed), timeout_(timeout_of(options.timeout)) {
    if (options.file == "-") {
      input_ = std::make_unique<StdioConsumer>(stream_options());
    } else {
      file_ = open_file(options.file, "rb");
      input_ = std::make_unique<StdioConsumer>(fileno(file_.get()), Ownership::borrowed,
                                               stream_options());
    }
  }

  int run() {
    const std::optional<Message> start = input_->pop_raw();
    if (!start || !is_recording_start(start->metadata())) {
      throw Failure(kFailed, options_.file +
                                 " is no recording; a stream of messages without times goes into "
                                 "a ring with\n  ipc0cp send " +
                                 options_.name + " " + options_.file);
    }
    SharedRingBufferProducer producer = open_producer(options_.name, options_.size, timeout_);
    while (const std::optional<Message> time_frame = input_->pop_raw()) {
      const auto time = time_of(time_frame->metadata(), time_frame->payload());
      const std::optional<Message> message = time ? input_->pop_raw() : std::nullopt;
      if (!message) {
        throw Failure(kFailed, options_.file + " is damaged: message " +
                                   std::to_string(messages_ + 1) + " has no time");
      }
      wait_for(*time);
      if (!producer.push_raw(message->metadata(), message->payload(), timeout_)) {
        throw Failure(kTimedOut, "ring '" + options_.name + "' has had no room for " +
                                     short_time(*options_.timeout));
      }
      // Only now: the first push may have waited for a consumer.
      if (messages_ == 0) start_ = Clock::now();
      ++messages_;
    }
    producer.close();
    return kDone;
  }

 private:
  static StdioConsumerOptions stream_options() {
    StdioConsumerOptions options;
    options.interrupt_check = interrupted;
    return options;
  }

  /// Until it is time for the message: counted from the first one, so that delays do not add up.
  void wait_for(std::uint64_t recorded_ns) {
    if (speed_ == 0) return;
    if (messages_ == 0) {
      first_ns_ = recorded_ns;
      return;
    }
    const double due =
        static_cast<double>(recorded_ns - std::min(recorded_ns, first_ns_)) * 1e-9 / speed_;
    const std::chrono::duration<double> passed = Clock::now() - start_;
    if (due > passed.count() && !sleep_for(due - passed.count())) {
      throw Error(ErrorCode::interrupted, "interrupted");
    }
  }

  const Options& options_;
  double speed_;
  Timeout timeout_;
  FilePointer file_;
  std::unique_ptr<StdioConsumer> input_;
  std::uint64_t messages_ = 0;
  std::uint64_t first_ns_ = 0;
  Clock::time_point start_;
};

}  // namespace

std::function<int()> prepare_replay(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.required_text("file", options->file, kFileKind, "Recording; - for standard input");
  arguments.ring_at("ring", options->name, "Name of the ring");
  arguments.text("--speed", options->speed, "X|max",
                 "1 keeps the times as they were, 2 is twice as fast, max does not wait");
  arguments.bytes("-s,--size", options->size,
                  "Capacity of the ring; without it what is there, or 256M");
  arguments.seconds("-t,--timeout", options->timeout,
                    "How long to wait for room or for a consumer; then exit with 2");
  return [options] { return Replaying(*options, parse_speed(options->speed)).run(); };
}

}  // namespace ipc0cp::cli
