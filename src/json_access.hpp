// SPDX-License-Identifier: Apache-2.0
// Checked access to parsed metadata. Only for the files that read metadata: nothing else sees
// nlohmann/json.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "codec_flatbuffer.hpp"
#include "codec_image.hpp"
#include "codec_json.hpp"
#include "codec_layout.hpp"
#include "ipc0cp/error.hpp"

namespace ipc0cp::codec {

using Json = nlohmann::ordered_json;

/// What a rule broken in a piece of metadata is answered with.
struct Refusal {
  ErrorCode error = ErrorCode::corrupt_payload;
  std::string_view what = "metadata";  ///< What the text is to whoever gave it.

  [[noreturn]] void operator()(const std::string& reason) const {
    throw Error(error, std::string(what) + ": " + reason);
  }
};

inline Json parse(std::string_view text, Refusal refuse) {
  check_json(text, {.error = refuse.error, .what = refuse.what, .max_keys = kMaxMetadataKeys});
  Json json = Json::parse(text.begin(), text.end());
  if (!json.is_object()) refuse("expected a JSON object, not " + std::string(json.type_name()));
  return json;
}

/// A short form of a value for messages.
inline std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

inline const Json& member(const Json& object, const char* key, Refusal refuse) {
  const auto found = object.find(key);
  if (found == object.end()) refuse("\"" + std::string(key) + "\" is missing");
  return *found;
}

inline std::string string_member(const Json& object, const char* key, Refusal refuse) {
  const Json& value = member(object, key, refuse);
  if (!value.is_string()) {
    refuse("\"" + std::string(key) + "\" is " + shown(value) + "; expected a string");
  }
  return value.get<std::string>();
}

inline std::uint64_t number(const Json& value, const char* what, std::uint64_t limit,
                            Refusal refuse) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > limit) {
    refuse("\"" + std::string(what) + "\" is " + shown(value) + "; expected an integer 0 .. " +
           std::to_string(limit));
  }
  return value.get<std::uint64_t>();
}

inline bool flag(const Json& object, const char* key, Refusal refuse) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_boolean()) {
    refuse("\"" + std::string(key) + "\" is " + shown(*found) + "; expected true or false");
  }
  return found->get<bool>();
}

// Of codec_types.cpp: what the metadata of arrays, images and flatbuffers says.
std::shared_ptr<const detail::ArrayLayout> array_layout(const Json& json);
std::shared_ptr<const detail::ImageLayout> image_layout(const Json& json);
FlatBufferLayout flatbuffer_layout(const Json& json);

}  // namespace ipc0cp::codec
