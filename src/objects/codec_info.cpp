// SPDX-License-Identifier: Apache-2.0
// The info of images: docs/object_format.md, section 7.
#include <utility>

#include "objects/codec_image.hpp"
#include "objects/json_access.hpp"

namespace ipc0cp::codec {
namespace {

constexpr unsigned kMostInfoLevels = 8;

/// Checks the values of the entries in order and collects the pieces they name.
class InfoReader {
 public:
  explicit InfoReader(Refusal refuse) : refuse_(refuse) {}

  detail::ImageInfo read(const Json& entries) {
    if (!entries.is_object()) refuse_("\"info\" is " + shown(entries) + "; expected an object");
    for (const auto& [key, value] : entries.items()) read_value(key, value, 0);
    info_.text = entries.dump();
    return std::move(info_);
  }

 private:
  void read_value(const std::string& key, const Json& value, unsigned around) {
    if (value.is_object()) {
      read_mark(key, value, around);
    } else if (value.is_array()) {
      if (around == kMostInfoLevels) {
        refuse_("an entry of \"info\" nests more than " + std::to_string(kMostInfoLevels) +
                " levels");
      }
      for (const Json& item : value) read_value({}, item, around + 1);
    }
  }

  void read_mark(const std::string& key, const Json& value, unsigned around) {
    const std::string mark = value.size() == 1 ? value.begin().key() : std::string();
    if (mark == "$bytes" || mark == "$text") {
      const std::uint64_t bytes = number(*value.begin(), mark.c_str(), kMaxNumber, refuse_);
      info_.pieces.push_back({key, around > 0, mark == "$text", info_.pieces_bytes, bytes});
      // Both are below 2^63: the sum fits.
      info_.pieces_bytes += bytes;
      if (info_.pieces_bytes > kMaxNumber) refuse_("the info has more than 2^63-1 bytes");
    } else if (mark == "$float" || mark == "$int") {
      check_marked(value.dump(), {.error = refuse_.error, .what = "image info"});
    } else {
      refuse_("\"info\" has the value " + shown(value) +
              "; expected a mark, $bytes, $text, $float or $int");
    }
  }

  Refusal refuse_;
  detail::ImageInfo info_;
};

}  // namespace

detail::ImageInfo parse_info(std::string_view text, ErrorCode error) {
  const Refusal refuse{error, "image info"};
  return InfoReader(refuse).read(parse(text, refuse));
}

std::string info_entry(std::string_view info, std::string_view key) {
  if (info.empty()) return {};
  const Json entries = Json::parse(info.begin(), info.end());
  const auto found = entries.find(std::string(key));
  return found == entries.end() ? std::string() : found->dump();
}

}  // namespace ipc0cp::codec
