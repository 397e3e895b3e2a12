// SPDX-License-Identifier: Apache-2.0
// One process of a benchmark: a producer or consumer, or one side of a ping-pong, over any of the
// transports in the table below. run_benchmark.py starts them and compares what they print.
//
//   endpoint transports
//   endpoint ROLE --transport NAME --address ADDRESS --index I --producers P --consumers C
//            --min-size B --max-size B --seconds S --mode copy|loan --touch yes|no
//            --check sample|all --core N|-1 --slow-us U --gap-us U
//
// Exit codes: 1 it failed, 2 wrong words, 3 this transport is not available here, 4 nothing came
// for a minute longer than it should have run: a peer has died.
#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include "endpoint_options.hpp"
#include "endpoint_roles.hpp"
#include "transport_floor.hpp"
#include "transport_pipe.hpp"
#include "transport_ring.hpp"
#include "transport_socket.hpp"
#include "transport_stdio.hpp"
#ifdef BENCH_BOOST
#include "transport_boost.hpp"
#endif
#ifdef BENCH_ICEORYX
#include "transport_iceoryx.hpp"
#endif
#ifdef BENCH_ZEROMQ
#include "transport_zeromq.hpp"
#endif

namespace {

constexpr int kFailed = 1;
constexpr int kWrongWords = 2;
constexpr int kNotAvailable = 3;
constexpr int kHung = 4;

/// One line of the table: what `transports` says of it, and how it is run.
struct Entry {
  std::string_view name;
  std::string_view missing;  ///< The package that the build did not find; empty: all there.
  bool many_to_many = false;
  bool lends = false;
  std::size_t max_bytes = 0;
  void (*run)(const bench::Options&) = nullptr;
};

template <bench::Transport T>
void run(const bench::Options& options) {
  switch (options.role) {
    case bench::Role::produce:
      return bench::produce<T>(options);
    case bench::Role::consume:
      return bench::consume<T>(options);
    case bench::Role::ping:
      return bench::ping<T>(options);
    case bench::Role::pong:
      return bench::pong<T>(options);
  }
}

template <bench::Transport T>
constexpr Entry entry() {
  return {T::kName, {}, T::kManyToMany, bench::Lends<typename T::Sender>, T::kMaxBytes, run<T>};
}

[[maybe_unused]] constexpr Entry missing(std::string_view name, std::string_view packages) {
  Entry entry;
  entry.name = name;
  entry.missing = packages;
  return entry;
}

constexpr Entry kEntries[] = {
    entry<bench::RingTransport>(),      entry<bench::RingObjectsTransport>(),
    entry<bench::RingBatchTransport>(), entry<bench::FloorTransport>(),
    entry<bench::PipeTransport>(),      entry<bench::SocketTransport>(),
    entry<bench::StdioRawTransport>(),  entry<bench::StdioApiTransport>(),
#ifdef BENCH_BOOST
    entry<bench::BoostTransport>(),
#else
    missing("boost", "libboost-dev"),
#endif
#ifdef BENCH_ZEROMQ
    entry<bench::ZeromqTransport>(),
#else
    missing("zeromq", "libzmq3-dev"),
#endif
#ifdef BENCH_ICEORYX
    entry<bench::IceoryxTransport>(),
#else
    missing("iceoryx", "libiceoryx-posh-dev and iceoryx"),
#endif
};

void print_transports() {
  const char* separator = "{";
  for (const Entry& entry : kEntries) {
    const std::string why =
        entry.missing.empty() ? "" : "built without " + std::string(entry.missing);
    const std::string max_bytes = entry.max_bytes > 0 ? std::to_string(entry.max_bytes) : "null";
    std::printf(
        "%s\"%.*s\": {\"available\": %s, \"why\": \"%s\", \"roles\": [\"produce\", \"consume\", "
        "\"ping\", \"pong\"], \"mpmc\": %s, \"modes\": [\"copy\"%s], \"max_bytes\": %s}",
        separator, static_cast<int>(entry.name.size()), entry.name.data(),
        entry.missing.empty() ? "true" : "false", why.c_str(),
        entry.many_to_many ? "true" : "false", entry.lends ? ", \"loan\"" : "", max_bytes.c_str());
    separator = ", ";
  }
  std::puts("}");
}

const Entry& find_entry(const bench::Options& options) {
  for (const Entry& entry : kEntries) {
    if (entry.name != options.transport) continue;
    if (!entry.missing.empty()) {
      throw bench::Unavailable("built without " + std::string(entry.missing));
    }
    if (!entry.many_to_many && (options.producers > 1 || options.consumers > 1)) {
      throw std::invalid_argument("it has one producer and one consumer");
    }
    if (entry.max_bytes > 0 && options.max_bytes > entry.max_bytes) {
      throw std::invalid_argument("a message has at most " + std::to_string(entry.max_bytes) +
                                  " bytes, not " + std::to_string(options.max_bytes));
    }
    return entry;
  }
  throw std::invalid_argument("no such transport in C++");
}

/// Only what a signal handler may call: the thread may be anywhere.
void give_up(int /*signal*/) {
  constexpr std::string_view kLine = "endpoint: nothing moves any more, a peer has died\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kLine.data(), kLine.size());
  _exit(kHung);
}

int fail(int code, const std::string& transport, const std::exception& error) {
  const std::string separator = transport.empty() ? "" : ": ";
  std::fprintf(stderr, "endpoint: %s%s%s\n", transport.c_str(), separator.c_str(), error.what());
  return code;
}

}  // namespace

int main(int argument_count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + argument_count);
  std::string transport;
  try {
    if (words.size() == 1 && words[0] == "transports") {
      print_transports();
      return 0;
    }
    const auto options = bench::parse_options(words);
    transport = options.transport;
    std::signal(SIGALRM, give_up);
    std::signal(SIGPIPE, SIG_IGN);
    bench::start_watchdog(options.seconds);
    find_entry(options).run(options);
  } catch (const bench::Unavailable& error) {
    return fail(kNotAvailable, transport, error);
  } catch (const std::invalid_argument& error) {
    return fail(kWrongWords, transport, error);
  } catch (const std::exception& error) {
    return fail(kFailed, transport, error);
  }
  return 0;
}
