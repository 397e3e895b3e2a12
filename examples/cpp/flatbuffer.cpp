// SPDX-License-Identifier: Apache-2.0
// flatbuffer: a message with a schema, read where it lies; only what is asked for is decoded.
// for.
#include "ipc0cp/flatbuffer.hpp"

#include <iostream>
#include <string_view>

#include "flatbuffer_generated.h"
#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 1 << 20;

void produce(const char* ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  flatbuffers::FlatBufferBuilder builder;
  for (unsigned number = 0; number < 3; ++number) {
    builder.Clear();
    std::vector<flatbuffers::Offset<detector::Detection>> detections;
    for (unsigned i = 0; i < number; ++i) {
      const detector::Box box(10, 20, 30, 40);
      const char* label = i == 0 ? "cat" : "dog";
      detections.push_back(CreateDetectionDirect(builder, label, 0.5F + 0.25F * i, &box));
    }
    FinishFrameBuffer(builder, CreateFrameDirect(builder, number, &detections));
    // The memory of the builder goes into the ring as it is, and is used again.
    producer.push(ipc0cp::borrow_flatbuffer(builder));
  }
}

void consume(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  while (const auto object = consumer.pop()) {
    const auto& buffer = object->as<ipc0cp::FlatBufferData>();
    // Verified once. What is returned lies in the ring, and keeps its block.
    const auto frame = ipc0cp::root<detector::Frame>(buffer, detector::FrameIdentifier());
    std::cout << "frame " << frame->number() << ":";
    for (const auto* detection : *frame->detections()) {
      std::cout << " " << detection->label()->c_str() << " " << detection->score();
    }
    std::cout << "\n";
  }
}

int main(int argument_count, char** arguments) {
  if (argument_count != 3) {
    std::cerr << "usage: flatbuffer produce|consume RING\n";
    return 2;
  }
  (arguments[1] == std::string_view("produce") ? produce : consume)(arguments[2]);
}
