// SPDX-License-Identifier: Apache-2.0
// hello: objects go in on one side and come out on the other, until the end of the stream.
#include <iostream>
#include <string_view>

#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 1 << 20;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  producer.push(ipc0cp::TextData("hello"));
  producer.push(ipc0cp::JsonData(R"({"from":"a producer","to":["a","consumer"]})"));
  producer.push(ipc0cp::NumpyArray::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}));
  // Leaving ends the stream: nothing has to be sent for it.
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  while (auto object = consumer.pop()) {
    std::cout << object->data->type_name() << " ";
    if (object->data->type_name() == "text") {
      std::cout << object->as<ipc0cp::TextData>().text() << "\n";
    } else if (object->data->type_name() == "json") {
      std::cout << object->as<ipc0cp::JsonData>().text() << "\n";
    } else {
      const auto values = object->as<ipc0cp::NumpyArray>().values<float>();
      std::cout << values.front() << " to " << values.back() << "\n";
    }
  }
  std::cout << "end of stream\n";
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: hello produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
