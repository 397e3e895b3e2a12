// SPDX-License-Identifier: Apache-2.0
#include "json_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include "arguments.hpp"

namespace ipc0cp::python {
namespace {

/// What keeps a value from being JSON, the first such thing in the order of the walk.
enum class Fault {
  none = 0,
  other_type = 1,  ///< A type JSON does not have.
  bad_value = 2,   ///< A good type, but NaN, an integer of more than 64 bits, or too many levels.
};

/// Integers of -2^63 .. 2^64-1 come back from JSON as they are.
bool fits_64_bits(PyObject* integer) {
  int overflow = 0;
  (void)PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (overflow <= 0) return overflow == 0;
  (void)PyLong_AsUnsignedLongLong(integer);
  if (PyErr_Occurred() == nullptr) return true;
  PyErr_Clear();
  return false;
}

/// Looks at every value once and runs no Python code, so nothing can change under it. Exact types
/// only. Lone surrogates are not looked for: encoding the text finds them.
class Walk {
 public:
  [[nodiscard]] Fault check(PyObject* value, unsigned levels) {
    PyTypeObject* const type = Py_TYPE(value);
    if (type == &PyUnicode_Type || type == &PyBool_Type || value == Py_None) return Fault::none;
    if (type == &PyLong_Type) return fits_64_bits(value) ? Fault::none : Fault::bad_value;
    if (type == &PyFloat_Type) {
      return std::isfinite(PyFloat_AsDouble(value)) ? Fault::none : Fault::bad_value;
    }
    if (type != &PyList_Type && type != &PyDict_Type) return Fault::other_type;
    if (levels == 0) return Fault::bad_value;
    return type == &PyList_Type ? check_list(value, levels - 1) : check_dict(value, levels - 1);
  }

  [[nodiscard]] std::size_t keys() const noexcept { return keys_; }
  [[nodiscard]] std::size_t most_keys_of_a_dict() const noexcept { return most_keys_of_a_dict_; }

 private:
  Fault check_list(PyObject* list, unsigned levels) {
    const Py_ssize_t size = PyList_Size(list);
    for (Py_ssize_t index = 0; index < size; ++index) {
      const Fault fault = check(PyList_GetItem(list, index), levels);
      if (fault != Fault::none) return fault;
    }
    return Fault::none;
  }

  Fault check_dict(PyObject* dict, unsigned levels) {
    const auto size = static_cast<std::size_t>(PyDict_Size(dict));
    keys_ += size;
    most_keys_of_a_dict_ = std::max(most_keys_of_a_dict_, size);
    Py_ssize_t position = 0;
    PyObject* key = nullptr;
    PyObject* value = nullptr;
    while (PyDict_Next(dict, &position, &key, &value) != 0) {
      if (Py_TYPE(key) != &PyUnicode_Type) return Fault::other_type;
      const Fault fault = check(value, levels);
      if (fault != Fault::none) return fault;
    }
    return Fault::none;
  }

  std::size_t keys_ = 0;
  std::size_t most_keys_of_a_dict_ = 0;
};

/// Members of all objects of a good JSON text: each has one colon outside of strings.
std::size_t count_members(std::span<const std::byte> text) {
  std::size_t members = 0;
  bool in_string = false;
  for (std::size_t index = 0; index < text.size(); ++index) {
    const auto character = std::to_integer<char>(text[index]);
    if (character == '"') {
      in_string = !in_string;
    } else if (in_string) {
      if (character == '\\') ++index;
    } else if (character == ':') {
      ++members;
    }
  }
  return members;
}

int json_fault(nb::handle value, unsigned most_levels) {
  return static_cast<int>(Walk().check(value.ptr(), most_levels));
}

/// A dict of Python keeps the last of two equal keys, so fewer keys than members are a duplicate.
bool json_is_exact(nb::handle value, nb::handle text, unsigned most_levels, std::size_t most_keys) {
  Walk walk;
  if (walk.check(value.ptr(), most_levels) != Fault::none) return false;
  if (walk.most_keys_of_a_dict() > most_keys) return false;
  // No key, no member: the text need not be looked at.
  if (walk.keys() == 0) return true;
  const BufferArgument buffer(text);
  return count_members(buffer.bytes()) == walk.keys();
}

}  // namespace

void bind_json_check(nb::module_& module) {
  module.def("json_fault", &json_fault, nb::arg("value").none(), nb::arg("most_levels"),
             nb::sig("def json_fault(value: object, most_levels: int) -> int"),
             "0: `value` is JSON but for lone surrogates; 1: a type JSON does not have comes first;"
             " 2: a value it cannot carry, or too many levels, come first.");
  module.def("json_is_exact", &json_is_exact, nb::arg("value").none(), nb::arg("text"),
             nb::arg("most_levels"), nb::arg("most_keys") = std::numeric_limits<std::size_t>::max(),
             nb::sig("def json_is_exact(value: object, text: object, most_levels: int,"
                     " most_keys: int = ...) -> bool"),
             "Whether `value`, parsed from `text`, has lost nothing: 64-bit integers, finite"
             " floats, no key twice, and the limits hold.");
}

}  // namespace ipc0cp::python
