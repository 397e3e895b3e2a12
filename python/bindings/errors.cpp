// SPDX-License-Identifier: Apache-2.0
#include "errors.hpp"

#include <nanobind/stl/string.h>

#include <array>
#include <exception>
#include <string>

#include "ipc0cp/error.hpp"

namespace ipc0cp::python {
namespace {

namespace nb = nanobind;

constexpr std::size_t kCodes = static_cast<std::size_t>(ErrorCode::system_error) + 1;
// Guarded by the GIL, never freed: errors are raised until the last moment.
std::array<PyObject*, kCodes> g_types{};

/// OSError takes (errno, text); without an errno its str() is the text alone.
nb::object make_exception(PyObject* type, const Error& error) {
  const bool has_errno = error.system_errno() != 0 && PyObject_IsSubclass(type, PyExc_OSError) == 1;
  PyObject* made = has_errno ? PyObject_CallFunction(type, "is", error.system_errno(), error.what())
                             : PyObject_CallFunction(type, "s", error.what());
  return nb::steal(made);
}

void raise_as_python(const Error& error) {
  PyObject* type = g_types.at(static_cast<std::size_t>(error.code()));
  if (type == nullptr) type = PyExc_RuntimeError;
  const nb::object exception = make_exception(type, error);
  if (!exception.is_valid()) return;
  note_pushed(exception, error.pushed());
  PyErr_SetObject(type, exception.ptr());
}

void set_error_types(const nb::list& types) {
  for (std::size_t index = 0; index < kCodes && index < nb::len(types); ++index) {
    g_types[index] = nb::object(types[index]).release().ptr();
  }
}

nb::list error_code_names() {
  nb::list names;
  for (std::size_t index = 0; index < kCodes; ++index) {
    names.append(std::string(to_string(static_cast<ErrorCode>(index))));
  }
  return names;
}

}  // namespace

void note_pushed(nb::handle exception, std::size_t pushed) {
  if (pushed > 0 && nb::hasattr(exception, "pushed"))
    nb::setattr(exception, "pushed", nb::int_(pushed));
}

void bind_errors(nb::module_& module) {
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const Error& error) {
      raise_as_python(error);
    }
  });
  module.def("set_error_types", &set_error_types, nb::arg("types"),
             nb::sig("def set_error_types(types: list[type[Exception]]) -> None"),
             "The exception class of each error code, in the order of the codes.");
  module.def("error_code_names", &error_code_names, nb::sig("def error_code_names() -> list[str]"),
             "The names of all error codes, in their order.");
}

}  // namespace ipc0cp::python
