// SPDX-License-Identifier: Apache-2.0
// The format of recordings: docs/command_line.md, "Recordings".
//
// A recording is an STDIO stream. Its first frame says that it is one; in front of each message of
// the ring, which follows unchanged, stands a frame with the time at which it was taken. So it can
// be written to a pipe and read as it comes, and a cut-off one is whole up to there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ipc0cp::cli {

/// Metadata of the first frame: the ring's name, and when it began, for people.
std::string recording_start(const std::string& ring);
bool is_recording_start(std::string_view metadata_json);
/// Metadata of the frames with times, each with 8 bytes of payload: nanoseconds since the start,
/// little-endian.
inline constexpr std::string_view kTimeMetadata = R"({"type":"ipc0cp.time","version":"1.0"})";
/// The time in such a frame; none if it is another.
std::optional<std::uint64_t> time_of(std::string_view metadata_json,
                                     std::span<const std::byte> payload);

}  // namespace ipc0cp::cli
