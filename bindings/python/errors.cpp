// SPDX-License-Identifier: Apache-2.0
#include "errors.hpp"

#include <array>
#include <exception>

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

void set_error_type(ErrorCode code, nb::object type) {
  g_types.at(static_cast<std::size_t>(code)) = type.release().ptr();
}

nb::list error_table() {
  nb::list rows;
  const auto append = [&](const char* code, const char* python_class, const char* sentence) {
    rows.append(nb::make_tuple(code, python_class, sentence));
  };
#define IPC0CP_ROW(code, python_class, sentence) append(#code, #python_class, sentence);
  IPC0CP_ERROR_CODES(IPC0CP_ROW)
#undef IPC0CP_ROW
  return rows;
}

void bind_codes(nb::module_& module) {
  nb::enum_<ErrorCode> codes(module, "ErrorCode",
                             "Every way a call can fail, with the names and numbers of"
                             " ``ipc0cp::ErrorCode``.");
#define IPC0CP_VALUE(code, python_class, sentence) codes.value(#code, ErrorCode::code, sentence);
  IPC0CP_ERROR_CODES(IPC0CP_VALUE)
#undef IPC0CP_VALUE
  module.def("error_table", &error_table,
             nb::sig("def error_table() -> list[tuple[str, str, str]]"),
             "Code, name of the exception class, and sentence of each way to fail.");
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
  bind_codes(module);
  module.def("set_error_type", &set_error_type, nb::arg("code"), nb::arg("type"),
             nb::sig("def set_error_type(code: ErrorCode, type: type[Exception]) -> None"),
             "What a failure of this code is raised as; RuntimeError without.");
}

}  // namespace ipc0cp::python
