// SPDX-License-Identifier: Apache-2.0
// What was put into a ring, kept outside of it: every message tells its number and proves itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ipc0cp::crash {

using MessageId = std::uint64_t;

/// Sentences about broken invariants; empty means that all is well.
using Violations = std::vector<std::string>;

inline constexpr std::size_t kLeastMessageBytes = 16;

/// A payload that begins with number and size and goes on with bytes that follow from both.
std::vector<std::byte> payload_of(MessageId id, std::size_t payload_bytes);
/// Even numbers have metadata of their own, odd ones none, so that both forms are met.
std::string metadata_of(MessageId id);
/// The number of an undamaged message, 0 for anything else.
MessageId id_of(std::span<const std::byte> payload, std::string_view metadata);

/// "[1 2 3]"
std::string to_text(const std::vector<MessageId>& ids);

}  // namespace ipc0cp::crash
