// SPDX-License-Identifier: Apache-2.0
// camera: a live source does not wait for a slow consumer; it drops frames and counts them.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string_view>
#include <thread>
#include <vector>

#include "ipc0cp/json.hpp"
#include "ipc0cp/ring_buffer.hpp"

using namespace std::chrono_literals;

constexpr std::size_t kHeight = 480;
constexpr std::size_t kWidth = 640;
// Room for four frames: what the consumer gets is never older than that.
constexpr std::size_t kRingBytes = 4 * kHeight * kWidth * 3;
constexpr int kFrames = 200;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  ipc0cp::NumpyArray frame("|u1", {kHeight, kWidth, 3});
  int dropped = 0;
  for (int number = 0; number < kFrames; ++number) {
    std::ranges::fill(frame.mutable_bytes(), static_cast<std::byte>(number));
    // No room, no frame: the camera goes on. The first one waits for somebody to watch.
    const bool pushed = number == 0 ? producer.push(frame) : producer.try_push(frame);
    if (!pushed) ++dropped;
    std::this_thread::sleep_for(1ms);
  }
  producer.push(ipc0cp::from_json({{"frames", kFrames}, {"dropped", dropped}}));
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  std::vector<int> seen;
  while (const auto object = consumer.pop()) {
    if (object->data->type_name() == "json") {
      const auto sent = ipc0cp::to_json(object->as<ipc0cp::JsonData>());
      const bool all = static_cast<int>(seen.size()) + sent["dropped"].get<int>() == sent["frames"];
      std::cout << "all accounted for: " << (all ? "True" : "False") << "\n";
      break;
    }
    seen.push_back(object->as<ipc0cp::NumpyArray>().values<std::uint8_t>()[0]);
    std::this_thread::sleep_for(5ms);
  }
  const bool in_order = std::ranges::adjacent_find(seen, std::greater_equal{}) == seen.end();
  std::cout << "in order: " << (in_order ? "True" : "False") << "\n";
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: camera produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
