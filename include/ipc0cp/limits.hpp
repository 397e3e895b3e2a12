// SPDX-License-Identifier: Apache-2.0
/// @file
/// The limits of rings and objects, stated once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Smallest `total_data_bytes`.
inline constexpr std::size_t kMinTotalDataBytes = 1024;
/// Largest `total_data_bytes`: a handle maps twice as much, and of the 2^47 bytes of address space
/// that a process has no more than some 2^46 are in one piece. Two handles of one process have room
/// for rings of 2^44 bytes.
inline constexpr std::size_t kMaxTotalDataBytes = std::size_t{1} << 45;
/// Largest `max_messages`.
inline constexpr std::uint32_t kMaxMaxMessages = 1U << 20;
/// Smallest `mode` of a ring: its owner always reads and writes.
inline constexpr unsigned kMinMode = 0600;
/// Largest `mode` of a ring.
inline constexpr unsigned kMaxMode = 0777;
/// `max_messages` of a ring that names none: total_data_bytes / 1024, within 64 .. 8192.
IPC0CP_EXPORT std::uint32_t default_max_messages(std::size_t total_data_bytes) noexcept;

/// Handles on one ring at the same time.
inline constexpr std::uint32_t kMaxParticipants = 1023;
/// Subscribers of one ring at the same time.
inline constexpr std::uint32_t kMaxSubscribers = 40;
/// Longest metadata of one message, in bytes.
inline constexpr std::size_t kMaxMetadataBytes = std::size_t{1} << 30;
/// Longest name of a ring, in characters.
inline constexpr std::size_t kMaxNameLength = 200;

/// Levels of arrays and objects in one JSON value.
inline constexpr unsigned kMaxJsonLevels = 512;
/// Levels of lists and maps, and of the JSON arrays and objects in them.
inline constexpr unsigned kMaxContainerLevels = 64;
/// Dimensions of an array.
inline constexpr std::size_t kMaxDimensions = 64;
/// Width and height of an image, in pixels.
inline constexpr std::size_t kMaxImageLength = 0x7FFFFFFF;

}  // namespace ipc0cp
