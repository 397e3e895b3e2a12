// SPDX-License-Identifier: Apache-2.0
// Sends itself messages through a ring named by its argument; succeeds if they come back whole,
// one of them as a class of its own, and if an error crosses the border of the library.
#include <chrono>
#include <cstring>
#include <iostream>

#include "ipc0cp/ring_buffer.hpp"

namespace {

constexpr std::size_t kTotalDataBytes = std::size_t{1} << 20;
constexpr auto kPatience = std::chrono::seconds(10);

/// A type the library knows nothing of.
class Point final : public ipc0cp::SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "downstream.point";
  explicit Point(double x) : x_(x) {}
  [[nodiscard]] double x() const { return x_; }

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override {
    return R"({"type":"downstream.point"})";
  }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return sizeof x_; }
  void write_payload(std::span<std::byte> target) const override {
    std::memcpy(target.data(), &x_, sizeof x_);
  }

 private:
  double x_;
};

std::unique_ptr<ipc0cp::SerializableObject> read_point(const std::map<std::string, std::string>&,
                                                       std::span<const std::byte> payload) {
  double x = 0;
  if (payload.size() == sizeof x) std::memcpy(&x, payload.data(), sizeof x);
  return std::make_unique<Point>(x);
}

/// Only with exported type information can an error cross the border of a shared library.
bool catches_errors() {
  try {
    const ipc0cp::SharedRingBufferProducer refused("no/such/name", kTotalDataBytes);
  } catch (const ipc0cp::Error& error) {
    return error.code() == ipc0cp::ErrorCode::invalid_argument;
  }
  return false;
}

bool exchanges(const char* ring) {
  ipc0cp::SharedRingBufferConsumer consumer(ring, kTotalDataBytes);
  ipc0cp::SharedRingBufferProducer producer(ring, kTotalDataBytes);
  producer.push(ipc0cp::TextData("over there"), kPatience);
  producer.push(Point(2.5), kPatience);
  producer.close();
  const auto text = consumer.pop(kPatience);
  const auto point = consumer.pop(kPatience);
  if (!text || text->as<ipc0cp::TextData>().text() != "over there") return false;
  if (!point || dynamic_cast<Point*>(point->data.get()) == nullptr) return false;
  try {
    (void)point->as<ipc0cp::TextData>();
    return false;
  } catch (const ipc0cp::Error& error) {
    if (error.code() != ipc0cp::ErrorCode::unsupported_type) return false;
  }
  return point->as<Point>().x() == 2.5 && !consumer.pop(kPatience);
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) return 2;
  try {
    ipc0cp::TypeRegistry::instance().register_type(std::string(Point::kTypeName), read_point);
    return exchanges(arguments[1]) && catches_errors() ? 0 : 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
