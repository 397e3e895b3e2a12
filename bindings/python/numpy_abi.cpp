// SPDX-License-Identifier: Apache-2.0
#include "numpy_abi.hpp"

#include <nanobind/stl/string.h>

#include <algorithm>
#include <array>
#include <string>

namespace ipc0cp::python {
namespace {

/// Places in the table of functions that NumPy exports.
constexpr std::size_t kNewFromDescr = 94;
constexpr std::size_t kSetBaseObject = 282;

using NewFromDescr = PyObject* (*)(PyTypeObject*, PyObject* dtype, int, const std::intptr_t*,
                                   const std::intptr_t*, void*, int, PyObject*);
using SetBaseObject = int (*)(PyObject* array, PyObject* base);

/// Borrowed for ever. All null until `meet_numpy`.
struct NumPy {
  PyTypeObject* array_type = nullptr;
  NewFromDescr new_from_descr = nullptr;
  SetBaseObject set_base_object = nullptr;
};
NumPy g_numpy;

nb::object checked(PyObject* object) {
  if (object == nullptr) nb::raise_python_error();
  return nb::steal(object);
}

NumPy find_functions(const nb::module_& numpy) {
  const bool is_older = nb::cast<std::string>(numpy.attr("__version__")).starts_with("1.");
  const nb::object module =
      nb::module_::import_(is_older ? "numpy.core.multiarray" : "numpy._core.multiarray");
  const nb::object capsule = module.attr("_ARRAY_API");
  auto** table = static_cast<void**>(PyCapsule_GetPointer(capsule.ptr(), nullptr));
  if (table == nullptr) nb::raise_python_error();
  // The type is for ever, as is NumPy.
  PyObject* const array_type = nb::object(numpy.attr("ndarray")).release().ptr();
  return {reinterpret_cast<PyTypeObject*>(array_type),
          reinterpret_cast<NewFromDescr>(table[kNewFromDescr]),
          reinterpret_cast<SetBaseObject>(table[kSetBaseObject])};
}

/// Whether an array lies in memory as it says in Python, and one that we make says what we asked.
bool is_as_expected(const nb::module_& numpy) {
  nb::object whole =
      numpy.attr("arange")(24, nb::arg("dtype") = "int16").attr("reshape")(4, 6).attr("copy")();
  const nb::object array = whole[nb::make_tuple(nb::slice(nb::none(), nb::none(), nb::int_(2)),
                                                nb::slice(nb::none(), nb::none(), nb::int_(3)))];
  const ArrayFields& fields = fields_of(array);
  const auto address = nb::cast<std::uintptr_t>(array.attr("__array_interface__")["data"][0]);
  constexpr std::array<std::intptr_t, 2> kShape = {2, 2};
  constexpr std::array<std::intptr_t, 2> kStrides = {24, 6};
  if (fields.data != reinterpret_cast<std::byte*>(address) ||
      !std::ranges::equal(fields.shape(), kShape) ||
      !std::ranges::equal(std::span(fields.strides, kStrides.size()), kStrides) ||
      fields.dtype != nb::object(array.attr("dtype")).ptr() || fields.base != whole.ptr() ||
      (fields.flags & (ArrayFields::kCContiguous | ArrayFields::kFContiguous)) != 0) {
    return false;
  }
  const nb::object made = array_over(fields.data, array.attr("dtype"), kShape, kStrides, array);
  const nb::object flags = made.attr("flags");
  return nb::cast<bool>(numpy.attr("array_equal")(made, array)) &&
         nb::cast<bool>(flags.attr("aligned")) && !nb::cast<bool>(flags.attr("writeable"));
}

}  // namespace

void meet_numpy() {
  if (g_numpy.array_type != nullptr) return;
  const nb::module_ numpy = nb::module_::import_("numpy");
  g_numpy = find_functions(numpy);
  if (is_as_expected(numpy)) return;
  g_numpy = {};
  const auto version = nb::cast<std::string>(numpy.attr("__version__"));
  throw nb::import_error(("NumPy " + version + " has another C ABI than 1.7 to 2.x").c_str());
}

bool is_array(nb::handle object) noexcept { return Py_TYPE(object.ptr()) == g_numpy.array_type; }

const ArrayFields& fields_of(nb::handle array) noexcept {
  return *reinterpret_cast<const ArrayFields*>(array.ptr());
}

nb::object array_over(std::byte* data, nb::handle dtype, std::span<const std::intptr_t> dimensions,
                      std::span<const std::intptr_t> strides, nb::handle owner) {
  // Both functions take over a reference, also where they fail.
  nb::object array = checked(g_numpy.new_from_descr(
      g_numpy.array_type, dtype.inc_ref().ptr(), static_cast<int>(dimensions.size()),
      dimensions.data(), strides.data(), data, 0, nullptr));
  if (g_numpy.set_base_object(array.ptr(), owner.inc_ref().ptr()) != 0) nb::raise_python_error();
  return array;
}

nb::object array_of(nb::handle dtype, std::span<const std::intptr_t> dimensions, bool is_fortran) {
  return checked(g_numpy.new_from_descr(
      g_numpy.array_type, dtype.inc_ref().ptr(), static_cast<int>(dimensions.size()),
      dimensions.data(), nullptr, nullptr, is_fortran ? ArrayFields::kFContiguous : 0, nullptr));
}

}  // namespace ipc0cp::python
