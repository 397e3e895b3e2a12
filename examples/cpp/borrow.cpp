// SPDX-License-Identifier: Apache-2.0
// borrow: what comes out is a view of the ring, and stays valid as long as somebody keeps it.
#include <array>
#include <iostream>
#include <numeric>
#include <optional>
#include <string_view>

#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;
constexpr std::size_t kFrameBytes = 640 * 480;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  for (const unsigned char brightness : std::array<unsigned char, 5>{40, 90, 200, 60, 10}) {
    const std::vector<unsigned char> frame(kFrameBytes, brightness);
    producer.push(ipc0cp::NumpyArray::from(frame, {480, 640}));
  }
}

void consume(const char* ring) {
  std::optional<ipc0cp::NumpyArray> brightest;
  {
    ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
    while (auto object = consumer.pop()) {
      auto& frame = object->as<ipc0cp::NumpyArray>();
      const bool is_brighter =
          !brightest || frame.values<unsigned char>()[0] > brightest->values<unsigned char>()[0];
      // A copy of the object shares the memory of the ring; the pixels stay where they are.
      if (is_brighter) brightest.emplace(frame);
    }
  }
  // The consumer has left and the ring has no name any more. The view is still good.
  const auto values = brightest->values<unsigned char>();
  const auto sum = std::accumulate(values.begin(), values.end(), std::size_t{0});
  std::cout << "brightest " << sum / values.size() << ", writable "
            << (brightest->writable() ? "yes" : "no") << "\n";
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: borrow produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
