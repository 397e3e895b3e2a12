// SPDX-License-Identifier: Apache-2.0
// Values that JSON does not have, as marks in JSON text: docs/object_format.md, section 2.1.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/containers.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec_json.hpp"

namespace ipc0cp::codec {

/// What a text with marks says.
struct MarkedValue {
  JsonKind kind = JsonKind::null;
  unsigned levels = 0;      ///< Of the value: marks of numbers have none.
  std::string scalar = {};  ///< Of a `$float` or `$int` alone: what it says.
};

/// Checks that `text` is JSON with marks that keep the rules; `rules.max_levels` is of the value.
/// @throws Error `rules.error` naming the rule.
MarkedValue check_marked(std::string_view text, const JsonRules& rules);

/// Whether JSON text may have a mark in it, or an object that reads like one.
inline bool may_have_marks(std::string_view text) noexcept {
  // The dollar sign may be escaped.
  return text.find("\"$") != std::string_view::npos ||
         text.find("\"\\u0024") != std::string_view::npos;
}

/// One entry of a map of which the keys need not be text.
struct MarkedEntry {
  MapKey key;
  JsonPart value;
};

/// Checks `text`, which stands for a map, and takes it apart.
std::vector<MarkedEntry> split_marked_map(std::string_view text, const JsonRules& rules);

/// Whether `digits` are an integer beyond 64 bits as `$int` has it.
bool is_big_integer(std::string_view digits) noexcept;

/// The value of hexadecimal digits as `$int` has them, or the nearest double.
double double_of_big_integer(const std::string& digits) noexcept;

}  // namespace ipc0cp::codec
