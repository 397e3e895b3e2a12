// SPDX-License-Identifier: Apache-2.0
// poll: asks for messages between other work; nothing there is an answer, not an exception.
#include <chrono>
#include <iostream>
#include <string_view>
#include <thread>

#include "ipc0cp/ring_buffer.hpp"

using namespace std::chrono_literals;
using ipc0cp::ErrorCode;

constexpr std::size_t kRingBytes = 1 << 20;
constexpr int kNumbers = 10;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  for (int number = 0; number < kNumbers; ++number) {
    ErrorCode outcome{};
    if (!producer.push(ipc0cp::JsonData(std::to_string(number)), 10s, outcome)) {
      std::cerr << ipc0cp::to_string(outcome) << ": " << ipc0cp::explain(outcome) << "\n";
    }
    std::this_thread::sleep_for(5ms);
  }
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  int received = 0;
  ErrorCode outcome{};
  while (outcome == ErrorCode::ok || outcome == ErrorCode::buffer_empty) {
    if (consumer.try_pop(outcome)) {
      ++received;
    } else if (outcome == ErrorCode::buffer_empty) {
      std::this_thread::sleep_for(1ms);  // A program would draw a picture, or move a robot.
    }
  }
  std::cout << received << " numbers, then " << ipc0cp::to_string(outcome) << "\n";
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: poll produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
