// SPDX-License-Identifier: Apache-2.0
// Compares objects by what their public accessors say, not by how they are encoded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/point_cloud.hpp"

namespace ipc0cp_test {

/// What is different, empty if nothing is.
inline std::string difference(const ipc0cp::SerializableObject& left,
                              const ipc0cp::SerializableObject& right);

inline std::string bytes_difference(const char* what, std::span<const std::byte> left,
                                    std::span<const std::byte> right) {
  if (left.size() != right.size()) {
    return std::string(what) + ": " + std::to_string(left.size()) + " bytes and " +
           std::to_string(right.size());
  }
  const auto [at, unused] = std::mismatch(left.begin(), left.end(), right.begin());
  if (at == left.end()) return {};
  return std::string(what) + " differ at byte " + std::to_string(at - left.begin());
}

inline std::string array_difference(const ipc0cp::NumpyArray& left,
                                    const ipc0cp::NumpyArray& right) {
  if (left.dtype() != right.dtype()) {
    return "dtypes: " + std::string(left.dtype()) + " and " + std::string(right.dtype());
  }
  if (!std::equal(left.shape().begin(), left.shape().end(), right.shape().begin(),
                  right.shape().end())) {
    return "shapes differ";
  }
  if (left.order() != right.order()) return "orders differ";
  if (left.is_scalar() != right.is_scalar()) return "one is a scalar";
  std::string found = bytes_difference("elements", left.bytes(), right.bytes());
  if (left.dtype() != "<f16" || found.empty()) return found;
  // 10 of 16 bytes have a meaning.
  const auto numbers = left.values<long double>();
  const auto others = right.values<long double>();
  return std::equal(numbers.begin(), numbers.end(), others.begin()) ? "" : found;
}

inline std::string image_difference(const ipc0cp::ImageData& left, const ipc0cp::ImageData& right) {
  if (left.encoding() != right.encoding()) return "encodings differ";
  if (left.mode() != right.mode()) return "modes differ";
  if (left.width() != right.width() || left.height() != right.height()) return "sizes differ";
  if (left.info() != right.info()) return "infos differ";
  const std::string infos = bytes_difference("infos", left.info_bytes(), right.info_bytes());
  if (!infos.empty()) return infos;
  if (left.encoding() != "raw") return bytes_difference("files", left.bytes(), right.bytes());
  if (left.palette_mode() != right.palette_mode()) return "palette modes differ";
  if (left.transparency() != right.transparency()) return "transparencies differ";
  const std::string palettes = bytes_difference("palettes", left.palette(), right.palette());
  if (!palettes.empty()) return palettes;
  // A writer chooses the layout of the pixels.
  return bytes_difference("pixels", left.to_packed().pixels(), right.to_packed().pixels());
}

inline std::string json_difference(const ipc0cp::JsonData& left, const ipc0cp::JsonData& right) {
  // Texts of floats may differ; dump() keeps integers, floats and signs of zeros apart.
  const auto marked = [](const ipc0cp::JsonData& json) {
    const auto value = ipc0cp::to_ordered_json(json);
    return (json.has_marks() ? value : ipc0cp::detail::with_marks(value)).dump();
  };
  const std::string text = marked(left);
  const std::string other = marked(right);
  return text == other ? std::string() : text.substr(0, 60) + " and " + other.substr(0, 60);
}

inline std::string list_difference(const ipc0cp::ListData& left, const ipc0cp::ListData& right) {
  if (left.size() != right.size()) return "lists of different lengths";
  for (std::size_t index = 0; index < left.size(); ++index) {
    const std::string found = difference(left.at(index), right.at(index));
    if (!found.empty()) return "item " + std::to_string(index) + ": " + found;
  }
  return {};
}

inline std::string map_difference(const ipc0cp::MapData& left, const ipc0cp::MapData& right) {
  if (left.size() != right.size()) return "maps of different lengths";
  for (std::size_t index = 0; index < left.size(); ++index) {
    const auto& [key, item] = left.entries()[index];
    const auto& [other_key, other_item] = right.entries()[index];
    if (key != other_key) return "keys " + key.text() + " and " + other_key.text();
    const std::string found = difference(*item, *other_item);
    if (!found.empty()) return "entry " + key.text() + ": " + found;
  }
  return {};
}

inline std::string cloud_difference(const PointCloud& left, const PointCloud& right) {
  if (left.frame() != right.frame()) return "frames differ";
  if (left.stamp() != right.stamp()) return "stamps differ";
  return bytes_difference("points", std::as_bytes(left.points()), std::as_bytes(right.points()));
}

/// Calls `compare` if both are a T.
template <class T, class Compare>
bool compared(const ipc0cp::SerializableObject& left, const ipc0cp::SerializableObject& right,
              Compare&& compare, std::string& result) {
  const auto* first = dynamic_cast<const T*>(&left);
  const auto* second = dynamic_cast<const T*>(&right);
  if (first == nullptr || second == nullptr) return false;
  result = compare(*first, *second);
  return true;
}

inline std::string difference(const ipc0cp::SerializableObject& left,
                              const ipc0cp::SerializableObject& right) {
  using namespace ipc0cp;
  std::string result;
  const auto bytes = [](const BytesData& first, const BytesData& second) {
    const auto metadata = first.metadata();
    const auto other = second.metadata();
    // Keys that a reader does not know have no meaning, unless it does not know the type.
    const bool both_are_bytes = metadata.at("type") == "bytes" && other.at("type") == "bytes";
    if (!both_are_bytes && metadata != other) return std::string("metadata differ");
    return bytes_difference("bytes", first.bytes(), second.bytes());
  };
  const auto texts = [](const TextData& first, const TextData& second) {
    return std::string(first.text() == second.text() ? "" : "texts differ");
  };
  const auto buffers = [](const FlatBufferData& first, const FlatBufferData& second) {
    return bytes_difference("buffers", first.bytes(), second.bytes());
  };
  const bool same_class = compared<BytesData>(left, right, bytes, result) ||
                          compared<TextData>(left, right, texts, result) ||
                          compared<JsonData>(left, right, json_difference, result) ||
                          compared<NumpyArray>(left, right, array_difference, result) ||
                          compared<ImageData>(left, right, image_difference, result) ||
                          compared<FlatBufferData>(left, right, buffers, result) ||
                          compared<ListData>(left, right, list_difference, result) ||
                          compared<MapData>(left, right, map_difference, result) ||
                          compared<PointCloud>(left, right, cloud_difference, result);
  if (same_class) return result;
  return "types " + std::string(left.type_name()) + " and " + std::string(right.type_name());
}

}  // namespace ipc0cp_test
