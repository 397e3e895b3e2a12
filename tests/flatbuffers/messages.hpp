// SPDX-License-Identifier: Apache-2.0
// A message with every kind of field, and a reader that touches all that can be reached in one.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ipc0cp/flatbuffer.hpp"
#include "messages_generated.h"

namespace ipc0cp_schema {

using Builder = flatbuffers::FlatBufferBuilder;

inline flatbuffers::Offset<Tree> make_tree(Builder& builder, unsigned levels) {
  std::vector<flatbuffers::Offset<Tree>> children;
  if (levels > 1) children.push_back(make_tree(builder, levels - 1));
  return CreateTreeDirect(builder, levels, &children);
}

using Nested = flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>>;

/// The root of a message with all fields.
inline flatbuffers::Offset<Message> make_message(Builder& builder, std::uint64_t number,
                                                 Nested nested = 0) {
  const std::vector<Box> boxes = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  const std::vector<flatbuffers::Offset<flatbuffers::String>> tags = {
      builder.CreateString("one"), builder.CreateString(""), builder.CreateString("zwölf")};
  const std::vector<flatbuffers::Offset<Detection>> detections = {
      CreateDetectionDirect(builder, "cat", 0.5, &boxes[0]),
      CreateDetectionDirect(builder, "dog", 0.25)};
  const std::vector<std::uint32_t> shape = {2, 2};
  const std::vector<float> values = {1, 2, 3, 4};
  const auto tensor = CreateTensorDirect(builder, &shape, &values).Union();
  return CreateMessage(builder, number, builder.CreateString("everything"),
                       builder.CreateVector(tags), builder.CreateVectorOfStructs(boxes),
                       builder.CreateVector(detections), Content_Tensor, tensor,
                       make_tree(builder, 3), nested);
}

inline std::vector<std::uint8_t> finished_message(std::uint64_t number, bool with_nested = true,
                                                  bool size_prefixed = false) {
  Builder builder;
  Nested nested = 0;
  if (with_nested) {
    const auto inner = finished_message(number + 1, false);
    builder.ForceVectorAlignment(inner.size(), 1, 8);
    nested = builder.CreateVector(inner);
  }
  const auto message = make_message(builder, number, nested);
  if (size_prefixed) {
    FinishSizePrefixedMessageBuffer(builder, message);
  } else {
    FinishMessageBuffer(builder, message);
  }
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

/// Adds up all that a verified message leads to. Shared tables are visited as often as they are
/// referred to, at most `most_tables` in all.
class Reader {
 public:
  explicit Reader(std::size_t most_tables = 100'000) : tables_left_(most_tables) {}

  std::uint64_t sum(const Message& message) {
    if (!enter()) return 0;
    std::uint64_t total = message.number();
    add(total, message.name());
    add_all(total, message.tags());
    add_all(total, message.boxes());
    add_all(total, message.detections());
    total += sum(message.content_type(), message.content());
    add(total, message.tree());
    // The verifier checks alignment within a nested buffer, not of it: that is its writer's part.
    const auto* nested = message.nested();
    if (nested != nullptr && reinterpret_cast<std::uintptr_t>(nested->data()) % 8 == 0) {
      add(total, message.nested_nested_root());
    }
    return total;
  }

  std::uint64_t sum(const Tree& tree) {
    if (!enter()) return 0;
    auto total = static_cast<std::uint64_t>(tree.value());
    add_all(total, tree.children());
    return total;
  }

 private:
  bool enter() {
    if (tables_left_ == 0) return false;
    --tables_left_;
    return true;
  }

  template <class T>
  void add(std::uint64_t& total, const T* part) {
    if (part != nullptr) total += sum(*part);
  }
  template <class Vector>
  void add_all(std::uint64_t& total, const Vector* parts) {
    if (parts == nullptr) return;
    for (const auto part : *parts) add(total, part);
  }

  static std::uint64_t sum(const flatbuffers::String& text) {
    std::uint64_t total = 0;
    for (const auto each : text) total += static_cast<unsigned char>(each);
    return total;
  }
  static std::uint64_t sum(const Box& box) {
    return std::uint64_t{bits(box.x())} + bits(box.y()) + bits(box.width()) + bits(box.height());
  }
  static std::uint32_t bits(float value) { return std::bit_cast<std::uint32_t>(value); }

  std::uint64_t sum(const Detection& detection) {
    if (!enter()) return 0;
    auto total = std::bit_cast<std::uint64_t>(detection.score());
    add(total, detection.label());
    add(total, detection.box());
    return total;
  }
  std::uint64_t sum(const Tensor& tensor) {
    if (!enter()) return 0;
    std::uint64_t total = 0;
    if (tensor.shape() != nullptr) {
      for (const std::uint32_t length : *tensor.shape()) total += length;
    }
    if (tensor.values() != nullptr) {
      for (const float value : *tensor.values()) total += bits(value);
    }
    return total;
  }
  std::uint64_t sum(Content type, const void* content) {
    std::uint64_t total = 0;
    if (type == Content_Detection) add(total, static_cast<const Detection*>(content));
    if (type == Content_Tree) add(total, static_cast<const Tree*>(content));
    if (type == Content_Tensor) add(total, static_cast<const Tensor*>(content));
    return total;
  }

  std::size_t tables_left_;
};

}  // namespace ipc0cp_schema
