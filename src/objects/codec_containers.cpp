// SPDX-License-Identifier: Apache-2.0
// From the records of lists and maps to objects: docs/object_format.md, section 6.
#include <cstring>
#include <string>
#include <utility>

#include "ipc0cp/containers.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec.hpp"
#include "objects/codec_containers.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_marks.hpp"
#include "objects/codec_metadata.hpp"
#include "objects/objects_internal.hpp"

namespace ipc0cp::codec {
namespace {

[[noreturn]] void refuse(const std::string& reason) {
  throw Error(ErrorCode::corrupt_payload, reason);
}

Payload part_of(const Payload& payload, const ItemRecord& record) {
  return {payload.bytes.subspan(record.offset, record.payload_bytes), payload.owner};
}

/// The payload with an owner, so that all items share one.
Payload checked(const PreparedMetadata& prepared, const Payload& payload) {
  if (payload.bytes.size() != prepared.records_payload_bytes) {
    refuse("the records of a " + prepared.type + " end at byte " +
           std::to_string(prepared.records_payload_bytes) + ", its payload at " +
           std::to_string(payload.bytes.size()));
  }
  return keep(payload);
}

std::unique_ptr<SerializableObject> decode_item(const PreparedMetadata& prepared,
                                                const ItemRecord& record, const Payload& payload) {
  const Payload part = part_of(payload, record);
  if (record.metadata->kind != Kind::json) return decode(record.metadata, part);
  // Unlike a message, an item may be null.
  auto json = json_of(*record.metadata, part);
  if (json->levels() + prepared.level > kMaxContainerLevels) {
    refuse("a JSON value of " + std::to_string(json->levels()) + " levels in a " + prepared.type +
           " at level " + std::to_string(prepared.level) + "; at most " +
           std::to_string(kMaxContainerLevels) + " are possible");
  }
  return json;
}

/// An entry of a run; the key is of no meaning in a list.
struct RunEntry {
  MapKey key;
  std::unique_ptr<SerializableObject> value;
};

std::unique_ptr<SerializableObject> object_of(JsonPart part, bool has_marks) {
  if (part.is_string) return PlainAccess::text(std::move(part.text));
  if (has_marks && may_have_marks(part.text)) {
    return std::make_unique<JsonData>(JsonData::marked(std::move(part.text)));
  }
  return PlainAccess::json(std::move(part.text), part.levels);
}

/// The entries of a run of JSON values.
std::vector<RunEntry> json_run(const PreparedMetadata& prepared, const ItemRecord& record,
                               const Payload& payload, bool is_map) {
  // Copied: it is read more than once, and a peer may go on writing to the bytes of a ring.
  const std::string text(as_text(part_of(payload, record).bytes));
  const bool has_marks = record.metadata->major > 1;
  // The brackets of the run stand for the container itself.
  const JsonRules rules{.what = "run of JSON values",
                        .max_levels = kMaxContainerLevels - prepared.level + 1};
  std::vector<RunEntry> entries;
  if (has_marks && is_map) {
    for (MarkedEntry& entry : split_marked_map(text, rules)) {
      entries.push_back({std::move(entry.key), object_of(std::move(entry.value), true)});
    }
  } else {
    JsonRules text_rules = rules;
    if (has_marks) {
      check_marked(text, rules);
      text_rules.max_levels = kMaxJsonLevels;
    }
    for (JsonPart& part : split_json(text, is_map, text_rules)) {
      MapKey key(std::move(part.key));
      entries.push_back({std::move(key), object_of(std::move(part), has_marks)});
    }
  }
  if (entries.size() != record.run) {
    refuse("a run of " + std::to_string(record.run) + " JSON values holds " +
           std::to_string(entries.size()));
  }
  return entries;
}

/// The lengths of the dimensions of each array in a run of several shapes.
class ShapeTable {
 public:
  ShapeTable(const ItemRecord& record, std::span<const std::byte> bytes)
      : dimensions_(record.dimensions), bytes_(bytes) {}

  [[nodiscard]] std::vector<std::size_t> shape(std::size_t array) const {
    std::vector<std::size_t> lengths(dimensions_);
    const std::size_t shape_bytes = dimensions_ * sizeof(std::uint64_t);
    // A std::size_t has 8 bytes, the lowest first, on all machines we run on.
    std::memcpy(lengths.data(), bytes_.data() + array * shape_bytes, shape_bytes);
    for (const std::size_t length : lengths) {
      if (length > kMaxNumber) refuse("an array in a run has a length above 2^63-1");
    }
    return lengths;
  }

 private:
  std::size_t dimensions_;
  std::span<const std::byte> bytes_;
};

/// The arrays of a run, as views of the payload.
std::vector<std::unique_ptr<SerializableObject>> array_run(const ItemRecord& record,
                                                           const Payload& payload) {
  const Payload part = part_of(payload, record);
  const ShapeTable table(record, part.bytes);
  // That the table fits is known: read_array_run has checked the size of the payload.
  const std::size_t table_bytes =
      record.shape ? 0 : aligned(record.run * record.dimensions * sizeof(std::uint64_t));
  if (table_bytes > part.bytes.size()) refuse("a run of arrays ends within its table of lengths");
  std::span<const std::byte> elements = part.bytes.subspan(table_bytes);
  std::vector<std::unique_ptr<SerializableObject>> arrays;
  arrays.reserve(record.run);
  std::shared_ptr<const detail::ArrayLayout> layout;
  for (std::size_t index = 0; index < record.run; ++index) {
    // Neighbours often have the same shape: described once.
    std::vector<std::size_t> shape = record.shape ? *record.shape : table.shape(index);
    if (layout == nullptr || layout->shape != shape) {
      layout = make_layout(*record.dtype, std::move(shape), {}, ErrorCode::corrupt_payload);
    }
    if (layout->payload_bytes > elements.size()) refuse("a run of arrays ends within an array");
    arrays.push_back(
        ArrayAccess::view(layout, {elements.first(layout->payload_bytes), part.owner}));
    elements = elements.subspan(layout->payload_bytes);
  }
  if (!elements.empty()) {
    refuse("a run of arrays leaves " + std::to_string(elements.size()) + " bytes of its payload");
  }
  return arrays;
}

/// Adds entries to a map that breaks no rule.
class Entries {
 public:
  void add(MapKey key, std::unique_ptr<SerializableObject> item) {
    if (map_->contains(key)) {
      const std::string shown = key.text().substr(0, 100);
      refuse("the key " + (key.is_integer() ? shown : '"' + shown + '"') +
             " appears twice in a map");
    }
    if (key.is_integer() && is_big_integer(key.text()) && ++big_keys_ > kMostBigKeys) {
      refuse("a map has more than " + std::to_string(kMostBigKeys) + " keys beyond 64 bits");
    }
    map_->add(std::move(key), std::move(item));
  }

  [[nodiscard]] std::unique_ptr<MapData> take() noexcept { return std::move(map_); }

 private:
  std::unique_ptr<MapData> map_ = std::make_unique<MapData>();
  std::size_t big_keys_ = 0;
};

}  // namespace

std::unique_ptr<SerializableObject> decode_list(const PreparedMetadata& prepared,
                                                const Payload& payload) {
  const Payload kept = checked(prepared, payload);
  auto list = std::make_unique<ListData>();
  for (const ItemRecord& record : prepared.records) {
    if (record.run == 0) {
      list->add(decode_item(prepared, record, kept));
    } else if (record.dtype) {
      for (auto& array : array_run(record, kept)) list->add(std::move(array));
    } else {
      for (RunEntry& entry : json_run(prepared, record, kept, false)) {
        list->add(std::move(entry.value));
      }
    }
  }
  return list;
}

std::unique_ptr<SerializableObject> decode_map(const PreparedMetadata& prepared,
                                               const Payload& payload) {
  const Payload kept = checked(prepared, payload);
  Entries entries;
  for (const ItemRecord& record : prepared.records) {
    if (record.run == 0) {
      entries.add(record.keys.front(), decode_item(prepared, record, kept));
    } else if (record.dtype) {
      auto arrays = array_run(record, kept);
      for (std::size_t index = 0; index < arrays.size(); ++index) {
        entries.add(record.keys[index], std::move(arrays[index]));
      }
    } else {
      for (RunEntry& entry : json_run(prepared, record, kept, true)) {
        entries.add(std::move(entry.key), std::move(entry.value));
      }
    }
  }
  return entries.take();
}

}  // namespace ipc0cp::codec
