// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/objects.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/message.hpp"
#include "objects/codec.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_metadata.hpp"
#include "objects/objects_internal.hpp"
#include "rules/metadata.hpp"

namespace ipc0cp {
namespace {

template <class Byte>
Payload take_over(std::vector<Byte> bytes) {
  auto owner = std::make_shared<const std::vector<Byte>>(std::move(bytes));
  return {std::as_bytes(std::span(*owner)), owner};
}

void check_utf8(std::string_view text, ErrorCode error) {
  const std::size_t valid = codec::utf8_bytes(text);
  if (valid < text.size()) {
    throw Error(error, "byte " + std::to_string(valid) + " of a text of " +
                           std::to_string(text.size()) +
                           " is not UTF-8, or a surrogate; send it as BytesData");
  }
}

}  // namespace

std::shared_ptr<std::byte> allocate_bytes(std::size_t size) {
  constexpr std::align_val_t kAlignment{64};
  auto* bytes = static_cast<std::byte*>(::operator new(size, kAlignment, std::nothrow));
  if (bytes == nullptr) {
    throw Error(ErrorCode::out_of_memory, "no memory for an object of " + std::to_string(size) +
                                              " bytes; make it smaller, or free some");
  }
  return {bytes, [](std::byte* pointer) { ::operator delete(pointer, kAlignment); }};
}

Payload keep(const Payload& payload) {
  if (payload.owner != nullptr || payload.bytes.empty()) return payload;
  auto copy = allocate_bytes(payload.bytes.size());
  copy_payload({copy.get(), payload.bytes.size()}, payload.bytes);
  const std::span<const std::byte> bytes(copy.get(), payload.bytes.size());
  return {bytes, std::move(copy)};
}

std::unique_ptr<TextData> PlainAccess::text(std::string text) {
  auto object = std::unique_ptr<TextData>(new TextData);
  object->text_ = std::move(text);
  return object;
}

std::unique_ptr<BytesData> PlainAccess::bytes(const Payload& payload, std::string metadata_json) {
  auto object = std::make_unique<BytesData>();
  object->payload_ = keep(payload);
  if (metadata_json != kBytesMetadata) object->metadata_json_ = std::move(metadata_json);
  return object;
}

SerializableObject::~SerializableObject() = default;

BytesData::BytesData(std::vector<std::byte> bytes) : payload_(take_over(std::move(bytes))) {}
BytesData::BytesData(std::vector<std::uint8_t> bytes) : payload_(take_over(std::move(bytes))) {}
BytesData::BytesData(std::span<const std::byte> bytes) : payload_(keep({bytes, nullptr})) {}
BytesData::BytesData(std::string_view bytes)
    : BytesData(std::as_bytes(std::span(bytes.data(), bytes.size()))) {}

BytesData::BytesData(const Payload& payload, std::string metadata_json) : payload_(keep(payload)) {
  if (metadata_json.empty() || metadata_json == kBytesMetadata) return;
  codec::check_metadata(metadata_json, ErrorCode::invalid_argument);
  metadata_json_ = std::move(metadata_json);
}

std::map<std::string, std::string> BytesData::metadata() const {
  return codec::metadata_values(metadata_json());
}

std::string_view BytesData::metadata_json() const {
  return metadata_json_.empty() ? kBytesMetadata : std::string_view(metadata_json_);
}

void BytesData::write_payload(std::span<std::byte> target) const {
  copy_bytes(target, as_text(payload_.bytes));
}

TextData::TextData(std::string text) : text_(std::move(text)) {
  check_utf8(text_, ErrorCode::unsupported_type);
}

TextData::TextData(const Payload& payload) {
  check_utf8(as_text(payload.bytes), ErrorCode::corrupt_payload);
  if (worth_a_view(payload)) {
    view_ = payload;
  } else {
    text_ = as_text(payload.bytes);
  }
}

std::string_view TextData::text() const noexcept {
  return view_.owner != nullptr ? as_text(view_.bytes) : std::string_view(text_);
}

std::string_view TextData::metadata_json() const { return kTextMetadata; }

void TextData::write_payload(std::span<std::byte> target) const { copy_bytes(target, text()); }

}  // namespace ipc0cp
