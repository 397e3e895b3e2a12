// SPDX-License-Identifier: Apache-2.0
// The half of the test that has the static library inside.
#include "ipc0cp/ring_buffer.hpp"

namespace {
constexpr std::size_t kTotalDataBytes = std::size_t{1} << 20;
constexpr auto kPatience = std::chrono::seconds(30);
}  // namespace

extern "C" {

/// Something that only exists once per copy.
void* copy_of_the_library() { return reinterpret_cast<void*>(&ipc0cp::close_all_handles); }

/// Sends `count` numbers and closes. 0: done.
int produce(const char* ring, int count) {
  try {
    ipc0cp::SharedRingBufferProducer producer(ring, kTotalDataBytes);
    for (int number = 0; number < count; ++number) {
      if (!producer.push(ipc0cp::TextData(std::to_string(number)), kPatience)) return 1;
    }
  } catch (const ipc0cp::Error&) {
    return 2;
  }
  return 0;
}

/// Receives until the end of the stream; the number of messages, or below 0.
int consume(const char* ring) {
  try {
    ipc0cp::SharedRingBufferConsumer consumer(ring, kTotalDataBytes);
    int received = 0;
    while (auto object = consumer.pop(kPatience)) {
      if (object->as<ipc0cp::TextData>().text() != std::to_string(received)) return -1;
      ++received;
    }
    return received;
  } catch (const ipc0cp::Error&) {
    return -2;
  }
}

}  // extern "C"
