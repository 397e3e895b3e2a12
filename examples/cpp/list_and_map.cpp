// SPDX-License-Identifier: Apache-2.0
// list_and_map: one message of several parts, a frame together with what was found in it.
#include <iostream>
#include <numeric>
#include <string>
#include <string_view>

#include "ipc0cp/json.hpp"
#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;

ipc0cp::MapData box(const std::string& label, double score, std::size_t height, std::size_t width) {
  ipc0cp::MapData box;
  box.add("label", ipc0cp::TextData(label));
  box.add("score", ipc0cp::from_json(score));
  ipc0cp::NumpyArray mask("|b1", {height, width});
  std::ranges::fill(mask.mutable_values<bool>(), true);
  box.add("mask", std::move(mask));
  return box;
}

void produce(const char* ring) {
  ipc0cp::NumpyArray frame("|u1", {480, 640, 3});
  std::ranges::fill(frame.mutable_bytes(), std::byte{64});
  ipc0cp::ListData boxes;
  boxes.add(box("cat", 0.75, 20, 30));
  boxes.add(box("dog", 0.5, 10, 10));
  ipc0cp::MapData message;
  message.add("camera", ipc0cp::TextData("front door"));
  message.add("frame", std::move(frame));
  message.add("boxes", std::move(boxes));
  ipc0cp::SharedRingBufferProducer(ring, kRingBytes).push(message);
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  while (const auto object = consumer.pop()) {
    const auto& message = object->as<ipc0cp::MapData>();
    // The frame and the masks are views of one block of the ring.
    const auto& frame = message.as<ipc0cp::NumpyArray>("frame");
    std::cout << message.as<ipc0cp::TextData>("camera").text() << ": " << frame.shape()[0] << " x "
              << frame.shape()[1] << " x " << frame.shape()[2] << ", first "
              << int{frame.values<std::uint8_t>()[0]} << "\n";
    for (const auto& item : message.as<ipc0cp::ListData>("boxes").items()) {
      const auto& box = dynamic_cast<const ipc0cp::MapData&>(*item);
      const auto mask = box.as<ipc0cp::NumpyArray>("mask").values<bool>();
      std::cout << box.as<ipc0cp::TextData>("label").text() << " "
                << box.as<ipc0cp::JsonData>("score").text() << ", "
                << std::accumulate(mask.begin(), mask.end(), 0) << " pixels\n";
    }
  }
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: list_and_map produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
