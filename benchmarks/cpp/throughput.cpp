// SPDX-License-Identifier: Apache-2.0
// One way from one process to another, as fast as it goes: ring, plain pipe, floor, STDIO stream.
//
//   throughput TRANSPORT SECONDS MIN_BYTES MAX_BYTES [all]
//
// The receiver reads every cache line of every message and compares one in 64 with what was sent,
// or every one with `all`. Wrong, lost or missing messages fail the program.
#include <cstdlib>
#include <exception>

#include "measure.hpp"
#include "payload_pool.hpp"
#include "transport_floor.hpp"
#include "transport_pipe.hpp"
#include "transport_ring.hpp"
#include "transport_stdio.hpp"

namespace {

using bench::Link;

constexpr bench::Transport kTransports[] = {bench::kRing, bench::kPipe, bench::kFloor,
                                            bench::kStdioRaw, bench::kStdioApi};
constexpr std::uint64_t kComparedOneIn = 64;

struct Order {
  double seconds;
  std::size_t min_bytes;
  std::size_t max_bytes;
  std::uint64_t compared_one_in;
};

/// What the receiver found.
struct Answer {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t compared = 0;
  std::int64_t elapsed_ns = 0;
  double cpu_seconds = 0;
  std::uint64_t checksum = 0;
};

const bench::Transport& find_transport(std::string_view name) {
  for (const auto& transport : kTransports) {
    if (name == transport.name) return transport;
  }
  throw std::invalid_argument("no such transport: " + std::string(name));
}

Answer receive_all(bench::Receiver& receiver, const Order& order) {
  const bench::PayloadPool pool(order.min_bytes, order.max_bytes);
  Answer answer;
  std::int64_t start = 0;
  double cpu_start = 0;
  for (;;) {
    const auto payload = receiver.receive();
    if (payload.data() == nullptr) break;
    // The first message ends the set-up of both processes; it is not counted.
    if (answer.messages == 0) {
      start = bench::now_ns();
      cpu_start = bench::cpu_seconds();
    } else {
      answer.bytes += payload.size();
    }
    answer.checksum += bench::touch(payload);
    const auto expected = pool.of_message(answer.messages);
    if (payload.size() != expected.size()) throw std::runtime_error("a message of another size");
    if (answer.messages % order.compared_one_in == 0) {
      ++answer.compared;
      if (std::memcmp(payload.data(), expected.data(), payload.size()) != 0) {
        throw std::runtime_error("a message has other contents than were sent");
      }
    }
    ++answer.messages;
  }
  answer.elapsed_ns = bench::now_ns() - start;
  answer.cpu_seconds = bench::cpu_seconds() - cpu_start;
  return answer;
}

void run(const std::vector<std::string>& words, const Order& order) {
  const auto& transport = find_transport(words[0]);
  const bench::PayloadPool pool(order.min_bytes, order.max_bytes);
  const bench::Files files = transport.open_files();
  const std::string name = bench::ring_name("throughput");
  std::vector<std::string> arguments{"receive", name};
  arguments.insert(arguments.end(), words.begin(), words.end());
  bench::Child receiver(arguments, files.receiver);
  if (files.receiver >= 0 && files.receiver != files.sender) close(files.receiver);
  auto sender = transport.make_sender(Link{name, files.sender});
  bench::pin_to_core(0);
  sender->send(pool.of_message(0));
  const double cpu_start = bench::cpu_seconds();
  std::uint64_t messages = 1;
  const auto end = bench::now_ns() + static_cast<std::int64_t>(order.seconds * 1e9);
  while (bench::now_ns() < end) sender->send(pool.of_message(messages++));
  sender.reset();
  const double sender_cpu_seconds = bench::cpu_seconds() - cpu_start;

  const auto answer = receiver.wait<Answer>();
  if (answer.messages != messages || messages < 2) {
    throw std::runtime_error(std::to_string(messages) + " messages were sent and " +
                             std::to_string(answer.messages) + " received");
  }
  const double gigabytes = static_cast<double>(answer.bytes) * 1e-9;
  const double seconds = static_cast<double>(answer.elapsed_ns) * 1e-9;
  bench::print_figures(
      {{"gigabytes_per_second", gigabytes / seconds},
       {"messages_per_second", static_cast<double>(messages - 1) / seconds},
       {"cpu_seconds_per_gigabyte", (sender_cpu_seconds + answer.cpu_seconds) / gigabytes},
       {"messages", static_cast<double>(messages)},
       {"compared", static_cast<double>(answer.compared)}});
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::vector<std::string> words(arguments + 1, arguments + argument_count);
  try {
    std::string name;
    if (words.size() > 2 && words[0] == "receive") {
      name = words[1];
      words.erase(words.begin(), words.begin() + 2);
    }
    if (words.size() < 4) throw std::invalid_argument("TRANSPORT SECONDS MIN_BYTES MAX_BYTES");
    const Order order{std::stod(words[1]), std::stoull(words[2]), std::stoull(words[3]),
                      words.size() > 4 ? 1 : kComparedOneIn};
    if (name.empty()) {
      run(words, order);
    } else {
      auto receiver = find_transport(words[0]).make_receiver(Link{name, STDIN_FILENO});
      bench::pin_to_core(1);
      bench::Child::answer(receive_all(*receiver, order));
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "throughput: %s\n", error.what());
    return 1;
  }
  return 0;
}
