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

#include "codec.hpp"
#include "codec_layout.hpp"

namespace ipc0cp::codec {

enum class Kind : std::uint8_t { bytes, text, json, ndarray, user, unknown };

/// The built-in type of that name.
std::optional<Kind> built_in_kind(std::string_view type) noexcept;

struct PreparedMetadata {
  Kind kind = Kind::unknown;
  std::string type;
  std::string metadata_json;  ///< Of bytes and unknown types, which carry it on.
  std::shared_ptr<const TypeRegistry::Deserializer> deserializer;  ///< Of user types.
  TypeRegistry::Metadata values;                                   ///< Of user types.
  std::shared_ptr<const detail::ArrayLayout> array;
};

/// As `prepare`, but always with the built-in meaning of the type.
Prepared prepare_built_in(std::string_view metadata_json);

/// The JSON text behind the map of strings that deserializers of built-in types get.
std::string metadata_text(const TypeRegistry::Metadata& metadata);

}  // namespace ipc0cp::codec
