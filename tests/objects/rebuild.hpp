// SPDX-License-Identifier: Apache-2.0
// Takes an object apart by its public accessors and builds it anew by its public builders, so that
// nothing of the memory it came from is left.
#pragma once

#include <algorithm>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/point_cloud.hpp"

namespace ipc0cp_test {

using Object = std::unique_ptr<ipc0cp::SerializableObject>;

inline Object rebuild(const ipc0cp::SerializableObject& object);

/// Whether an integer has to be had as one with a sign.
inline bool is_negative(const ipc0cp::JsonData& integer) {
  return integer.text().find('-') != std::string_view::npos;
}

inline ipc0cp::JsonData rebuild_json(const ipc0cp::JsonData& json) {
  using ipc0cp::JsonData;
  const bool is_double = json.kind() == ipc0cp::JsonKind::floating;
  if (json.has_marks() && !is_double) {
    return JsonData::marked(ipc0cp::to_ordered_json(json).dump());
  }
  switch (json.kind()) {
    case ipc0cp::JsonKind::null:
      return JsonData::of(nullptr);
    case ipc0cp::JsonKind::boolean:
      return JsonData::of(json.value<bool>());
    case ipc0cp::JsonKind::integer:
      if (is_negative(json)) return JsonData::of(json.value<std::int64_t>());
      return JsonData::of(json.value<std::uint64_t>());
    case ipc0cp::JsonKind::floating:
      return JsonData::of(json.value<double>());
    default:
      return ipc0cp::from_ordered_json(ipc0cp::to_ordered_json(json));
  }
}

/// Adds a value to a list or map (`add`), without a wrapper where it needs none.
template <class Add>
void rebuild_item(const ipc0cp::SerializableObject& item, Add&& add) {
  if (const auto* text = dynamic_cast<const ipc0cp::TextData*>(&item)) {
    add(text->text());
    return;
  }
  const auto* json = dynamic_cast<const ipc0cp::JsonData*>(&item);
  const bool is_marked = json != nullptr && json->has_marks();
  const auto kind = json == nullptr || is_marked ? ipc0cp::JsonKind::object : json->kind();
  if (kind == ipc0cp::JsonKind::null) {
    add(nullptr);
  } else if (kind == ipc0cp::JsonKind::boolean) {
    add(json->value<bool>());
  } else if (kind == ipc0cp::JsonKind::integer && is_negative(*json)) {
    add(json->value<std::int64_t>());
  } else if (kind == ipc0cp::JsonKind::integer) {
    add(json->value<std::uint64_t>());
  } else if (kind == ipc0cp::JsonKind::floating) {
    add(json->value<double>());
  } else if (json != nullptr) {
    add(rebuild_json(*json));
  } else {
    add(rebuild(item));
  }
}

inline ipc0cp::ListData rebuild_list(const ipc0cp::ListData& list) {
  ipc0cp::ListData result;
  for (const auto& item : list) {
    rebuild_item(*item, [&](auto&& value) { result.add(std::forward<decltype(value)>(value)); });
  }
  return result;
}

inline ipc0cp::MapData rebuild_map(const ipc0cp::MapData& map) {
  ipc0cp::MapData result;
  for (const auto& [key, item] : map) {
    rebuild_item(*item, [&, &name = key](auto&& value) {
      result.add(name, std::forward<decltype(value)>(value));
    });
  }
  return result;
}

/// Through the typed interface if T is the type of the elements.
template <class T>
Object rebuild_typed(const ipc0cp::NumpyArray& array) {
  if (array.dtype() != ipc0cp::detail::dtype_of<T>()) return nullptr;
  const std::vector<std::size_t> shape(array.shape().begin(), array.shape().end());
  const ipc0cp::ArrayOptions options{array.order(), array.is_scalar()};
  const auto values = array.values<T>();
  if constexpr (std::is_same_v<T, bool>) {
    return std::make_unique<ipc0cp::NumpyArray>(
        ipc0cp::NumpyArray::copy_of(values, shape, options));
  } else {
    return std::make_unique<ipc0cp::NumpyArray>(
        ipc0cp::NumpyArray::from(std::vector<T>(values.begin(), values.end()), shape, options));
  }
}

template <class... Types>
Object rebuild_typed_any(const ipc0cp::NumpyArray& array) {
  Object result;
  const bool found = ((result = rebuild_typed<Types>(array), result != nullptr) || ...);
  return found ? std::move(result) : nullptr;
}

inline Object rebuild_array(const ipc0cp::NumpyArray& array) {
  // Not long double: copying one leaves the padding in it open.
  Object typed =
      rebuild_typed_any<bool, std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t,
                        std::uint32_t, std::int64_t, std::uint64_t, ipc0cp::Float16,
                        ipc0cp::BFloat16, float, double, std::complex<float>, std::complex<double>>(
          array);
  if (typed != nullptr) return typed;
  auto result = std::make_unique<ipc0cp::NumpyArray>(
      array.dtype(), std::vector<std::size_t>(array.shape().begin(), array.shape().end()),
      ipc0cp::ArrayOptions{array.order(), array.is_scalar()});
  std::copy(array.bytes().begin(), array.bytes().end(), result->mutable_bytes().begin());
  return result;
}

inline Object rebuild_image(const ipc0cp::ImageData& image) {
  using ipc0cp::ImageData;
  const std::string mode(image.mode());
  ipc0cp::ImageOptions options;
  options.info = image.info();
  options.info_bytes.assign(image.info_bytes().begin(), image.info_bytes().end());
  if (image.encoding() != "raw") {
    return std::make_unique<ImageData>(ImageData::from_file(std::string(image.encoding()), mode,
                                                            image.width(), image.height(),
                                                            {image.bytes(), nullptr}, options));
  }
  options.pixel_bytes = image.pixel_bytes();
  options.palette_mode = image.palette_mode();
  options.palette.assign(image.palette().begin(), image.palette().end());
  options.transparency = image.transparency();
  return std::make_unique<ImageData>(mode, image.width(), image.height(), image.pixels(), options);
}

inline Object rebuild_bytes(const ipc0cp::BytesData& bytes) {
  if (bytes.metadata().at("type") != "bytes") {
    return std::make_unique<ipc0cp::BytesData>(ipc0cp::Payload{bytes.bytes(), nullptr},
                                               std::string(bytes.metadata_json()));
  }
  return std::make_unique<ipc0cp::BytesData>(
      std::vector<std::byte>(bytes.bytes().begin(), bytes.bytes().end()));
}

inline Object rebuild(const ipc0cp::SerializableObject& object) {
  if (const auto* bytes = dynamic_cast<const ipc0cp::BytesData*>(&object)) {
    return rebuild_bytes(*bytes);
  }
  if (const auto* text = dynamic_cast<const ipc0cp::TextData*>(&object)) {
    return std::make_unique<ipc0cp::TextData>(std::string(text->text()));
  }
  if (const auto* json = dynamic_cast<const ipc0cp::JsonData*>(&object)) {
    return std::make_unique<ipc0cp::JsonData>(rebuild_json(*json));
  }
  if (const auto* array = dynamic_cast<const ipc0cp::NumpyArray*>(&object)) {
    return rebuild_array(*array);
  }
  if (const auto* image = dynamic_cast<const ipc0cp::ImageData*>(&object)) {
    return rebuild_image(*image);
  }
  if (const auto* buffer = dynamic_cast<const ipc0cp::FlatBufferData*>(&object)) {
    return std::make_unique<ipc0cp::FlatBufferData>(ipc0cp::Payload{buffer->bytes(), nullptr});
  }
  if (const auto* list = dynamic_cast<const ipc0cp::ListData*>(&object)) {
    return std::make_unique<ipc0cp::ListData>(rebuild_list(*list));
  }
  if (const auto* map = dynamic_cast<const ipc0cp::MapData*>(&object)) {
    return std::make_unique<ipc0cp::MapData>(rebuild_map(*map));
  }
  if (const auto* cloud = dynamic_cast<const PointCloud*>(&object)) {
    return std::make_unique<PointCloud>(
        cloud->frame(), cloud->stamp(),
        std::vector<Point>(cloud->points().begin(), cloud->points().end()));
  }
  throw std::runtime_error("no way to rebuild a " + std::string(object.type_name()));
}

}  // namespace ipc0cp_test
