// SPDX-License-Identifier: Apache-2.0
#include "recording.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>

#include "preview.hpp"

namespace ipc0cp::cli {
namespace {

constexpr const char* kStartType = "ipc0cp.recording";

}  // namespace

std::string recording_start(const std::string& ring) {
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  const nlohmann::ordered_json metadata = {
      {"type", kStartType}, {"version", "1.0"}, {"ring", ring}, {"started", text.data()}};
  return metadata.dump();
}

bool is_recording_start(std::string_view metadata_json) {
  return type_of(metadata_json) == kStartType;
}

std::optional<std::uint64_t> time_of(std::string_view metadata_json,
                                     std::span<const std::byte> payload) {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t nanoseconds = 0;
  if (metadata_json != kTimeMetadata || payload.size() != sizeof nanoseconds) return std::nullopt;
  std::memcpy(&nanoseconds, payload.data(), sizeof nanoseconds);
  return nanoseconds;
}

}  // namespace ipc0cp::cli
