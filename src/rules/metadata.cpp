// SPDX-License-Identifier: Apache-2.0
#include "rules/metadata.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "rules/json_reader.hpp"

namespace ipc0cp::codec {
namespace {

/// Looks at the type and the version of the outermost object.
class MetadataRules final : public JsonHandler {
 public:
  explicit MetadataRules(const JsonRules& rules) : rules_(rules) {}

  void check_has_type() const {
    if (!has_type_) rules_.refuse("\"type\" is missing");
  }

  void null() override { take("null"); }
  void boolean(bool value) override { take(value ? "true" : "false"); }
  void integer(std::int64_t value) override { take(std::to_string(value)); }
  void large_integer(std::uint64_t value) override { take(std::to_string(value)); }
  void floating(double /*value*/, std::string_view text) override { take(text); }
  void string(std::string_view value) override {
    if (levels_ == 0) refuse_all("a string");
    if (name_ == Name::type && value.empty()) rules_.refuse("\"type\" is empty");
    has_type_ = has_type_ || name_ == Name::type;
    name_ = Name::other;
  }
  void start_array() override {
    take("an array");
    ++levels_;
  }
  void end_array() override { --levels_; }
  void start_object() override {
    if (levels_ > 0) take("an object");
    ++levels_;
  }
  void key(std::string_view value) override {
    if (levels_ != 1) return;
    name_ = value == "type" ? Name::type : value == "version" ? Name::version : Name::other;
  }
  void end_object() override { --levels_; }

 private:
  enum class Name { other, type, version };

  /// A value that is no string.
  void take(std::string_view shown) {
    if (levels_ == 0) refuse_all(shown);
    if (name_ != Name::other) {
      rules_.refuse(std::string(name_ == Name::type ? "\"type\"" : "\"version\"") + " is " +
                    std::string(shown) + "; expected a string");
    }
  }
  [[noreturn]] void refuse_all(std::string_view shown) const {
    rules_.refuse("expected a JSON object, not " + std::string(shown.substr(0, 40)));
  }

  JsonRules rules_;
  unsigned levels_ = 0;
  Name name_ = Name::other;  ///< Of the value that comes next, in the outermost object.
  bool has_type_ = false;
};

/// The last good texts of one thread, so that a stream of equal shapes costs a compare. Without a
/// destructor: threads may push until they are gone.
class GoodTexts {
 public:
  [[nodiscard]] bool contains(std::string_view text) const noexcept {
    return std::any_of(texts_.begin(), texts_.end(), [&](const Text& good) {
      return std::string_view(good.characters.data(), good.size) == text;
    });
  }
  void remember(std::string_view text) noexcept {
    if (text.size() > kLongest) return;
    text.copy(texts_[next_].characters.data(), text.size());
    texts_[next_].size = text.size();
    next_ = (next_ + 1) % texts_.size();
  }

 private:
  static constexpr std::size_t kLongest = 256;  // Longer ones, of lists say, hardly ever repeat.
  struct Text {
    std::size_t size;
    std::array<char, kLongest> characters;
  };
  std::array<Text, 16> texts_;
  std::size_t next_;
};

}  // namespace

unsigned check_metadata(std::string_view text, ErrorCode error) {
  if (text.empty()) return 1;  // Short for the metadata of bytes.
  const JsonRules rules{.error = error, .what = "metadata", .max_keys = kMaxMetadataKeys};
  MetadataRules handler(rules);
  const unsigned levels = read_json(text, rules, handler);
  handler.check_has_type();
  return levels;
}

void check_pushed_metadata(std::string_view text) {
  if (text.empty()) return;
  static thread_local constinit GoodTexts good{};
  if (good.contains(text)) return;
  check_metadata(text, ErrorCode::invalid_argument);
  good.remember(text);
}

}  // namespace ipc0cp::codec
