// SPDX-License-Identifier: Apache-2.0
// What the metadata of arrays, images and flatbuffers says: docs/object_format.md, sections 5, 7
// and 8.
#include <algorithm>
#include <set>
#include <utility>

#include "objects/codec_metadata.hpp"
#include "objects/json_access.hpp"

namespace ipc0cp::codec {
namespace {

/// Reads a dtype and writes it anew, in canonical form.
class DtypeReader {
 public:
  explicit DtypeReader(Refusal refuse) : refuse_(refuse) {}

  /// The `text` of the result is JSON: a simple name still has its quotes.
  Dtype read(const Json& value, unsigned level, bool in_field) const {
    if (value.is_string()) {
      auto name = value.get<std::string>();
      const std::size_t item_bytes = simple_item_bytes(name, refuse_.error);
      return {.text = '"' + name + '"', .item_bytes = item_bytes};
    }
    if (level >= kMaxDtypeLevels) {
      refuse_("a dtype nests more than " + std::to_string(kMaxDtypeLevels) + " levels");
    }
    if (value.is_object() && value.contains("fields") && value.contains("base")) {
      refuse_("\"dtype\" is " + shown(value) + "; it has either \"fields\" or a \"base\"");
    }
    if (value.is_object() && value.contains("fields")) return read_structured(value, level);
    if (value.is_object() && value.contains("base") && in_field) return read_subarray(value, level);
    refuse_("\"dtype\" is " + shown(value) + "; expected a name or {\"fields\": ...}");
  }

 private:
  using Names = std::set<std::string>;  // Not hashed: no choice of names makes it slow.

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
      if (!names.empty()) result.text += ',';
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

std::string transparency_of(const Json& value, Refusal refuse) {
  const auto is_integer = [](const Json& each) { return each.is_number_integer(); };
  bool valid = is_integer(value);
  if (value.is_array()) valid = std::all_of(value.begin(), value.end(), is_integer);
  if (value.is_object()) {
    const std::string table = string_member(value, "table", refuse);
    if (is_hex_table(table)) return R"({"table":")" + table + "\"}";
  }
  if (!valid) {
    refuse("\"transparency\" is " + shown(value) +
           "; expected an integer, an array of integers "
           "or {\"table\": small hex digits}");
  }
  return value.dump();
}

}  // namespace

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

std::shared_ptr<const detail::ImageLayout> image_layout(const Json& json, unsigned major) {
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
    if (layout.pixel_bytes == 0) refuse("\"pixel_bytes\" is 0; expected a positive integer");
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
  if (major > 1) layout.info = parse_info(member(json, "info", refuse).dump(), refuse.error);
  return complete_image(std::move(layout), refuse.error);
}

FlatBufferLayout flatbuffer_layout(const Json& json) {
  const Refusal refuse;
  std::string identifier;
  if (json.contains("identifier")) {
    identifier = string_member(json, "identifier", refuse);
    if (identifier.empty()) refuse("\"identifier\" is empty; expected 4 characters");
  }
  return complete_flatbuffer(std::move(identifier), flag(json, "size_prefixed", refuse),
                             refuse.error);
}

Dtype parse_dtype(std::string_view text, ErrorCode error) {
  if (!text.starts_with('{')) return {std::string(text), simple_item_bytes(text, error)};
  const Refusal refuse{error, "dtype"};
  return dtype_of(parse(text, refuse), refuse);
}

std::string parse_transparency(std::string_view text, ErrorCode error) {
  check_json(text, {.error = error, .what = "transparency", .max_levels = 2});
  return transparency_of(Json::parse(text.begin(), text.end()), Refusal{error, "image"});
}

}  // namespace ipc0cp::codec
