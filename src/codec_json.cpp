// SPDX-License-Identifier: Apache-2.0
#include "codec_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace ipc0cp::codec {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const JsonRules& rules, const std::string& reason) {
  throw Error(rules.error, std::string(rules.what) + ": " + reason);
}

std::string quoted_for_message(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string result = "\"" + std::string(text.substr(0, kLongest));
  result += text.size() > kLongest ? "...\"" : "\"";
  return result;
}

/// Checks the rules while nlohmann's parser reads; the parser itself does not recurse.
class StrictReader : public nlohmann::json_sax<json> {
 public:
  explicit StrictReader(const JsonRules& rules) : rules_(rules) {}

  [[nodiscard]] unsigned levels() const noexcept { return most_levels_; }

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    // The parser makes a float of an integer that needs more than 64 bits. A '.' may look otherwise
    // here: it is written as the locale of the process has it.
    if (text.find_first_not_of("-0123456789") == std::string::npos) {
      refuse(rules_,
             "the integer " + text.substr(0, 40) + " is outside -2^63 .. 2^64-1; send it as text");
    }
    return true;
  }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(std::size_t /*elements*/) override {
    open();
    keys_.emplace_back();
    return true;
  }
  bool key(string_t& value) override {
    auto& keys = keys_.back();
    if (!keys.insert(value).second) {
      refuse(rules_, "the key " + quoted_for_message(value) +
                         " appears twice in one object, where a key stands once");
    }
    if (keys.size() > rules_.max_keys) {
      refuse(rules_, "an object has more than " + std::to_string(rules_.max_keys) + " keys");
    }
    return true;
  }
  bool end_object() override {
    keys_.pop_back();
    --levels_;
    return true;
  }
  bool start_array(std::size_t /*elements*/) override {
    open();
    return true;
  }
  bool end_array() override {
    --levels_;
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const json::exception& error) override {
    // The parser shows what it read last, however long that is.
    constexpr std::size_t kLongest = 200;
    const std::string_view reason = error.what();
    refuse(rules_, "not valid at byte " + std::to_string(position) + ": " +
                       std::string(reason.substr(0, kLongest)) +
                       (reason.size() > kLongest ? "..." : ""));
  }

 protected:
  [[nodiscard]] unsigned open_levels() const noexcept { return levels_; }
  [[nodiscard]] const JsonRules& rules() const noexcept { return rules_; }
  void reset_most_levels() noexcept { most_levels_ = levels_; }

 private:
  void open() {
    ++levels_;
    most_levels_ = std::max(most_levels_, levels_);
    if (levels_ > rules_.max_levels) {
      refuse(rules_,
             "more than " + std::to_string(rules_.max_levels) + " levels of arrays and objects");
    }
  }

  JsonRules rules_;
  unsigned levels_ = 0;
  unsigned most_levels_ = 0;
  std::vector<std::unordered_set<std::string>> keys_;
};

/// Takes the outermost array or object apart, writing each part's text anew as it is read.
class Splitter final : public StrictReader {
 public:
  Splitter(const JsonRules& rules, bool object) : StrictReader(rules), object_(object) {}

  [[nodiscard]] std::vector<JsonPart> take() { return std::move(parts_); }

  bool null() override { return value("null"); }
  bool boolean(bool flag) override { return value(flag ? "true" : "false"); }
  bool number_integer(number_integer_t number) override { return value(std::to_string(number)); }
  bool number_unsigned(number_unsigned_t number) override { return value(std::to_string(number)); }
  bool number_float(number_float_t number, const string_t& text) override {
    StrictReader::number_float(number, text);
    std::string number_text = text;
    const auto point = number_text.find_first_not_of("+-0123456789eE");
    if (point != std::string::npos) number_text[point] = '.';
    return value(number_text);
  }
  bool string(string_t& text) override {
    before();
    if (open_levels() == 1) {
      part_.text = text;
      part_.is_string = true;
    } else {
      append_quoted(part_.text, text);
    }
    after();
    return true;
  }
  bool start_object(std::size_t elements) override { return start('{', elements); }
  bool start_array(std::size_t elements) override { return start('[', elements); }
  bool end_object() override {
    StrictReader::end_object();
    return end('}');
  }
  bool end_array() override {
    StrictReader::end_array();
    return end(']');
  }
  bool key(string_t& text) override {
    StrictReader::key(text);
    if (open_levels() == 1) {
      part_.key = text;
      return true;
    }
    before();
    append_quoted(part_.text, text);
    part_.text += ':';
    after_key_ = true;
    return true;
  }

 private:
  void before() {
    if (open_levels() == 0) wrong_kind();
    if (!after_key_ && !part_.text.empty() && part_.text.back() != '[' &&
        part_.text.back() != '{') {
      part_.text += ',';
    }
    after_key_ = false;
  }
  void after() {
    if (open_levels() != 1) return;
    part_.levels = levels() - 1;
    parts_.push_back(std::move(part_));
    part_ = JsonPart{};
    reset_most_levels();
  }
  bool value(std::string_view text) {
    before();
    part_.text += text;
    after();
    return true;
  }
  bool start(char bracket, std::size_t elements) {
    if (open_levels() == 0) {
      if ((bracket == '{') != object_) wrong_kind();
    } else {
      before();
      part_.text += bracket;
    }
    return bracket == '{' ? StrictReader::start_object(elements)
                          : StrictReader::start_array(elements);
  }
  bool end(char bracket) {
    if (open_levels() == 0) return true;
    part_.text += bracket;
    after();
    return true;
  }
  [[noreturn]] void wrong_kind() const {
    refuse(rules(), object_ ? "expected an object" : "expected an array");
  }

  bool object_;
  bool after_key_ = false;
  JsonPart part_;
  std::vector<JsonPart> parts_;
};

void read(std::string_view text, const JsonRules& rules, StrictReader& reader) {
  // The parser takes a zero byte for the end and skips a byte order mark; both are damage here.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {
    refuse(rules, "byte " + std::to_string(zero) + " is zero; inside a string it is \\u0000");
  }
  if (text.substr(0, 3) == "\xEF\xBB\xBF") refuse(rules, "starts with a byte order mark");
  if (!json::sax_parse(text.begin(), text.end(), &reader)) refuse(rules, "not valid JSON");
}

/// Length of the UTF-8 sequence at `text`, 0 if it is not one.
std::size_t sequence_bytes(const unsigned char* text, std::size_t available) noexcept {
  const auto continues = [&](std::size_t index) {
    return index < available && (text[index] & 0xC0U) == 0x80U;
  };
  const unsigned char lead = text[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || !continues(1)) return 0;
  if (lead < 0xE0) return 2;
  if (!continues(2)) return 0;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && text[1] < 0xA0;
    const bool surrogate = lead == 0xED && text[1] >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead > 0xF4 || !continues(3)) return 0;
  const bool overlong = lead == 0xF0 && text[1] < 0x90;
  const bool too_large = lead == 0xF4 && text[1] >= 0x90;
  return overlong || too_large ? 0 : 4;
}

}  // namespace

unsigned check_json(std::string_view text, const JsonRules& rules) {
  StrictReader reader(rules);
  read(text, rules, reader);
  return reader.levels();
}

std::vector<JsonPart> split_json(std::string_view text, bool object, const JsonRules& rules) {
  Splitter splitter(rules, object);
  read(text, rules, splitter);
  return splitter.take();
}

void append_quoted(std::string& target, std::string_view text) {
  constexpr std::string_view kShort = "\b\f\n\r\t";
  constexpr std::string_view kShortNames = "bfnrt";
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  target += '"';
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      target += '\\';
      target += character;
    } else if (static_cast<unsigned char>(character) >= 0x20) {
      target += character;
    } else if (const auto index = kShort.find(character); index != std::string_view::npos) {
      target += '\\';
      target += kShortNames[index];
    } else {
      target += "\\u00";
      target += kHexDigits[static_cast<unsigned char>(character) >> 4U];
      target += kHexDigits[static_cast<unsigned char>(character) & 0xFU];
    }
  }
  target += '"';
}

std::size_t utf8_bytes(std::string_view text) noexcept {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t index = 0;
  while (index < text.size()) {
    // Most text is ASCII: look at 32 bytes at once until one is not.
    while (index + 32 <= text.size()) {
      unsigned char any = 0;
      for (std::size_t step = 0; step < 32; ++step) any |= bytes[index + step];
      if (any >= 0x80) break;
      index += 32;
    }
    const std::size_t stop = std::min(index + 32, text.size());
    while (index < stop) {
      const std::size_t length = sequence_bytes(bytes + index, text.size() - index);
      if (length == 0) return index;
      index += length;
    }
  }
  return index;
}

}  // namespace ipc0cp::codec
