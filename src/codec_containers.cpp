// SPDX-License-Identifier: Apache-2.0
// From the records of lists and maps to objects: docs/object_format.md, section 6.
#include <string>
#include <utility>

#include "codec.hpp"
#include "codec_json.hpp"
#include "codec_metadata.hpp"
#include "ipc0cp/containers.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects_internal.hpp"

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
  auto json = std::make_unique<JsonData>(part);
  if (json->levels() + prepared.level > kMaxContainerLevels) {
    refuse("a JSON value of " + std::to_string(json->levels()) + " levels in a " + prepared.type +
           " at level " + std::to_string(prepared.level) + "; at most " +
           std::to_string(kMaxContainerLevels) + " are possible");
  }
  return json;
}

std::vector<JsonPart> parts_of_run(const PreparedMetadata& prepared, const ItemRecord& record,
                                   const Payload& payload, bool is_map) {
  const auto bytes = part_of(payload, record).bytes;
  // The brackets of the run stand for the container itself.
  const JsonRules rules{.what = "run of JSON values",
                        .max_levels = kMaxContainerLevels - prepared.level + 1};
  auto parts =
      split_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, is_map, rules);
  if (parts.size() != record.run) {
    refuse("a run of " + std::to_string(record.run) + " JSON values holds " +
           std::to_string(parts.size()));
  }
  return parts;
}

std::unique_ptr<SerializableObject> object_of(JsonPart part) {
  if (part.is_string) return PlainAccess::text(std::move(part.text));
  return PlainAccess::json(std::move(part.text), part.levels);
}

void add_entry(MapData& map, std::string key, std::unique_ptr<SerializableObject> item) {
  if (map.contains(key)) refuse("the key \"" + key.substr(0, 100) + "\" appears twice in a map");
  map.add(std::move(key), std::move(item));
}

}  // namespace

std::unique_ptr<SerializableObject> decode_list(const PreparedMetadata& prepared,
                                                const Payload& payload) {
  const Payload kept = checked(prepared, payload);
  auto list = std::make_unique<ListData>();
  for (const ItemRecord& record : prepared.records) {
    if (record.run == 0) {
      list->add(decode_item(prepared, record, kept));
      continue;
    }
    for (JsonPart& part : parts_of_run(prepared, record, kept, false)) {
      list->add(object_of(std::move(part)));
    }
  }
  return list;
}

std::unique_ptr<SerializableObject> decode_map(const PreparedMetadata& prepared,
                                               const Payload& payload) {
  const Payload kept = checked(prepared, payload);
  auto map = std::make_unique<MapData>();
  for (const ItemRecord& record : prepared.records) {
    if (record.run == 0) {
      add_entry(*map, record.key, decode_item(prepared, record, kept));
      continue;
    }
    for (JsonPart& part : parts_of_run(prepared, record, kept, true)) {
      std::string key = std::move(part.key);
      add_entry(*map, std::move(key), object_of(std::move(part)));
    }
  }
  return map;
}

}  // namespace ipc0cp::codec
