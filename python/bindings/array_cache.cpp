// SPDX-License-Identifier: Apache-2.0
#include "array_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "arguments.hpp"
#include "gil.hpp"

namespace ipc0cp::python {
namespace {

/// What the capsule of `__array_struct__` points to: NumPy's documented array interface, which
/// needs none of its headers.
struct ArrayInterface {
  int two;
  int dimension_count;
  char type_kind;
  int item_bytes;
  int flags;
  Py_intptr_t* shape;
  Py_intptr_t* strides;
  void* data;
  PyObject* description;
};
constexpr int kCContiguous = 0x1;
constexpr int kFContiguous = 0x2;

constexpr std::size_t kMostLayouts = 1024;

NumPy g_numpy;

/// Interned once: a lookup by C string would make a new str each time.
PyObject* interned(const char* name) { return PyUnicode_InternFromString(name); }

nb::object get(nb::handle object, PyObject* name) {
  PyObject* value = PyObject_GetAttr(object.ptr(), name);
  if (value == nullptr) nb::raise_python_error();
  return nb::steal(value);
}

nb::object array_struct_of(nb::handle array) {
  static PyObject* const name = interned("__array_struct__");
  return get(array, name);
}

const ArrayInterface& interface_in(nb::handle capsule) {
  auto* pointer = static_cast<ArrayInterface*>(PyCapsule_GetPointer(capsule.ptr(), nullptr));
  if (pointer == nullptr) nb::raise_python_error();
  return *pointer;
}

nb::object call(PyObject* callable, PyObject* const* arguments, std::size_t count) {
  PyObject* result = PyObject_Vectorcall(callable, arguments, count, nullptr);
  if (result == nullptr) nb::raise_python_error();
  return nb::steal(result);
}

}  // namespace

const NumPy& numpy() noexcept { return g_numpy; }

void remember_numpy() {
  if (g_numpy.array_type != nullptr) return;
  nb::module_ module = nb::module_::import_("numpy");
  g_numpy.empty = nb::object(module.attr("empty")).release().ptr();
  g_numpy.array_type = nb::object(module.attr("ndarray")).release().ptr();
}

void ArrayCache::remember(nb::bytes metadata, nb::object dtype, nb::tuple shape, bool is_fortran,
                          std::size_t payload_bytes) {
  remember_numpy();
  ArrayLayout layout;
  layout.metadata = text_of(metadata);
  layout.dtype = std::move(dtype);
  for (nb::handle dimension : shape) {
    layout.dimensions.push_back(nb::cast<std::intptr_t>(dimension));
  }
  layout.shape = std::move(shape);
  layout.is_fortran = is_fortran;
  layout.payload_bytes = payload_bytes;
  // What is replaced is let go only when all is whole again: its end may run Python code.
  const Known known = std::make_shared<const ArrayLayout>(std::move(layout));
  std::array<Known, 3> replaced;
  std::unordered_set<Known, ByMetadata, ByMetadata> forgotten;
  if (by_metadata_.size() >= kMostLayouts) {
    by_array_.clear();
    forgotten.swap(by_metadata_);
  }
  replaced[0] = std::exchange(last_, known);
  // The same layout comes again where equal dtypes are different objects (dates).
  if (const auto place = by_metadata_.find(known); place != by_metadata_.end()) {
    replaced[1] = *place;
    by_array_.erase(*place);
    by_metadata_.erase(place);
  }
  if (const auto place = by_array_.find(known); place != by_array_.end()) {
    replaced[2] = *place;
    by_metadata_.erase(*place);
    by_array_.erase(place);
  }
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
  static PyObject* const dtype_name = interned("dtype");
  if (by_array_.empty()) return {};
  const nb::object dtype = get(array, dtype_name);
  nb::object capsule = array_struct_of(array);
  const ArrayInterface& interface = interface_in(capsule);
  const bool is_fortran = (interface.flags & kCContiguous) == 0;
  if (is_fortran && (interface.flags & kFContiguous) == 0) return {};
  const auto dimension_count = static_cast<std::size_t>(interface.dimension_count);
  const ArrayKey key{dtype.ptr(), {interface.shape, dimension_count}, is_fortran};
  if (last_ == nullptr || !ByArray()(last_, key)) {
    const auto place = by_array_.find(key);
    if (place == by_array_.end()) return {};
    last_ = *place;
  }
  const auto* data = static_cast<const std::byte*>(interface.data);
  return {last_, {data, last_->payload_bytes}, std::move(capsule)};
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

nb::object make_view(const ArrayLayout& layout, nb::handle owner) {
  static PyObject* const zero = PyLong_FromLong(0);
  static PyObject* const fortran = interned("F");
  const std::array<PyObject*, 6> arguments = {
      layout.shape.ptr(), layout.dtype.ptr(), owner.ptr(), zero, Py_None, fortran};
  return call(g_numpy.array_type, arguments.data(), layout.is_fortran ? 6 : 3);
}

nb::object make_copy(const ArrayLayout& layout, std::span<const std::byte> payload) {
  static PyObject* const fortran = interned("F");
  const std::array<PyObject*, 3> arguments = {layout.shape.ptr(), layout.dtype.ptr(), fortran};
  nb::object array = call(g_numpy.empty, arguments.data(), layout.is_fortran ? 3 : 2);
  const nb::object capsule = array_struct_of(array);
  copy_bytes(interface_in(capsule).data, payload);
  return array;
}

void copy_bytes(void* target, std::span<const std::byte> source) {
  if (source.empty()) return;
  if (source.size() <= kLargeCopyBytes) {
    std::memcpy(target, source.data(), source.size());
    return;
  }
  without_gil([&] { std::memcpy(target, source.data(), source.size()); });
}

}  // namespace ipc0cp::python
