// SPDX-License-Identifier: Apache-2.0
// JsonData: JSON text, and the scalars in it.
#include <array>
#include <charconv>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "codec_json.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects_internal.hpp"

namespace ipc0cp {
namespace {

constexpr std::string_view kJsonMetadata = R"({"type":"json","version":"1.0"})";

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

std::unique_ptr<JsonData> PlainAccess::json(std::string text, unsigned levels) {
  auto object = std::unique_ptr<JsonData>(new JsonData);
  object->text_ = std::move(text);
  object->levels_ = levels;
  return object;
}

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
  if (!std::isfinite(value)) {
    throw Error(ErrorCode::unsupported_type,
                shortest(value) + " is not a JSON value; send it in a NumpyArray, or null");
  }
  JsonData data;
  data.text_ = shortest(value);
  // 1 would come back as an integer.
  if (data.text_.find_first_of(".e") == std::string::npos) data.text_ += ".0";
  return data;
}

std::string_view JsonData::text() const noexcept {
  return view_.owner != nullptr ? as_text(view_.bytes) : std::string_view(text_);
}

JsonKind JsonData::kind() const noexcept {
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

double JsonData::read_double() const {
  const JsonKind found = kind();
  if (found != JsonKind::floating && found != JsonKind::integer) throw_not("a number");
  double value = 0;
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
  return kJsonMetadata;
}

void JsonData::write_payload(std::span<std::byte> target) const { copy_bytes(target, text()); }

}  // namespace ipc0cp
