// SPDX-License-Identifier: Apache-2.0
// A type of a user, as the tests of both languages have it: a header and points behind it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc0cp/message.hpp"
#include "ipc0cp/serializable_object.hpp"
#include "ipc0cp/type_registry.hpp"

namespace ipc0cp_test {

struct CloudHeader {
  double stamp = 0;  ///< Seconds.
  std::uint64_t points = 0;
};
using Point = std::array<float, 3>;

class PointCloud final : public ipc0cp::SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "test_point_cloud";

  /// Made by a user: owns its points.
  PointCloud(std::string frame, double stamp, std::vector<Point> points)
      : frame_(std::move(frame)), header_{stamp, points.size()} {
    auto owner = std::make_shared<const std::vector<Point>>(std::move(points));
    points_ = *owner;
    owner_ = std::move(owner);
  }
  /// What arrived: points where they lie.
  PointCloud(const std::map<std::string, std::string>& metadata, const ipc0cp::Payload& payload)
      : frame_(metadata.at("frame")), owner_(payload.owner) {
    if (payload.size() < sizeof header_) throw std::length_error("a point cloud without header");
    std::memcpy(&header_, payload.data(), sizeof header_);
    if (payload.size() != sizeof header_ + header_.points * sizeof(Point)) {
      throw std::length_error("a point cloud of another size");
    }
    points_ = {reinterpret_cast<const Point*>(payload.data() + sizeof header_), header_.points};
  }

  [[nodiscard]] const std::string& frame() const noexcept { return frame_; }
  [[nodiscard]] double stamp() const noexcept { return header_.stamp; }
  [[nodiscard]] std::span<const Point> points() const noexcept { return points_; }

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override {
    if (metadata_.empty()) {
      metadata_ = R"({"type":"test_point_cloud","version":"1.0","frame":")" + frame_ + "\"}";
    }
    return metadata_;
  }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override {
    return sizeof header_ + points_.size_bytes();
  }
  void write_payload(std::span<std::byte> target) const override {
    std::memcpy(target.data(), &header_, sizeof header_);
    if (points_.empty()) return;
    std::memcpy(target.data() + sizeof header_, points_.data(), points_.size_bytes());
  }

 private:
  std::string frame_;
  CloudHeader header_;
  std::span<const Point> points_;
  std::shared_ptr<const void> owner_;
  mutable std::string metadata_;
};

inline void register_point_cloud() {
  ipc0cp::TypeRegistry::instance().register_type(
      "test_point_cloud",
      [](const std::map<std::string, std::string>& metadata, const ipc0cp::Payload& payload) {
        return std::make_unique<PointCloud>(metadata, payload);
      },
      "1.0");
}

}  // namespace ipc0cp_test
