// SPDX-License-Identifier: Apache-2.0
// One object of every kind, made by the public builders. python/tests/cross/catalogue.py makes the
// same ones in Python, in the same order and under the same names.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "objects/rebuild.hpp"

namespace ipc0cp_test {

struct Named {
  std::string name;
  Object object;
};

/// Objects under the names of one group.
class Catalogue {
 public:
  template <class T>
  void add(const std::string& name, T object) {
    entries_.push_back({name, std::make_unique<T>(std::move(object))});
  }
  std::vector<Named> take() { return std::move(entries_); }

 private:
  std::vector<Named> entries_;
};

inline void add_plain(Catalogue& all) {
  using namespace ipc0cp;
  std::vector<std::uint8_t> every(256);
  std::vector<std::uint8_t> large(100'000);
  for (std::size_t i = 0; i < every.size(); ++i) every[i] = static_cast<std::uint8_t>(i);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<std::uint8_t>(i * 7);
  std::string long_text;
  for (int i = 0; i < 50'000; ++i) long_text += "\u00e9";
  all.add("bytes/empty", BytesData());
  all.add("bytes/all", BytesData(every));
  all.add("bytes/large", BytesData(large));
  all.add("text/empty", TextData(""));
  all.add("text/short", TextData("h\u00e9llo \U0001f600"));
  all.add("text/zero", TextData(std::string("a\0b", 3)));
  all.add("text/large", TextData(long_text));
  all.add("json/zero", JsonData::of(0));
  all.add("json/negative", JsonData::of(-5));
  all.add("json/largest", JsonData::of(std::numeric_limits<std::uint64_t>::max()));
  all.add("json/smallest", JsonData::of(std::numeric_limits<std::int64_t>::min()));
  all.add("json/whole_float", JsonData::of(2.0));
  all.add("json/tenth", JsonData::of(0.1));
  all.add("json/negative_zero", JsonData::of(-0.0));
  all.add("json/huge", JsonData::of(1e300));
  all.add("json/true", JsonData::of(true));
  all.add("json/false", JsonData::of(false));
  all.add("json/nan", JsonData::of(std::nan("")));
  all.add("json/infinity", JsonData::of(-HUGE_VAL));
  all.add("json/past_64_bits", JsonData::marked(R"({"$int":"0x10000000000000000"})"));
  all.add("json/below_64_bits", JsonData::marked(R"({"$int":"-0x400000000000000000"})"));
  all.add("json/integer_keys", JsonData::marked(R"({"$map":[[1,"one"],["1",[{"$float":"inf"}]],)"
                                                R"([{"$int":"0x10000000000000000"},null]]})"));
  all.add("json/one_key_with_a_dollar", JsonData(R"({"$float":"nan"})"));
  all.add("json/object", from_ordered_json(nlohmann::ordered_json::parse(
                             R"({"b":[1,2.5,null,{"a":[]}],"a":{"x":{}},"\u00e9":"\n"})")));
}

/// The numbers 0 to 5 as T, in both byte orders where there are two.
template <class T>
void add_numbers(Catalogue& all) {
  std::vector<T> values;
  for (int i = 0; i < 6; ++i) values.push_back(static_cast<T>(static_cast<float>(i)));
  auto array = ipc0cp::NumpyArray::from(std::move(values), {2, 3});
  const std::string dtype(array.dtype());
  all.add("ndarray/" + dtype, array);
  if (dtype[0] != '<') return;
  ipc0cp::NumpyArray big('>' + dtype.substr(1), {2, 3});
  const std::size_t unit = dtype[1] == 'c' ? array.item_bytes() / 2 : array.item_bytes();
  for (std::size_t at = 0; at < array.bytes().size(); at += unit) {
    const auto source = array.bytes().subspan(at, unit);
    std::reverse_copy(source.begin(), source.end(), big.mutable_bytes().begin() + at);
  }
  all.add("ndarray/" + std::string(big.dtype()), big);
}

template <class... Types>
void add_all_numbers(Catalogue& all) {
  (add_numbers<Types>(all), ...);
}

/// An array whose bytes are 0, 1, 2, ...
inline ipc0cp::NumpyArray counted(std::string_view dtype, std::vector<std::size_t> shape) {
  ipc0cp::NumpyArray array(dtype, std::move(shape));
  std::uint8_t next = 0;
  for (std::byte& byte : array.mutable_bytes()) byte = static_cast<std::byte>(next++);
  return array;
}

inline ipc0cp::NumpyArray times(std::string_view dtype, std::vector<std::int64_t> values) {
  ipc0cp::NumpyArray array(dtype, {values.size()});
  std::copy(values.begin(), values.end(), array.mutable_values<std::int64_t>().begin());
  return array;
}

template <class Character>
ipc0cp::NumpyArray characters(std::string_view dtype, std::vector<std::size_t> shape,
                              const std::vector<Character>& text,
                              ipc0cp::ArrayOptions options = {}) {
  return {dtype, std::move(shape), ipc0cp::Payload{std::as_bytes(std::span(text)), nullptr},
          options};
}

inline void add_arrays(Catalogue& all) {
  using namespace ipc0cp;
  add_all_numbers<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
                  std::uint32_t, std::int64_t, std::uint64_t, Float16, float, double,
                  std::complex<float>, std::complex<double>, BFloat16>(all);
  const std::array<bool, 6> flags = {false, true, true, false, true, false};
  all.add("ndarray/|b1", NumpyArray::copy_of(std::span<const bool>(flags), {2, 3}));
  all.add("ndarray/<f16", NumpyArray::from<long double>({0, 1, 2}));
  for (const char* name :
       {"complex32", "bcomplex32", "float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz",
        "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
        "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "int4", "uint4", "int2", "uint2"}) {
    all.add(std::string("ndarray/") + name, counted(name, {2}));
  }
  std::vector<std::uint8_t> frame(480 * 640 * 3);
  for (std::size_t i = 0; i < frame.size(); ++i) frame[i] = static_cast<std::uint8_t>(i * 13 % 251);
  all.add("ndarray/frame", NumpyArray::from(std::move(frame), {480, 640, 3}));
  all.add("ndarray/no_dimensions", NumpyArray::from<double>({2.5}, {}));
  all.add("ndarray/empty", NumpyArray("<i8", {3, 0, 2}));
  all.add("ndarray/most_dimensions", NumpyArray("|u1", std::vector<std::size_t>(32, 1)));
  all.add("ndarray/fortran", NumpyArray::from<std::int16_t>({0, 3, 1, 4, 2, 5}, {2, 3},
                                                            {.order = ArrayOrder::fortran}));
  all.add("ndarray/strings", characters<char>("|S3", {3}, {'a', 0, 0, 'b', 'c', 'd', 0, 0, 0}));
  all.add("ndarray/unicode", characters<char32_t>("<U2", {2}, {U'a', 0, U'\u00e9', U'\U0001f600'}));
  all.add("ndarray/raw", counted("|V3", {2}));
  all.add("ndarray/days", times("<M8[D]", {19'782, std::numeric_limits<std::int64_t>::min()}));
  all.add("ndarray/nanoseconds", times("<M8[ns]", {-1}));
  all.add("ndarray/hours", times("<m8[h]", {5, -6}));
  const ArrayOptions scalar{.scalar = true};
  all.add("scalar/float", NumpyArray::from<float>({0.5F}, {}, scalar));
  all.add("scalar/integer", NumpyArray::from<std::int64_t>({-7}, {}, scalar));
  all.add("scalar/text", characters<char32_t>("<U2", {}, {U'\u00e9', U'a'}, scalar));
}

inline void add_structured(Catalogue& all) {
  struct __attribute__((packed)) Packed {
    std::int32_t a;
    double b;
  };
  struct Aligned {
    std::uint8_t a;
    double b;
  };
  ipc0cp::NumpyArray packed(R"({"fields":[{"name":"a","dtype":"<i4","offset":0},)"
                            R"({"name":"b","dtype":"<f8","offset":4}],"itemsize":12})",
                            {2});
  packed.mutable_values<Packed>()[0] = {1, 2.5};
  packed.mutable_values<Packed>()[1] = {3, 4.5};
  all.add("structured/packed", packed);
  ipc0cp::NumpyArray aligned(R"({"fields":[{"name":"a","dtype":"|u1","offset":0},)"
                             R"({"name":"b","dtype":"<f8","offset":8}],"itemsize":16,)"
                             R"("aligned":true})",
                             {2});
  aligned.mutable_values<Aligned>()[1].a = 2;
  aligned.mutable_values<Aligned>()[1].b = 1.5;
  all.add("structured/aligned", aligned);
  all.add("structured/nested",
          counted(R"({"fields":[{"name":"p","dtype":{"base":{"fields":[{"name":"x","dtype":"<f4",)"
                  R"("offset":0},{"name":"y","dtype":">i2","offset":4}],"itemsize":6},)"
                  R"("shape":[2]},"offset":0},{"name":"t","dtype":"|S2","offset":12,)"
                  R"("title":"a title"}],"itemsize":14})",
                  {3}));
  all.add("structured/record",
          counted(R"({"fields":[{"name":"a","dtype":"<i4","offset":0}],"itemsize":4,)"
                  R"("record":true})",
                  {2}));
}

}  // namespace ipc0cp_test
