// SPDX-License-Identifier: Apache-2.0
#include "objects/codec_marks.hpp"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "objects/codec_containers.hpp"
#include "objects/container_plan.hpp"
#include "objects/json_access.hpp"

namespace ipc0cp::codec {
namespace {

// Sorted by key, which is faster to make than one in order; the order does not matter here.
using Sorted = nlohmann::json;

[[noreturn]] void refuse(const JsonRules& rules, const std::string& reason) {
  throw Error(rules.error, std::string(rules.what) + ": " + reason);
}

std::string text_of(const Sorted& value) {
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', false, Sorted::error_handler_t::replace);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

bool is_mark(const Sorted& value) {
  return value.is_object() && value.size() == 1 && value.begin().key().starts_with('$');
}

MapKey key_of(const Sorted& key, const JsonRules& rules) {
  if (key.is_string()) return key.get<std::string>();
  if (auto integer = integer_key(key)) return *std::move(integer);
  refuse(rules, "a key of a $map is " + text_of(key) + "; expected a string or an integer");
}

class Checker {
 public:
  explicit Checker(const JsonRules& rules) : rules_(rules) {}

  MarkedValue check(const Sorted& value, unsigned around) const {
    if (is_mark(value)) return check_mark(value.begin().key(), *value.begin(), around);
    MarkedValue result{.kind = kind_of(value)};
    if (value.is_structured()) result.levels = 1 + levels_of_all(value, around + 1);
    return result;
  }

 private:
  static JsonKind kind_of(const Sorted& value) noexcept {
    if (value.is_null()) return JsonKind::null;
    if (value.is_boolean()) return JsonKind::boolean;
    if (value.is_number_float()) return JsonKind::floating;
    if (value.is_number()) return JsonKind::integer;
    if (value.is_string()) return JsonKind::string;
    return value.is_array() ? JsonKind::array : JsonKind::object;
  }

  unsigned levels_of_all(const Sorted& values, unsigned around) const {
    enter(around);
    unsigned levels = 0;
    for (const Sorted& value : values) levels = std::max(levels, check(value, around).levels);
    return levels;
  }

  void enter(unsigned around) const {
    if (around > rules_.max_levels) {
      refuse(rules_,
             "more than " + std::to_string(rules_.max_levels) + " levels of arrays and objects");
    }
  }

  MarkedValue check_mark(const std::string& mark, const Sorted& content, unsigned around) const {
    if (mark == "$float") {
      if (content == "nan" || content == "inf" || content == "-inf") {
        return {.kind = JsonKind::floating, .scalar = content.get<std::string>()};
      }
    } else if (mark == "$int") {
      if (content.is_string() && is_big_integer(content.get_ref<const std::string&>())) {
        return {.kind = JsonKind::integer, .scalar = content.get<std::string>()};
      }
    } else if (mark == "$object") {
      if (is_mark(content)) {
        return {.kind = JsonKind::object, .levels = 1 + levels_of_all(content, around + 1)};
      }
    } else if (mark == "$map" && content.is_array()) {
      return check_map(content, around + 1);
    }
    refuse(rules_, "the mark " + mark + " has no meaning around " + text_of(content));
  }

  MarkedValue check_map(const Sorted& pairs, unsigned around) const {
    enter(around);
    std::set<MapKey, detail::MapKeyOrder> keys;  // Not hashed: no choice of keys makes it slow.
    std::size_t big_keys = 0;
    unsigned levels = 0;
    for (const Sorted& pair : pairs) {
      if (!pair.is_array() || pair.size() != 2) {
        refuse(rules_, "an entry of a $map is " + text_of(pair) + "; expected [key, value]");
      }
      if (pair[0].is_object() && ++big_keys > kMostBigKeys) {
        refuse(rules_,
               "a $map has more than " + std::to_string(kMostBigKeys) + " keys beyond 64 bits");
      }
      if (!keys.insert(key_of(pair[0], rules_)).second) {
        refuse(rules_, "the key " + text_of(pair[0]) + " appears twice in one $map");
      }
      levels = std::max(levels, check(pair[1], around).levels);
    }
    return {.kind = JsonKind::map, .levels = 1 + levels};
  }

  const JsonRules& rules_;
};

/// The rules of the text, which has levels for marks, too.
JsonRules text_rules(const JsonRules& rules) {
  JsonRules result = rules;
  result.max_levels = kMaxJsonLevels;
  return result;
}

Sorted parse_sorted(std::string_view text, const JsonRules& rules) {
  check_json(text, text_rules(rules));
  return Sorted::parse(text.begin(), text.end());
}

}  // namespace

MarkedValue check_marked(std::string_view text, const JsonRules& rules) {
  return Checker(rules).check(parse_sorted(text, rules), 0);
}

std::vector<MarkedEntry> split_marked_map(std::string_view text, const JsonRules& rules) {
  const MarkedValue value = check_marked(text, rules);
  if (value.kind != JsonKind::object && value.kind != JsonKind::map) {
    refuse(rules, "expected an object or a $map");
  }
  const JsonRules inner = text_rules(rules);
  std::vector<JsonPart> members = split_json(text, true, inner);
  std::vector<MarkedEntry> entries;
  if (value.kind == JsonKind::map) {
    for (const JsonPart& pair : split_json(members.front().text, false, inner)) {
      auto parts = split_json(pair.text, false, inner);
      MapKey key = parts[0].is_string ? MapKey(std::move(parts[0].text))
                                      : key_of(Sorted::parse(parts[0].text), rules);
      entries.push_back({std::move(key), std::move(parts[1])});
    }
    return entries;
  }
  if (members.size() == 1 && members.front().key == "$object") {
    members = split_json(members.front().text, true, inner);
  }
  for (JsonPart& member : members) {
    std::string key = std::move(member.key);
    entries.push_back({MapKey(std::move(key)), std::move(member)});
  }
  return entries;
}

bool is_big_integer(std::string_view digits) noexcept {
  const bool is_negative = digits.starts_with('-');
  if (is_negative) digits.remove_prefix(1);
  if (!digits.starts_with("0x")) return false;
  digits.remove_prefix(2);
  if (digits.empty() || digits.front() == '0' ||
      digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return false;
  }
  constexpr std::size_t kDigits64 = 16;
  if (digits.size() > kDigits64) return true;
  // -2^63 has a way of its own; below it, as from 2^64 on, numbers need a mark.
  return is_negative && digits.size() == kDigits64 && digits > "8000000000000000";
}

double double_of_big_integer(const std::string& digits) noexcept {
  return std::strtod(digits.c_str(), nullptr);
}

}  // namespace ipc0cp::codec
