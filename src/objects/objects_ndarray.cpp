// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <utility>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/numpy_array.hpp"
#include "objects/codec_layout.hpp"
#include "objects/objects_internal.hpp"

namespace ipc0cp {
namespace {

using SharedArrayLayout = std::shared_ptr<const detail::ArrayLayout>;

SharedArrayLayout layout_of_user(std::string_view dtype, std::vector<std::size_t> shape,
                                 ArrayOptions options) {
  // A program that makes arrays usually makes the same kind again and again.
  thread_local SharedArrayLayout last;
  thread_local ArrayOptions last_options;
  if (last != nullptr && last->dtype == dtype && last->shape == shape &&
      last_options.order == options.order && last_options.scalar == options.scalar) {
    return last;
  }
  last = codec::make_layout(codec::parse_dtype(dtype, ErrorCode::invalid_argument),
                            std::move(shape), options, ErrorCode::invalid_argument);
  last_options = options;
  return last;
}

void check_size(const detail::ArrayLayout& layout, std::size_t bytes_size) {
  if (layout.payload_bytes == bytes_size) return;
  throw Error(ErrorCode::invalid_argument,
              "an array with metadata " + layout.metadata_json.substr(0, 200) + " has " +
                  std::to_string(layout.payload_bytes) + " bytes, the given memory " +
                  std::to_string(bytes_size));
}

bool is_time(std::string_view dtype) { return dtype.starts_with("<M") || dtype.starts_with("<m"); }

/// Whether elements have an arithmetic C++ type, so that a class would be a mistake.
bool is_arithmetic(std::string_view dtype) {
  if (dtype.size() < 3 || dtype == "<f2" || dtype == ">f2") return false;
  const bool has_order = dtype[0] == '<' || dtype[0] == '>' || dtype[0] == '|';
  return has_order && std::string_view("biufcMm").find(dtype[1]) != std::string_view::npos;
}

/// Copies elements that lie `strides` apart, dimension by dimension.
struct Gatherer {
  std::span<const std::size_t> shape;
  std::span<const std::ptrdiff_t> strides;
  std::size_t item_bytes;
  std::byte* target;

  void copy(const std::byte* source, std::size_t dimension) {
    if (dimension == shape.size()) {
      std::memcpy(target, source, item_bytes);
      target += item_bytes;
      return;
    }
    const bool contiguous = dimension + 1 == shape.size() &&
                            strides[dimension] == static_cast<std::ptrdiff_t>(item_bytes);
    if (contiguous) {
      std::memcpy(target, source, shape[dimension] * item_bytes);
      target += shape[dimension] * item_bytes;
      return;
    }
    for (std::size_t index = 0; index < shape[dimension]; ++index) {
      copy(source + static_cast<std::ptrdiff_t>(index) * strides[dimension], dimension + 1);
    }
  }
};

/// Bytes that a byte order puts in order: of a complex number each half, of a text each character.
std::size_t unit_bytes(std::string_view dtype, std::size_t item_bytes) {
  if (dtype[1] == 'c') return item_bytes / 2;
  return dtype[1] == 'U' ? 4 : item_bytes;
}

template <std::size_t size>
void reverse_each(std::byte* target, std::span<const std::byte> source) {
  // A length known here becomes one instruction.
  for (std::size_t at = 0; at < source.size(); at += size) {
    std::reverse_copy(source.data() + at, source.data() + at + size, target + at);
  }
}

void reverse_units(std::byte* target, std::span<const std::byte> source, std::size_t unit) {
  switch (unit) {
    case 2:
      return reverse_each<2>(target, source);
    case 4:
      return reverse_each<4>(target, source);
    case 8:
      return reverse_each<8>(target, source);
    default:
      return reverse_each<16>(target, source);
  }
}

}  // namespace

std::unique_ptr<NumpyArray> ArrayAccess::view(SharedArrayLayout layout, const Payload& payload) {
  return std::unique_ptr<NumpyArray>(new NumpyArray(std::move(layout), keep(payload), nullptr));
}

NumpyArray::NumpyArray(SharedArrayLayout layout, Payload payload, std::byte* writable) noexcept
    : layout_(std::move(layout)), payload_(std::move(payload)), writable_(writable) {}

NumpyArray::NumpyArray(std::string_view dtype, std::vector<std::size_t> shape, ArrayOptions options)
    : layout_(layout_of_user(dtype, std::move(shape), options)) {
  auto owner = allocate_bytes(layout_->payload_bytes);
  writable_ = owner.get();
  std::fill_n(writable_, layout_->payload_bytes, std::byte{0});
  payload_ = {{writable_, layout_->payload_bytes}, std::move(owner)};
}

NumpyArray::NumpyArray(std::string_view dtype, std::vector<std::size_t> shape,
                       const Payload& payload, ArrayOptions options)
    : layout_(layout_of_user(dtype, std::move(shape), options)) {
  check_size(*layout_, payload.bytes.size());
  if (payload.owner != nullptr) {
    payload_ = payload;
    return;
  }
  auto owner = allocate_bytes(layout_->payload_bytes);
  writable_ = owner.get();
  copy_payload({writable_, payload.bytes.size()}, payload.bytes);
  payload_ = {{writable_, layout_->payload_bytes}, std::move(owner)};
}

NumpyArray NumpyArray::adopt(std::string_view dtype, std::vector<std::size_t> shape,
                             ArrayOptions options, std::byte* bytes, std::size_t bytes_size,
                             std::shared_ptr<const void> owner) {
  SharedArrayLayout layout = layout_of_user(dtype, std::move(shape), options);
  check_size(*layout, bytes_size);
  return {std::move(layout), Payload{{bytes, bytes_size}, std::move(owner)}, bytes};
}

NumpyArray NumpyArray::gather(std::string_view dtype, std::vector<std::size_t> shape,
                              const std::byte* first,
                              std::span<const std::ptrdiff_t> strides_bytes) {
  if (strides_bytes.size() != shape.size()) {
    throw Error(ErrorCode::invalid_argument, "gather: " + std::to_string(strides_bytes.size()) +
                                                 " strides for " + std::to_string(shape.size()) +
                                                 " dimensions");
  }
  NumpyArray array(dtype, std::move(shape));
  if (array.payload_bytes() == 0) return array;
  if (first == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "gather: no memory to read " + std::to_string(array.size()) + " elements from");
  }
  Gatherer gatherer{array.shape(), strides_bytes, array.item_bytes(), array.writable_};
  gatherer.copy(first, 0);
  return array;
}

std::span<const std::size_t> NumpyArray::shape() const noexcept { return layout_->shape; }
std::span<const std::ptrdiff_t> NumpyArray::strides() const noexcept { return layout_->strides; }
std::string_view NumpyArray::dtype() const noexcept { return layout_->dtype; }
std::size_t NumpyArray::item_bytes() const noexcept { return layout_->item_bytes; }
std::size_t NumpyArray::size() const noexcept { return layout_->elements; }
ArrayOrder NumpyArray::order() const noexcept { return layout_->options.order; }
bool NumpyArray::is_scalar() const noexcept { return layout_->options.scalar; }
std::string_view NumpyArray::metadata_json() const { return layout_->metadata_json; }

std::span<std::byte> NumpyArray::mutable_bytes() {
  if (writable_ == nullptr) {
    throw Error(ErrorCode::unsupported_type,
                "this array is a read-only view of a message; clone() makes a writable copy");
  }
  return {writable_, payload_.bytes.size()};
}

std::size_t NumpyArray::position(std::initializer_list<std::size_t> index) const {
  const std::span<const std::size_t> lengths = shape();
  if (index.size() != lengths.size()) {
    throw Error(ErrorCode::invalid_argument, "an index of " + std::to_string(index.size()) +
                                                 " numbers in an array of " +
                                                 std::to_string(lengths.size()) + " dimensions");
  }
  std::size_t place = 0;
  for (std::size_t step = 0; step < lengths.size(); ++step) {
    // The dimension whose index is fastest comes last.
    const std::size_t dimension = order() == ArrayOrder::c ? step : lengths.size() - 1 - step;
    const std::size_t wanted = index.begin()[dimension];
    if (wanted >= lengths[dimension]) {
      throw Error(ErrorCode::invalid_argument,
                  "index " + std::to_string(wanted) + " in dimension " + std::to_string(dimension) +
                      " of length " + std::to_string(lengths[dimension]));
    }
    place = place * lengths[dimension] + wanted;
  }
  return place;
}

NumpyArray NumpyArray::to_native() const {
  const std::string_view found = layout_->dtype;
  if (found.starts_with('{')) {
    throw Error(ErrorCode::unsupported_type, "to_native: a structured dtype, " +
                                                 std::string(found.substr(0, 200)) +
                                                 "; exchange the bytes of its fields by hand");
  }
  if (!found.starts_with('>')) return clone();
  NumpyArray result('<' + std::string(found.substr(1)), layout_->shape, layout_->options);
  reverse_units(result.writable_, payload_.bytes, unit_bytes(found, layout_->item_bytes));
  return result;
}

NumpyArray NumpyArray::clone() const {
  auto owner = allocate_bytes(payload_.bytes.size());
  std::byte* bytes = owner.get();
  write_payload({bytes, payload_.bytes.size()});
  return {layout_, Payload{{bytes, payload_.bytes.size()}, std::move(owner)}, bytes};
}

void NumpyArray::check_item(std::string_view wanted, std::size_t item_bytes,
                            std::size_t alignment) const {
  const std::string_view dtype = layout_->dtype;
  const bool wants_class = wanted.empty();
  const bool matches = wants_class ? !is_arithmetic(dtype) && item_bytes == layout_->item_bytes
                                   : dtype == wanted || (wanted == "<i8" && is_time(dtype));
  if (!matches) {
    const std::string shown = wants_class ? "a class of " + std::to_string(item_bytes) + " bytes"
                                          : "dtype \"" + std::string(wanted) + "\"";
    const char* way_out = dtype.starts_with('>')
                              ? "; to_native() makes a copy in the byte order of this machine"
                              : "";
    throw Error(ErrorCode::unsupported_type,
                "values: asked for " + shown + ", the array has dtype " +
                    std::string(dtype.substr(0, 200)) + " with " +
                    std::to_string(layout_->item_bytes) + " bytes per item" + way_out);
  }
  const auto address = reinterpret_cast<std::uintptr_t>(payload_.bytes.data());
  if (address % alignment != 0) {
    throw Error(ErrorCode::unsupported_type, "values: the elements are not aligned to " +
                                                 std::to_string(alignment) +
                                                 " bytes; clone() makes an aligned copy");
  }
}

void NumpyArray::write_payload(std::span<std::byte> target) const {
  copy_payload(target, payload_.bytes);
}

}  // namespace ipc0cp
