// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/objects.hpp"

#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "codec.hpp"
#include "codec_json.hpp"
#include "ipc0cp/error.hpp"
#include "objects_internal.hpp"

namespace ipc0cp {
namespace {

constexpr std::string_view kBytesMetadata = R"({"type":"bytes","version":"1.0"})";
constexpr std::string_view kTextMetadata = R"({"type":"text","version":"1.0"})";
constexpr std::string_view kJsonMetadata = R"({"type":"json","version":"1.0"})";

void copy_bytes(std::span<std::byte> target, std::string_view source) {
  if (!source.empty()) std::memcpy(target.data(), source.data(), source.size());
}

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool worth_a_view(const Payload& payload) noexcept {
  return payload.owner != nullptr && payload.bytes.size() > kLongestCopiedText;
}

template <class Byte>
Payload take_over(std::vector<Byte> bytes) {
  auto owner = std::make_shared<const std::vector<Byte>>(std::move(bytes));
  return {std::as_bytes(std::span(*owner)), owner};
}

void check_utf8(std::string_view text, ErrorCode error) {
  if (!codec::is_utf8(text)) {
    throw Error(error, "a text of " + std::to_string(text.size()) +
                           " bytes is not UTF-8 (or contains a surrogate); send it as BytesData");
  }
}

}  // namespace

std::shared_ptr<std::byte> allocate_bytes(std::size_t size) {
  constexpr std::align_val_t kAlignment{64};
  auto* bytes = static_cast<std::byte*>(::operator new(size, kAlignment));
  return {bytes, [](std::byte* pointer) { ::operator delete(pointer, kAlignment); }};
}

Payload keep(const Payload& payload) {
  if (payload.owner != nullptr || payload.bytes.empty()) return payload;
  auto copy = allocate_bytes(payload.bytes.size());
  std::memcpy(copy.get(), payload.bytes.data(), payload.bytes.size());
  const std::span<const std::byte> bytes(copy.get(), payload.bytes.size());
  return {bytes, std::move(copy)};
}

std::unique_ptr<TextData> PlainAccess::text(std::string text) {
  auto object = std::unique_ptr<TextData>(new TextData);
  object->text_ = std::move(text);
  return object;
}

std::unique_ptr<JsonData> PlainAccess::json(std::string text, unsigned levels) {
  auto object = std::unique_ptr<JsonData>(new JsonData);
  object->text_ = std::move(text);
  object->levels_ = levels;
  return object;
}

SerializableObject::~SerializableObject() = default;

BytesData::BytesData(std::vector<std::byte> bytes) : payload_(take_over(std::move(bytes))) {}
BytesData::BytesData(std::vector<std::uint8_t> bytes) : payload_(take_over(std::move(bytes))) {}
BytesData::BytesData(std::span<const std::byte> bytes) : payload_(keep({bytes, nullptr})) {}
BytesData::BytesData(std::string_view bytes)
    : BytesData(std::as_bytes(std::span(bytes.data(), bytes.size()))) {}

BytesData::BytesData(const Payload& payload, std::string metadata_json) : payload_(keep(payload)) {
  if (metadata_json != kBytesMetadata) metadata_json_ = std::move(metadata_json);
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

JsonData::JsonData(std::string text) : text_(std::move(text)) {
  levels_ = codec::check_json(text_, {.error = ErrorCode::unsupported_type, .what = "JSON text"});
}

JsonData::JsonData(const Payload& payload) {
  if (worth_a_view(payload)) {
    view_ = payload;
  } else {
    text_ = as_text(payload.bytes);
  }
  levels_ = codec::check_json(text(), {});
}

std::string_view JsonData::text() const noexcept {
  return view_.owner != nullptr ? as_text(view_.bytes) : std::string_view(text_);
}

bool JsonData::is_null() const noexcept {
  // The only value with an 'n' outside a string, an array and an object.
  const std::size_t first = text().find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text()[first] == 'n';
}

std::string_view JsonData::metadata_json() const {
  if (is_null()) {
    throw Error(ErrorCode::unsupported_type,
                "null cannot be pushed alone: popped, it would mean end of stream; "
                "put it into a list or an object");
  }
  return kJsonMetadata;
}

void JsonData::write_payload(std::span<std::byte> target) const { copy_bytes(target, text()); }

}  // namespace ipc0cp
