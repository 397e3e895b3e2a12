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

/// Refuses what nlohmann::json would write as something else (NaN and infinities become null,
/// binary values objects), and what is so deep that writing it could take more stack than there is.
template <class Json>
void check_exact(const Json& value, unsigned levels = 0) {
  if (value.is_number_float() && !std::isfinite(value.template get<double>())) {
    throw Error(ErrorCode::unsupported_type,
                "JSON has no NaN and no infinities; send them in a NumpyArray, or null");
  }
  if (value.is_binary() || value.is_discarded()) {
    throw Error(ErrorCode::unsupported_type, "JSON has no binary values; send them as BytesData");
  }
  if (!value.is_structured()) return;
  if (levels == kMaxJsonLevels) {
    throw Error(ErrorCode::unsupported_type, "a JSON value has more than " +
                                                 std::to_string(kMaxJsonLevels) +
                                                 " levels of arrays and objects");
  }
  for (const auto& item : value) check_exact(item, levels + 1);
}

template <class Json>
JsonData from_json_value(const Json& value) {
  check_exact(value);
  try {
    return JsonData(value.dump());
  } catch (const nlohmann::json::exception& error) {  // A string that is not UTF-8.
    throw Error(ErrorCode::unsupported_type,
                std::string("JSON: ") + error.what() + "; send bytes as BytesData");
  }
}

}  // namespace detail

/// The value; keys of objects come sorted, as nlohmann::json keeps them. Thread-safe.
inline nlohmann::json to_json(const JsonData& data) { return nlohmann::json::parse(data.text()); }

/// The value with the keys of objects in their order; slow for objects of many keys. Thread-safe.
inline nlohmann::ordered_json to_ordered_json(const JsonData& data) {
  return nlohmann::ordered_json::parse(data.text());
}

/// The object that carries a value. Thread-safe.
/// @throws Error (unsupported_type) for values that JSON does not have, and over 512 levels.
inline JsonData from_json(const nlohmann::json& value) { return detail::from_json_value(value); }

/// The same with the keys of objects in their order.
inline JsonData from_ordered_json(const nlohmann::ordered_json& value) {
  return detail::from_json_value(value);
}

}  // namespace ipc0cp
