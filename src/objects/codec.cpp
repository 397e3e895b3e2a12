// SPDX-License-Identifier: Apache-2.0
#include "objects/codec.hpp"

#include <mutex>
#include <set>

#include "ipc0cp/error.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_metadata.hpp"
#include "objects/objects_internal.hpp"
#include "platform/fork_safe.hpp"
#include "platform/log.hpp"

namespace ipc0cp::codec {
namespace {

std::mutex g_warned_mutex;
const platform::UsableAfterFork<g_warned_mutex> g_warned_after_fork;
// Threads may still pop while the program exits.
platform::NeverDestroyed<std::set<std::string>> g_warned;

/// One warning per type, and not for ever if a hostile peer makes up new ones.
void warn_unknown(const std::string& type) {
  constexpr std::size_t kMostWarnings = 256;
  {
    const std::lock_guard lock(g_warned_mutex);
    std::set<std::string>& warned = g_warned.value;
    if (warned.size() >= kMostWarnings || !warned.insert(type).second) return;
  }
  log(LogLevel::warning, "no deserializer for messages of type \"" + type.substr(0, 100) +
                             "\" in this version: they arrive as BytesData with their metadata; "
                             "TypeRegistry::register_type adds one");
}

std::unique_ptr<SerializableObject> decode_json(const PreparedMetadata& prepared,
                                                const Payload& payload) {
  auto object = json_of(prepared, payload);
  if (object->is_null()) {
    throw Error(ErrorCode::corrupt_payload,
                "a json message is null, which alone would mean end of stream");
  }
  return object;
}

std::unique_ptr<SerializableObject> decode_array(const PreparedMetadata& prepared,
                                                 const Payload& payload) {
  const std::size_t needed = prepared.array->payload_bytes;
  if (payload.bytes.size() != needed) {
    throw Error(ErrorCode::corrupt_payload,
                "an ndarray with metadata " + prepared.array->metadata_json.substr(0, 200) +
                    " has " + std::to_string(needed) + " bytes, its payload " +
                    std::to_string(payload.bytes.size()));
  }
  return ArrayAccess::view(prepared.array, payload);
}

std::unique_ptr<SerializableObject> decode_image(const PreparedMetadata& prepared,
                                                 const Payload& payload) {
  const detail::ImageLayout& layout = *prepared.image;
  const std::size_t needed = layout.pixels_bytes + layout.palette_bytes + layout.info.pieces_bytes;
  const bool is_file = layout.encoding != "raw";
  if (is_file ? payload.bytes.size() < needed : payload.bytes.size() != needed) {
    throw Error(ErrorCode::corrupt_payload, "an image with metadata " +
                                                layout.metadata_json.substr(0, 200) + " has " +
                                                std::to_string(needed) + " bytes, its payload " +
                                                std::to_string(payload.bytes.size()));
  }
  const auto pieces = payload.bytes.last(layout.info.pieces_bytes);
  for (const auto& piece : layout.info.pieces) {
    if (piece.is_text && !is_utf8(as_text(pieces.subspan(piece.offset, piece.bytes)))) {
      throw Error(ErrorCode::corrupt_payload, "a text of " + std::to_string(piece.bytes) +
                                                  " bytes in the info of an image is not UTF-8");
    }
  }
  return ImageAccess::view(prepared.image, payload);
}

std::unique_ptr<SerializableObject> decode_flatbuffer(const PreparedMetadata& prepared,
                                                      const Payload& payload) {
  check_flatbuffer(*prepared.flatbuffer, payload.bytes);
  return FlatBufferAccess::view(prepared.flatbuffer, payload);
}

std::unique_ptr<SerializableObject> decode_user(const PreparedMetadata& prepared,
                                                const Payload& payload) {
  auto object = (*prepared.deserializer)(prepared.values, payload);
  if (object == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "the deserializer registered for \"" + prepared.type + "\" returned no object");
  }
  return object;
}

}  // namespace

Prepared MetadataCache::find(std::string_view metadata_json) {
  const std::uint64_t generation = TypeRegistry::instance().generation();
  if (generation != generation_) {
    entries_ = {};
    generation_ = generation;
  }
  for (const Entry& entry : entries_) {
    if (entry.prepared != nullptr && entry.text == metadata_json) return entry.prepared;
  }
  Prepared prepared = prepare(metadata_json);
  if (metadata_json.size() <= kLongestText) {
    entries_[next_] = {std::string(metadata_json), prepared};
    next_ = (next_ + 1) % kEntries;
  }
  return prepared;
}

MetadataCache& thread_cache() noexcept {
  thread_local MetadataCache cache;
  return cache;
}

std::unique_ptr<SerializableObject> decode(const Prepared& prepared, const Payload& payload) {
  switch (prepared->kind) {
    case Kind::bytes:
      return PlainAccess::bytes(payload, prepared->metadata_json);
    case Kind::text:
      return std::make_unique<TextData>(payload);
    case Kind::json:
      return decode_json(*prepared, payload);
    case Kind::ndarray:
      return decode_array(*prepared, payload);
    case Kind::image:
      return decode_image(*prepared, payload);
    case Kind::list:
      return decode_list(*prepared, payload);
    case Kind::map:
      return decode_map(*prepared, payload);
    case Kind::flatbuffer:
      return decode_flatbuffer(*prepared, payload);
    case Kind::user:
      return decode_user(*prepared, payload);
    case Kind::unknown:
      break;
  }
  warn_unknown(prepared->type);
  return PlainAccess::bytes(payload, prepared->metadata_json);
}

std::unique_ptr<SerializableObject> decode(std::string_view metadata_json, const Payload& payload) {
  return decode(thread_cache().find(metadata_json), payload);
}

std::unique_ptr<JsonData> json_of(const PreparedMetadata& prepared, const Payload& payload) {
  return prepared.major == 1 ? std::make_unique<JsonData>(payload)
                             : PlainAccess::marked_json(payload);
}

bool keeps_payload(const PreparedMetadata& prepared, std::size_t payload_bytes) noexcept {
  if (prepared.kind == Kind::json) return false;
  return prepared.kind != Kind::text || payload_bytes > kLongestCopiedText;
}

std::unique_ptr<SerializableObject> decode_built_in(const TypeRegistry::Metadata& metadata,
                                                    const Payload& payload) {
  return decode(prepare_built_in(metadata_text(metadata)), payload);
}

}  // namespace ipc0cp::codec
