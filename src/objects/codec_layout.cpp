// SPDX-License-Identifier: Apache-2.0
#include "objects/codec_layout.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace ipc0cp::codec {
namespace {

[[noreturn]] void refuse_dtype(std::string_view name, ErrorCode error) {
  throw Error(error, "dtype \"" + std::string(name.substr(0, 60)) +
                         "\" is not known; expected NumPy's dtype.str as in \"<f4\", \"|u1\", "
                         "\"<M8[ns]\", an ml_dtypes name, or a structured dtype");
}

struct NamedType {
  std::string_view name;
  std::size_t item_bytes;
};

constexpr std::array kNamedTypes = {
    NamedType{"bfloat16", 2},       NamedType{"complex32", 4},
    NamedType{"bcomplex32", 4},     NamedType{"float8_e3m4", 1},
    NamedType{"float8_e4m3", 1},    NamedType{"float8_e4m3b11fnuz", 1},
    NamedType{"float8_e4m3fn", 1},  NamedType{"float8_e4m3fnuz", 1},
    NamedType{"float8_e5m2", 1},    NamedType{"float8_e5m2fnuz", 1},
    NamedType{"float8_e8m0fnu", 1}, NamedType{"float6_e2m3fn", 1},
    NamedType{"float6_e3m2fn", 1},  NamedType{"float4_e2m1fn", 1},
    NamedType{"int4", 1},           NamedType{"uint4", 1},
    NamedType{"int2", 1},           NamedType{"uint2", 1},
    NamedType{"int1", 1},           NamedType{"uint1", 1},
};

/// A decimal number without sign or leading zero.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

/// "8" or "8[25us]".
bool is_time(std::string_view rest) {
  constexpr std::array<std::string_view, 13> kUnits = {"Y",  "M",  "W",  "D",  "h",  "m", "s",
                                                       "ms", "us", "ns", "ps", "fs", "as"};
  if (rest.empty() || rest.front() != '8') return false;
  rest.remove_prefix(1);
  if (rest.empty()) return true;
  if (rest.size() < 3 || rest.front() != '[' || rest.back() != ']') return false;
  rest = rest.substr(1, rest.size() - 2);
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits > 0) {
    const auto multiple = parse_number(rest.substr(0, digits));
    if (!multiple || *multiple > kMaxItemBytes) return false;
  }
  return std::find(kUnits.begin(), kUnits.end(), rest.substr(digits)) != kUnits.end();
}

std::optional<std::size_t> sized_item_bytes(char byte_order, char kind, std::uint64_t size) {
  const auto one_of = [size](std::initializer_list<std::uint64_t> sizes) {
    return std::find(sizes.begin(), sizes.end(), size) != sizes.end();
  };
  const bool ordered = byte_order == '<' || byte_order == '>';
  switch (kind) {
    case 'b':
      if (!ordered && size == 1) return 1;
      return std::nullopt;
    case 'i':
    case 'u':
      if (ordered ? one_of({2, 4, 8}) : size == 1) return size;
      return std::nullopt;
    case 'f':
      if (ordered && one_of({2, 4, 8, 16})) return size;
      return std::nullopt;
    case 'c':
      if (ordered && one_of({8, 16, 32})) return size;
      return std::nullopt;
    case 'S':
    case 'V':
      if (!ordered && size <= kMaxItemBytes) return size;
      return std::nullopt;
    case 'U':
      if (ordered && size <= kMaxItemBytes / 4) return size * 4;
      return std::nullopt;
    default:
      return std::nullopt;
  }
}

/// Whether C order and Fortran order are the same for this shape, as NumPy sees it.
bool orders_agree(const std::vector<std::size_t>& shape) {
  if (std::find(shape.begin(), shape.end(), 0U) != shape.end()) return true;
  return std::count_if(shape.begin(), shape.end(), [](std::size_t n) { return n != 1; }) <= 1;
}

void set_strides(detail::ArrayLayout& layout) {
  const std::size_t dimensions = layout.shape.size();
  layout.strides.resize(dimensions);
  std::size_t stride = layout.item_bytes;
  for (std::size_t step = 0; step < dimensions; ++step) {
    const bool fortran = layout.options.order == ArrayOrder::fortran;
    const std::size_t dimension = fortran ? step : dimensions - 1 - step;
    layout.strides[dimension] = static_cast<std::ptrdiff_t>(stride);
    stride *= std::max<std::size_t>(layout.shape[dimension], 1);
  }
}

std::string array_metadata(const detail::ArrayLayout& layout, bool structured) {
  std::string text = R"({"type":"ndarray","version":"1.0","dtype":)";
  text += structured ? layout.dtype : '"' + layout.dtype + '"';
  text += ",\"shape\":[";
  for (std::size_t dimension = 0; dimension < layout.shape.size(); ++dimension) {
    if (dimension > 0) text += ',';
    text += std::to_string(layout.shape[dimension]);
  }
  text += ']';
  if (layout.options.order == ArrayOrder::fortran) text += R"(,"order":"F")";
  if (layout.options.scalar) text += R"(,"scalar":true)";
  text += '}';
  return text;
}

}  // namespace

std::size_t simple_item_bytes(std::string_view name, ErrorCode error) {
  for (const NamedType& type : kNamedTypes) {
    if (type.name == name) return type.item_bytes;
  }
  if (name.size() < 3) refuse_dtype(name, error);
  const char byte_order = name[0];
  const char kind = name[1];
  const std::string_view rest = name.substr(2);
  if (byte_order != '<' && byte_order != '>' && byte_order != '|') refuse_dtype(name, error);
  if (kind == 'M' || kind == 'm') {
    if (byte_order == '|' || !is_time(rest)) refuse_dtype(name, error);
    return 8;
  }
  const auto size = parse_number(rest);
  const auto item_bytes = size ? sized_item_bytes(byte_order, kind, *size) : std::nullopt;
  if (!item_bytes) refuse_dtype(name, error);
  return *item_bytes;
}

std::size_t array_bytes(const std::vector<std::size_t>& shape, std::size_t item_bytes,
                        ErrorCode error) {
  if (shape.size() > kMaxDimensions) {
    throw Error(error, "an array of " + std::to_string(shape.size()) + " dimensions; at most " +
                           std::to_string(kMaxDimensions) + " are possible");
  }
  std::uint64_t product = std::max<std::uint64_t>(item_bytes, 1);
  bool empty = item_bytes == 0;
  for (const std::size_t length : shape) {
    if (length == 0) {
      empty = true;
      continue;
    }
    if (__builtin_mul_overflow(product, length, &product) || product > kMaxNumber) {
      throw Error(error, "an array of this shape is larger than " + std::to_string(kMaxNumber) +
                             " bytes: a dimension is " + std::to_string(length));
    }
  }
  return empty ? 0 : product;
}

std::shared_ptr<const detail::ArrayLayout> make_layout(Dtype dtype, std::vector<std::size_t> shape,
                                                       ArrayOptions options, ErrorCode error) {
  auto layout = std::make_shared<detail::ArrayLayout>();
  layout->payload_bytes = array_bytes(shape, dtype.item_bytes, error);
  if (options.scalar && !shape.empty()) {
    throw Error(error, "a scalar has the shape [], not one of " + std::to_string(shape.size()) +
                           " dimensions");
  }
  if (orders_agree(shape)) options.order = ArrayOrder::c;
  layout->dtype = std::move(dtype.text);
  layout->shape = std::move(shape);
  layout->item_bytes = dtype.item_bytes;
  layout->options = options;
  layout->elements = 1;
  for (const std::size_t length : layout->shape) layout->elements *= length;
  set_strides(*layout);
  layout->metadata_json = array_metadata(*layout, dtype.structured);
  return layout;
}

}  // namespace ipc0cp::codec
