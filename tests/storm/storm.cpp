// SPDX-License-Identifier: Apache-2.0
// A storm of kills: eight processes push, pop, hold views, and die at any moment; in the end every
// message is accounted for.
//
//   storm [--seconds N] [--kills-per-second N] [--seed N] [--processes N] [--total BYTES]
//         [--smallest BYTES] [--largest BYTES] [--held N] [--subscribers N] [--redeliver]
//         [--namespaces] [--trim]
//
// `--subscribers`: so many processes more, each of which gets every message.
// `--redeliver`: what a killed consumer had not finished comes again, nothing is lost.
// `--trim`: everybody gives memory of the ring back now and then.
// `--namespaces`: each process is PID 1 in a PID and a user namespace of its own.
// Exit status: 0 all is well, 1 a violation, 2 usage, 77 this machine forbids namespaces.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "account.hpp"
#include "ipc0cp/log.hpp"
#include "ledger.hpp"
#include "platform/clock.hpp"
#include "processes.hpp"
#include "shm/ring_name.hpp"
#include "workers.hpp"

namespace ipc0cp::storm {
namespace {

constexpr int kSkipped = 77;
constexpr int kUsage = 2;
constexpr double kMostIdleSeconds = 10.0;

struct Options {
  Settings settings;
  double seconds = 5;
  double kills_per_second = 300;
  std::uint64_t seed = static_cast<std::uint64_t>(platform::now_ns());
  std::size_t processes = 8;
  bool own_namespaces = false;
};

bool parse(int count, char** arguments, Options& options) {
  for (int index = 1; index < count; ++index) {
    const std::string name = arguments[index];
    if (name == "--redeliver") {
      options.settings.redeliver = true;
      continue;
    }
    if (name == "--trim") {
      options.settings.trim = true;
      continue;
    }
    if (name == "--namespaces") {
      options.own_namespaces = true;
      continue;
    }
    if (++index == count) return false;
    const std::string value = arguments[index];
    if (name == "--seconds") {
      options.seconds = std::stod(value);
    } else if (name == "--kills-per-second") {
      options.kills_per_second = std::stod(value);
    } else if (name == "--seed") {
      options.seed = std::stoull(value);
    } else if (name == "--processes") {
      options.processes = std::stoull(value);
    } else if (name == "--total") {
      options.settings.total_bytes = std::stoull(value);
    } else if (name == "--smallest") {
      options.settings.smallest_bytes = std::stoull(value);
    } else if (name == "--largest") {
      options.settings.largest_bytes = std::stoull(value);
    } else if (name == "--held") {
      options.settings.most_held = std::stoull(value);
    } else if (name == "--subscribers") {
      options.settings.subscribers = std::stoull(value);
    } else {
      return false;
    }
  }
  return true;
}

enum class Kind { producer, consumer, subscriber, dropping_subscriber };

/// One process of the storm, and its entry in the ledger if its kind has one.
struct Worker {
  Kind kind;
  std::uint32_t index;
  Child child;
  bool stopped = false;
};

class Storm {
 public:
  Storm(const Options& options, Ledger& ledger)
      : options_(options),
        ledger_(ledger),
        dice_(options.seed),
        keeper_([&] { keep_ring(options.settings, ledger); }, options.own_namespaces) {
    wait_for(ledger.ring_is_kept, keeper_);
    for (std::size_t index = 0; index < options.processes; ++index) {
      workers_.push_back(start(index % 2 == 0 ? Kind::producer : Kind::consumer));
    }
    for (std::size_t index = 0; index < options.settings.subscribers; ++index) {
      workers_.push_back(start(index % 2 == 0 ? Kind::subscriber : Kind::dropping_subscriber));
    }
  }

  void rage() {
    std::exponential_distribution<> pause_seconds(options_.kills_per_second);
    const std::int64_t start_ns = platform::now_ns();
    const auto end_ns = start_ns + static_cast<std::int64_t>(options_.seconds * 1e9);
    moved_at_ns_ = start_ns;
    std::int64_t next_ns = start_ns;
    while (platform::now_ns() < end_ns && ledger_.producers < kMostProducers - 1 &&
           ledger_.consumers < kMostConsumers - 1) {
      next_ns += static_cast<std::int64_t>(pause_seconds(dice_) * 1e9);
      next_ns = std::max(next_ns, platform::now_ns() - platform::kMillisecond);
      std::this_thread::sleep_for(std::chrono::nanoseconds(next_ns - platform::now_ns()));
      strike(workers_[dice_() % workers_.size()]);
      bury_the_dead(false);
      watch_progress();
    }
    seconds_ = static_cast<double>(platform::now_ns() - start_ns) / 1e9;
  }

  /// All go on and end; one ordinary consumer takes the rest, up to the end of the stream.
  void settle() {
    bury_the_dead(true);
    for (Worker& worker : workers_) worker.child.go_on();
    const std::uint32_t index = ledger_.consumers++;
    Child last([&] { consume_the_rest(options_.settings, ledger_, index); }, false);
    // If it came when all have left, it would wait for the producers of another run.
    wait_for(ledger_.last_has_joined, last);
    ledger_.stop.store(true);
    for (Worker& worker : workers_) expect_orderly(worker.child.wait());
    expect_orderly(keeper_.wait());
    ledger_.stop.store(false);
    expect_orderly(last.wait());
    if (!ledger_.last_has_ended.load()) throw Violation("the end of the stream never came");
  }

  [[nodiscard]] Report report() const {
    return {.kills = kills_,
            .stops = stops_,
            .seconds = seconds_,
            .longest_stall_seconds = static_cast<double>(longest_stall_ns_) / 1e9};
  }

 private:
  Worker start(Kind kind) {
    const std::uint64_t seed = dice_();
    const Settings& settings = options_.settings;
    std::uint32_t index = 0;
    if (kind == Kind::producer) index = ledger_.producers++;
    if (kind == Kind::consumer) index = ledger_.consumers++;
    const auto work = [this, &settings, kind, index, seed] {
      switch (kind) {
        case Kind::producer:
          return produce(settings, ledger_, index, seed);
        case Kind::consumer:
          return consume(settings, ledger_, index, seed);
        default:
          return subscribe(settings, ledger_, kind == Kind::dropping_subscriber, seed);
      }
    };
    return {kind, index, Child(work, options_.own_namespaces)};
  }

  /// Most are killed; some are stopped, and go on or are killed when they are struck again.
  void strike(Worker& victim) {
    if (const auto ended = victim.child.poll()) {  // A producer whose entry was full.
      expect_orderly(*ended);
    } else if (dice_() % 8 == 0) {
      victim.stopped ? victim.child.go_on() : victim.child.stop();
      victim.stopped = !victim.stopped;
      ++stops_;
      return;
    } else {
      victim.child.kill();
      dying_.push_back(std::move(victim));
    }
    victim = start(victim.kind);
  }

  /// Not waited for at once: the end of a process takes longer than the time between two kills.
  void bury_the_dead(bool all) {
    std::erase_if(dying_, [&](Worker& worker) {
      const std::optional<End> end = all ? worker.child.wait() : worker.child.poll();
      if (end == End::failed) throw Violation("a process failed");
      if (end == End::killed) {
        ++kills_;
        mark_killed(worker);
      }
      return end.has_value();
    });
  }

  void mark_killed(const Worker& victim) {
    if (victim.kind == Kind::producer) {
      ledger_.producer[victim.index].killed = true;
    } else if (victim.kind == Kind::consumer) {
      ledger_.consumer[victim.index].killed = true;
    }
  }

  void watch_progress() {
    const std::uint64_t noted = ledger_.noted.load();
    const std::int64_t now_ns = platform::now_ns();
    longest_stall_ns_ = std::max(longest_stall_ns_, now_ns - moved_at_ns_);
    if (noted != noted_) {
      noted_ = noted;
      moved_at_ns_ = now_ns;
    }
    if (static_cast<double>(now_ns - moved_at_ns_) > kMostIdleSeconds * 1e9) {
      throw Violation("nothing has arrived for " + std::to_string(kMostIdleSeconds) + " s");
    }
  }

  static void wait_for(const std::atomic<bool>& joined, Child& child) {
    while (!joined.load()) {
      if (child.poll()) throw Violation("a process that nobody struck did not join");
      usleep(1000);
    }
  }

  static void expect_orderly(End end) {
    if (end == End::killed) throw Violation("a process was killed, and not by the storm");
    if (end != End::orderly) throw Violation("a process did not end as it should");
  }

  const Options& options_;
  Ledger& ledger_;
  std::mt19937_64 dice_;
  Child keeper_;
  std::vector<Worker> workers_;
  std::vector<Worker> dying_;
  std::uint64_t kills_ = 0;
  std::uint64_t stops_ = 0;
  double seconds_ = 0;
  std::uint64_t noted_ = 0;
  std::int64_t moved_at_ns_ = 0;
  std::int64_t longest_stall_ns_ = 0;
};

int run(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) {
    std::fprintf(stderr, "unknown or incomplete option; see the head of storm.cpp\n");
    return kUsage;
  }
  if (options.own_namespaces && !namespaces_are_permitted()) {
    std::puts("skipped: namespaces are not permitted here");
    return kSkipped;
  }
  options.settings.ring = "storm-" + std::to_string(getpid());
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);             // Before the children inherit it.
  set_log_level(LogLevel::error);  // Each death has its line.
  const std::unique_ptr<Ledger, void (*)(Ledger*)> ledger(Ledger::create(), &Ledger::destroy);
  const std::string file = shm::path_of(options.settings.ring);
  try {
    Storm storm(options, *ledger);
    storm.rage();
    storm.settle();
    print_account(settle_account(*ledger, options.settings.redeliver), storm.report());
    if (access(file.c_str(), F_OK) == 0) throw Violation(file + " is still there");
  } catch (const Violation& violation) {
    std::printf("VIOLATION  %s\n", violation.what());
    unlink(file.c_str());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace ipc0cp::storm

int main(int count, char** arguments) { return ipc0cp::storm::run(count, arguments); }
