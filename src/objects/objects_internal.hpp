// SPDX-License-Identifier: Apache-2.0
// What the codec and the object classes share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/flatbuffer_data.hpp"
#include "ipc0cp/image_data.hpp"
#include "ipc0cp/numpy_array.hpp"
#include "ipc0cp/payload.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec_image.hpp"
#include "objects/codec_layout.hpp"
#include "rules/flatbuffer.hpp"

namespace ipc0cp {

/// Texts up to this size are copied at pop: cheaper than to keep their block.
inline constexpr std::size_t kLongestCopiedText = 4096;

/// Fresh memory at a multiple of 64 bytes, not initialised.
std::shared_ptr<std::byte> allocate_bytes(std::size_t size);

/// `payload` itself if it has an owner, else a copy that has one.
Payload keep(const Payload& payload);

inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void copy_bytes(std::span<std::byte> target, std::string_view source) {
  copy_payload(target, std::as_bytes(std::span(source)));
}

/// Whether a text is kept where it lies rather than copied.
inline bool worth_a_view(const Payload& payload) noexcept {
  return payload.owner != nullptr && payload.bytes.size() > kLongestCopiedText;
}

/// Makes arrays from layouts that are already checked.
class ArrayAccess {
 public:
  static std::unique_ptr<NumpyArray> view(std::shared_ptr<const detail::ArrayLayout> layout,
                                          const Payload& payload);
};

/// Makes images from layouts that are already checked.
class ImageAccess {
 public:
  static std::unique_ptr<ImageData> view(std::shared_ptr<const detail::ImageLayout> layout,
                                         const Payload& payload);
};

/// Makes flatbuffers that are already checked.
class FlatBufferAccess {
 public:
  static std::unique_ptr<FlatBufferData> view(
      std::shared_ptr<const detail::FlatBufferLayout> layout, const Payload& payload);
};

/// Makes bytes, texts and JSON values from what is already checked.
class PlainAccess {
 public:
  static std::unique_ptr<BytesData> bytes(const Payload& payload, std::string metadata_json);
  static std::unique_ptr<TextData> text(std::string text);
  static std::unique_ptr<JsonData> json(std::string text, unsigned levels);
  /// @throws Error (corrupt_payload) if the bytes break one of the rules: these are not checked
  /// yet.
  static std::unique_ptr<JsonData> marked_json(const Payload& payload);
  static void set_marks(JsonData& data, ErrorCode error, std::string_view what);
};

}  // namespace ipc0cp
