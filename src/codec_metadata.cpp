// SPDX-License-Identifier: Apache-2.0
#include "codec_metadata.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "codec_json.hpp"
#include "registration.hpp"

namespace ipc0cp::codec {
namespace {

using Json = nlohmann::ordered_json;

/// What a rule broken in a piece of metadata is answered with.
struct Refusal {
  ErrorCode error = ErrorCode::corrupt_payload;

  [[noreturn]] void operator()(const std::string& reason) const {
    throw Error(error, "metadata: " + reason);
  }
};

Json parse(std::string_view text, Refusal refuse) {
  check_json(text, {.error = refuse.error, .what = "metadata", .max_keys = kMaxMetadataKeys});
  Json json = Json::parse(text.begin(), text.end());
  if (!json.is_object()) refuse("expected a JSON object, not " + std::string(json.type_name()));
  return json;
}

/// A short form of a value for messages.
std::string shown(const Json& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

const Json& member(const Json& object, const char* key, Refusal refuse) {
  const auto found = object.find(key);
  if (found == object.end()) refuse("\"" + std::string(key) + "\" is missing");
  return *found;
}

std::string string_member(const Json& object, const char* key, Refusal refuse) {
  const Json& value = member(object, key, refuse);
  if (!value.is_string()) {
    refuse("\"" + std::string(key) + "\" is " + shown(value) + "; expected a string");
  }
  return value.get<std::string>();
}

std::uint64_t number(const Json& value, const char* what, std::uint64_t limit, Refusal refuse) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > limit) {
    refuse("\"" + std::string(what) + "\" is " + shown(value) + "; expected an integer 0 .. " +
           std::to_string(limit));
  }
  return value.get<std::uint64_t>();
}

bool flag(const Json& object, const char* key, Refusal refuse) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_boolean()) {
    refuse("\"" + std::string(key) + "\" is " + shown(*found) + "; expected true or false");
  }
  return found->get<bool>();
}

std::vector<std::size_t> shape_of(const Json& value, std::size_t fewest, Refusal refuse) {
  if (!value.is_array() || value.size() < fewest || value.size() > kMaxDimensions) {
    refuse("\"shape\" is " + shown(value) + "; expected an array of " + std::to_string(fewest) +
           " .. " + std::to_string(kMaxDimensions) + " integers");
  }
  std::vector<std::size_t> shape;
  shape.reserve(value.size());
  for (const Json& length : value) shape.push_back(number(length, "shape", kMaxNumber, refuse));
  return shape;
}

/// Reads a dtype and writes it anew, in canonical form.
class DtypeReader {
 public:
  explicit DtypeReader(Refusal refuse) : refuse_(refuse) {}

  /// `text` is the JSON text of the dtype, for a simple one with its quotes.
  Dtype read(const Json& value, unsigned level, bool in_field) const {
    if (value.is_string()) {
      auto name = value.get<std::string>();
      const std::size_t item_bytes = simple_item_bytes(name, refuse_.error);
      return {.text = '"' + name + '"', .item_bytes = item_bytes};
    }
    if (level >= kMaxDtypeLevels) {
      refuse_("a dtype nests more than " + std::to_string(kMaxDtypeLevels) + " levels");
    }
    if (value.is_object() && value.contains("fields")) return read_structured(value, level);
    if (value.is_object() && value.contains("base") && in_field) return read_subarray(value, level);
    refuse_("\"dtype\" is " + shown(value) + "; expected a name or {\"fields\": ...}");
  }

 private:
  using Names = std::unordered_set<std::string>;

  Dtype read_subarray(const Json& value, unsigned level) const {
    const Dtype base = read(member(value, "base", refuse_), level + 1, true);
    const auto shape = shape_of(member(value, "shape", refuse_), 1, refuse_);
    const std::size_t item_bytes = array_bytes(shape, base.item_bytes, refuse_.error);
    std::string text = "{\"base\":" + base.text + ",\"shape\":[";
    for (const std::size_t length : shape) text += std::to_string(length) + ',';
    text.back() = ']';
    return {.text = text + '}', .item_bytes = item_bytes};
  }

  Dtype read_structured(const Json& value, unsigned level) const {
    const Json& fields = member(value, "fields", refuse_);
    if (!fields.is_array()) refuse_("\"fields\" is " + shown(fields) + "; expected an array");
    Dtype result;
    result.structured = true;
    result.item_bytes =
        number(member(value, "itemsize", refuse_), "itemsize", kMaxItemBytes, refuse_);
    Names names;
    result.text = "{\"fields\":[";
    for (const Json& field : fields) {
      if (names.size() > 0) result.text += ',';
      append_field(result, names, field, level);
    }
    result.text += "],\"itemsize\":" + std::to_string(result.item_bytes);
    if (flag(value, "aligned", refuse_)) result.text += ",\"aligned\":true";
    if (flag(value, "record", refuse_)) result.text += ",\"record\":true";
    result.text += '}';
    return result;
  }

  void append_field(Dtype& structure, Names& names, const Json& field, unsigned level) const {
    if (!field.is_object()) refuse_("a field is " + shown(field) + "; expected an object");
    const std::string name = string_member(field, "name", refuse_);
    if (!names.insert(name).second) refuse_("the field name " + shown(name) + " appears twice");
    const Dtype dtype = read(member(field, "dtype", refuse_), level + 1, true);
    const std::uint64_t offset =
        number(member(field, "offset", refuse_), "offset", kMaxItemBytes, refuse_);
    if (dtype.item_bytes > structure.item_bytes ||
        offset > structure.item_bytes - dtype.item_bytes) {
      refuse_("field " + shown(name) + " needs bytes " + std::to_string(offset) + " .. " +
              std::to_string(offset + dtype.item_bytes) + ", but the itemsize is " +
              std::to_string(structure.item_bytes));
    }
    structure.text += "{\"name\":";
    append_quoted(structure.text, name);
    structure.text += ",\"dtype\":" + dtype.text + ",\"offset\":" + std::to_string(offset);
    if (field.contains("title")) {
      const std::string title = string_member(field, "title", refuse_);
      if (!names.insert(title).second) refuse_("the title " + shown(title) + " appears twice");
      structure.text += ",\"title\":";
      append_quoted(structure.text, title);
    }
    structure.text += '}';
  }

  Refusal refuse_;
};

Dtype dtype_of(const Json& value, Refusal refuse) {
  Dtype dtype = DtypeReader(refuse).read(value, 0, false);
  if (!dtype.structured) dtype.text = dtype.text.substr(1, dtype.text.size() - 2);
  return dtype;
}

std::shared_ptr<const detail::ArrayLayout> array_layout(const Json& json) {
  const Refusal refuse;
  ArrayOptions options;
  options.scalar = flag(json, "scalar", refuse);
  if (json.contains("order")) {
    const std::string order = string_member(json, "order", refuse);
    if (order != "C" && order != "F") {
      refuse("\"order\" is " + shown(order) + "; expected \"C\" or \"F\"");
    }
    if (options.scalar) refuse("a scalar has no \"order\"");
    if (order == "F") options.order = ArrayOrder::fortran;
  }
  return make_layout(dtype_of(member(json, "dtype", refuse), refuse),
                     shape_of(member(json, "shape", refuse), 0, refuse), options, refuse.error);
}

std::string transparency_of(const Json& value, Refusal refuse) {
  const auto is_integer = [](const Json& each) { return each.is_number_integer(); };
  bool valid = is_integer(value);
  if (value.is_array()) valid = std::all_of(value.begin(), value.end(), is_integer);
  if (value.is_object()) {
    valid = value.size() == 1 && is_hex_table(string_member(value, "table", refuse));
  }
  if (!valid) {
    refuse("\"transparency\" is " + shown(value) +
           "; expected an integer, an array of integers "
           "or {\"table\": small hex digits}");
  }
  return value.dump();
}

std::shared_ptr<const detail::ImageLayout> image_layout(const Json& json) {
  const Refusal refuse;
  detail::ImageLayout layout;
  layout.encoding = string_member(json, "encoding", refuse);
  layout.mode = string_member(json, "mode", refuse);
  const Json& size = member(json, "size", refuse);
  if (!size.is_array() || size.size() != 2) {
    refuse("\"size\" is " + shown(size) + "; expected [width, height]");
  }
  layout.width = number(size[0], "size", kMaxImageLength, refuse);
  layout.height = number(size[1], "size", kMaxImageLength, refuse);
  if (json.contains("pixel_bytes")) {
    layout.pixel_bytes = number(json["pixel_bytes"], "pixel_bytes", kMaxImageLength, refuse);
  }
  if (json.contains("palette")) {
    const Json& palette = json["palette"];
    if (!palette.is_object()) refuse("\"palette\" is " + shown(palette));
    layout.palette_mode = string_member(palette, "mode", refuse);
    layout.palette_bytes = number(member(palette, "bytes", refuse), "bytes", kMaxNumber, refuse);
    if (layout.palette_mode.empty()) refuse("the palette mode is empty");
  }
  if (json.contains("transparency")) {
    layout.transparency = transparency_of(json["transparency"], refuse);
  }
  return complete_image(std::move(layout), refuse.error);
}

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
  return std::nullopt;
}

Prepared prepare(std::string_view metadata_json) { return prepare_text(metadata_json, true); }

Prepared prepare_built_in(std::string_view metadata_json) {
  return prepare_text(metadata_json, false);
}

Dtype parse_dtype(std::string_view text, ErrorCode error) {
  if (!text.starts_with('{')) return {std::string(text), simple_item_bytes(text, error)};
  const Refusal refuse{error};
  return dtype_of(parse(text, refuse), refuse);
}

std::string parse_transparency(std::string_view text, ErrorCode error) {
  const Refusal refuse{error};
  return transparency_of(member(parse("{\"t\":" + std::string(text) + '}', refuse), "t", refuse),
                         refuse);
}

TypeRegistry::Metadata metadata_values(std::string_view metadata_json) {
  return values_of(parse(metadata_json, {}));
}

std::string metadata_text(const TypeRegistry::Metadata& metadata) {
  // Values that are JSON and no strings in the metadata of built-in types.
  constexpr std::array<std::string_view, 8> kJsonKeys = {
      "shape", "scalar", "size", "pixel_bytes", "palette", "transparency", "count", "items"};
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
