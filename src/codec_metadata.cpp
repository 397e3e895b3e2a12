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

Prepared prepare_json(const Json& json, std::string_view text, bool ask_registry) {
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
  if (prepared->kind == Kind::ndarray) prepared->array = array_layout(json);
  if (prepared->kind == Kind::bytes || prepared->kind == Kind::unknown) {
    prepared->metadata_json = text;
  }
  return prepared;
}

Prepared prepare_text(std::string_view metadata_json, bool ask_registry) {
  constexpr std::string_view kBytes = R"({"type":"bytes","version":"1.0"})";
  const std::string_view text = metadata_json.empty() ? kBytes : metadata_json;
  return prepare_json(parse(text, {}), text, ask_registry);
}

}  // namespace

std::optional<Kind> built_in_kind(std::string_view type) noexcept {
  if (type == "ndarray") return Kind::ndarray;
  if (type == "bytes") return Kind::bytes;
  if (type == "text") return Kind::text;
  if (type == "json") return Kind::json;
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

TypeRegistry::Metadata metadata_values(std::string_view metadata_json) {
  return values_of(parse(metadata_json, {}));
}

std::string metadata_text(const TypeRegistry::Metadata& metadata) {
  // Values that are JSON and no strings in the metadata of built-in types.
  constexpr std::array<std::string_view, 2> kJsonKeys = {"shape", "scalar"};
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
