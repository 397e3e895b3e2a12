// SPDX-License-Identifier: Apache-2.0
/// @file
/// JsonData to and from nlohmann::json. Opt-in: needs nlohmann/json, target ipc0cp::json.
#pragma once

#if !__has_include(<nlohmann/json.hpp>)
#error "ipc0cp/json.hpp needs nlohmann/json 3.11 (on Debian and Ubuntu: nlohmann-json3-dev)"
#endif

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "ipc0cp/plain_data.hpp"

namespace ipc0cp {

namespace detail {

/// Refuses what nlohmann::json would write as something else (binary values become objects), and
/// what is so deep that writing it could take more stack than there is.
/// @return whether there are NaN or infinities, which it would write as null.
template <class Json>
bool check_exact(const Json& value, unsigned levels = 0) {
  if (value.is_number_float()) return !std::isfinite(value.template get<double>());
  if (value.is_binary() || value.is_discarded()) {
    throw Error(ErrorCode::unsupported_type, "JSON has no binary values; send them as BytesData");
  }
  if (!value.is_structured()) return false;
  if (levels == kMaxJsonLevels) {
    throw Error(ErrorCode::unsupported_type, "a JSON value has more than " +
                                                 std::to_string(kMaxJsonLevels) +
                                                 " levels of arrays and objects");
  }
  bool needs_marks = false;
  for (const auto& item : value) needs_marks |= check_exact(item, levels + 1);
  return needs_marks;
}

/// `value` with marks for what JSON does not have, and around what reads like one.
template <class Json>
Json with_marks(const Json& value) {
  if (value.is_number_float()) {
    const auto number = value.template get<double>();
    if (std::isfinite(number)) return value;
    return Json{{"$float", std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf"}};
  }
  if (!value.is_structured()) return value;
  Json result = value;
  for (auto& item : result) item = with_marks(item);
  const bool reads_like_a_mark =
      value.is_object() && value.size() == 1 && value.begin().key().starts_with('$');
  return reads_like_a_mark ? Json{{"$object", std::move(result)}} : result;
}

template <class Json>
JsonData from_json_value(const Json& value) {
  const bool needs_marks = check_exact(value);
  try {
    if (needs_marks) return JsonData::marked(with_marks(value).dump());
    return JsonData(value.dump());
  } catch (const nlohmann::json::exception& error) {  // A string that is not UTF-8.
    throw Error(ErrorCode::unsupported_type,
                std::string("JSON: ") + error.what() + "; send bytes as BytesData");
  }
}

}  // namespace detail

/// The value; keys of objects come sorted, as nlohmann::json keeps them. Thread-safe.
///
/// Marks (see JsonData) stay objects such as `{"$float": "nan"}`; `JsonData::marked(json.dump())`
/// makes the same value of them again.
inline nlohmann::json to_json(const JsonData& data) { return nlohmann::json::parse(data.text()); }

/// The value with the keys of objects in their order; slow for objects of many keys. Thread-safe.
inline nlohmann::ordered_json to_ordered_json(const JsonData& data) {
  return nlohmann::ordered_json::parse(data.text());
}

/// The object that carries a value. Thread-safe.
///
/// NaN and infinities become marks.
/// @throws Error (unsupported_type) for binary values, and over 512 levels.
inline JsonData from_json(const nlohmann::json& value) { return detail::from_json_value(value); }

/// The same with the keys of objects in their order.
inline JsonData from_ordered_json(const nlohmann::ordered_json& value) {
  return detail::from_json_value(value);
}

}  // namespace ipc0cp
