// SPDX-License-Identifier: Apache-2.0
// Parsed metadata, by type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/containers.hpp"
#include "objects/codec.hpp"
#include "objects/codec_image.hpp"
#include "objects/codec_layout.hpp"
#include "rules/flatbuffer.hpp"

namespace ipc0cp::codec {

enum class Kind : std::uint8_t {
  bytes,
  text,
  json,
  ndarray,
  image,
  list,
  map,
  flatbuffer,
  user,
  unknown
};

/// The built-in type of that name.
std::optional<Kind> built_in_kind(std::string_view type) noexcept;

/// One record of a list or map.
struct ItemRecord {
  Prepared metadata;                              ///< Of items and runs of JSON values.
  std::vector<MapKey> keys;                       ///< In maps, of items and runs of arrays.
  std::size_t run = 0;                            ///< 0: an item.
  std::optional<Dtype> dtype;                     ///< Of runs of arrays.
  std::optional<std::vector<std::size_t>> shape;  ///< Of runs of arrays, if all have one.
  std::size_t dimensions = 0;                     ///< Of each array in a run.
  std::size_t offset = 0;
  std::size_t payload_bytes = 0;
};

struct PreparedMetadata {
  Kind kind = Kind::unknown;
  unsigned major = 1;  ///< Of the version.
  std::string type;
  std::string metadata_json;  ///< Of bytes and unknown types, which carry it on.
  std::shared_ptr<const TypeRegistry::Deserializer> deserializer;  ///< Of user types.
  TypeRegistry::Metadata values;                                   ///< Of user types.
  std::shared_ptr<const detail::ArrayLayout> array;
  std::shared_ptr<const detail::ImageLayout> image;
  FlatBufferLayout flatbuffer;
  std::vector<ItemRecord> records;        ///< Of lists and maps; offsets are checked.
  std::size_t records_payload_bytes = 0;  ///< Where the last record ends.
  unsigned level = 1;                     ///< Of lists and maps: 1 is the outermost.
};

/// As `prepare`, but always with the built-in meaning of the type.
Prepared prepare_built_in(std::string_view metadata_json);

/// The canonical text of an image's transparency, checked.
std::string parse_transparency(std::string_view text, ErrorCode error);

/// The JSON text behind the map of strings that deserializers of built-in types get.
std::string metadata_text(const TypeRegistry::Metadata& metadata);

/// The object of json metadata, which may be null. (codec.cpp)
std::unique_ptr<JsonData> json_of(const PreparedMetadata& prepared, const Payload& payload);

/// The objects of a list or map. (codec_containers.cpp)
std::unique_ptr<SerializableObject> decode_list(const PreparedMetadata& prepared,
                                                const Payload& payload);
std::unique_ptr<SerializableObject> decode_map(const PreparedMetadata& prepared,
                                               const Payload& payload);

}  // namespace ipc0cp::codec
