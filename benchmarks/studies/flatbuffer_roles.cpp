// SPDX-License-Identifier: Apache-2.0
// One end of a ring for python_flatbuffers.py, which says on standard input what to do:
//     flatbuffer_roles send|receive RING VARIANT
// Per line, the sender takes a number of messages: it makes them, then pushes them. The receiver
// takes "all" or "one" and such a number: it pops them, then reads them. Each answers with the
// nanoseconds of both steps per message, and the sum of what it sent or read.
#include <exception>
#include <iostream>

#include "flatbuffer_variants.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "measure.hpp"

namespace {

using namespace bench;

constexpr std::size_t kRingBytes = 256 << 20;

template <class Root>
Variant flatbuffer(Object (*encode)(std::uint64_t)) {
  return {encode, [](const auto& object) { return sum_of(*root_of<Root>(object)); },
          [](const auto& object) { return number(root_of<Root>(object)->sequence()); }};
}

Variant json(Object (*encode)(std::uint64_t), double (*sum)(const Json&)) {
  return {
      encode, [sum](const auto& object) { return sum(to_json(as<ipc0cp::JsonData>(object))); },
      [](const auto& object) { return number(to_json(as<ipc0cp::JsonData>(object))["sequence"]); }};
}

double sequence_in(const ipc0cp::SerializableObject& object) {
  const auto& map = as<ipc0cp::MapData>(object);
  return to_json(map.as<ipc0cp::JsonData>("sequence")).get<double>();
}

Variant header_and_array() {
  const auto root = [](const ipc0cp::MapData& map) {
    return ipc0cp::root<schema::Tensor>(map.as<ipc0cp::FlatBufferData>("header"));
  };
  return {
      encode_header_and_array,
      [root](const auto& object) {
        const auto& map = as<ipc0cp::MapData>(object);
        return header_of(*root(map)) + sum_of_array(map);
      },
      [root](const auto& object) { return number(root(as<ipc0cp::MapData>(object))->sequence()); }};
}

const std::map<std::string_view, Variant>& variants() {
  static const std::map<std::string_view, Variant> all = {
      {"command.flatbuffer", flatbuffer<schema::Command>(encode_command)},
      {"command.json", json(encode_command_json, sum_of_command)},
      {"detections.flatbuffer", flatbuffer<schema::Detections>(encode_detections)},
      {"detections.json", json(encode_detections_json, sum_of_detections)},
      {"detections.columns",
       {encode_columns,
        [](const auto& object) { return sum_of_columns(as<ipc0cp::MapData>(object)); },
        sequence_in}},
      {"tensor.flatbuffer", flatbuffer<schema::Tensor>(encode_tensor)},
      {"tensor.header", header_and_array()},
      {"tensor.map",
       {encode_tensor_map,
        [](const auto& object) {
          const auto& map = as<ipc0cp::MapData>(object);
          return header_of_map(map) + sum_of_array(map);
        },
        sequence_in}}};
  return all;
}

/// Nanoseconds of processor time per message.
template <class Step>
double time_ns(std::size_t messages, Step step) {
  const auto start = thread_cpu_ns();
  for (std::size_t i = 0; i < messages; ++i) step(i);
  return static_cast<double>(thread_cpu_ns() - start) / static_cast<double>(messages);
}

void answer(double first_ns, double second_ns, double sum) {
  std::cout << std::fixed << first_ns << ' ' << second_ns << ' ' << sum << std::endl;
}

void send(const char* ring, const Variant& variant) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  std::uint64_t sequence = 0;
  for (std::size_t messages = 0; std::cin >> messages;) {
    std::vector<Object> objects(messages);
    const double encode_ns =
        time_ns(messages, [&](std::size_t i) { objects[i] = variant.encode(sequence++); });
    const double push_ns = time_ns(messages, [&](std::size_t i) { producer.push(*objects[i]); });
    double sum = 0;
    for (const Object& object : objects) sum += variant.read_all(*object);
    answer(encode_ns, push_ns, sum);
  }
}

void receive(const char* ring, const Variant& variant) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  std::string what;
  for (std::size_t messages = 0; std::cin >> what >> messages;) {
    std::vector<Object> objects(messages);
    const double pop_ns =
        time_ns(messages, [&](std::size_t i) { objects[i] = std::move(consumer.pop()->data); });
    const auto& read = what == "all" ? variant.read_all : variant.read_one;
    double sum = 0;
    const double read_ns = time_ns(messages, [&](std::size_t i) { sum += read(*objects[i]); });
    answer(pop_ns, read_ns, sum);
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 4) return 2;
  try {
    const bool sends = arguments[1] == std::string_view("send");
    (sends ? send : receive)(arguments[2], variants().at(arguments[3]));
  } catch (const std::exception& error) {
    std::cerr << "flatbuffer_roles: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
