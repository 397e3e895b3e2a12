// SPDX-License-Identifier: Apache-2.0
#include "rules/json_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <deque>
#include <optional>
#include <vector>

#include "rules/json_text.hpp"

namespace ipc0cp::codec {
namespace {

constexpr bool is_digit(char character) noexcept { return character >= '0' && character <= '9'; }

void append_utf8(std::string& target, std::uint32_t code) {
  const auto add = [&](std::uint32_t byte) { target += static_cast<char>(byte); };
  if (code < 0x80) return add(code);
  if (code < 0x800) {
    add(0xC0U | (code >> 6U));
  } else {
    if (code < 0x10000) {
      add(0xE0U | (code >> 12U));
    } else {
      add(0xF0U | (code >> 18U));
      add(0x80U | ((code >> 12U) & 0x3FU));
    }
    add(0x80U | ((code >> 6U) & 0x3FU));
  }
  add(0x80U | (code & 0x3FU));
}

/// The power of ten of the first digit of a number that is not zero, kept within a few billions.
std::int64_t decimal_exponent(std::string_view number) noexcept {
  if (number.front() == '-') number.remove_prefix(1);
  const std::size_t mantissa = std::min(number.find_first_of("eE"), number.size());
  const std::size_t point = std::min(number.find('.'), mantissa);
  const std::size_t first = number.find_first_of("123456789");
  const auto before_point = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  if (mantissa == number.size()) return before_point;
  std::string_view digits = number.substr(mantissa + 1);
  if (digits.front() == '+') digits.remove_prefix(1);
  std::int64_t exponent = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec != std::errc{} ||
      exponent > (std::int64_t{1} << 62) || exponent < -(std::int64_t{1} << 62)) {
    exponent = digits.front() == '-' ? -(std::int64_t{1} << 62) : std::int64_t{1} << 62;
  }
  return exponent + before_point;
}

/// The value, unless it overflows a double.
std::optional<double> to_double(std::string_view number) noexcept {
  double value = 0;
  const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
  if (result.ec == std::errc{}) return value;
  // Out of range: either too large, or so small that the nearest is zero.
  if (decimal_exponent(number) > 0) return std::nullopt;
  return number.front() == '-' ? -0.0 : 0.0;
}

/// The keys of all objects that are open, to find one that appears twice. Sorting and not hashing:
/// no text makes it slow.
class Keys {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  void add(std::string_view key, bool lasts) {
    keys_.push_back(lasts ? key : std::string_view(copies_.emplace_back(key)));
  }
  /// Forgets the keys from `first` on, those of the innermost object.
  /// @return one that was there twice.
  [[nodiscard]] std::optional<std::string> close(std::size_t first) {
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto twice =
        keys_.size() - first <= kFew ? find_among_few(begin) : find_by_sorting(begin);
    if (twice != keys_.end()) return std::string(*twice);
    keys_.erase(begin, keys_.end());
    if (keys_.empty()) copies_.clear();
    return std::nullopt;
  }

 private:
  using Iterator = std::vector<std::string_view>::iterator;
  static constexpr std::size_t kFew = 12;

  Iterator find_among_few(Iterator begin) {
    for (auto key = begin; key != keys_.end(); ++key) {
      if (std::find(begin, key, *key) != key) return key;
    }
    return keys_.end();
  }
  Iterator find_by_sorting(Iterator begin) {
    std::sort(begin, keys_.end());
    return std::adjacent_find(begin, keys_.end());
  }

  std::vector<std::string_view> keys_;
  std::deque<std::string> copies_;
};

class JsonReader {
 public:
  JsonReader(std::string_view text, const JsonRules& rules, JsonHandler& handler)
      : text_(text), rules_(rules), handler_(handler) {}

  unsigned read() {
    check_bytes();
    bool is_complete = begin_value();
    while (!open_.empty()) is_complete = is_complete ? go_on() : begin_value();
    skip_space();
    if (at_ != text_.size()) refuse("the value has ended");
    return most_levels_;
  }

 private:
  struct Container {
    bool is_object;
    std::size_t first_key;
  };

  /// `expected` says what would have been right.
  [[noreturn]] void refuse(std::string_view expected) const {
    rules_.refuse("not valid at byte " + std::to_string(at_) + " of " +
                  std::to_string(text_.size()) + ": " + std::string(expected));
  }

  void check_bytes() const {
    if (const std::size_t zero = text_.find('\0'); zero != std::string_view::npos) {
      rules_.refuse("byte " + std::to_string(zero) + " is zero; inside a string it is \\u0000");
    }
    if (text_.starts_with("\xEF\xBB\xBF")) rules_.refuse("starts with a byte order mark");
    if (const std::size_t good = utf8_bytes(text_); good != text_.size()) {
      rules_.refuse("not valid at byte " + std::to_string(good) + ": it is not UTF-8");
    }
  }

  void skip_space() noexcept {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }

  /// The next character that is no space; 0, which no text holds, at the end.
  char peek() noexcept {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  /// @return whether the value is complete; if not, one inside of it comes next.
  bool begin_value() {
    const char character = peek();
    switch (character) {
      case '{':
      case '[':
        return open(character == '{');
      case '"':
        handler_.string(read_string());
        return true;
      case 't':
        take_word("true");
        handler_.boolean(true);
        return true;
      case 'f':
        take_word("false");
        handler_.boolean(false);
        return true;
      case 'n':
        take_word("null");
        handler_.null();
        return true;
      default:
        if (character != '-' && !is_digit(character)) refuse("a JSON value is missing");
        read_number();
        return true;
    }
  }

  bool open(bool is_object) {
    ++at_;
    if (open_.size() == rules_.max_levels) {
      rules_.refuse("more than " + std::to_string(rules_.max_levels) +
                    " levels of arrays and objects");
    }
    open_.push_back({is_object, keys_.size()});
    most_levels_ = std::max(most_levels_, static_cast<unsigned>(open_.size()));
    if (is_object) {
      handler_.start_object();
    } else {
      handler_.start_array();
    }
    if (peek() == (is_object ? '}' : ']')) return close();
    if (is_object) read_key();
    return false;
  }

  /// Behind a value inside a container. @return as `begin_value`, of that container.
  bool go_on() {
    const bool is_object = open_.back().is_object;
    const char character = peek();
    if (character == (is_object ? '}' : ']')) return close();
    if (character != ',') refuse(is_object ? "',' or '}' is missing" : "',' or ']' is missing");
    ++at_;
    if (is_object) read_key();
    return false;
  }

  bool close() {
    ++at_;
    const Container closed = open_.back();
    open_.pop_back();
    if (!closed.is_object) {
      handler_.end_array();
      return true;
    }
    if (const auto twice = keys_.close(closed.first_key)) {
      rules_.refuse("the key " + quoted_for_message(*twice) +
                    " appears twice in one object, where a key stands once");
    }
    handler_.end_object();
    return true;
  }

  void read_key() {
    if (peek() != '"') refuse("a key in quotes is missing");
    const std::string_view key = read_string();
    keys_.add(key, key.data() != unescaped_.data());
    if (keys_.size() - open_.back().first_key > rules_.max_keys) {
      rules_.refuse("an object has more than " + std::to_string(rules_.max_keys) + " keys");
    }
    handler_.key(key);
    if (peek() != ':') refuse("':' is missing");
    ++at_;
  }

  void take_word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) refuse("a JSON value is missing");
    at_ += word.size();
  }

  void take_digits() {
    if (at_ == text_.size() || !is_digit(text_[at_])) refuse("a digit is missing");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
  }

  [[nodiscard]] bool is_at(std::string_view characters) const noexcept {
    return at_ < text_.size() && characters.find(text_[at_]) != std::string_view::npos;
  }

  void read_number() {
    const std::size_t first = at_;
    bool is_integer = true;
    if (is_at("-")) ++at_;
    if (is_at("0")) {
      ++at_;
    } else {
      take_digits();
    }
    if (is_at(".")) {
      is_integer = false;
      ++at_;
      take_digits();
    }
    if (is_at("eE")) {
      is_integer = false;
      ++at_;
      if (is_at("+-")) ++at_;
      take_digits();
    }
    const std::string_view number = text_.substr(first, at_ - first);
    if (is_integer) return hand_over_integer(number);
    const auto value = to_double(number);
    if (!value) {
      rules_.refuse("the number " + std::string(number.substr(0, 40)) + " overflows a double");
    }
    handler_.floating(*value, number);
  }

  void hand_over_integer(std::string_view digits) {
    const char* const end = digits.data() + digits.size();
    std::int64_t value = 0;
    if (std::from_chars(digits.data(), end, value).ec == std::errc{}) {
      return handler_.integer(value);
    }
    std::uint64_t large = 0;
    if (digits.front() != '-' && std::from_chars(digits.data(), end, large).ec == std::errc{}) {
      return handler_.large_integer(large);
    }
    rules_.refuse("the integer " + std::string(digits.substr(0, 40)) +
                  " is outside -2^63 .. 2^64-1; send it as text");
  }

  /// The string at the opening quote, in the text or, if it has escapes, in `unescaped_`.
  std::string_view read_string() {
    const std::size_t first = ++at_;
    at_ += unescaped_bytes(text_.substr(at_));
    if (is_at("\"")) return text_.substr(first, at_++ - first);
    unescaped_.assign(text_.substr(first, at_ - first));
    while (!is_at("\"")) {
      if (!is_at("\\")) refuse("a string goes on without a closing quote or an escape");
      read_escape();
      const std::size_t plain = unescaped_bytes(text_.substr(at_));
      unescaped_ += text_.substr(at_, plain);
      at_ += plain;
    }
    ++at_;
    return unescaped_;
  }

  void read_escape() {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    ++at_;
    if (is_at("u")) {
      ++at_;
      append_utf8(unescaped_, read_code());
      return;
    }
    if (!is_at(kNames)) refuse("an escape that JSON does not have");
    unescaped_ += kMeanings[kNames.find(text_[at_])];
    ++at_;
  }

  std::uint32_t read_code() {
    const std::uint32_t code = read_hex_digits();
    if (code < 0xD800 || code > 0xDFFF) return code;
    if (code <= 0xDBFF && text_.substr(at_).starts_with("\\u")) {
      at_ += 2;
      const std::uint32_t low = read_hex_digits();
      if (low >= 0xDC00 && low <= 0xDFFF) {
        return 0x10000U + ((code - 0xD800U) << 10U) + (low - 0xDC00U);
      }
    }
    rules_.refuse("a string holds a lone surrogate at byte " + std::to_string(at_));
  }

  std::uint32_t read_hex_digits() {
    constexpr std::size_t kDigits = 4;
    std::uint32_t code = 0;
    const char* const first = text_.data() + at_;
    const char* const last = first + std::min(kDigits, text_.size() - at_);
    if (std::from_chars(first, last, code, 16).ptr != first + kDigits) {
      refuse("\\u needs four hex digits");
    }
    at_ += kDigits;
    return code;
  }

  std::string_view text_;
  JsonRules rules_;
  JsonHandler& handler_;
  std::size_t at_ = 0;
  unsigned most_levels_ = 0;
  std::vector<Container> open_;
  Keys keys_;
  std::string unescaped_;
};

class NoHandler final : public JsonHandler {
 public:
  void null() override {}
  void boolean(bool /*value*/) override {}
  void integer(std::int64_t /*value*/) override {}
  void large_integer(std::uint64_t /*value*/) override {}
  void floating(double /*value*/, std::string_view /*text*/) override {}
  void string(std::string_view /*value*/) override {}
  void start_array() override {}
  void end_array() override {}
  void start_object() override {}
  void key(std::string_view /*value*/) override {}
  void end_object() override {}
};

}  // namespace

void JsonRules::refuse(const std::string& reason) const {
  throw Error(error, std::string(what) + ": " + reason);
}

unsigned read_json(std::string_view text, const JsonRules& rules, JsonHandler& handler) {
  return JsonReader(text, rules, handler).read();
}

unsigned check_json(std::string_view text, const JsonRules& rules) {
  NoHandler handler;
  return read_json(text, rules, handler);
}

std::string quoted_for_message(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string result = "\"" + std::string(text.substr(0, kLongest));
  result += text.size() > kLongest ? "...\"" : "\"";
  return result;
}

}  // namespace ipc0cp::codec
