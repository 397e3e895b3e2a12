// SPDX-License-Identifier: Apache-2.0
// The records of lists and maps, checked: docs/object_format.md, section 6.
#include <algorithm>
#include <utility>

#include "objects/codec_containers.hpp"
#include "objects/codec_metadata.hpp"
#include "objects/json_access.hpp"

namespace ipc0cp::codec {
namespace {

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
    record.offset = number(member(json, "offset", refuse_), "offset", kMaxNumber, refuse_);
    record.payload_bytes =
        number(member(json, "payload_size", refuse_), "payload_size", kMaxNumber, refuse_);
    const auto run = json.find("run");
    if (run == json.end()) {
      record.metadata = prepared(metadata);
      ++counted_;
      if (is_map_) record.keys.push_back(key_of(member(json, "key", refuse_)));
    } else {
      record.run = number(*run, "run", kMaxNumber, refuse_);
      const bool of_arrays = target_.major > 1 && metadata.value("type", Json()) == "ndarray";
      of_arrays ? read_array_run(record, json, metadata) : read_json_run(record, json, metadata);
      counted_ += record.run;
    }
    if (record.offset != aligned(record.offset) || record.offset < target_.records_payload_bytes) {
      refuse_("\"offset\" is " + std::to_string(record.offset) + "; expected a multiple of 64 at " +
              std::to_string(target_.records_payload_bytes) + " or behind");
    }
    // Both are below 2^63: the sum fits.
    target_.records_payload_bytes = record.offset + record.payload_bytes;
    target_.records.push_back(std::move(record));
  }

  void read_json_run(ItemRecord& record, const Json& json, const Json& metadata) {
    const bool of_json = metadata.contains("type") && metadata["type"] == "json";
    if (record.run == 0 || !of_json || (is_map_ && json.contains("key"))) {
      refuse_("a run has n >= 1, the metadata of json, and no key; this one is " + shown(json));
    }
    record.metadata = prepare_json(metadata, metadata.dump(), false, target_.level + 1);
    if (record.metadata->kind != Kind::json || record.metadata->major > target_.major) {
      refuse_("a run in a " + target_.type + " of version " + std::to_string(target_.major) +
              ".x cannot have the metadata " + shown(metadata));
    }
    // Each value takes at least a digit and a comma, so no honest run is longer than its payload.
    if (record.run > record.payload_bytes) {
      refuse_("a run of " + std::to_string(record.run) + " values in " +
              std::to_string(record.payload_bytes) + " bytes");
    }
  }

  void read_array_run(ItemRecord& record, const Json& json, const Json& metadata) {
    if (metadata.contains("version")) {
      const std::string version = string_member(metadata, "version", refuse_);
      if (version != "1" && !version.starts_with("1.")) {
        refuse_("a run of arrays of the unknown version \"" + version.substr(0, 40) + '"');
      }
    }
    const Json& dtype = member(metadata, "dtype", refuse_);
    if (dtype.is_object()) refuse_("a run of arrays has a simple dtype, not " + shown(dtype));
    record.dtype = dtype_of(dtype, refuse_);
    if (json.contains("shape") == json.contains("dimensions")) {
      refuse_("a run of arrays has either \"shape\" or \"dimensions\"; this one is " + shown(json));
    }
    std::uint64_t least_bytes = 0;  // For each of them.
    if (json.contains("shape")) {
      record.shape = shape_of(json["shape"], 0, refuse_);
      record.dimensions = record.shape->size();
      least_bytes = array_bytes(*record.shape, record.dtype->item_bytes, refuse_.error);
    } else {
      record.dimensions = number(json["dimensions"], "dimensions", kMaxDimensions, refuse_);
      least_bytes = record.dimensions * sizeof(std::uint64_t);
    }
    if (record.run == 0 || least_bytes == 0 || record.payload_bytes / least_bytes < record.run) {
      refuse_("a run of " + std::to_string(record.run) + " arrays in " +
              std::to_string(record.payload_bytes) + " bytes: each takes at least " +
              std::to_string(std::max<std::uint64_t>(least_bytes, 1)));
    }
    if (is_map_) read_keys(record, member(json, "keys", refuse_));
  }

  void read_keys(ItemRecord& record, const Json& keys) {
    if (!keys.is_array() || keys.size() != record.run) {
      refuse_("\"keys\" is " + shown(keys) + "; expected an array of " +
              std::to_string(record.run) + " keys");
    }
    record.keys.reserve(keys.size());
    for (const Json& key : keys) record.keys.push_back(key_of(key));
  }

  MapKey key_of(const Json& key) const {
    if (key.is_string()) return key.get<std::string>();
    auto integer = target_.major > 1 ? integer_key(key) : std::nullopt;
    if (!integer) {
      refuse_("\"key\" is " + shown(key) + "; expected a string" +
              (target_.major > 1 ? " or an integer" : ""));
    }
    return *std::move(integer);
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

}  // namespace

void read_records(PreparedMetadata& target, const Json& json, bool is_map) {
  RecordReader(target, is_map).read(json);
}

}  // namespace ipc0cp::codec
