// SPDX-License-Identifier: Apache-2.0
// A live scribbler: one process writes random words over the control pages while four others push
// and pop. They may get errors; they must neither crash nor hang.
//
//   scribbler [--seconds N] [--seed N]
//
// A ring lasts a quarter of a second, because a damaged one refuses every call for good.
// Exit status: 0 all is well, 1 a violation, 2 usage.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ipc0cp/log.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "platform/clock.hpp"
#include "shm/layout.hpp"
#include "shm/ring_name.hpp"
#include "shm/segment.hpp"
#include "storm/processes.hpp"

namespace ipc0cp::scribbling {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRingBytes = 256 << 10;
constexpr std::uint32_t kMaxMessages = 64;
constexpr int kWorkers = 4;
constexpr auto kLifeOfARing = 250ms;
/// Closing may wait twice for a second, and the machine may be busy.
constexpr double kWatchdogSeconds = 20.0;
constexpr int kCallsOfAHandle = 500;
constexpr std::size_t kErrorCodes = 32;
constexpr std::size_t kIdentityBytes = offsetof(shm::Header, lock);

struct Worker {
  std::atomic<std::uint32_t> generation{0};  ///< The ring it works on.
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::int64_t> longest_call_ns{0};
  std::array<std::atomic<std::uint64_t>, kErrorCodes> errors{};
};

/// Shared by all processes, outside the ring.
struct Board {
  std::string ring;  ///< Written before the first fork.
  std::atomic<std::uint32_t> generation{1};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> scribbles{0};
  std::array<Worker, kWorkers> workers;
};

Board* g_board = nullptr;
std::uint32_t g_generation = 0;  ///< The one that this process works on.

bool is_over() { return g_board->stop || g_board->generation != g_generation; }

std::string ring_of(std::uint32_t generation) {
  return g_board->ring + "-" + std::to_string(generation);
}
std::string file_of(std::uint32_t generation) { return shm::path_of(ring_of(generation)); }

// ---- traffic ------------------------------------------------------------------------------------

/// Reads everything, as a user would.
unsigned read_all(const Message& message) {
  unsigned sum = 0;
  for (const std::byte byte : message.payload()) sum += static_cast<unsigned>(byte);
  for (const char character : message.metadata()) sum += static_cast<unsigned char>(character);
  return sum;
}

class Traffic {
 public:
  Traffic(Worker& worker, bool produces, std::uint64_t seed)
      : worker_(worker), produces_(produces), random_(seed), payload_(60'000, std::byte{1}) {}

  void run() {
    while (!g_board->stop) {
      g_generation = g_board->generation;
      worker_.generation = g_generation;
      const bool redeliver = g_generation % 2 == 0;
      while (!is_over()) {
        is_refused_ = false;
        attempt([&] { produces_ ? produce(redeliver) : consume(); });
      }
    }
  }

 private:
  /// Any error will do.
  template <class Call>
  void attempt(Call call) {
    const std::int64_t start_ns = platform::now_ns();
    try {
      call();
    } catch (const Error& error) {
      is_refused_ = error.code() == ErrorCode::corrupt_buffer;
      worker_.errors[static_cast<std::size_t>(error.code()) % kErrorCodes] += 1;
    }
    const std::int64_t took_ns = platform::now_ns() - start_ns;
    worker_.calls += 1;
    worker_.longest_call_ns = std::max(worker_.longest_call_ns.load(), took_ns);
  }

  void produce(bool redeliver) {
    SharedRingBufferProducer producer(ring_of(g_generation), kRingBytes,
                                      {.consumer_wait_timeout = 20ms,
                                       .redeliver = redeliver,
                                       .max_messages = kMaxMessages,
                                       .stale = Stale::resume,
                                       .interrupt_check = is_over});
    for (int number = 0; number < kCallsOfAHandle && !is_over() && !is_refused_; ++number) {
      attempt([&] {
        const std::size_t bytes = random_() % (random_() % 4 == 0 ? payload_.size() : 1500);
        if (random_() % 2 == 0) {
          const bool pushed = producer.push_raw({}, std::span(payload_).first(bytes), 20ms);
          worker_.messages += pushed ? 1 : 0;
        } else {
          Loan loan = producer.loan(bytes, 20ms);
          std::fill(loan.bytes().begin(), loan.bytes().end(), std::byte{2});
          worker_.messages += loan.publish({}, 20ms) ? 1 : 0;
        }
      });
      if (random_() % 32 == 0) attempt([&] { static_cast<void>(producer.stats()); });
    }
  }

  void consume() {
    const bool subscribes = random_() % 2 == 0;
    const bool drops = subscribes && random_() % 2 == 0;
    SharedRingBufferConsumer consumer(
        ring_of(g_generation), 0,
        {.auto_attach = false,
         .auto_unlink = false,
         .expected_producers = 1000,
         .interrupt_check = is_over,
         .subscribe = subscribes,
         .overflow = drops ? Overflow::drop_oldest : Overflow::block});
    consumer.attach(100ms);
    std::vector<Message> kept;
    for (int number = 0; number < kCallsOfAHandle && !is_over() && !is_refused_; ++number) {
      attempt([&] {
        std::optional<Message> message = consumer.pop_raw(20ms);
        if (!message) return;
        worker_.messages += 1;
        sum_ += read_all(*message);
        if (random_() % 2 == 0) kept.push_back(std::move(*message));
      });
      if (kept.size() > 5) kept.erase(kept.begin() + static_cast<int>(random_() % kept.size()));
    }
    for (const Message& message : kept) sum_ += read_all(message);
  }

  Worker& worker_;
  bool produces_;
  std::mt19937_64 random_;
  std::vector<std::byte> payload_;
  bool is_refused_ = false;  ///< The handle in use answers nothing but corrupt_buffer.
  unsigned sum_ = 0;
};

// ---- the scribbler ------------------------------------------------------------------------------

class Scribbler {
 public:
  explicit Scribbler(std::uint64_t seed) : random_(seed) {}

  void run() {
    while (!g_board->stop) {
      g_generation = g_board->generation;
      const std::int64_t pauses_us[] = {10, 100, 1000, 10'000};
      const auto pause = std::chrono::microseconds(pauses_us[random_() % 4]);
      std::byte* pages = map();
      while (!is_over()) {
        if (pages != nullptr) scribble(pages);
        std::this_thread::sleep_for(pause);
        if (pages == nullptr) pages = map();
      }
      if (pages != nullptr) munmap(pages, geometry_.arena_offset);
    }
  }

 private:
  /// The control pages of the ring, writable; null while there is none.
  [[nodiscard]] std::byte* map() const {
    const int file = open(file_of(g_generation).c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) return nullptr;
    void* pages =
        mmap(nullptr, geometry_.arena_offset, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return pages == MAP_FAILED ? nullptr : static_cast<std::byte*>(pages);
  }

  void scribble(std::byte* pages) {
    std::byte* place = pages + choose_place() / 4 * 4;
    std::uint64_t word = 0;
    std::memcpy(&word, place, sizeof word);
    word = changed(word);
    std::memcpy(place, &word, random_() % 2 == 0 ? sizeof word : 1 + random_() % 4);
    g_board->scribbles += 1;
  }

  std::size_t choose_place() {
    const std::size_t last = geometry_.arena_offset - 8;
    switch (random_() % 8) {
      case 0:
        // Seldom the identity, which nobody reads but newcomers.
        return random_() % 512 == 0 ? random_() % kIdentityBytes
                                    : kIdentityBytes + random_() % (last - kIdentityBytes);
      case 2:
        return geometry_.records_offset + random_() % (last - geometry_.records_offset);
      case 1:
        return geometry_.slots_offset + random_() % (16 * sizeof(shm::Slot));
      case 3:
        return kIdentityBytes + random_() % (sizeof(shm::Header) - kIdentityBytes);
      case 4:
        return geometry_.descriptors_offset +
               geometry_.relief_descriptor() * sizeof(shm::Descriptor) + random_() % 56;
      default:
        return geometry_.descriptors_offset + random_() % (24 * sizeof(shm::Descriptor));
    }
  }

  std::uint64_t changed(std::uint64_t word) {
    switch (random_() % 6) {
      case 0:
        return 0;
      case 1:
        return ~std::uint64_t{0};
      case 2:
        return word ^ std::uint64_t{1} << random_() % 64;
      case 3:
        return word + random_() % 3 - 1;
      case 4:
        return random_() % 80;
      default:
        return random_();
    }
  }

  std::mt19937_64 random_;
  const shm::Geometry geometry_ = shm::Geometry::of(kRingBytes, kMaxMessages);
};

// ---- the driver ---------------------------------------------------------------------------------

bool has_ended(storm::Child& child) { return child.poll().has_value(); }

/// Waits until every worker has left the ring before this one. @return what went wrong.
std::optional<std::string> await_workers(std::vector<storm::Child>& children) {
  const std::int64_t start_ns = platform::now_ns();
  for (int index = 0; index < kWorkers; ++index) {
    while (g_board->workers[index].generation != g_board->generation) {
      if (has_ended(children[index])) return "worker " + std::to_string(index) + " has died";
      if (static_cast<double>(platform::now_ns() - start_ns) > kWatchdogSeconds * 1e9) {
        return "worker " + std::to_string(index) + " hangs";
      }
      std::this_thread::sleep_for(1ms);
    }
  }
  return std::nullopt;
}

std::optional<std::string> drive(double seconds, std::vector<storm::Child>& children) {
  const std::int64_t end_ns = platform::now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  std::optional<std::string> problem = await_workers(children);
  while (!problem && platform::now_ns() < end_ns) {
    std::this_thread::sleep_for(kLifeOfARing);
    const std::uint32_t before = g_board->generation++;
    problem = await_workers(children);
    unlink(file_of(before).c_str());
  }
  const std::uint32_t last = g_board->generation;
  g_board->stop = true;
  for (storm::Child& child : children) {
    if (!problem && child.wait() != storm::End::orderly) problem = "a process did not end orderly";
  }
  unlink(file_of(last).c_str());
  return problem;
}

void print_report() {
  const std::uint32_t rings = g_board->generation;
  std::printf("%u rings, %llu words scribbled\n", rings,
              static_cast<unsigned long long>(g_board->scribbles.load()));
  std::array<std::uint64_t, kErrorCodes> errors{};
  for (const Worker& worker : g_board->workers) {
    std::printf("%8llu calls %8llu messages, longest call %.3f s\n",
                static_cast<unsigned long long>(worker.calls.load()),
                static_cast<unsigned long long>(worker.messages.load()),
                static_cast<double>(worker.longest_call_ns.load()) / 1e9);
    for (std::size_t code = 0; code < kErrorCodes; ++code) errors[code] += worker.errors[code];
  }
  for (std::size_t code = 0; code < kErrorCodes; ++code) {
    if (errors[code] == 0) continue;
    std::printf("%8llu %s\n", static_cast<unsigned long long>(errors[code]),
                std::string(to_string(static_cast<ErrorCode>(code))).c_str());
  }
}

int run(int count, char** arguments) {
  double seconds = 20;
  auto seed = static_cast<std::uint64_t>(platform::now_ns());
  for (int index = 1; index + 1 < count; index += 2) {
    const std::string name = arguments[index];
    if (name == "--seconds") {
      seconds = std::stod(arguments[index + 1]);
    } else if (name == "--seed") {
      seed = std::stoull(arguments[index + 1]);
    } else {
      std::fprintf(stderr, "unknown option %s\n", name.c_str());
      return 2;
    }
  }
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  set_log_level(LogLevel::off);
  void* memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  g_board = new (memory) Board;
  g_board->ring = "scribbled-" + std::to_string(getpid());
  std::vector<storm::Child> children;
  for (int index = 0; index < kWorkers; ++index) {
    const auto work = [index, seed] {
      Traffic(g_board->workers[index], index % 2 == 0, seed + index + 1).run();
    };
    children.emplace_back(work, false);
  }
  children.emplace_back([seed] { Scribbler(seed).run(); }, false);
  const std::optional<std::string> problem = drive(seconds, children);
  print_report();
  if (problem)
    std::printf("VIOLATION  %s (seed %llu)\n", problem->c_str(),
                static_cast<unsigned long long>(seed));
  return problem ? 1 : 0;
}

}  // namespace
}  // namespace ipc0cp::scribbling

int main(int count, char** arguments) { return ipc0cp::scribbling::run(count, arguments); }
