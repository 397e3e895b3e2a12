// SPDX-License-Identifier: Apache-2.0
// Between two rings: reads each message in place, and answers with one about what it read.
//     flatbuffer_worker SOURCE TARGET
#include <cstdio>
#include <exception>

#include "ipc0cp/flatbuffer.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "messages.hpp"

namespace {

namespace schema = ipc0cp_schema;

constexpr std::size_t kRingBytes = 4 << 20;

/// The labels of the detections, one tag each; their number; a tree as deep as the tags are many.
ipc0cp::FlatBufferData answer_to(const schema::Message& message) {
  schema::Builder builder;
  std::vector<flatbuffers::Offset<flatbuffers::String>> tags;
  if (message.detections() != nullptr) {
    for (const auto* detection : *message.detections()) {
      tags.push_back(builder.CreateString(detection->label()));
    }
  }
  const unsigned levels = message.tags() != nullptr ? message.tags()->size() : 0;
  const auto tree = levels > 0 ? schema::make_tree(builder, levels) : 0;
  const auto answer = schema::CreateMessageDirect(builder, message.number(), "answer", &tags,
                                                  nullptr, nullptr, schema::Content_NONE, 0, tree);
  schema::FinishMessageBuffer(builder, answer);
  return ipc0cp::from_flatbuffer(std::move(builder));
}

void run(const char* source, const char* target) {
  ipc0cp::SharedRingBufferConsumer consumer(source, kRingBytes);
  ipc0cp::SharedRingBufferProducer producer(target, kRingBytes);
  while (const auto object = consumer.pop()) {
    const auto& data = object->as<ipc0cp::FlatBufferData>();
    const auto root = ipc0cp::root<schema::Message>(data, schema::MessageIdentifier());
    producer.push(answer_to(*root));
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 3) return 2;
  try {
    run(arguments[1], arguments[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flatbuffer_worker: %s\n", error.what());
    return 1;
  }
  return 0;
}
