// SPDX-License-Identifier: Apache-2.0
#include "array_cache.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "arguments.hpp"
#include "block.hpp"
#include "gil.hpp"
#include "ipc0cp/copy.hpp"
#include "numpy_abi.hpp"

namespace ipc0cp::python {
namespace {

constexpr std::size_t kMostLayouts = 1024;

std::vector<std::intptr_t> strides_of(std::span<const std::intptr_t> dimensions,
                                      std::intptr_t item_bytes, bool is_fortran) {
  std::vector<std::intptr_t> strides(dimensions.size());
  std::intptr_t stride = item_bytes;
  for (std::size_t step = 0; step < strides.size(); ++step) {
    const std::size_t index = is_fortran ? step : strides.size() - 1 - step;
    strides[index] = stride;
    stride *= dimensions[index];
  }
  return strides;
}

}  // namespace

void ArrayCache::remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                          std::size_t payload_bytes) {
  meet_numpy();
  ArrayLayout layout;
  layout.metadata = text_of(metadata);
  for (nb::handle dimension : shape) {
    layout.dimensions.push_back(nb::cast<std::intptr_t>(dimension));
  }
  const auto item_bytes = nb::cast<std::intptr_t>(dtype.attr("itemsize"));
  layout.strides = strides_of(layout.dimensions, item_bytes, is_fortran);
  layout.dtype = std::move(dtype);
  layout.is_fortran = is_fortran;
  layout.payload_bytes = payload_bytes;
  // What is replaced is let go only when all is whole again: its end may run Python code.
  const Known known = std::make_shared<const ArrayLayout>(std::move(layout));
  std::vector<Known> replaced = {std::exchange(last_, known)};
  if (by_metadata_.size() >= kMostLayouts) {
    replaced.insert(replaced.end(), by_metadata_.begin(), by_metadata_.end());
    by_array_.clear();
    by_metadata_.clear();
  }
  const auto forget_like_known = [&](const auto& layouts) {
    const auto place = layouts.find(known);
    if (place == layouts.end()) return;
    const Known& old = replaced.emplace_back(*place);
    by_array_.erase(old);
    by_metadata_.erase(old);
  };
  // The same layout comes again where equal dtypes are different objects (dates).
  forget_like_known(by_metadata_);
  forget_like_known(by_array_);
  by_array_.insert(known);
  by_metadata_.insert(known);
}

std::size_t ArrayCache::ByArray::operator()(const auto& one) const {
  const ArrayKey wanted = key(one);
  std::size_t hash = std::hash<const void*>()(wanted.dtype) + std::size_t{wanted.is_fortran};
  constexpr std::size_t kOddFactor = 0x9E3779B97F4A7C15U;
  for (const std::intptr_t dimension : wanted.dimensions) {
    hash = (hash ^ static_cast<std::size_t>(dimension)) * kOddFactor;
    hash ^= hash >> 32;
  }
  return hash;
}

bool ArrayCache::ByArray::operator()(const auto& left, const auto& right) const {
  const ArrayKey one = key(left);
  const ArrayKey other = key(right);
  return one.dtype == other.dtype && one.is_fortran == other.is_fortran &&
         std::ranges::equal(one.dimensions, other.dimensions);
}

ArrayBytes ArrayCache::find_array(nb::handle array) {
  const ArrayFields& fields = fields_of(array);
  const bool is_fortran = (fields.flags & ArrayFields::kCContiguous) == 0;
  if (is_fortran && (fields.flags & ArrayFields::kFContiguous) == 0) return {};
  const ArrayKey key{fields.dtype, fields.shape(), is_fortran};
  if (last_ == nullptr || !ByArray()(last_, key)) {
    const auto place = by_array_.find(key);
    if (place == by_array_.end()) return {};
    last_ = *place;
  }
  return {last_, {fields.data, last_->payload_bytes}};
}

std::shared_ptr<const ArrayLayout> ArrayCache::find_metadata(std::string_view metadata,
                                                             std::size_t payload_bytes) {
  if (last_ == nullptr || last_->metadata != metadata) {
    const auto place = by_metadata_.find(metadata);
    if (place == by_metadata_.end()) return nullptr;
    last_ = *place;
  }
  return last_->payload_bytes == payload_bytes ? last_ : nullptr;
}

nb::object make_view(const ArrayLayout& layout, nb::handle block) {
  std::byte* data = address_of(nb::inst_ptr<Block>(block)->message.payload());
  return array_over(data, layout.dtype, layout.dimensions, layout.strides, block);
}

nb::object make_copy(const ArrayLayout& layout, std::span<const std::byte> payload) {
  nb::object array = array_of(layout.dtype, layout.dimensions, layout.is_fortran);
  copy_bytes(fields_of(array).data, payload);
  return array;
}

void copy_bytes(void* target, std::span<const std::byte> source) {
  if (source.empty()) return;
  if (source.size() <= kLargeCopyBytes) {
    std::memcpy(target, source.data(), source.size());
    return;
  }
  without_gil([&] { copy_payload({static_cast<std::byte*>(target), source.size()}, source); });
}

}  // namespace ipc0cp::python
