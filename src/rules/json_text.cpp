// SPDX-License-Identifier: Apache-2.0
#include "rules/json_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace ipc0cp::codec {
namespace {

/// Length of the UTF-8 sequence at `text`, 0 if it is not one.
std::size_t sequence_bytes(const unsigned char* text, std::size_t available) noexcept {
  const auto continues = [&](std::size_t index) {
    return index < available && (text[index] & 0xC0U) == 0x80U;
  };
  const unsigned char lead = text[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || !continues(1)) return 0;
  if (lead < 0xE0) return 2;
  if (!continues(2)) return 0;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && text[1] < 0xA0;
    const bool surrogate = lead == 0xED && text[1] >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead > 0xF4 || !continues(3)) return 0;
  const bool overlong = lead == 0xF0 && text[1] < 0x90;
  const bool too_large = lead == 0xF4 && text[1] >= 0x90;
  return overlong || too_large ? 0 : 4;
}

bool are_ascii(const unsigned char* eight) noexcept {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, eight, sizeof bytes);
  return (bytes & 0x8080808080808080U) == 0;
}

constexpr bool needs_escape(char character) noexcept {
  return static_cast<unsigned char>(character) < 0x20 || character == '"' || character == '\\';
}

/// Whether one of eight characters needs an escape; may also say so of a neighbour of one that
/// does.
bool any_needs_escape(std::uint64_t eight) noexcept {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  const auto below = [](std::uint64_t bytes, std::uint64_t limit) {
    return (bytes - kOnes * limit) & ~bytes & kHighBits;
  };
  return (below(eight, 0x20) | below(eight ^ (kOnes * '"'), 1) |
          below(eight ^ (kOnes * '\\'), 1)) != 0;
}

}  // namespace

std::size_t utf8_bytes(std::string_view text) noexcept {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t index = 0;
  while (index < text.size()) {
    // Most text is ASCII: look at 32 bytes at once until one is not.
    while (index + 32 <= text.size()) {
      unsigned char any = 0;
      for (std::size_t step = 0; step < 32; ++step) any |= bytes[index + step];
      if (any >= 0x80) break;
      index += 32;
    }
    const std::size_t stop = std::min(index + 32, text.size());
    while (index < stop) {
      while (index + sizeof(std::uint64_t) <= text.size() && are_ascii(bytes + index)) {
        index += sizeof(std::uint64_t);
      }
      if (index >= stop) break;
      const std::size_t length = sequence_bytes(bytes + index, text.size() - index);
      if (length == 0) return index;
      index += length;
    }
  }
  return index;
}

std::size_t unescaped_bytes(std::string_view text) noexcept {
  std::size_t index = 0;
  for (std::uint64_t eight = 0; index + sizeof eight <= text.size(); index += sizeof eight) {
    std::memcpy(&eight, text.data() + index, sizeof eight);
    if (any_needs_escape(eight)) break;
  }
  while (index < text.size() && !needs_escape(text[index])) ++index;
  return index;
}

void append_quoted(std::string& target, std::string_view text) {
  constexpr std::string_view kShort = "\b\f\n\r\t";
  constexpr std::string_view kShortNames = "bfnrt";
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  target += '"';
  while (true) {
    const std::size_t plain = unescaped_bytes(text);
    target += text.substr(0, plain);
    if (plain == text.size()) break;
    const char character = text[plain];
    if (character == '"' || character == '\\') {
      target += '\\';
      target += character;
    } else if (const auto index = kShort.find(character); index != std::string_view::npos) {
      target += '\\';
      target += kShortNames[index];
    } else {
      target += "\\u00";
      target += kHexDigits[static_cast<unsigned char>(character) >> 4U];
      target += kHexDigits[static_cast<unsigned char>(character) & 0xFU];
    }
    text.remove_prefix(plain + 1);
  }
  target += '"';
}

void append_double(std::string& target, double value) {
  std::array<char, 32> buffer{};
  const auto [end, problem] = std::to_chars(buffer.begin(), buffer.end(), value);
  const std::string_view digits(buffer.begin(), static_cast<std::size_t>(end - buffer.begin()));
  target += digits;
  // 1 would come back as an integer.
  if (digits.find_first_of(".e") == std::string_view::npos) target += ".0";
}

}  // namespace ipc0cp::codec
