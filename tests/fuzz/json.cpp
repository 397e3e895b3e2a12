// SPDX-License-Identifier: Apache-2.0
// Any bytes as JSON text: accepted exactly if nlohmann::json takes them and no rule of ours is
// broken; taken apart and put together, the value is the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz_input.hpp"
#include "ipc0cp/json.hpp"
#include "objects/codec_json.hpp"
#include "objects/rebuild.hpp"

namespace ipc0cp::fuzz {
namespace {

/// Rules that are ours and not of JSON are the only reason to refuse what the parser takes.
bool breaks_a_rule(const std::string& reason) {
  for (const char* rule :
       {"appears twice", "levels of arrays", "outside -2^63", "is zero", "byte order mark"}) {
    if (reason.find(rule) != std::string::npos) return true;
  }
  return false;
}

void check_parts(const JsonData& data, const nlohmann::ordered_json& value) {
  const bool is_object = data.kind() == JsonKind::object;
  if (!is_object && data.kind() != JsonKind::array) return;
  const auto parts = codec::split_json(data.text(), is_object, {});
  require(parts.size() == value.size(), "as many parts as the value has");
  std::string text = is_object ? "{" : "[";
  unsigned levels = 0;
  for (const codec::JsonPart& part : parts) {
    if (text.size() > 1) text += ',';
    if (is_object) {
      codec::append_quoted(text, part.key);
      text += ':';
    }
    if (part.is_string) {
      codec::append_quoted(text, part.text);
    } else {
      text += part.text;
    }
    levels = std::max(levels, part.levels);
  }
  text += is_object ? '}' : ']';
  require(levels + 1 == data.levels(), "the levels of the parts are those of the value");
  const std::string found = difference(data, JsonData(text));
  require(found.empty(), "parts put together are the value:", found);
}

void check(const std::string& text) {
  try {
    const JsonData data(text);
    const auto value = to_ordered_json(data);
    check_parts(data, value);
    const std::string found = difference(data, ipc0cp_test::rebuild_json(data));
    require(found.empty(), "a value built anew is the same:", found);
    if (!data.is_null()) require_round_trip(data);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::unsupported_type, "JSON is refused as unsupported");
    require(std::string_view(error.what()).size() < 1000, "errors are short, not", error.what());
    require(breaks_a_rule(error.what()) || !nlohmann::json::accept(text),
            "JSON that breaks no rule is taken:", error.what());
  }
}

}  // namespace
}  // namespace ipc0cp::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ipc0cp::fuzz::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
