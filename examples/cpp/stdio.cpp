// SPDX-License-Identifier: Apache-2.0
// stdio: the same messages through a shell pipe: produce | invert | consume.
#include <iostream>
#include <numeric>
#include <string>

#include "ipc0cp/stdio.hpp"

void push(ipc0cp::StdioProducer& producer, std::string camera, ipc0cp::NumpyArray frame) {
  ipc0cp::MapData message;
  message.add("camera", ipc0cp::TextData(std::move(camera)));
  message.add("frame", std::move(frame));
  producer.push(message);
}

void produce() {
  ipc0cp::StdioProducer producer;
  std::cout << "sending three frames\n";  // Standard output is the stream's: this goes to errors.
  for (const std::uint8_t brightness : {0, 55, 155}) {
    const std::vector<std::uint8_t> frame(480 * 640, brightness);
    push(producer, "front door", ipc0cp::NumpyArray::from(frame, {480, 640}));
  }
  // Leaving ends the stream. If an exception leaves, the next program learns of that, too.
}

void invert() {
  ipc0cp::StdioConsumer consumer;
  ipc0cp::StdioProducer producer;
  while (const auto object = consumer.pop()) {
    const auto& message = object->as<ipc0cp::MapData>();
    auto frame = message.as<ipc0cp::NumpyArray>("frame").clone();
    for (std::uint8_t& value : frame.mutable_values<std::uint8_t>()) value = 255 - value;
    push(producer, std::string(message.as<ipc0cp::TextData>("camera").text()), std::move(frame));
  }
}

void consume() {
  ipc0cp::StdioConsumer consumer;
  while (const auto object = consumer.pop()) {
    const auto& message = object->as<ipc0cp::MapData>();
    const auto values = message.as<ipc0cp::NumpyArray>("frame").values<std::uint8_t>();
    const auto sum = std::accumulate(values.begin(), values.end(), std::size_t{0});
    std::cout << message.as<ipc0cp::TextData>("camera").text() << ": " << sum / values.size()
              << "\n";
  }
  std::cout << "end of stream\n";
}

int main(int argument_count, char** arguments) {
  const std::string part = argument_count == 2 ? arguments[1] : "";
  if (part != "produce" && part != "invert" && part != "consume") {
    std::cerr << "usage: stdio produce|invert|consume\n";
    return 2;
  }
  (part == "produce" ? produce : part == "invert" ? invert : consume)();
}
