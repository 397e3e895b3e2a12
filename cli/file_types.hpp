// SPDX-License-Identifier: Apache-2.0
// Files as messages, and messages as files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ipc0cp::cli {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using FilePointer = std::unique_ptr<std::FILE, CloseFile>;

/// @throws Failure naming the file and the reason.
FilePointer open_file(const std::filesystem::path& path, const char* mode);

/// Which bytes of a file are a message.
struct FileMessage {
  std::string metadata_json;  ///< Empty: a `bytes` message.
  std::uint64_t payload_offset = 0;
  std::uint64_t payload_bytes = 0;
  std::string note;  ///< Why it is not what its name says; empty if it is.
};

/// By the ending of its name: .npy is an array, .png, .jpg and .jpeg are images, .json is JSON;
/// anything else is bytes.
/// @throws Failure if the file is not what its name says.
FileMessage look_at_file(std::FILE* file, const std::filesystem::path& path);

/// Writes a message to `stem` with the ending of its type; what has no file format of its own
/// becomes an STDIO stream of one message (.ipc0cp), which `send` takes back unchanged.
/// @return the path.
std::filesystem::path write_message(const std::filesystem::path& stem,
                                    std::string_view metadata_json,
                                    std::span<const std::byte> payload);

}  // namespace ipc0cp::cli
