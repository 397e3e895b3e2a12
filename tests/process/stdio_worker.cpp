// SPDX-License-Identifier: Apache-2.0
// One program of a pipeline: `stdio_worker role=...`, which reads standard input and writes
// standard output. python/tests/process/python_stdio_worker.py has the same roles.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "ipc0cp/stdio.hpp"
#include "objects/codec.hpp"
#include "ring_worker.hpp"

namespace ipc0cp_process_test {
namespace {

using Json = nlohmann::json;

std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t index = 0; index + 1 < text.size(); index += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(index, 2), nullptr, 16)));
  }
  return bytes;
}

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    text += kDigits[std::to_integer<unsigned>(byte) & 0xFU];
  }
  return text;
}

/// Pushes the object of each golden vector of the given files.
void send_vectors(const Options& options) {
  ipc0cp::StdioProducer producer;
  std::istringstream paths(options.text("vectors"));
  for (std::string path; std::getline(paths, path, ',');) {
    std::ifstream file(path);
    for (const Json& vector : Json::parse(file)) {
      const ipc0cp::BytesData payload(from_hex(vector["payload_hex"]));
      const auto object =
          ipc0cp::codec::decode(vector["metadata"].get<std::string>(), {payload.bytes(), nullptr});
      producer.push(*object);
    }
  }
}

/// Pops objects and pushes them again.
void relay() {
  ipc0cp::StdioConsumer consumer;
  ipc0cp::StdioProducer producer;
  while (const auto object = consumer.pop()) producer.push(*object->data);
}

/// Prints each object as it would be sent again.
void print_messages() {
  ipc0cp::StdioConsumer consumer;
  while (const auto object = consumer.pop()) {
    std::vector<std::byte> payload(object->data->payload_bytes());
    object->data->write_payload(payload);
    const Json line = {{"metadata", std::string(object->data->metadata_json())},
                       {"payload_hex", to_hex(payload)}};
    std::cout << line.dump() << '\n';
  }
}

/// Sends numbered messages: `count`, or until somebody ends it.
void flood(const Options& options) {
  const std::uint64_t count = options.number("count", ~std::uint64_t{0});
  std::vector<std::byte> payload(options.number("bytes", 100'000));
  ipc0cp::StdioProducer producer;
  for (std::uint64_t sequence = 0; sequence < count; ++sequence) {
    fill(payload, 1, sequence);
    producer.push_raw(R"({"type":"bytes","version":"1.0"})", payload);
  }
}

/// Checks numbered messages and prints how many came.
void drain(const Options& options) {
  const std::uint64_t count = options.number("count", ~std::uint64_t{0});
  std::uint64_t received = 0;
  ipc0cp::StdioConsumer consumer;
  while (received < count) {
    const auto message = consumer.pop_raw();
    if (!message) break;
    if (check(message->payload()).sequence != received) {
      throw std::runtime_error("message " + std::to_string(received) + " is another one");
    }
    ++received;
  }
  std::cout << received << '\n';
}

int run(int count, char** arguments) {
  const Options options(count, arguments);
  // The watchdog: SIGALRM ends a worker that hangs.
  alarm(static_cast<unsigned>(options.number("alarm", 60)));
  const std::string role = options.text("role");
  if (role == "send_vectors") {
    send_vectors(options);
  } else if (role == "relay") {
    relay();
  } else if (role == "print_messages") {
    print_messages();
  } else if (role == "flood") {
    flood(options);
  } else if (role == "drain") {
    drain(options);
  } else {
    throw std::runtime_error("role=send_vectors, relay, print_messages, flood or drain");
  }
  return 0;
}

}  // namespace
}  // namespace ipc0cp_process_test

int main(int count, char** arguments) {
  try {
    return ipc0cp_process_test::run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stdio_worker: %s\n", error.what());
    return 1;
  }
}
