// SPDX-License-Identifier: Apache-2.0
// Bad input of users: each error names the value, the limit, and where there is one the way out.
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"
#include "object_helpers.hpp"

// Shapes that no memory can hold are to be answered with an error under the sanitizers, too.
extern "C" __attribute__((visibility("default"))) const char* __asan_default_options() {
  return "allocator_may_return_null=1";
}
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "allocator_may_return_null=1";
}

namespace ipc0cp {
namespace {

struct Case {
  const char* name;
  std::function<void()> call;
  ErrorCode code;
  std::vector<std::string> words;  ///< What the text has to say.
};

constexpr auto kArgument = ErrorCode::invalid_argument;
constexpr auto kType = ErrorCode::unsupported_type;

const std::array<std::byte, 3> kThree{};
const Payload kBorrowed{kThree, nullptr};

void check(const std::vector<Case>& cases) {
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    EXPECT_EQ(code_of(each.call), each.code);
    const std::string said = text_of(each.call);
    for (const std::string& word : each.words) {
      EXPECT_NE(said.find(word), std::string::npos) << '"' << word << "\" is not in: " << said;
    }
    EXPECT_LT(said.size(), 600U);
  }
}

TEST(BadInput, BytesAndTexts) {
  check({
      {"metadata cut off",
       [] { BytesData(kBorrowed, "{"); },
       kArgument,
       {"metadata", "byte 1 of 1"}},
      {"metadata array", [] { BytesData(kBorrowed, "[1]"); }, kArgument, {"object", "array"}},
      {"no type", [] { BytesData(kBorrowed, "{}"); }, kArgument, {"\"type\"", "missing"}},
      {"empty type", [] { BytesData(kBorrowed, R"({"type":""})"); }, kArgument, {"empty"}},
      {"version",
       [] { BytesData(kBorrowed, R"({"type":"a","version":1})"); },
       kArgument,
       {"\"version\"", "1", "string"}},
      {"not UTF-8", [] { TextData("ab\xFF"); }, kType, {"byte 2", "of 3", "BytesData"}},
      {"a surrogate", [] { TextData("\xED\xA0\x80"); }, kType, {"byte 0", "surrogate"}},
      {"of a payload",
       [] {
         TextData(Payload{std::as_bytes(std::span("\xFF")), nullptr});
       },
       ErrorCode::corrupt_payload,
       {"byte 0", "UTF-8"}},
  });
}

TEST(BadInput, Json) {
  check({
      {"empty", [] { JsonData(""); }, kType, {"byte 0 of 0", "missing"}},
      {"two values", [] { JsonData("1 2"); }, kType, {"byte 2 of 3"}},
      {"too large",
       [] { JsonData("18446744073709551616"); },
       kType,
       {"18446744073709551616", "2^64-1", "text"}},
      {"overflow", [] { JsonData("1e999"); }, kType, {"1e999"}},
      {"key twice", [] { JsonData(R"({"a":1,"a":2})"); }, kType, {"\"a\"", "twice"}},
      {"deep", [] { JsonData(std::string(513, '[') + std::string(513, ']')); }, kType, {"512"}},
      {"zero byte", [] { JsonData(std::string("1\0", 2)); }, kType, {"byte 1", "\\u0000"}},
      {"mark",
       [] {
         JsonData(
             "\xEF\xBB\xBF"
             "1");
       },
       kType,
       {"byte order mark"}},
      {"long and wrong",
       [] { JsonData('"' + std::string(100'000, 'x')); },
       kType,
       {"byte 100001", "closing quote"}},
      {"unknown mark", [] { JsonData::marked(R"({"$x":1})"); }, kType, {"$x"}},
      {"mark of nothing", [] { JsonData::marked(R"({"$float":"1"})"); }, kType, {"$float", "1"}},
      {"small integer", [] { JsonData::marked(R"({"$int":"0x1"})"); }, kType, {"$int", "0x1"}},
      {"key twice in marks",
       [] { JsonData::marked(R"({"$map":[[1,2],[1,3]]})"); },
       kType,
       {"key 1", "twice"}},
      {"key of marks",
       [] { JsonData::marked(R"({"$map":[[1.5,2]]})"); },
       kType,
       {"1.5", "integer"}},
      {"key beyond 64 bits", [] { MapKey::big_integer("0x1"); }, kArgument, {"0x1", "hex"}},
      {"null alone", [] { (void)JsonData("null").metadata_json(); }, kType, {"null", "list"}},
      {"another kind",
       [] { (void)JsonData("[7]").value<bool>(); },
       kType,
       {"[7]", "true or false"}},
      {"from nlohmann", [] { from_json(nlohmann::json("\xFF")); }, kType, {"0xFF", "BytesData"}},
      {"binary", [] { from_json(nlohmann::json::binary({1})); }, kType, {"binary", "BytesData"}},
  });
}

TEST(BadInput, ArrayTypesAndShapes) {
  check({
      {"word", [] { NumpyArray("float32", {2}); }, kArgument, {"\"float32\"", "\"<f4\""}},
      {"size", [] { NumpyArray("<f3", {2}); }, kArgument, {"\"<f3\""}},
      {"objects", [] { NumpyArray("|O", {2}); }, kArgument, {"\"|O\""}},
      {"structure", [] { NumpyArray("{", {2}); }, kArgument, {"dtype", "byte 1 of 1"}},
      {"no itemsize", [] { NumpyArray(R"({"fields":[]})", {2}); }, kArgument, {"\"itemsize\""}},
      {"beyond",
       [] {
         NumpyArray(R"({"fields":[{"name":"a","dtype":"<f4","offset":2}],"itemsize":4})", {1});
       },
       kArgument,
       {"\"a\"", "2 .. 6", "4"}},
      {"dimensions",
       [] { NumpyArray("|u1", std::vector<std::size_t>(65, 1)); },
       kArgument,
       {"65", "64"}},
      {"too large",
       [] { NumpyArray("<f4", {std::size_t{1} << 62}); },
       kArgument,
       {"4611686018427387904", "9223372036854775807"}},
      {"no memory",
       [] { NumpyArray("|u1", {std::size_t{1} << 60}); },
       ErrorCode::out_of_memory,
       {"1152921504606846976", "smaller"}},
      {"scalar", [] { NumpyArray("<f4", {2}, {.scalar = true}); }, kArgument, {"[]", "1 dim"}},
      {"bytes", [] { NumpyArray("<f4", {2}, kBorrowed); }, kArgument, {"8 bytes", "3"}},
      {"values",
       [] {
         NumpyArray::from(std::vector<float>(5), {2, 3});
       },
       kArgument,
       {"24", "20"}},
  });
}

TEST(BadInput, ArrayAccess) {
  const std::array<std::ptrdiff_t, 1> stride = {4};
  const NumpyArray array("<f4", {2, 3});
  const auto owner = std::make_shared<std::array<double, 2>>();
  const NumpyArray unaligned("<f4", {2}, {std::as_bytes(std::span(*owner)).subspan(1, 8), owner});
  NumpyArray view("<f4", {2}, {std::as_bytes(std::span(*owner)).first(8), owner});
  check({
      {"no memory", [&] { NumpyArray::gather("<f4", {2}, nullptr, stride); }, kArgument, {"2"}},
      {"strides",
       [&] {
         NumpyArray::gather("<f4", {2, 2}, kThree.data(), stride);
       },
       kArgument,
       {"1 strides", "2 dimensions"}},
      {"type", [&] { (void)array.values<double>(); }, kType, {"\"<f8\"", "<f4"}},
      {"order", [] { (void)NumpyArray(">f4", {1}).values<float>(); }, kType, {">f4", "to_native"}},
      {"alignment", [&] { (void)unaligned.values<float>(); }, kType, {"4 bytes", "clone()"}},
      {"read-only", [&] { (void)view.mutable_values<float>(); }, kType, {"read-only", "clone()"}},
      {"index",
       [&] {
         (void)array.at<float>({0, 3});
       },
       kArgument,
       {"3", "dimension 1"}},
      {"index of another rank", [&] { (void)array.position({0}); }, kArgument, {"1", "2"}},
      {"native structure",
       [] { (void)NumpyArray(R"({"fields":[],"itemsize":4})", {2}).to_native(); },
       kType,
       {"structured"}},
  });
}

TEST(BadInput, Images) {
  const auto palette = [](std::size_t bytes) { return std::vector<std::byte>(bytes); };
  const ImageOptions rgb_of_4{.palette_mode = "RGB", .palette = palette(4)};
  const ImageOptions rgb_of_1026{.palette_mode = "RGB", .palette = palette(1026)};
  const ImageOptions modeless{.palette = palette(3)};
  check({
      {"mode", [] { ImageData("XYZ", 1, 1); }, kArgument, {"\"XYZ\"", "RGB", "I;16B"}},
      {"cells", [] { ImageData("RGB", 1, 1, {.pixel_bytes = 2}); }, kArgument, {"2", "3 or 4"}},
      {"cells of L", [] { ImageData("L", 1, 1, {.pixel_bytes = 4}); }, kArgument, {"4", "has 1"}},
      {"side",
       [] { ImageData("L", 1, kMaxImageLength + 1); },
       kArgument,
       {"2147483648", "2147483647"}},
      {"no memory",
       [] { ImageData("RGBA", kMaxImageLength, kMaxImageLength); },
       ErrorCode::out_of_memory,
       {"18446744056529682436"}},
      {"pixels", [] { ImageData("L", 2, 2, kThree); }, kArgument, {"3 bytes", "has 4"}},
      {"palette mode",
       [] { ImageData("P", 1, 1, {.palette_mode = "L"}); },
       kArgument,
       {"\"L\"", "RGBA"}},
      {"palette of 4", [&] { ImageData("P", 1, 1, rgb_of_4); }, kArgument, {"4 bytes", "of 3"}},
      {"palette of 1026", [&] { ImageData("P", 1, 1, rgb_of_1026); }, kArgument, {"1026", "1024"}},
      {"no palette mode", [&] { ImageData("P", 1, 1, modeless); }, kArgument, {"palette_mode"}},
      {"transparency",
       [] { ImageData("L", 1, 1, {.transparency = "1.5"}); },
       kArgument,
       {"1.5", "integer"}},
      {"encoding",
       [] { ImageData::from_file("gif", "P", 1, 1, {}); },
       kArgument,
       {"\"gif\"", "png"}},
      {"raw file", [] { ImageData::from_file("raw", "P", 1, 1, {}); }, kArgument, {"raw"}},
      {"pixels of a file",
       [] { (void)ImageData::from_file("png", "P", 1, 1, {}).pixels(); },
       kType,
       {"png", "bytes()"}},
      {"type",
       [] { (void)ImageData("RGB", 1, 1).values<float>(); },
       kType,
       {"\"<f4\"", "\"RGB\"", "\"|u1\""}},
      {"bits",
       [] { (void)ImageData("1", 1, 1).values<std::uint8_t>(); },
       kType,
       {"bit", "pixel()"}},
      {"place",
       [] { (void)ImageData("L", 2, 3).pixel<std::uint8_t>(2, 0); },
       kArgument,
       {"2, 0", "2 x 3"}},
  });
}

TEST(BadInput, ListsAndMaps) {
  const auto list = ListData::of(1, "x");
  check({
      {"null object",
       [] { ListData::of(std::unique_ptr<SerializableObject>()); },
       kArgument,
       {"null"}},
      {"null text", [] { ListData::of(static_cast<const char*>(nullptr)); }, kArgument, {"null"}},
      {"text", [] { ListData::of("\xFF"); }, kType, {"byte 0", "BytesData"}},
      {"no such item", [&] { (void)list.at(2); }, kArgument, {"2", "of 2"}},
      {"another class", [&] { (void)list.as<NumpyArray>(0); }, kType, {"\"json\"", "\"ndarray\""}},
      {"another value", [&] { (void)list.value<int>(1); }, kType, {"\"text\""}},
      {"levels",
       [] { ListData::of(JsonData(std::string(64, '[') + std::string(64, ']'))); },
       kType,
       {"64", "65"}},
      {"key twice", [] { MapData::of("a", 1, "a", 2); }, kArgument, {"\"a\""}},
      {"key", [] { MapData::of("b\xFF", 1); }, kType, {"byte 1", "UTF-8"}},
      {"no such key", [] { (void)MapData::of("a", 1).at("b"); }, kArgument, {"\"b\""}},
  });
}

TEST(BadInput, Registrations) {
  auto& registry = TypeRegistry::instance();
  const auto function = [](const auto&, const auto&) { return std::make_unique<BytesData>(); };
  check({
      {"no name", [&] { registry.register_type("", function); }, kArgument, {"name"}},
      {"no function",
       [&] { registry.register_type("x", TypeRegistry::Deserializer{}); },
       kArgument,
       {"\"x\"", "empty"}},
  });
}

}  // namespace
}  // namespace ipc0cp
