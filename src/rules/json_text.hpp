// SPDX-License-Identifier: Apache-2.0
// UTF-8, and how values are spelled in canonical JSON: docs/object_format.md, section 2.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ipc0cp::codec {

/// How many bytes of `text` are UTF-8 without surrogates: all, or up to the first that is not.
/// Fast for ASCII.
std::size_t utf8_bytes(std::string_view text) noexcept;
/// Whether `text` is UTF-8 without surrogates.
inline bool is_utf8(std::string_view text) noexcept { return utf8_bytes(text) == text.size(); }

/// How many bytes of `text` stand in a JSON string as they are: all, or up to the first quote,
/// backslash or control character.
std::size_t unescaped_bytes(std::string_view text) noexcept;

/// Appends `text`, which is UTF-8, as a canonical JSON string.
void append_quoted(std::string& target, std::string_view text);

/// Appends a finite number in the fewest digits that give it back, never as an integer.
void append_double(std::string& target, double value);

}  // namespace ipc0cp::codec
