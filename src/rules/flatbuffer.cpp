// SPDX-License-Identifier: Apache-2.0
#include "rules/flatbuffer.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "ipc0cp/flatbuffer_data.hpp"
#include "rules/json_reader.hpp"
#include "rules/json_text.hpp"

namespace ipc0cp::codec {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::int64_t kOffsetBytes = 4;
constexpr std::size_t kIdentifierBytes = 4;
constexpr std::int64_t kSizesBytes = 4;  // With which a vtable begins: its own and the table's.
// The distance to the root, the distance to the vtable, and the two sizes of the vtable.
constexpr std::int64_t kFewestBytes = 2 * kOffsetBytes + kSizesBytes;

template <class T>
T read(Bytes bytes, std::int64_t offset) noexcept {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

bool is_identifier(std::string_view text) noexcept {
  return text.size() == kIdentifierBytes && std::all_of(text.begin(), text.end(), [](char each) {
           return each >= ' ' && each <= '~';
         });
}

/// Where the root table and its vtable lie, or what is wrong with them. Signed, because distances
/// to vtables are.
struct Root {
  std::int64_t table = 0;
  std::int64_t vtable = 0;
  std::string problem = {};
};

Root misplaced(std::string_view what, std::int64_t first, std::int64_t bytes, std::int64_t total) {
  return {.problem = std::string(what) + " would have bytes " + std::to_string(first) + " .. " +
                     std::to_string(first + bytes) + " of " + std::to_string(total)};
}

Root find_root(Bytes buffer, std::int64_t start) {
  constexpr auto kMostBytes = static_cast<std::int64_t>(FlatBufferData::kMaxBytes);
  const auto total = static_cast<std::int64_t>(buffer.size());
  if (total < start + kFewestBytes || total > kMostBytes) {
    return {.problem = std::to_string(total) + " bytes, expected " +
                       std::to_string(start + kFewestBytes) + " .. " + std::to_string(kMostBytes)};
  }
  const std::int64_t distance = read<std::uint32_t>(buffer, start);
  const std::int64_t table = start + distance;
  if (distance < kOffsetBytes || table % kOffsetBytes != 0 || table + kOffsetBytes > total) {
    return misplaced("the root table", table, kOffsetBytes, total);
  }
  const std::int64_t vtable = table - read<std::int32_t>(buffer, table);
  if (vtable % 2 != 0 || vtable < start + kOffsetBytes || vtable + kSizesBytes > total) {
    return misplaced("the vtable of the root", vtable, kSizesBytes, total);
  }
  const std::int64_t vtable_bytes = read<std::uint16_t>(buffer, vtable);
  const std::int64_t table_bytes = read<std::uint16_t>(buffer, vtable + kSizesBytes / 2);
  if (vtable_bytes % 2 != 0 || vtable_bytes < kSizesBytes || vtable + vtable_bytes > total) {
    return misplaced("the vtable of the root", vtable, vtable_bytes, total);
  }
  if (table_bytes < kOffsetBytes || table + table_bytes > total) {
    return misplaced("the root table", table, table_bytes, total);
  }
  return {.table = table, .vtable = vtable};
}

bool has_prefix(Bytes buffer) noexcept {
  return buffer.size() >= kOffsetBytes &&
         read<std::uint32_t>(buffer, 0) == buffer.size() - kOffsetBytes;
}

/// The four bytes where an identifier would be. There is room for it wherever there is a root.
std::string_view identifier_bytes(Bytes buffer, std::int64_t start) noexcept {
  return {reinterpret_cast<const char*>(buffer.data()) + start + kOffsetBytes, kIdentifierBytes};
}

std::string identifier_of(Bytes buffer, std::int64_t start, const Root& root) {
  const std::string_view text = identifier_bytes(buffer, start);
  const auto end = start + kOffsetBytes + static_cast<std::int64_t>(kIdentifierBytes);
  const bool is_free = root.table >= end && root.vtable >= end;
  return is_free && is_identifier(text) ? std::string(text) : std::string();
}

}  // namespace

FlatBufferLayout complete_flatbuffer(std::string identifier, bool size_prefixed, ErrorCode error) {
  auto layout = std::make_shared<detail::FlatBufferLayout>();
  layout->metadata_json = R"({"type":"flatbuffer","version":"1.0")";
  if (!identifier.empty()) {
    if (!is_identifier(identifier)) {
      throw Error(error, "a flatbuffer has an identifier of 4 characters U+0020 .. U+007E, not \"" +
                             identifier.substr(0, 60) + "\"");
    }
    layout->metadata_json += ",\"identifier\":";
    append_quoted(layout->metadata_json, identifier);
  }
  if (size_prefixed) layout->metadata_json += ",\"size_prefixed\":true";
  layout->metadata_json += '}';
  layout->identifier = std::move(identifier);
  layout->size_prefixed = size_prefixed;
  return layout;
}

FlatBufferLayout inspect_flatbuffer(Bytes buffer) {
  if (has_prefix(buffer)) {
    const Root root = find_root(buffer, kOffsetBytes);
    if (root.problem.empty()) {
      return complete_flatbuffer(identifier_of(buffer, kOffsetBytes, root), true,
                                 ErrorCode::invalid_argument);
    }
  }
  const Root root = find_root(buffer, 0);
  if (!root.problem.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "this is no FlatBuffer that its builder has finished: " + root.problem);
  }
  return complete_flatbuffer(identifier_of(buffer, 0, root), false, ErrorCode::invalid_argument);
}

void check_flatbuffer(const detail::FlatBufferLayout& layout, Bytes payload) {
  if (layout.size_prefixed && !has_prefix(payload)) {
    throw Error(ErrorCode::corrupt_payload,
                "a size-prefixed flatbuffer of " + std::to_string(payload.size()) +
                    " bytes does not begin with the size of what follows the first 4");
  }
  const std::int64_t start = layout.size_prefixed ? kOffsetBytes : 0;
  const Root root = find_root(payload, start);
  if (!root.problem.empty()) {
    throw Error(ErrorCode::corrupt_payload, "a flatbuffer is damaged: " + root.problem);
  }
  const std::string_view found = identifier_bytes(payload, start);
  if (!layout.identifier.empty() && found != layout.identifier) {
    const std::string shown = is_identifier(found) ? quoted_for_message(found) : "no identifier";
    throw Error(ErrorCode::corrupt_payload, "the metadata of a flatbuffer give the identifier \"" +
                                                layout.identifier + "\", its bytes " + shown);
  }
}

}  // namespace ipc0cp::codec
