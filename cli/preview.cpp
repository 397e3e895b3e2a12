// SPDX-License-Identifier: Apache-2.0
#include "preview.hpp"

#include <array>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>

#include "text.hpp"

namespace ipc0cp::cli {
namespace {

using nlohmann::json;

constexpr std::size_t kMostValues = 4;
constexpr std::size_t kMostHexBytes = 16;

std::string_view text_of(std::span<const std::byte> payload) {
  return {reinterpret_cast<const char*>(payload.data()), payload.size()};
}

template <class Number>
std::string values(std::span<const std::byte> payload) {
  std::string text;
  for (std::size_t index = 0; index < kMostValues; ++index) {
    if ((index + 1) * sizeof(Number) > payload.size()) return text;
    Number number;
    std::memcpy(&number, payload.data() + index * sizeof(Number), sizeof number);
    std::array<char, 32> digits{};
    if constexpr (std::is_floating_point_v<Number>) {
      std::snprintf(digits.data(), digits.size(), "%.6g", static_cast<double>(number));
    } else {
      std::snprintf(digits.data(), digits.size(), "%s", std::to_string(+number).c_str());
    }
    text += std::string(" ") + digits.data();
  }
  return text + (payload.size() > kMostValues * sizeof(Number) ? " ..." : "");
}

std::string values_of(const std::string& dtype, std::span<const std::byte> payload) {
  if (dtype == "<f4") return values<float>(payload);
  if (dtype == "<f8") return values<double>(payload);
  if (dtype == "|i1") return values<std::int8_t>(payload);
  if (dtype == "|u1" || dtype == "|b1") return values<std::uint8_t>(payload);
  if (dtype == "<i2") return values<std::int16_t>(payload);
  if (dtype == "<u2") return values<std::uint16_t>(payload);
  if (dtype == "<i4") return values<std::int32_t>(payload);
  if (dtype == "<u4") return values<std::uint32_t>(payload);
  if (dtype == "<i8") return values<std::int64_t>(payload);
  if (dtype == "<u8") return values<std::uint64_t>(payload);
  return {};
}

std::string hex(std::span<const std::byte> payload) {
  std::string text;
  for (std::size_t index = 0; index < std::min(payload.size(), kMostHexBytes); ++index) {
    std::array<char, 4> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", std::to_integer<unsigned>(payload[index]));
    text += (text.empty() ? "" : " ") + std::string(digits.data());
  }
  return text + (payload.size() > kMostHexBytes ? " ..." : "");
}

bool is_readable(std::string_view text) {
  constexpr std::size_t kLookedAt = 64;
  const std::string line = one_line(text.substr(0, kLookedAt), 8 * kLookedAt);
  return line.find("\\x") == std::string::npos;
}

std::string of_type(const std::string& type, const json& metadata,
                    std::span<const std::byte> payload) {
  if (type == "text" || type == "json")
    return std::string(text_of(payload.first(std::min<std::size_t>(payload.size(), 4096))));
  if (type == "bytes") {
    const std::string_view text =
        text_of(payload.first(std::min<std::size_t>(payload.size(), 4096)));
    return is_readable(text) ? std::string(text) : hex(payload);
  }
  if (type == "ndarray") {
    const json& dtype = metadata.at("dtype");
    const std::string name = dtype.is_string() ? dtype.get<std::string>() : dtype.dump();
    return name + " " + metadata.at("shape").dump() + values_of(name, payload);
  }
  if (type == "image") {
    const json& size = metadata.at("size");
    return metadata.at("mode").get<std::string>() + " " + size.at(0).dump() + "x" +
           size.at(1).dump() + " " + metadata.at("encoding").get<std::string>();
  }
  if (type == "list" || type == "map") {
    std::string text = metadata.at("count").dump() + (type == "list" ? " items" : " entries");
    for (const json& item : metadata.at("items")) {
      text += item.contains("key") ? " " + item.at("key").dump() + ":" : " ";
      text += item.at("metadata").at("type").get<std::string>();
      if (item.contains("run")) text += "*" + item.at("run").dump();
    }
    return text;
  }
  return metadata.dump();
}

}  // namespace

std::string type_of(std::string_view metadata_json) {
  if (metadata_json.empty()) return "bytes";
  const json metadata = json::parse(metadata_json, nullptr, false);
  if (!metadata.is_object() || !metadata.contains("type") || !metadata["type"].is_string()) {
    return "?";
  }
  return metadata["type"].get<std::string>();
}

std::string preview(std::string_view metadata_json, std::span<const std::byte> payload,
                    std::size_t most_characters) {
  const std::string type = type_of(metadata_json);
  const json metadata = json::parse(metadata_json, nullptr, false);
  std::string text;
  try {
    text = of_type(type, metadata, payload);
  } catch (const json::exception&) {
    text = std::string(metadata_json);  // Not what its type should be: shown as it is.
  }
  return one_line(text, most_characters);
}

}  // namespace ipc0cp::cli
