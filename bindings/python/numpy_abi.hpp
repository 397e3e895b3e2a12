// SPDX-License-Identifier: Apache-2.0
/// @file
/// The part of NumPy's C ABI that the hot paths use. It has not changed since NumPy 1.7, others
/// (pybind11) rely on the same part, and it is tried out when NumPy is first met; so the extension
/// is built without NumPy, and runs with any. Everything here needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace ipc0cp::python {

namespace nb = nanobind;

/// How an array begins (PyArrayObject_fields); valid while it lives and nobody reshapes it in
/// place.
struct ArrayFields {
  PyObject_HEAD;
  std::byte* data;
  int dimension_count;
  std::intptr_t* dimensions;
  std::intptr_t* strides;  ///< In bytes.
  PyObject* base;
  PyObject* dtype;
  int flags;

  static constexpr int kCContiguous = 0x1;
  static constexpr int kFContiguous = 0x2;

  [[nodiscard]] std::span<const std::intptr_t> shape() const noexcept {
    return {dimensions, static_cast<std::size_t>(dimension_count)};
  }
};

/// Tries NumPy out, unless that has been done. Before everything else here but `is_array`.
/// @throws ImportError if NumPy is not there, or has another C ABI.
void meet_numpy();

/// Whether `object` is exactly a numpy.ndarray; false as long as NumPy has not been met.
bool is_array(nb::handle object) noexcept;

/// @param array exactly a numpy.ndarray
const ArrayFields& fields_of(nb::handle array) noexcept;

/// A read-only array over `data`, which belongs to `owner` and is not null.
nb::object array_over(std::byte* data, nb::handle dtype, std::span<const std::intptr_t> dimensions,
                      std::span<const std::intptr_t> strides, nb::handle owner);

/// A writable array with memory of its own, which nobody has written yet.
nb::object array_of(nb::handle dtype, std::span<const std::intptr_t> dimensions, bool is_fortran);

}  // namespace ipc0cp::python
