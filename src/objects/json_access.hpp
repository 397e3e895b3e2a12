// SPDX-License-Identifier: Apache-2.0
// Checked access to parsed metadata. Only for the files that read metadata: nothing else sees
// nlohmann/json.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc0cp/containers.hpp"
#include "ipc0cp/error.hpp"
#include "objects/codec_image.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_layout.hpp"
#include "objects/codec_marks.hpp"
#include "rules/flatbuffer.hpp"

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

/// The key of a map that is no text, if `value` is one: an integer, beyond 64 bits as a mark.
template <class AnyJson>
std::optional<MapKey> integer_key(const AnyJson& value) {
  if (value.is_number_unsigned()) return MapKey(value.template get<std::uint64_t>());
  if (value.is_number_integer()) return MapKey(value.template get<std::int64_t>());
  if (!value.is_object() || value.size() != 1 || value.begin().key() != "$int") return {};
  if (!value.begin()->is_string()) return {};
  auto digits = value.begin()->template get<std::string>();
  if (!is_big_integer(digits)) return {};
  return MapKey::big_integer(std::move(digits));
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
std::shared_ptr<const detail::ImageLayout> image_layout(const Json& json, unsigned major);
FlatBufferLayout flatbuffer_layout(const Json& json);
/// The dtype of an array, and the lengths of its dimensions, `fewest` .. 64.
Dtype dtype_of(const Json& value, Refusal refuse);
std::vector<std::size_t> shape_of(const Json& value, std::size_t fewest, Refusal refuse);

struct PreparedMetadata;
/// Of codec_metadata.cpp: metadata whose text has been parsed.
std::shared_ptr<const PreparedMetadata> prepare_json(const Json& json, std::string_view text,
                                                     bool ask_registry, unsigned level);
/// Of codec_records.cpp: the records of a list or map.
void read_records(PreparedMetadata& target, const Json& json, bool is_map);

}  // namespace ipc0cp::codec
