// SPDX-License-Identifier: Apache-2.0
// Objects as the bytes of their messages, and the golden vectors of tests/vectors/.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/message.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp_test {

/// A payload of memory at a multiple of 64 and of exactly its size, so that sanitizers see a read
/// past its end. Filled with something else than zero, to see that gaps are written.
inline std::shared_ptr<std::byte> allocate_payload(std::size_t size) {
  constexpr std::align_val_t kAlignment{64};
  std::shared_ptr<std::byte> owner(
      static_cast<std::byte*>(::operator new(size, kAlignment)),
      [](std::byte* pointer) { ::operator delete(pointer, kAlignment); });
  std::fill_n(owner.get(), size, std::byte{0xEE});
  return owner;
}

inline ipc0cp::Payload payload_of(std::span<const std::byte> bytes) {
  const auto owner = allocate_payload(bytes.size());
  std::copy(bytes.begin(), bytes.end(), owner.get());
  return {{owner.get(), bytes.size()}, owner};
}

/// The payload that `object` writes.
inline ipc0cp::Payload payload_of(const ipc0cp::SerializableObject& object) {
  const std::size_t size = object.payload_bytes();
  const auto owner = allocate_payload(size);
  object.write_payload({owner.get(), size});
  return {{owner.get(), size}, owner};
}

inline std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    text += kDigits[std::to_integer<unsigned>(byte) & 0xFU];
  }
  return text;
}

inline std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t index = 0; index + 1 < text.size(); index += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(index, 2), nullptr, 16)));
  }
  return bytes;
}

/// The vectors of one group, see the README of tests/vectors/.
inline nlohmann::json load_vectors(const std::string& tests_directory, const std::string& group) {
  const std::string path = tests_directory + "/vectors/" + group + ".json";
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open " + path);
  return nlohmann::json::parse(file);
}

inline std::string metadata_of(const nlohmann::json& vector) {
  if (vector.contains("metadata")) return vector["metadata"];
  const auto bytes = from_hex(vector["metadata_hex"]);
  return {bytes.begin(), bytes.end()};
}

inline ipc0cp::Payload payload_of(const nlohmann::json& vector) {
  const std::vector<std::uint8_t> bytes = from_hex(vector["payload_hex"]);
  return payload_of(std::as_bytes(std::span(bytes)));
}

}  // namespace ipc0cp_test
