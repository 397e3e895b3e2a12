// SPDX-License-Identifier: Apache-2.0
// The parts of a JSON array or object; values stay text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rules/json_reader.hpp"
#include "rules/json_text.hpp"

namespace ipc0cp::codec {

/// One element of an array (key empty) or member of an object.
struct JsonPart {
  std::string key;
  std::string text;  ///< Canonical text; of a string (`is_string`): the string itself.
  unsigned levels = 0;
  bool is_string = false;
};

/// Checks `text`, which must be an array, or an object if `object`, and takes it apart.
std::vector<JsonPart> split_json(std::string_view text, bool object, const JsonRules& rules);

}  // namespace ipc0cp::codec
