// SPDX-License-Identifier: Apache-2.0
// The frame of the STDIO transport: every byte of it that is not metadata or payload.
//
//    0        4        6        8               12                              20
//   +--------+--------+--------+---------------+-------------------------------+
//   | magic  | version| flags  | metadata bytes| payload bytes                 |  metadata, payload
//   +--------+--------+--------+---------------+-------------------------------+
//    89 30    1        bit 0:   u32             u64                              as in the ring
//    43 50             closing
//
// All numbers are little-endian. What they mean: docs/stdio_format.md.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "ipc0cp/limits.hpp"

namespace ipc0cp::stdio {

static_assert(std::endian::native == std::endian::little);

struct [[gnu::packed]] FrameHeader {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t flags;
  std::uint32_t metadata_bytes;
  std::uint64_t payload_bytes;
};
static_assert(sizeof(FrameHeader) == 20);
static_assert(offsetof(FrameHeader, version) == 4 && offsetof(FrameHeader, flags) == 6);
static_assert(offsetof(FrameHeader, metadata_bytes) == 8);
static_assert(offsetof(FrameHeader, payload_bytes) == 12);

inline constexpr std::uint32_t kMagic = 0x50433089;  ///< "\x890CP": no text begins like this.
inline constexpr std::uint16_t kVersion = 1;
/// The end of the stream: no metadata, no payload.
inline constexpr std::uint16_t kClosing = 1;

inline constexpr std::uint64_t kMaxPayloadBytes = std::numeric_limits<std::int64_t>::max();
static_assert(kMaxMetadataBytes <= std::numeric_limits<std::uint32_t>::max());

inline constexpr FrameHeader kClosingFrame{kMagic, kVersion, kClosing, 0, 0};

}  // namespace ipc0cp::stdio
