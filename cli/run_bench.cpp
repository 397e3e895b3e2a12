// SPDX-License-Identifier: Apache-2.0
// ipc0cp bench: how fast rings are on this machine, beside a pipe. Two processes at a time; the
// benchmarks of the project (benchmarks/) compare with more, and longer.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "declared.hpp"
#include "failure.hpp"
#include "interrupt.hpp"
#include "ipc0cp/consumer.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/log.hpp"
#include "ipc0cp/producer.hpp"
#include "ring_json.hpp"
#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Buffer = std::vector<std::byte>;

constexpr std::array<std::size_t, 4> kSizes{64, 4 << 10, 64 << 10, 1 << 20};
constexpr std::uint64_t kRingBytes = std::uint64_t{64} << 20;
constexpr int kPipeBytes = 1 << 20;

struct Options {
  bool quick = false;
  bool json = false;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A process that runs a function; ended with this object.
class Child {
 public:
  explicit Child(const std::function<void()>& run) : process_(fork()) {
    if (process_ < 0) throw Failure(kFailed, "cannot start a process");
    if (process_ != 0) return;
    set_log_level(LogLevel::off);
    try {
      run();
    } catch (const Error&) {
      _exit(1);  // The other side has what it wanted.
    }
    _exit(0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (process_ <= 0) return;
    kill(process_, SIGKILL);
    wait();
  }
  /// Until it has ended by itself.
  void wait() { waitpid(std::exchange(process_, 0), nullptr, 0); }

 private:
  pid_t process_;
};

/// Both ends of a pipe.
struct Pipe {
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) throw Failure(kFailed, "cannot make a pipe");
    fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);  // As large as is allowed.
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  /// @return false: the other end is gone.
  [[nodiscard]] bool write_all(const Buffer& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t count = write(ends[1], bytes.data() + done, bytes.size() - done);
      if (count <= 0) return false;
      done += static_cast<std::size_t>(count);
    }
    return true;
  }
  [[nodiscard]] bool read_all(Buffer& bytes) const {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t count = read(ends[0], bytes.data() + done, bytes.size() - done);
      if (count <= 0) return false;
      done += static_cast<std::size_t>(count);
    }
    return true;
  }
  int ends[2] = {-1, -1};
};

/// A name for a ring of this run.
std::string new_name() {
  static int number = 0;
  return "bench-" + std::to_string(getpid()) + "-" + std::to_string(++number);
}

/// How often `once` works within the time, per second; what comes first is not counted.
double rate_of(double seconds, const std::function<bool()>& once) {
  constexpr double kWarmUp = 0.2;
  const auto begin = Clock::now();
  while (seconds_since(begin) < kWarmUp * seconds) {
    if (!once()) throw Failure(kFailed, "the other process has ended");
  }
  const auto start = Clock::now();
  std::uint64_t count = 0;
  double passed = 0;
  while ((passed = seconds_since(start)) < seconds) {
    for (int round = 0; round < 16; ++round, ++count) {
      if (!once()) throw Failure(kFailed, "the other process has ended");
    }
    if (interrupted()) throw Error(ErrorCode::interrupted, "interrupted");
  }
  return static_cast<double>(count) / passed;
}

// ---- one way: copy in, view out -----------------------------------------------------------------

double ring_rate(std::size_t bytes, double seconds) {
  const std::string name = new_name();
  SharedRingBufferConsumer consumer(name, kRingBytes);
  const Child producer([&] {
    SharedRingBufferProducer end(name, 0);
    const Buffer message(bytes);
    while (end.push_raw({}, message)) continue;
  });
  return rate_of(seconds, [&] { return consumer.pop_raw().has_value(); });
}

double pipe_rate(std::size_t bytes, double seconds) {
  const Pipe pipe;
  const Child writer([&] {
    const Buffer message(bytes);
    while (pipe.write_all(message)) continue;
  });
  Buffer message(bytes);
  return rate_of(seconds, [&] { return pipe.read_all(message); });
}

// ---- there and back -----------------------------------------------------------------------------

double ring_round_trips(double seconds) {
  const std::string there = new_name();
  const std::string back = new_name();
  SharedRingBufferConsumer answers(back, kRingBytes);
  Child other([&] {
    SharedRingBufferConsumer questions(there, kRingBytes);
    SharedRingBufferProducer end(back, 0);
    while (const auto message = questions.pop_raw()) end.push_raw({}, message->payload());
  });
  SharedRingBufferProducer producer(there, kRingBytes);
  const Buffer message(kSizes[0]);
  // Whoever reads the questions hears their end and removes their ring, also if this is
  // interrupted.
  const auto end = [&] {
    producer.close();
    other.wait();
  };
  try {
    const double rate = rate_of(
        seconds, [&] { return producer.push_raw({}, message) && answers.pop_raw().has_value(); });
    end();
    return rate;
  } catch (...) {
    end();
    throw;
  }
}

double pipe_round_trips(double seconds) {
  const Pipe there;
  const Pipe back;
  const Child other([&] {
    Buffer message(kSizes[0]);
    while (there.read_all(message) && back.write_all(message)) continue;
  });
  Buffer message(kSizes[0]);
  return rate_of(seconds, [&] { return there.write_all(message) && back.read_all(message); });
}

// ---- together -----------------------------------------------------------------------------------

struct Line {
  std::size_t bytes;
  double ring;
  double pipe;
};

std::string times(double ring, double pipe) { return short_count(ring / pipe) + "x"; }

std::string to_text(const std::vector<Line>& lines, double ring_trips, double pipe_trips) {
  Table table({">SIZE", ">RING", ">", ">PIPE", ">", ">RING/PIPE"});
  for (const Line& line : lines) {
    const auto size = static_cast<double>(line.bytes);
    table.add({short_bytes(size), short_count(line.ring) + " messages/s",
               short_bytes(line.ring * size) + "/s", short_count(line.pipe) + " messages/s",
               short_bytes(line.pipe * size) + "/s", times(line.ring, line.pipe)});
  }
  return table.to_string() + "\nround trip of " + std::to_string(kSizes[0]) + " bytes: ring " +
         short_time(1 / ring_trips) + ", pipe " + short_time(1 / pipe_trips) +
         "\n\nOne process copies messages in, another takes them out: of a ring as views of what "
         "lies there,\nof a pipe of 1 MiB as copies. Figures of a busy machine say little.\n";
}

int measure(const Options& options) {
  const double seconds = options.quick ? 0.25 : 1.5;
  std::vector<Line> lines;
  lines.reserve(kSizes.size());
  for (const std::size_t bytes : kSizes) {
    lines.push_back({bytes, ring_rate(bytes, seconds), pipe_rate(bytes, seconds)});
  }
  const double ring_trips = ring_round_trips(seconds);
  const double pipe_trips = pipe_round_trips(seconds);
  if (!options.json) {
    print_text(to_text(lines, ring_trips, pipe_trips));
    return kDone;
  }
  Json json = {{"seconds_each", seconds}, {"one_way", Json::array()}};
  for (const Line& line : lines) {
    json["one_way"].push_back({{"payload_bytes", line.bytes},
                               {"ring_messages_per_second", line.ring},
                               {"pipe_messages_per_second", line.pipe}});
  }
  json["round_trip"] = {{"payload_bytes", kSizes[0]},
                        {"ring_seconds", 1 / ring_trips},
                        {"pipe_seconds", 1 / pipe_trips}};
  print_json(json, false);
  return kDone;
}

}  // namespace

std::function<int()> prepare_bench(Arguments& arguments) {
  const auto options = std::make_shared<Options>();
  arguments.flag("-q,--quick", options->quick, "In 3 s instead of 20, less exactly");
  arguments.flag("-j,--json", options->json, "As JSON");
  return [options] { return measure(*options); };
}

}  // namespace ipc0cp::cli
