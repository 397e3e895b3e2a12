// SPDX-License-Identifier: Apache-2.0
// loan: an array is written where the consumer will read it. Nothing is copied on the way.
#include <iostream>
#include <string_view>

#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;
constexpr std::size_t kHeight = 480;
constexpr std::size_t kWidth = 640;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  for (unsigned number = 0; number < 3; ++number) {
    auto frame = producer.loan_array<std::uint16_t>({kHeight, kWidth});
    for (std::size_t i = 0; i < kHeight * kWidth; ++i) {
      frame.values()[i] = static_cast<std::uint16_t>(number * 1000 + i % kWidth);
    }
    frame.publish();
  }
  // A loan that is not published is given back, also when an exception flies past it.
  auto unfinished = producer.loan_array<std::uint16_t>({kHeight, kWidth});
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  while (const auto object = consumer.pop()) {
    const auto& frame = object->as<ipc0cp::NumpyArray>();
    const auto values = frame.values<std::uint16_t>();
    std::cout << frame.shape()[0] << " x " << frame.shape()[1] << ", " << values.front() << " to "
              << values.back() << "\n";
  }
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: loan produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
