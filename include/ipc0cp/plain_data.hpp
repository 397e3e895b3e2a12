// SPDX-License-Identifier: Apache-2.0
/// @file
/// BytesData, TextData and JsonData: objects whose payload is one run of bytes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/payload.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

/// Raw bytes; also what arrives for a type nobody has registered, then with its metadata.
///
/// Copies share the bytes, which never change. Const calls are thread-safe.
class IPC0CP_EXPORT BytesData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "bytes";  ///< The tag.

  /// No bytes.
  BytesData() = default;
  /// Shares the bytes. There is no move: what one would leave behind could not be looked at.
  BytesData(const BytesData&) = default;
  BytesData& operator=(const BytesData&) = default;
  ~BytesData() override = default;
  /// Takes the bytes over without a copy.
  explicit BytesData(std::vector<std::byte> bytes);
  /// Takes the bytes over without a copy.
  explicit BytesData(std::vector<std::uint8_t> bytes);
  /// Copies the bytes.
  explicit BytesData(std::span<const std::byte> bytes);
  /// Copies the bytes, which need not be text.
  explicit BytesData(std::string_view bytes);
  /// A view that shares `payload.owner`; copies if there is no owner.
  /// @param payload the bytes.
  /// @param metadata_json one JSON object with a "type", sent as it is; empty: that of `bytes`.
  /// @throws Error (invalid_argument) if `metadata_json` is something else.
  explicit BytesData(const Payload& payload, std::string metadata_json = {});

  /// The bytes, read-only.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return payload_.bytes; }
  /// The bytes and their owner, to keep them without the object.
  [[nodiscard]] const Payload& payload() const noexcept { return payload_; }
  /// Number of bytes.
  [[nodiscard]] std::size_t size() const noexcept { return payload_.bytes.size(); }
  /// The metadata as a registered deserializer would get it: strings as they are, other values as
  /// JSON text.
  [[nodiscard]] std::map<std::string, std::string> metadata() const;

  /// "bytes", also for a type that nobody has registered; `metadata()` has its name.
  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return size(); }
  void write_payload(std::span<std::byte> target) const override;
  [[nodiscard]] std::optional<std::span<const std::byte>> contiguous_payload()
      const noexcept override {
    return bytes();
  }

 private:
  friend class PlainAccess;

  Payload payload_;
  std::string metadata_json_;
};

/// UTF-8 text. Copies of long popped texts share the bytes. Const calls are thread-safe.
class IPC0CP_EXPORT TextData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "text";  ///< The tag.

  /// Takes the text over.
  /// @throws Error (unsupported_type) if `text` is not UTF-8.
  explicit TextData(std::string text);
  /// A view that shares `payload.owner`; copies short texts, and where there is no owner.
  /// @throws Error (corrupt_payload) if the bytes are not UTF-8.
  explicit TextData(const Payload& payload);

  /// The text; valid as long as the object.
  [[nodiscard]] std::string_view text() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return text().size(); }
  void write_payload(std::span<std::byte> target) const override;
  [[nodiscard]] std::optional<std::span<const std::byte>> contiguous_payload()
      const noexcept override {
    return std::as_bytes(std::span(text()));
  }

 private:
  friend class PlainAccess;
  TextData() = default;

  std::string text_;
  Payload view_;
};

/// What a JSON value is. Numbers with `.`, `e` or `E` are `floating`, others `integer`.
enum class JsonKind : std::uint8_t {
  null,      ///< `null`
  boolean,   ///< `true`, `false`
  integer,   ///< -2^63 .. 2^64-1; of marked values of any size.
  floating,  ///< A double; of marked values also NaN and infinities.
  string,    ///< Text.
  array,     ///< See `ipc0cp/json.hpp` for its elements.
  object,    ///< See `ipc0cp/json.hpp` for its members.
  map,       ///< Of marked values: entries whose keys are not all texts, see `JsonData::marked`.
};

/// A JSON value as its text; `ipc0cp/json.hpp` turns it into nlohmann::json and back.
///
/// Values that JSON does not have (NaN, infinities, integers past 64 bits, keys that are integers)
/// stand in the text as marks, objects of one key such as `{"$float":"nan"}`: section 2.1 of
/// docs/object_format.md. `has_marks` tells whether such objects mean that.
///
/// The text is sent as it is, its white space and the digits of its numbers included.
/// Const calls are thread-safe.
class IPC0CP_EXPORT JsonData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "json";  ///< The tag.

  /// Takes the text over.
  /// @param text one JSON value under the rules of docs/object_format.md, section 2.
  /// @throws Error (unsupported_type) if it breaks one of them.
  explicit JsonData(std::string text);
  /// Copies the text, which is then checked where no other process can change it.
  /// @throws Error (corrupt_payload) if the bytes break one of the rules.
  explicit JsonData(const Payload& payload);
  /// Takes over a text in which objects of one key that starts with `$` are marks.
  ///
  ///     JsonData::marked(R"({"$map":[[1,"one"],[2,{"$int":"0x10000000000000000"}]]})")
  ///
  /// @throws Error (unsupported_type) if it breaks a rule of section 2.1.
  static JsonData marked(std::string text);
  /// The value of a bool, an integer, a float, a double (NaN and infinities become marks) or
  /// nullptr.
  template <class T>
  static JsonData of(T value);

  /// The JSON text; valid as long as the object.
  [[nodiscard]] std::string_view text() const noexcept;
  /// Whether objects of one key that starts with `$` are marks in `text()`.
  [[nodiscard]] bool has_marks() const noexcept { return marks_ != nullptr; }
  /// What the value is.
  [[nodiscard]] JsonKind kind() const noexcept;
  /// An integer of any size as `-` or nothing, `0x` and small hex digits.
  /// @throws Error (unsupported_type) naming the value if it is something else.
  [[nodiscard]] std::string integer_hex() const;
  /// Levels of arrays, objects and maps in the value: 0 for a number, 1 for `[1]`.
  [[nodiscard]] unsigned levels() const noexcept { return levels_; }
  /// Whether the value is `null`, which can be an item but not a message.
  [[nodiscard]] bool is_null() const noexcept { return kind() == JsonKind::null; }
  /// The value as a bool, an integer, a floating-point number or a std::string.
  ///
  /// Any number can be had as a floating-point number, then the nearest T (an infinity for an
  /// integer beyond all).
  /// @throws Error (unsupported_type) naming the value if it is something else, or an integer
  ///   outside the range of T.
  template <class T>
  [[nodiscard]] T value() const;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  /// @throws Error (unsupported_type) for `null`, which alone would mean end of stream.
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return text().size(); }
  void write_payload(std::span<std::byte> target) const override;
  [[nodiscard]] std::optional<std::span<const std::byte>> contiguous_payload()
      const noexcept override {
    return std::as_bytes(std::span(text()));
  }

 private:
  friend class PlainAccess;
  struct Marks;
  JsonData() = default;
  static JsonData of_null();
  static JsonData of_bool(bool value);
  static JsonData of_signed(std::int64_t value);
  static JsonData of_unsigned(std::uint64_t value);
  static JsonData of_double(double value);
  [[nodiscard]] bool read_bool() const;
  [[nodiscard]] std::int64_t read_signed(std::int64_t least, std::int64_t most) const;
  [[nodiscard]] std::uint64_t read_unsigned(std::uint64_t most) const;
  [[nodiscard]] double read_double() const;
  [[nodiscard]] std::string read_string() const;
  [[noreturn]] void throw_not(const std::string& wanted) const;

  std::string text_;
  unsigned levels_ = 0;
  std::shared_ptr<const Marks> marks_;  ///< Null: the text has none.
};

namespace detail {

/// Whether T is an integer to users, and neither a bool nor a character.
template <class T>
concept JsonInteger =
    std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> &&
    !std::same_as<T, wchar_t> && !std::same_as<T, char8_t> && !std::same_as<T, char16_t> &&
    !std::same_as<T, char32_t> && sizeof(T) <= sizeof(std::int64_t);

template <class T>
concept JsonScalar = std::same_as<T, std::nullptr_t> || std::same_as<T, bool> || JsonInteger<T> ||
    std::same_as<T, float> || std::same_as<T, double>;

}  // namespace detail

template <class T>
JsonData JsonData::of(T value) {
  static_assert(detail::JsonScalar<T>,
                "JsonData::of: a bool, an integer, a float, a double or nullptr");
  if constexpr (std::same_as<T, std::nullptr_t>)
    return of_null();
  else if constexpr (std::same_as<T, bool>)
    return of_bool(value);
  else if constexpr (std::floating_point<T>)
    return of_double(value);
  else if constexpr (std::is_signed_v<T>)
    return of_signed(value);
  else
    return of_unsigned(value);
}

template <class T>
T JsonData::value() const {
  static_assert(
      (detail::JsonScalar<T> && !std::same_as<T, std::nullptr_t>) || std::same_as<T, std::string>,
      "JsonData::value: a bool, an integer, a float, a double or a std::string");
  if constexpr (std::same_as<T, bool>) {
    return read_bool();
  } else if constexpr (std::same_as<T, std::string>) {
    return read_string();
  } else if constexpr (std::floating_point<T>) {
    return static_cast<T>(read_double());
  } else if constexpr (std::is_signed_v<T>) {
    using Limits = std::numeric_limits<T>;
    return static_cast<T>(read_signed(Limits::min(), Limits::max()));
  } else {
    return static_cast<T>(read_unsigned(std::numeric_limits<T>::max()));
  }
}

}  // namespace ipc0cp
