// SPDX-License-Identifier: Apache-2.0
// point_cloud: a type of one's own, a header and points behind it, that is used where it lies.
#include <array>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "ipc0cp/ring_buffer.hpp"

constexpr std::size_t kRingBytes = 16 << 20;
constexpr std::size_t kPoints = 100'000;
constexpr std::string_view kMetadata = R"({"type":"PointCloud","version":"1.0"})";

using Point = std::array<float, 3>;
struct Header {
  double stamp;
  std::uint64_t points;
};

/// What arrives: the payload keeps its block of the ring, so the points stay where they are.
class PointCloud : public ipc0cp::SerializableObject {
 public:
  explicit PointCloud(ipc0cp::Payload payload) : payload_(std::move(payload)) {}

  const Header& header() const { return *reinterpret_cast<const Header*>(payload_.data()); }
  std::span<const Point> points() const {
    return {reinterpret_cast<const Point*>(&header() + 1), header().points};
  }

  std::string_view type_name() const noexcept override { return "PointCloud"; }
  std::string_view metadata_json() const override { return kMetadata; }
  std::size_t payload_bytes() const noexcept override { return payload_.size(); }
  void write_payload(std::span<std::byte> target) const override {
    std::memcpy(target.data(), payload_.data(), payload_.size());
  }

 private:
  ipc0cp::Payload payload_;
};

/// Sends a cloud whose points `point_of(index)` writes right into the ring.
template <class PointOf>
void send(ipc0cp::SharedRingBufferProducer& producer, Header header, PointOf&& point_of) {
  auto loan = producer.loan(sizeof header + header.points * sizeof(Point));
  std::memcpy(loan.bytes().data(), &header, sizeof header);
  auto* points = reinterpret_cast<Point*>(loan.bytes().data() + sizeof header);
  for (std::size_t i = 0; i < header.points; ++i) points[i] = point_of(i);
  loan.publish(kMetadata);
}

void produce(const std::string& ring) {
  ipc0cp::SharedRingBufferProducer producer(ring, kRingBytes);
  for (int scan = 0; scan < 3; ++scan) {
    send(producer, {scan * 0.5, kPoints}, [](std::size_t i) {
      return Point{static_cast<float>(i % 100), static_cast<float>(i % 10), 0};
    });
  }
}

/// Lifts each cloud by its time stamp, from one ring into the next.
void lift(const std::string& ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kRingBytes);
  ipc0cp::SharedRingBufferProducer producer(ring + ".lifted", kRingBytes);
  while (const auto object = consumer.pop()) {
    const auto& cloud = object->as<PointCloud>();
    const auto stamp = static_cast<float>(cloud.header().stamp);
    send(producer, cloud.header(), [&](std::size_t i) {
      const auto [x, y, z] = cloud.points()[i];
      return Point{x, y, z + stamp};
    });
  }
}

void consume(const std::string& ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring + ".lifted", kRingBytes);
  while (const auto object = consumer.pop()) {
    std::array<double, 3> sum{};
    const auto& cloud = object->as<PointCloud>();
    for (const Point& point : cloud.points()) {
      for (std::size_t axis = 0; axis < 3; ++axis) sum[axis] += point[axis];
    }
    std::cout << std::fixed << std::setprecision(1) << cloud.points().size() << " points around";
    for (const double each : sum) std::cout << " " << each / static_cast<double>(kPoints);
    std::cout << "\n";
  }
}

int main(int argument_count, char** arguments) {
  const std::string_view part = argument_count == 3 ? arguments[1] : "";
  ipc0cp::TypeRegistry::instance().register_type(
      "PointCloud", [](const auto& /*metadata*/, const ipc0cp::Payload& payload) {
        return std::make_unique<PointCloud>(payload);
      });
  if (part == "produce") {
    produce(arguments[2]);
  } else if (part == "lift") {
    lift(arguments[2]);
  } else if (part == "consume") {
    consume(arguments[2]);
  } else {
    std::cerr << "usage: point_cloud produce|lift|consume RING\n";
    return 2;
  }
}
