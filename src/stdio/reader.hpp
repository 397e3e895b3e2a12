// SPDX-License-Identifier: Apache-2.0
// The reading half of the STDIO format, without any input or output.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/message.hpp"
#include "stdio/frame.hpp"

namespace ipc0cp::stdio {

/// Makes messages of the bytes of a stream, however they are cut into pieces. One thread at a time.
///
///   header --> body --> whole --(take)--> header
///     |  \       |
///     |   \      +--> broken, for good: garbage, another version, or a stream that stopped
///     |    \----------^
///     +--> ended: the closing frame
///
/// Invariants:
/// 1. Asks for no byte beyond the frame it is in, so that anything may follow the closing frame.
/// 2. Takes at most `buffer_pool::kTrustedBytes` on the word of a header, more only as bytes come.
/// 3. Metadata and payload arrive where they stay: nothing is copied, whatever the length.
class FrameReader {
 public:
  /// @param name what errors call the stream
  explicit FrameReader(std::string name) : name_(std::move(name)) {}
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;
  ~FrameReader();

  /// Where the next bytes go, in this order; empty once a message is whole or the stream has ended.
  /// Valid until the next call.
  /// @throws Error what has broken the stream before; out_of_memory, which may pass.
  std::span<const std::span<std::byte>> wanted();
  /// The first `bytes` of what was wanted have arrived.
  /// @throws Error corrupt_payload, version_mismatch: the stream is broken from here on.
  void advance(std::size_t bytes);
  /// No more bytes will come.
  /// @throws Error corrupt_payload: the stream was cut off.
  [[noreturn]] void cut_off();

  [[nodiscard]] bool is_whole() const noexcept { return state_ == State::whole; }
  [[nodiscard]] bool has_ended() const noexcept { return state_ == State::ended; }
  /// The message that is whole.
  Message take() noexcept;

  /// Messages taken.
  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  /// Bytes of the stream so far.
  [[nodiscard]] std::uint64_t stream_bytes() const noexcept { return frame_offset_ + arrived_; }
  /// "12 of 3456 bytes of frame 7, at offset 89012 of the stream"
  [[nodiscard]] std::string progress() const;

 private:
  enum class State : std::uint8_t { header, body, whole, ended, broken };

  void check_magic();
  void check_header();
  void provide_memory(std::size_t position);
  [[noreturn]] void break_off(ErrorCode code, const std::string& text);

  [[nodiscard]] std::uint64_t frame_bytes() const noexcept;
  /// The payload lies behind the metadata, at a multiple of 64.
  [[nodiscard]] std::size_t payload_begin() const noexcept {
    return (std::size_t{header_.metadata_bytes} + 63) / 64 * 64;
  }

  std::string name_;
  State state_ = State::header;
  FrameHeader header_{};
  std::uint64_t arrived_ = 0;       ///< Bytes of this frame.
  std::uint64_t frame_offset_ = 0;  ///< Of this frame in the stream.
  std::uint64_t messages_ = 0;
  std::byte* buffer_ = nullptr;  ///< Of the buffer pool: metadata and payload of this frame.
  std::array<std::span<std::byte>, 2> parts_;
  ErrorCode broken_code_ = ErrorCode::ok;
  std::string broken_text_;
};

}  // namespace ipc0cp::stdio
