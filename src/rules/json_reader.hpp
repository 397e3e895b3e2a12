// SPDX-License-Identifier: Apache-2.0
// JSON text under the rules of docs/object_format.md, section 2: the one reader behind both
// languages. It needs the stack of one function whatever the text, and time in proportion to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"

namespace ipc0cp::codec {

inline constexpr std::size_t kMaxMetadataKeys = 1024;

struct JsonRules {
  ErrorCode error = ErrorCode::corrupt_payload;  ///< What a broken rule is answered with.
  std::string_view what = "JSON payload";        ///< How messages call the text.
  unsigned max_levels = kMaxJsonLevels;
  std::size_t max_keys = std::numeric_limits<std::size_t>::max();

  /// @throws Error naming the text and the `reason`.
  [[noreturn]] void refuse(const std::string& reason) const;
};

/// What a text consists of, in its order. Views are valid during the call only, unless they point
/// into the text.
class JsonHandler {
 public:
  virtual ~JsonHandler() = default;
  virtual void null() = 0;
  virtual void boolean(bool value) = 0;
  virtual void integer(std::int64_t value) = 0;
  /// An integer of 2^63 or more.
  virtual void large_integer(std::uint64_t value) = 0;
  virtual void floating(double value, std::string_view text) = 0;
  virtual void string(std::string_view value) = 0;
  virtual void start_array() = 0;
  virtual void end_array() = 0;
  virtual void start_object() = 0;
  virtual void key(std::string_view value) = 0;
  /// The keys were distinct.
  virtual void end_object() = 0;
};

/// Reads `text`, which is one JSON value. The handler may have been told of a part of it before a
/// broken rule is found.
/// @return its levels of arrays and objects.
/// @throws Error `rules.error` naming the rule and the place; whatever `handler` throws.
unsigned read_json(std::string_view text, const JsonRules& rules, JsonHandler& handler);

/// The same for who only wants to know.
unsigned check_json(std::string_view text, const JsonRules& rules);

/// The start of a text in quotes, for messages.
std::string quoted_for_message(std::string_view text);

}  // namespace ipc0cp::codec
