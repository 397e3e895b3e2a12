// SPDX-License-Identifier: Apache-2.0
#include "stdio/reader.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "platform/buffer_pool.hpp"

namespace ipc0cp::stdio {
namespace {

namespace buffer_pool = platform::buffer_pool;

/// Bytes as a person recognises them: `"Hello" (48 65 6c 6c 6f)`.
std::string shown(std::span<const std::byte> bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  std::string digits;
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned char>(byte);
    text += value >= 0x20 && value < 0x7F ? static_cast<char>(value) : '.';
    if (!digits.empty()) digits += ' ';
    digits += kDigits[value >> 4U];
    digits += kDigits[value & 0xFU];
  }
  return '"' + text + "\" (" + digits + ")";
}

}  // namespace

FrameReader::~FrameReader() { buffer_pool::release(buffer_); }

std::span<const std::span<std::byte>> FrameReader::wanted() {
  switch (state_) {
    case State::header:
      parts_[0] = std::as_writable_bytes(std::span(&header_, 1)).subspan(arrived_);
      return std::span(parts_).first(1);
    case State::body:
      break;
    case State::whole:
    case State::ended:
      return {};
    case State::broken:
      throw Error(broken_code_, name_ + " is broken for good: " + broken_text_);
  }
  const std::size_t arrived = arrived_ - sizeof(FrameHeader);
  const std::size_t metadata_bytes = header_.metadata_bytes;
  const bool in_metadata = arrived < metadata_bytes;
  const std::size_t position = in_metadata ? arrived : payload_begin() + (arrived - metadata_bytes);
  provide_memory(position);
  // What does not fit into the buffer yet is asked for when the rest has arrived.
  const std::span<std::byte> room(buffer_, buffer_pool::capacity(buffer_));
  const auto part_of = [&](std::size_t begin, std::size_t end) {
    begin = std::min(begin, room.size());
    return room.subspan(begin, std::min(end, room.size()) - begin);
  };
  const std::size_t payload_end = payload_begin() + header_.payload_bytes;
  parts_[0] = in_metadata ? part_of(position, metadata_bytes) : std::span<std::byte>{};
  parts_[1] = part_of(in_metadata ? payload_begin() : position, payload_end);
  return parts_;
}

void FrameReader::provide_memory(std::size_t position) {
  const std::size_t needed = payload_begin() + header_.payload_bytes;
  std::byte* buffer = buffer_;
  if (buffer == nullptr) {
    buffer = buffer_pool::acquire_growing(needed);
  } else if (position == buffer_pool::capacity(buffer)) {
    buffer = buffer_pool::grow(buffer, needed);
  }
  if (buffer == nullptr) {
    throw Error(ErrorCode::out_of_memory,
                name_ + ": no memory for more than " + progress() + "; a later pop tries again");
  }
  buffer_ = buffer;
}

void FrameReader::advance(std::size_t bytes) {
  assert(state_ == State::header || state_ == State::body);
  arrived_ += bytes;
  if (state_ == State::header) {
    check_magic();
    if (arrived_ < sizeof(FrameHeader)) return;
    check_header();
    state_ = header_.flags == kClosing ? State::ended : State::body;
  }
  if (state_ == State::body && arrived_ == frame_bytes()) state_ = State::whole;
}

void FrameReader::check_magic() {
  const std::size_t count = std::min<std::uint64_t>(arrived_, sizeof(FrameHeader));
  const std::span found = std::as_bytes(std::span(&header_, 1)).first(count);
  if (std::memcmp(found.data(), &kMagic, std::min(count, sizeof kMagic)) == 0) return;
  break_off(ErrorCode::corrupt_payload,
            "garbage at offset " + std::to_string(frame_offset_) +
                " of the stream: " + shown(found) +
                " does not begin a frame; something else writes there too, or it "
                "is not a stream of ipc0cp");
}

void FrameReader::check_header() {
  const FrameHeader header = header_;
  const std::string frame = "frame " + std::to_string(messages_) + ", at offset " +
                            std::to_string(frame_offset_) + " of the stream, ";
  const auto refuse = [&](const std::string& what) {
    break_off(ErrorCode::corrupt_payload, frame + what);
  };
  if (header.version != kVersion) {
    break_off(ErrorCode::version_mismatch, frame + "has version " + std::to_string(header.version) +
                                               ", this reader knows " + std::to_string(kVersion) +
                                               "; use one release of ipc0cp on both sides");
  }
  if ((header.flags & ~kClosing) != 0) {
    refuse("has flags " + std::to_string(header.flags) + ", of which version 1 knows only " +
           std::to_string(kClosing));
  }
  if (header.metadata_bytes > kMaxMetadataBytes) {
    refuse("claims " + std::to_string(header.metadata_bytes) + " bytes of metadata, the limit is " +
           std::to_string(kMaxMetadataBytes));
  }
  if (header.payload_bytes > kMaxPayloadBytes) {
    refuse("claims " + std::to_string(header.payload_bytes) + " bytes of payload, the limit is " +
           std::to_string(kMaxPayloadBytes));
  }
  if (header.flags == kClosing && (header.metadata_bytes != 0 || header.payload_bytes != 0)) {
    refuse("closes the stream but claims " + std::to_string(header.metadata_bytes) + " bytes of " +
           "metadata and " + std::to_string(header.payload_bytes) + " of payload");
  }
}

void FrameReader::cut_off() {
  if (state_ == State::broken) wanted();
  break_off(ErrorCode::corrupt_payload,
            "cut off after " + progress() +
                ": its producer has not closed it, so it was killed or has failed");
}

void FrameReader::break_off(ErrorCode code, const std::string& text) {
  state_ = State::broken;
  broken_code_ = code;
  broken_text_ = text;
  buffer_pool::release(std::exchange(buffer_, nullptr));
  throw Error(code, name_ + ": " + text);
}

Message FrameReader::take() noexcept {
  assert(state_ == State::whole);
  // An empty message has no buffer, but a message without metadata is told by a null pointer.
  static constexpr std::byte kNothing{};
  const std::byte* bytes = buffer_ != nullptr ? buffer_ : &kNothing;
  Message message;
  message.metadata_ = {reinterpret_cast<const char*>(bytes), header_.metadata_bytes};
  if (header_.payload_bytes > 0) {
    message.payload_ = {bytes + payload_begin(), header_.payload_bytes};
  }
  message.buffer_ = std::exchange(buffer_, nullptr);
  message.id_ = messages_++;
  message.deliveries_ = 1;
  frame_offset_ += std::exchange(arrived_, 0);
  state_ = State::header;
  return message;
}

std::uint64_t FrameReader::frame_bytes() const noexcept {
  return sizeof(FrameHeader) + header_.metadata_bytes + header_.payload_bytes;
}

std::string FrameReader::progress() const {
  const bool knows_length = arrived_ >= sizeof(FrameHeader);
  return std::to_string(arrived_) + " of " +
         std::to_string(knows_length ? frame_bytes() : sizeof(FrameHeader)) + " bytes of frame " +
         std::to_string(messages_) + ", at offset " + std::to_string(frame_offset_) +
         " of the stream";
}

}  // namespace ipc0cp::stdio
