// SPDX-License-Identifier: Apache-2.0
// latest_camera: a slow consumer always gets the newest frame, and the camera never waits.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string_view>
#include <thread>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"

using namespace std::chrono_literals;

constexpr std::size_t kHeight = 480;
constexpr std::size_t kWidth = 640;
// The newest frame, the one that is being written, and what the consumer still looks at.
constexpr std::size_t kRingBytes = 6 * kHeight * kWidth * 3;
constexpr int kFrames = 150;
constexpr auto kFrameTime = 10ms;

/// Nanoseconds of a clock that all processes share.
std::int64_t now_ns() { return std::chrono::steady_clock::now().time_since_epoch() / 1ns; }

void produce(const char* ring) {
  ipc0cp::ProducerOptions options;
  options.overflow = ipc0cp::Overflow::drop_oldest;
  options.depth = 1;
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes, options);
  ipc0cp::NumpyArray frame("|u1", {kHeight, kWidth, 3});
  for (int number = 0; number < kFrames; ++number) {
    // When it was taken: the first eight bytes of its pixels.
    const std::int64_t taken_ns = now_ns();
    std::memcpy(frame.mutable_bytes().data(), &taken_ns, sizeof taken_ns);
    producer.push(frame);
    std::this_thread::sleep_for(kFrameTime);
  }
}

void consume(const char* ring, const char* ages_file) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  std::vector<std::int64_t> taken;
  std::vector<double> ages_ms;
  while (const auto object = consumer.pop()) {
    const auto pixels = object->as<ipc0cp::NumpyArray>().values<std::uint8_t>();
    std::int64_t taken_ns = 0;
    std::memcpy(&taken_ns, pixels.data(), sizeof taken_ns);
    taken.push_back(taken_ns);
    ages_ms.push_back(static_cast<double>(now_ns() - taken_ns) * 1e-6);
    std::this_thread::sleep_for(5 * kFrameTime);
  }
  const bool in_order = std::ranges::adjacent_find(taken, std::greater_equal{}) == taken.end();
  const bool all = taken.size() + consumer.stats().overflowed == kFrames;
  std::cout << "in order: " << (in_order ? "True" : "False") << "\n"
            << "all accounted for: " << (all ? "True" : "False") << "\n";
  if (ages_file == nullptr) return;
  std::ofstream ages(ages_file);
  for (const double age_ms : ages_ms) ages << age_ms << "\n";
}

int main(int argument_count, char** arguments) {
  if (argument_count < 3) {
    std::cerr << "usage: latest_camera produce RING | consume RING [FILE FOR AGES]\n";
    return 2;
  }
  if (arguments[1] == std::string_view("produce")) {
    produce(arguments[2]);
  } else {
    consume(arguments[2], argument_count > 3 ? arguments[3] : nullptr);
  }
}
