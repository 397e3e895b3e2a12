// SPDX-License-Identifier: Apache-2.0
#include "ledger.hpp"

#include <algorithm>
#include <cstring>

namespace ipc0cp::crash {
namespace {

constexpr std::string_view kBytesMetadata = R"({"type":"bytes","version":"1.0"})";

std::byte byte_at(MessageId id, std::size_t index) noexcept {
  return static_cast<std::byte>((id * 131 + index * 7 + (index >> 8)) & 0xFF);
}

}  // namespace

std::vector<std::byte> payload_of(MessageId id, std::size_t payload_bytes) {
  std::vector<std::byte> payload(std::max(payload_bytes, kLeastMessageBytes));
  for (std::size_t index = kLeastMessageBytes; index < payload.size(); ++index) {
    payload[index] = byte_at(id, index);
  }
  const std::uint64_t size = payload.size();
  std::memcpy(payload.data(), &id, sizeof id);
  std::memcpy(payload.data() + sizeof id, &size, sizeof size);
  return payload;
}

std::string metadata_of(MessageId id) {
  return id % 2 == 0 ? "{\"id\":" + std::to_string(id) + "}" : std::string();
}

MessageId id_of(std::span<const std::byte> payload, std::string_view metadata) {
  if (payload.size() < kLeastMessageBytes) return 0;
  MessageId id = 0;
  std::uint64_t size = 0;
  std::memcpy(&id, payload.data(), sizeof id);
  std::memcpy(&size, payload.data() + sizeof id, sizeof size);
  if (size != payload.size()) return 0;
  for (std::size_t index = kLeastMessageBytes; index < payload.size(); ++index) {
    if (payload[index] != byte_at(id, index)) return 0;
  }
  const std::string_view canonical = metadata == kBytesMetadata ? std::string_view{} : metadata;
  return canonical == metadata_of(id) ? id : 0;
}

std::string to_text(const std::vector<MessageId>& ids) {
  std::string text = "[";
  for (const MessageId id : ids) text += (text.size() > 1 ? " " : "") + std::to_string(id);
  return text + "]";
}

}  // namespace ipc0cp::crash
