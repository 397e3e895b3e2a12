// SPDX-License-Identifier: Apache-2.0
// The messages of flatbuffer_roles.cpp, each as a FlatBuffer and as what one would send otherwise.
// flatbuffer_variants.py makes and reads the same; sums have to agree.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flatbuffers_generated.h"
#include "ipc0cp/flatbuffer.hpp"
#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"

namespace bench {

namespace schema = bench_schema;
using Object = std::unique_ptr<ipc0cp::SerializableObject>;
using Json = nlohmann::json;

constexpr std::size_t kDetections = 200;
constexpr std::array<std::string_view, 4> kLabels = {"person", "car", "traffic light", "dog"};
constexpr std::array<std::uint32_t, 3> kShape = {3, 480, 640};
constexpr std::size_t kTensorItems = 3 * 480 * 640;

/// One way to send one shape of message. Numbers are such that sums of them are exact.
struct Variant {
  std::function<Object(std::uint64_t sequence)> encode;
  std::function<double(const ipc0cp::SerializableObject&)> read_all;
  std::function<double(const ipc0cp::SerializableObject&)> read_one;
};

template <class T>
Object object(T value) {
  return std::make_unique<T>(std::move(value));
}
inline double count(std::string_view text) { return static_cast<double>(text.size()); }
inline double number(std::uint64_t value) { return static_cast<double>(value); }
template <class T>
const T& as(const ipc0cp::SerializableObject& object) {
  return dynamic_cast<const T&>(object);
}
template <class Root>
Object finish(flatbuffers::FlatBufferBuilder& builder, flatbuffers::Offset<Root> root) {
  builder.Finish(root);
  return object(ipc0cp::from_flatbuffer(std::move(builder)));
}
template <class Root>
std::shared_ptr<const Root> root_of(const ipc0cp::SerializableObject& object) {
  return ipc0cp::root<Root>(as<ipc0cp::FlatBufferData>(object));
}

// A small record.

inline Object encode_command(std::uint64_t sequence) {
  flatbuffers::FlatBufferBuilder builder;
  return finish(builder, schema::CreateCommandDirect(builder, sequence, "gripper", "move", 1, 2, 3,
                                                     0.5, sequence % 2 == 1));
}
inline double sum_of(const schema::Command& command) {
  return number(command.sequence()) + count(command.target()->string_view()) +
         count(command.action()->string_view()) + command.x() + command.y() + command.z() +
         command.speed() + (command.urgent() ? 1 : 0);
}
inline Object encode_command_json(std::uint64_t sequence) {
  return object(ipc0cp::from_json({{"sequence", sequence},
                                   {"target", "gripper"},
                                   {"action", "move"},
                                   {"x", 1.0},
                                   {"y", 2.0},
                                   {"z", 3.0},
                                   {"speed", 0.5},
                                   {"urgent", sequence % 2 == 1}}));
}
inline double sum_of_command(const Json& json) {
  return number(json["sequence"]) + count(json["target"].get_ref<const std::string&>()) +
         count(json["action"].get_ref<const std::string&>()) + json["x"].get<double>() +
         json["y"].get<double>() + json["z"].get<double>() + json["speed"].get<double>() +
         (json["urgent"].get<bool>() ? 1 : 0);
}

// A list of small records: rows of JSON, or one array per column.

inline schema::Box box_of(std::size_t i) {
  const auto at = static_cast<float>(i);
  return {at, 2 * at, 10, 20};
}
inline float score_of(std::size_t i) { return static_cast<float>(i) / 256; }
inline double sum_of(const schema::Box& box) {
  return double{box.x()} + box.y() + box.width() + box.height();
}

inline Object encode_detections(std::uint64_t sequence) {
  flatbuffers::FlatBufferBuilder builder;
  std::vector<flatbuffers::Offset<schema::Detection>> detections;
  for (std::size_t i = 0; i < kDetections; ++i) {
    const schema::Box box = box_of(i);
    const auto label = builder.CreateString(kLabels[i % kLabels.size()]);
    detections.push_back(schema::CreateDetection(builder, sequence + i, label, score_of(i), &box));
  }
  return finish(builder, schema::CreateDetectionsDirect(builder, sequence, &detections));
}
inline double sum_of(const schema::Detections& message) {
  double sum = number(message.sequence());
  for (const auto* each : *message.detections()) {
    sum += number(each->track()) + count(each->label()->string_view()) + each->score() +
           sum_of(*each->box());
  }
  return sum;
}
inline Object encode_detections_json(std::uint64_t sequence) {
  Json rows = Json::array();
  for (std::size_t i = 0; i < kDetections; ++i) {
    const schema::Box box = box_of(i);
    rows.push_back({{"track", sequence + i},
                    {"label", kLabels[i % kLabels.size()]},
                    {"score", double{score_of(i)}},
                    {"box", {double{box.x()}, double{box.y()}, box.width(), box.height()}}});
  }
  return object(ipc0cp::from_json({{"sequence", sequence}, {"detections", std::move(rows)}}));
}
inline double sum_of_detections(const Json& json) {
  double sum = number(json["sequence"]);
  for (const Json& each : json["detections"]) {
    sum += number(each["track"]) + count(each["label"].get_ref<const std::string&>()) +
           each["score"].get<double>();
    for (const Json& side : each["box"]) sum += side.get<double>();
  }
  return sum;
}
inline Object encode_columns(std::uint64_t sequence) {
  std::vector<std::uint64_t> tracks;
  std::vector<float> scores;
  std::vector<float> boxes;
  Json labels = Json::array();
  for (std::size_t i = 0; i < kDetections; ++i) {
    const schema::Box box = box_of(i);
    tracks.push_back(sequence + i);
    scores.push_back(score_of(i));
    labels.push_back(kLabels[i % kLabels.size()]);
    boxes.insert(boxes.end(), {box.x(), box.y(), box.width(), box.height()});
  }
  ipc0cp::MapData map;
  map.add("sequence", ipc0cp::JsonData(std::to_string(sequence)));
  map.add("labels", ipc0cp::from_json(labels));
  map.add("tracks", ipc0cp::NumpyArray::from(std::move(tracks), {kDetections}));
  map.add("scores", ipc0cp::NumpyArray::from(std::move(scores), {kDetections}));
  map.add("boxes", ipc0cp::NumpyArray::from(std::move(boxes), {kDetections, 4}));
  return object(std::move(map));
}
inline double sum_of_columns(const ipc0cp::MapData& map) {
  double sum = to_json(map.as<ipc0cp::JsonData>("sequence")).get<double>();
  for (const Json& label : to_json(map.as<ipc0cp::JsonData>("labels"))) {
    sum += count(label.get_ref<const std::string&>());
  }
  for (const auto track : map.as<ipc0cp::NumpyArray>("tracks").values<std::uint64_t>()) {
    sum += number(track);
  }
  for (const char* column : {"scores", "boxes"}) {
    for (const float value : map.as<ipc0cp::NumpyArray>(column).values<float>()) sum += value;
  }
  return sum;
}

// A large array with a header: all in the FlatBuffer, only the header, or neither.

inline const std::vector<float>& tensor_values() {
  static const auto values = [] {
    std::vector<float> made(kTensorItems);
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<float>(i % 251);
    return made;
  }();
  return values;
}
inline double sum_of_values(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum;
}
inline Object encode_tensor(std::uint64_t sequence) {
  flatbuffers::FlatBufferBuilder builder;
  const auto values = builder.CreateVector(tensor_values());
  const auto name = builder.CreateString("camera");
  const auto shape = builder.CreateVector(kShape.data(), kShape.size());
  return finish(builder, schema::CreateTensor(builder, sequence, name, shape, values));
}
inline double header_of(const schema::Tensor& tensor) {
  double sum = number(tensor.sequence()) + count(tensor.name()->string_view());
  for (const std::uint32_t length : *tensor.shape()) sum += length;
  return sum;
}
inline double sum_of(const schema::Tensor& tensor) {
  return header_of(tensor) + sum_of_values({tensor.values()->data(), tensor.values()->size()});
}
/// A view of the values, so that they are copied once, into the ring.
inline ipc0cp::NumpyArray tensor_array() {
  const auto bytes = std::as_bytes(std::span(tensor_values()));
  const std::shared_ptr<const void> nobody;
  return {"<f4", {3, 480, 640}, ipc0cp::Payload{bytes, {nobody, bytes.data()}}};
}
inline Object encode_header_and_array(std::uint64_t sequence) {
  flatbuffers::FlatBufferBuilder builder;
  const auto name = builder.CreateString("camera");
  const auto shape = builder.CreateVector(kShape.data(), kShape.size());
  builder.Finish(schema::CreateTensor(builder, sequence, name, shape));
  ipc0cp::MapData map;
  map.add("header", ipc0cp::from_flatbuffer(std::move(builder)));
  map.add("values", tensor_array());
  return object(std::move(map));
}
inline Object encode_tensor_map(std::uint64_t sequence) {
  ipc0cp::MapData map;
  map.add("sequence", ipc0cp::JsonData(std::to_string(sequence)));
  map.add("name", ipc0cp::TextData("camera"));
  map.add("values", tensor_array());
  return object(std::move(map));
}
inline double sum_of_array(const ipc0cp::MapData& map) {
  return sum_of_values(map.as<ipc0cp::NumpyArray>("values").values<float>());
}
inline double header_of_map(const ipc0cp::MapData& map) {
  double sum = to_json(map.as<ipc0cp::JsonData>("sequence")).get<double>() +
               count(map.as<ipc0cp::TextData>("name").text());
  for (const std::size_t length : map.as<ipc0cp::NumpyArray>("values").shape()) {
    sum += number(length);
  }
  return sum;
}

}  // namespace bench
