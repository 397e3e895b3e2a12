// SPDX-License-Identifier: Apache-2.0
#include "objects/codec_metadata.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "ipc0cp/message.hpp"
#include "objects/codec_json.hpp"
#include "objects/json_access.hpp"
#include "objects/registration.hpp"

namespace ipc0cp::codec {
namespace {

TypeRegistry::Metadata values_of(const Json& json) {
  TypeRegistry::Metadata values;
  for (const auto& [key, value] : json.items()) {
    values[key] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return values;
}

struct Identity {
  std::string type;
  std::string version = "1.0";
};

Identity identity_of(const Json& json) {
  const Refusal refuse;
  Identity identity;
  identity.type = string_member(json, "type", refuse);
  if (identity.type.empty()) refuse("\"type\" is empty");
  if (json.contains("version")) identity.version = string_member(json, "version", refuse);
  return identity;
}

/// The number before the first point; 0 if it is not 1 or 2.
unsigned major_of(std::string_view version) {
  const std::string_view major = version.substr(0, version.find('.'));
  return major == "1" ? 1 : major == "2" ? 2 : 0;
}

/// Whether readers know this version of a built-in type.
bool is_known(Kind kind, unsigned major) {
  const bool has_second =
      kind == Kind::json || kind == Kind::list || kind == Kind::map || kind == Kind::image;
  return major == 1 || (major == 2 && has_second);
}

Prepared prepare_text(std::string_view metadata_json, bool ask_registry) {
  const std::string_view text = metadata_json.empty() ? kBytesMetadata : metadata_json;
  return prepare_json(parse(text, {}), text, ask_registry, 1);
}

}  // namespace

Prepared prepare_json(const Json& json, std::string_view text, bool ask_registry, unsigned level) {
  const Identity identity = identity_of(json);
  auto prepared = std::make_shared<PreparedMetadata>();
  prepared->type = identity.type;
  const auto built_in = built_in_kind(identity.type);
  const unsigned major = major_of(identity.version);
  const bool usable = built_in && is_known(*built_in, major);
  if (ask_registry) {
    auto found = Registration::find(identity.type, identity.version);
    if (found.function && !found.built_in) {
      prepared->kind = Kind::user;
      prepared->deserializer = std::move(found.function);
      prepared->values = values_of(json);
      return prepared;
    }
  }
  prepared->kind = usable ? *built_in : Kind::unknown;
  prepared->major = major;
  prepared->level = level;
  if (prepared->kind == Kind::ndarray) prepared->array = array_layout(json);
  if (prepared->kind == Kind::image) prepared->image = image_layout(json, major);
  if (prepared->kind == Kind::flatbuffer) prepared->flatbuffer = flatbuffer_layout(json);
  if (prepared->kind == Kind::list) read_records(*prepared, json, false);
  if (prepared->kind == Kind::map) read_records(*prepared, json, true);
  if (prepared->kind == Kind::bytes || prepared->kind == Kind::unknown) {
    prepared->metadata_json = text;
  }
  return prepared;
}

std::optional<Kind> built_in_kind(std::string_view type) noexcept {
  if (type == "ndarray") return Kind::ndarray;
  if (type == "bytes") return Kind::bytes;
  if (type == "text") return Kind::text;
  if (type == "json") return Kind::json;
  if (type == "image") return Kind::image;
  if (type == "list") return Kind::list;
  if (type == "map") return Kind::map;
  if (type == "flatbuffer") return Kind::flatbuffer;
  return std::nullopt;
}

Prepared prepare(std::string_view metadata_json) { return prepare_text(metadata_json, true); }

Prepared prepare_built_in(std::string_view metadata_json) {
  return prepare_text(metadata_json, false);
}

TypeRegistry::Metadata metadata_values(std::string_view metadata_json) {
  return values_of(parse(metadata_json, {}));
}

std::string metadata_text(const TypeRegistry::Metadata& metadata) {
  // Values that are JSON and no strings in the metadata of built-in types.
  constexpr std::array<std::string_view, 9> kJsonKeys = {"shape",       "scalar",  "size",
                                                         "pixel_bytes", "palette", "transparency",
                                                         "count",       "items",   "size_prefixed"};
  std::string text = "{";
  for (const auto& [key, value] : metadata) {
    if (text.size() > 1) text += ',';
    append_quoted(text, key);
    text += ':';
    const bool is_json = std::find(kJsonKeys.begin(), kJsonKeys.end(), key) != kJsonKeys.end() ||
                         value.starts_with('{');
    if (is_json) {
      text += value;
    } else {
      append_quoted(text, value);
    }
  }
  return text + '}';
}

}  // namespace ipc0cp::codec
