// SPDX-License-Identifier: Apache-2.0
#include "codec_metadata.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "codec_json.hpp"
#include "json_access.hpp"
#include "registration.hpp"

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

Identity identity_of(const Json& json, Refusal refuse = {}) {
  Identity identity;
  identity.type = string_member(json, "type", refuse);
  if (identity.type.empty()) refuse("\"type\" is empty");
  if (json.contains("version")) identity.version = string_member(json, "version", refuse);
  return identity;
}

bool is_major_1(std::string_view version) { return version == "1" || version.starts_with("1."); }

Prepared prepare_json(const Json& json, std::string_view text, bool ask_registry, unsigned level);

/// Reads the records of a list or map in order.
class RecordReader {
 public:
  RecordReader(PreparedMetadata& target, bool is_map) : target_(target), is_map_(is_map) {}

  void read(const Json& json) {
    if (target_.level > kMaxContainerLevels) {
      refuse_("lists and maps nest more than " + std::to_string(kMaxContainerLevels) + " levels");
    }
    const std::uint64_t count =
        number(member(json, "count", refuse_), "count", kMaxNumber, refuse_);
    const Json& items = member(json, "items", refuse_);
    if (!items.is_array()) refuse_("\"items\" is " + shown(items) + "; expected an array");
    target_.records.reserve(items.size());
    for (const Json& item : items) read_record(item);
    if (counted_ != count) {
      refuse_("\"count\" is " + std::to_string(count) + ", the records hold " +
              std::to_string(counted_));
    }
  }

 private:
  void read_record(const Json& json) {
    if (!json.is_object()) refuse_("a record is " + shown(json) + "; expected an object");
    ItemRecord record;
    const Json& metadata = member(json, "metadata", refuse_);
    if (!metadata.is_object()) refuse_("\"metadata\" is " + shown(metadata));
    record.metadata = prepared(metadata);
    record.offset = number(member(json, "offset", refuse_), "offset", kMaxNumber, refuse_);
    record.payload_bytes =
        number(member(json, "payload_size", refuse_), "payload_size", kMaxNumber, refuse_);
    read_run_and_key(record, json, metadata);
    constexpr std::size_t kAlignment = 64;
    if (record.offset % kAlignment != 0 || record.offset < target_.records_payload_bytes) {
      refuse_("\"offset\" is " + std::to_string(record.offset) + "; expected a multiple of 64 at " +
              std::to_string(target_.records_payload_bytes) + " or behind");
    }
    // Both are below 2^63: the sum fits.
    target_.records_payload_bytes = record.offset + record.payload_bytes;
    target_.records.push_back(std::move(record));
  }

  void read_run_and_key(ItemRecord& record, const Json& json, const Json& metadata) {
    const auto run = json.find("run");
    if (run == json.end()) {
      ++counted_;
      if (is_map_) record.key = string_member(json, "key", refuse_);
      return;
    }
    record.run = number(*run, "run", kMaxNumber, refuse_);
    const bool of_json = metadata.contains("type") && metadata["type"] == "json";
    if (record.run == 0 || !of_json || (is_map_ && json.contains("key"))) {
      refuse_("a run has n >= 1, the metadata of json, and no key; this one is " + shown(json));
    }
    // Each value takes at least a digit and a comma, so no honest run is longer than its payload.
    if (record.run > record.payload_bytes) {
      refuse_("a run of " + std::to_string(record.run) + " values in " +
              std::to_string(record.payload_bytes) + " bytes");
    }
    counted_ += record.run;
  }

  /// Neighbours often have the same metadata: parsed once.
  Prepared prepared(const Json& metadata) {
    if (last_ == nullptr || *last_ != metadata) {
      last_prepared_ = prepare_json(metadata, metadata.dump(), true, target_.level + 1);
      last_ = &metadata;
    }
    return last_prepared_;
  }

  Refusal refuse_;
  PreparedMetadata& target_;
  bool is_map_;
  std::uint64_t counted_ = 0;
  const Json* last_ = nullptr;
  Prepared last_prepared_;
};

Prepared prepare_json(const Json& json, std::string_view text, bool ask_registry, unsigned level) {
  const Identity identity = identity_of(json);
  auto prepared = std::make_shared<PreparedMetadata>();
  prepared->type = identity.type;
  const auto built_in = built_in_kind(identity.type);
  const bool usable = built_in && is_major_1(identity.version);
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
  prepared->level = level;
  if (prepared->kind == Kind::ndarray) prepared->array = array_layout(json);
  if (prepared->kind == Kind::image) prepared->image = image_layout(json);
  if (prepared->kind == Kind::flatbuffer) prepared->flatbuffer = flatbuffer_layout(json);
  if (prepared->kind == Kind::list) RecordReader(*prepared, false).read(json);
  if (prepared->kind == Kind::map) RecordReader(*prepared, true).read(json);
  if (prepared->kind == Kind::bytes || prepared->kind == Kind::unknown) {
    prepared->metadata_json = text;
  }
  return prepared;
}

Prepared prepare_text(std::string_view metadata_json, bool ask_registry) {
  constexpr std::string_view kBytes = R"({"type":"bytes","version":"1.0"})";
  const std::string_view text = metadata_json.empty() ? kBytes : metadata_json;
  return prepare_json(parse(text, {}), text, ask_registry, 1);
}

}  // namespace

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

void check_metadata(std::string_view text, ErrorCode error) {
  const Refusal refuse{error};
  identity_of(parse(text, refuse), refuse);
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
