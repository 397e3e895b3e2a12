// SPDX-License-Identifier: Apache-2.0
/// @file
/// BytesData, TextData and JsonData: objects whose payload is one run of bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

/// Raw bytes; also what arrives for a type nobody has registered, then with its metadata.
///
/// Copies share the bytes, which never change. Const calls are thread-safe.
class IPC0CP_EXPORT BytesData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "bytes";

  BytesData() = default;
  /// Takes the bytes over without a copy.
  explicit BytesData(std::vector<std::byte> bytes);
  explicit BytesData(std::vector<std::uint8_t> bytes);
  /// Copies.
  explicit BytesData(std::span<const std::byte> bytes);
  explicit BytesData(std::string_view bytes);
  /// A view that shares `payload.owner`; copies if there is no owner.
  /// @param metadata_json one JSON object, sent as it is; empty: that of `bytes`.
  explicit BytesData(const Payload& payload, std::string metadata_json = {});

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return payload_.bytes; }
  [[nodiscard]] std::size_t size() const noexcept { return payload_.bytes.size(); }
  /// The metadata as a registered deserializer would get it.
  [[nodiscard]] std::map<std::string, std::string> metadata() const;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return size(); }
  void write_payload(std::span<std::byte> target) const override;

 private:
  Payload payload_;
  std::string metadata_json_;
};

/// UTF-8 text. Copies of long popped texts share the bytes. Const calls are thread-safe.
class IPC0CP_EXPORT TextData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "text";

  /// @throws Error (unsupported_type) if `text` is not UTF-8.
  explicit TextData(std::string text);
  /// A view that shares `payload.owner`; copies short texts, and where there is no owner.
  /// @throws Error (corrupt_payload) if the bytes are not UTF-8.
  explicit TextData(const Payload& payload);

  [[nodiscard]] std::string_view text() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return text().size(); }
  void write_payload(std::span<std::byte> target) const override;

 private:
  friend class PlainAccess;
  TextData() = default;

  std::string text_;
  Payload view_;
};

/// A JSON value as its text; `ipc0cp/json.hpp` turns it into nlohmann::json and back.
///
/// Copies of long popped texts share the bytes. Const calls are thread-safe.
class IPC0CP_EXPORT JsonData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "json";

  /// @param text one JSON value under the rules of docs/object_format.md, section 2.
  /// @throws Error (unsupported_type) if it breaks one of them.
  explicit JsonData(std::string text);
  /// A view that shares `payload.owner`; copies short texts, and where there is no owner.
  /// @throws Error (corrupt_payload) if the bytes break one of the rules.
  explicit JsonData(const Payload& payload);

  [[nodiscard]] std::string_view text() const noexcept;
  /// Levels of arrays and objects in the value: 0 for a number, 1 for `[1]`.
  [[nodiscard]] unsigned levels() const noexcept { return levels_; }
  [[nodiscard]] bool is_null() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  /// @throws Error (unsupported_type) for `null`, which alone would mean end of stream.
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return text().size(); }
  void write_payload(std::span<std::byte> target) const override;

 private:
  friend class PlainAccess;
  JsonData() = default;

  std::string text_;
  Payload view_;
  unsigned levels_ = 0;
};

}  // namespace ipc0cp
