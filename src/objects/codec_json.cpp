// SPDX-License-Identifier: Apache-2.0
#include "objects/codec_json.hpp"

#include <algorithm>
#include <utility>

namespace ipc0cp::codec {
namespace {

/// Takes the outermost array or object apart, writing each part's text anew as it is read.
class Splitter final : public JsonHandler {
 public:
  Splitter(const JsonRules& rules, bool object) : rules_(rules), object_(object) {}

  [[nodiscard]] std::vector<JsonPart> take() { return std::move(parts_); }

  void null() override { value("null"); }
  void boolean(bool flag) override { value(flag ? "true" : "false"); }
  void integer(std::int64_t number) override { value(std::to_string(number)); }
  void large_integer(std::uint64_t number) override { value(std::to_string(number)); }
  void floating(double /*number*/, std::string_view text) override { value(text); }
  void string(std::string_view text) override {
    before();
    if (levels_ == 1) {
      part_.text = text;
      part_.is_string = true;
    } else {
      append_quoted(part_.text, text);
    }
    after();
  }
  void start_object() override { start('{'); }
  void start_array() override { start('['); }
  void end_object() override { end('}'); }
  void end_array() override { end(']'); }
  void key(std::string_view text) override {
    if (levels_ == 1) {
      part_.key = text;
      return;
    }
    before();
    append_quoted(part_.text, text);
    part_.text += ':';
    after_key_ = true;
  }

 private:
  void before() {
    if (levels_ == 0) refuse_kind();
    if (!after_key_ && !part_.text.empty() && part_.text.back() != '[' &&
        part_.text.back() != '{') {
      part_.text += ',';
    }
    after_key_ = false;
  }
  void after() {
    if (levels_ == 1) parts_.push_back(std::exchange(part_, {}));
  }
  void value(std::string_view text) {
    before();
    part_.text += text;
    after();
  }
  void start(char bracket) {
    if (levels_ == 0) {
      if ((bracket == '{') != object_) refuse_kind();
    } else {
      before();
      part_.text += bracket;
      part_.levels = std::max(part_.levels, levels_);
    }
    ++levels_;
  }
  void end(char bracket) {
    --levels_;
    if (levels_ == 0) return;
    part_.text += bracket;
    after();
  }
  [[noreturn]] void refuse_kind() const {
    rules_.refuse(object_ ? "expected an object" : "expected an array");
  }

  JsonRules rules_;
  bool object_;
  bool after_key_ = false;
  unsigned levels_ = 0;  ///< Open ones, the outermost included.
  JsonPart part_;
  std::vector<JsonPart> parts_;
};

}  // namespace

std::vector<JsonPart> split_json(std::string_view text, bool object, const JsonRules& rules) {
  Splitter splitter(rules, object);
  read_json(text, rules, splitter);
  return splitter.take();
}

}  // namespace ipc0cp::codec
