// SPDX-License-Identifier: Apache-2.0
// JSON text under the rules of docs/object_format.md, section 2; values stay text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"

namespace ipc0cp::codec {

inline constexpr std::size_t kMaxMetadataKeys = 1024;

struct JsonRules {
  ErrorCode error = ErrorCode::corrupt_payload;  ///< What a broken rule is answered with.
  std::string_view what = "JSON payload";        ///< How messages call the text.
  unsigned max_levels = kMaxJsonLevels;
  std::size_t max_keys = std::numeric_limits<std::size_t>::max();
};

/// Checks that `text` is one JSON value that keeps all rules.
/// @return its levels of arrays and objects.
/// @throws Error `rules.error` naming the rule and the place.
unsigned check_json(std::string_view text, const JsonRules& rules);

/// One element of an array (key empty) or member of an object.
struct JsonPart {
  std::string key;
  std::string text;  ///< Canonical text; of a string (`is_string`): the string itself.
  unsigned levels = 0;
  bool is_string = false;
};

/// Checks `text`, which must be an array, or an object if `object`, and takes it apart.
std::vector<JsonPart> split_json(std::string_view text, bool object, const JsonRules& rules);

/// Appends `text` as a canonical JSON string.
void append_quoted(std::string& target, std::string_view text);

/// How many bytes of `text` are UTF-8 without surrogates: all, or up to the first that is not.
/// Fast for ASCII.
std::size_t utf8_bytes(std::string_view text) noexcept;
/// Whether `text` is UTF-8 without surrogates.
inline bool is_utf8(std::string_view text) noexcept { return utf8_bytes(text) == text.size(); }

}  // namespace ipc0cp::codec
