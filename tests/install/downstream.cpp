// SPDX-License-Identifier: Apache-2.0
// Sends itself one message through a ring named by its argument; succeeds if it comes back whole.
#include <chrono>
#include <iostream>

#include "ipc0cp/ring_buffer.hpp"

int main(int argument_count, char** arguments) {
  if (argument_count != 2) return 2;
  try {
    constexpr std::size_t kTotalDataBytes = std::size_t{1} << 20;
    ipc0cp::SharedRingBufferConsumer consumer(arguments[1], kTotalDataBytes);
    ipc0cp::SharedRingBufferProducer producer(arguments[1], kTotalDataBytes);
    producer.push(ipc0cp::TextData("over there"), std::chrono::seconds(10));
    producer.close();
    auto object = consumer.pop(std::chrono::seconds(10));
    if (!object || object->as<ipc0cp::TextData>().text() != "over there") return 1;
    if (consumer.pop(std::chrono::seconds(10))) return 1;
    // Only with exported type information can an error cross the border of a shared library.
    try {
      ipc0cp::SharedRingBufferProducer refused("no/such/name", kTotalDataBytes);
      return 1;
    } catch (const ipc0cp::Error& error) {
      if (error.code() != ipc0cp::ErrorCode::invalid_argument) return 1;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
