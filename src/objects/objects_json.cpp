// SPDX-License-Identifier: Apache-2.0
// JsonData: JSON text, and the scalars in it.
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "ipc0cp/error.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec_json.hpp"
#include "objects/codec_marks.hpp"
#include "objects/objects_internal.hpp"

namespace ipc0cp {
namespace {

constexpr std::string_view kMarkedMetadata = R"({"type":"json","version":"2.0"})";

/// Without the white space that may stand around a value.
std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kWhiteSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhiteSpace) - first + 1);
}

/// The number a whole text spells, unless it does not fit T.
template <class T>
bool parse(std::string_view text, T& value) noexcept {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc{} && end == text.data() + text.size();
}

template <class T>
std::string shortest(T value) {
  std::array<char, 32> buffer{};
  const auto [end, problem] = std::to_chars(buffer.begin(), buffer.end(), value);
  return {buffer.begin(), end};
}

}  // namespace

/// What the marks of a text say that the text itself does not show at a glance.
struct JsonData::Marks {
  JsonKind kind = JsonKind::null;
  std::string scalar;  ///< As MarkedValue has it.
};

std::unique_ptr<JsonData> PlainAccess::marked_json(const Payload& payload) {
  auto object = std::unique_ptr<JsonData>(new JsonData);
  object->text_ = as_text(payload.bytes);
  set_marks(*object, ErrorCode::corrupt_payload, "JSON payload");
  return object;
}

void PlainAccess::set_marks(JsonData& data, ErrorCode error, std::string_view what) {
  codec::MarkedValue value = codec::check_marked(data.text(), {.error = error, .what = what});
  data.levels_ = value.levels;
  data.marks_ = std::make_shared<const JsonData::Marks>(
      JsonData::Marks{.kind = value.kind, .scalar = std::move(value.scalar)});
}

std::unique_ptr<JsonData> PlainAccess::json(std::string text, unsigned levels) {
  auto object = std::unique_ptr<JsonData>(new JsonData);
  object->text_ = std::move(text);
  object->levels_ = levels;
  return object;
}

JsonData::JsonData(std::string text) : text_(std::move(text)) {
  levels_ = codec::check_json(text_, {.error = ErrorCode::unsupported_type, .what = "JSON text"});
}

// Copied before it is checked: a peer may go on writing to the bytes of a ring.
JsonData::JsonData(const Payload& payload) : text_(as_text(payload.bytes)) {
  levels_ = codec::check_json(text_, {});
}

JsonData JsonData::marked(std::string text) {
  JsonData data;
  data.text_ = std::move(text);
  PlainAccess::set_marks(data, ErrorCode::unsupported_type, "JSON text with marks");
  return data;
}

JsonData JsonData::of_null() {
  JsonData data;
  data.text_ = "null";
  return data;
}

JsonData JsonData::of_bool(bool value) {
  JsonData data;
  data.text_ = value ? "true" : "false";
  return data;
}

JsonData JsonData::of_signed(std::int64_t value) {
  JsonData data;
  data.text_ = shortest(value);
  return data;
}

JsonData JsonData::of_unsigned(std::uint64_t value) {
  JsonData data;
  data.text_ = shortest(value);
  return data;
}

JsonData JsonData::of_double(double value) {
  if (std::isnan(value)) return marked(R"({"$float":"nan"})");
  if (std::isinf(value)) return marked(value > 0 ? R"({"$float":"inf"})" : R"({"$float":"-inf"})");
  JsonData data;
  codec::append_double(data.text_, value);
  return data;
}

std::string_view JsonData::text() const noexcept { return text_; }

JsonKind JsonData::kind() const noexcept {
  if (marks_ != nullptr) return marks_->kind;
  const std::string_view value = trimmed(text());
  if (value.empty()) return JsonKind::null;  // Only of a value that was moved from.
  switch (value.front()) {
    case 'n':
      return JsonKind::null;
    case 't':
    case 'f':
      return JsonKind::boolean;
    case '"':
      return JsonKind::string;
    case '[':
      return JsonKind::array;
    case '{':
      return JsonKind::object;
    default:
      return value.find_first_of(".eE") == std::string_view::npos ? JsonKind::integer
                                                                  : JsonKind::floating;
  }
}

void JsonData::throw_not(const std::string& wanted) const {
  constexpr std::size_t kLongest = 60;
  const std::string_view value = trimmed(text());
  throw Error(ErrorCode::unsupported_type,
              "the JSON value " + std::string(value.substr(0, kLongest)) +
                  (value.size() > kLongest ? "..." : "") + " is not " + wanted);
}

bool JsonData::read_bool() const {
  if (kind() != JsonKind::boolean) throw_not("true or false");
  return trimmed(text()).front() == 't';
}

std::int64_t JsonData::read_signed(std::int64_t least, std::int64_t most) const {
  std::int64_t value = 0;
  if (!parse(trimmed(text()), value) || value < least || value > most) {
    throw_not("an integer " + std::to_string(least) + " .. " + std::to_string(most));
  }
  return value;
}

std::uint64_t JsonData::read_unsigned(std::uint64_t most) const {
  std::uint64_t value = 0;
  if (!parse(trimmed(text()), value) || value > most) {
    throw_not("an integer 0 .. " + std::to_string(most));
  }
  return value;
}

std::string JsonData::integer_hex() const {
  if (kind() != JsonKind::integer) throw_not("an integer");
  if (marks_ != nullptr && !marks_->scalar.empty()) return marks_->scalar;
  std::string_view digits = trimmed(text());
  const bool is_negative = digits.starts_with('-');
  if (is_negative) digits.remove_prefix(1);
  std::uint64_t value = 0;
  parse(digits, value);  // Checked text spells an integer of 64 bits.
  std::array<char, 16> buffer{};
  const auto [end, problem] = std::to_chars(buffer.begin(), buffer.end(), value, 16);
  return (is_negative ? "-0x" : "0x") + std::string(buffer.begin(), end);
}

double JsonData::read_double() const {
  const JsonKind found = kind();
  if (found != JsonKind::floating && found != JsonKind::integer) throw_not("a number");
  double value = 0;
  if (marks_ != nullptr && !marks_->scalar.empty()) {
    const std::string& scalar = marks_->scalar;
    if (found == JsonKind::integer) return codec::double_of_big_integer(scalar);
    parse(scalar, value);  // "nan", "inf" and "-inf" are what it takes.
    return value;
  }
  const std::string_view number = trimmed(text());
  if (parse(number, value)) return value;
  // Checked text spells no number that is too large, so this one is too small: the nearest is zero.
  return number.front() == '-' ? -0.0 : 0.0;
}

std::string JsonData::read_string() const {
  if (kind() != JsonKind::string) throw_not("a string");
  return codec::split_json('[' + std::string(text()) + ']', false, {}).front().text;
}

std::string_view JsonData::metadata_json() const {
  if (is_null()) {
    throw Error(ErrorCode::unsupported_type,
                "null cannot be pushed alone: popped, it would mean end of stream; "
                "put it into a list or an object");
  }
  return marks_ != nullptr ? kMarkedMetadata : kJsonMetadata;
}

void JsonData::write_payload(std::span<std::byte> target) const { copy_bytes(target, text()); }

}  // namespace ipc0cp
