// SPDX-License-Identifier: Apache-2.0
#include <nanobind/stl/string.h>

#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "ipc0cp/limits.hpp"
#include "json.hpp"
#include "rules/json_text.hpp"

namespace ipc0cp::python {
namespace {

/// A value that JSON cannot carry exactly: the place and the reason.
struct NotJson : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What keeps a value from being JSON, the first such thing in the order of the walk.
enum class Fault {
  none,
  other_type,  ///< A type JSON does not have.
  bad_value,   ///< A good type, but NaN, an integer of more than 64 bits, or too many levels.
};

/// Looks at every value once, and writes it if there is a `text`. Exact types only.
///
/// Python code may run where a set of types is asked, an exception is made, or a fault is
/// explained. It may change all that is being walked, so open containers and their keys are owned,
/// and so is each value that is needed afterwards.
class Walk {
 public:
  /// @param replaced a frozenset of types that count as types that JSON does not have, or nothing.
  Walk(unsigned most_levels, nb::handle replaced, std::string* text)
      : most_levels_(most_levels), replaced_(replaced), text_(text) {}

  [[nodiscard]] Fault walk(nb::handle value) {
    Fault fault = visit(value.ptr());
    while (fault == Fault::none && !open_.empty()) fault = visit_next();
    return fault;
  }

  /// Why a value is bad, without its place: runs no Python code.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  /// The place and the reason, once there is a fault.
  [[nodiscard]] std::string explanation() const {
    std::string reason = reason_;
    if (named_.is_valid()) reason += type_name(named_) + reason_end_;
    const std::string place = path();
    return place.empty() ? reason : place + ": " + reason;
  }

 private:
  struct Container {
    nb::object object;
    bool is_dict;
    Py_ssize_t next = 0;   ///< Index, or position in the dict.
    nb::object key = {};   ///< Of the value that is being looked at.
    bool is_empty = true;  ///< Nothing of it has been written.
  };

  Fault fail(Fault fault, std::string_view reason) {
    reason_ = reason;
    return fault;
  }
  /// The type of `value` is named between the two parts once that is asked for.
  Fault fail_type(PyObject* value, std::string_view before, std::string_view after) {
    named_ = nb::borrow(value);
    reason_ = before;
    reason_end_ = after;
    return Fault::other_type;
  }

  Fault visit(PyObject* value) {
    PyTypeObject* const type = Py_TYPE(value);
    nb::object owned;
    if (replaced_.is_valid()) {
      owned = nb::borrow(value);
      if (is_replaced(type)) return fail_type(value, "", " has a registered encoding");
    }
    if (type == &PyUnicode_Type) return visit_text(value);
    if (type == &PyLong_Type) return visit_integer(value);
    if (type == &PyFloat_Type) return visit_float(PyFloat_AsDouble(value));
    if (type == &PyBool_Type) return write(value == Py_True ? "true" : "false");
    if (value == Py_None) return write("null");
    if (type == &PyList_Type || type == &PyDict_Type) return open(value, type == &PyDict_Type);
    return fail_type(value, "", " is not a JSON type");
  }

  /// The next value of the innermost container, or its end.
  Fault visit_next() {
    Container& container = open_.back();
    PyObject* value = nullptr;
    if (container.is_dict) {
      PyObject* key = nullptr;
      if (PyDict_Next(container.object.ptr(), &container.next, &key, &value) == 0) {
        return close('}');
      }
      container.key = nb::borrow(key);
    } else {
      if (container.next >= PyList_Size(container.object.ptr())) return close(']');
      value = PyList_GetItem(container.object.ptr(), container.next++);
    }
    if (text_ != nullptr && !std::exchange(container.is_empty, false)) *text_ += ',';
    if (container.is_dict) {
      const Fault fault = visit_key(container.key.ptr());
      if (fault != Fault::none) return fault;
    }
    return visit(value);
  }

  Fault open(PyObject* container, bool is_dict) {
    if (open_.size() == most_levels_) {
      // What users know as the limit, wherever in a message the value stands.
      const unsigned limit = most_levels_ == kMaxJsonLevels ? kMaxJsonLevels : kMaxContainerLevels;
      return fail(Fault::bad_value,
                  "more than " + std::to_string(limit) + " levels of lists and dicts, or a cycle");
    }
    open_.push_back({nb::borrow(container), is_dict});
    return write(is_dict ? "{" : "[");
  }

  Fault close(char bracket) {
    open_.pop_back();
    return write({&bracket, 1});
  }

  Fault visit_key(PyObject* key) {
    if (Py_TYPE(key) != &PyUnicode_Type) {
      const Fault fault = fail_type(key, "a key is ", ", not str");
      open_.back().key.reset();
      return fault;
    }
    if (text_ == nullptr) return Fault::none;
    if (!append(key)) {
      const nb::object bad_key = std::exchange(open_.back().key, {});
      return fail(Fault::bad_value, "the key " + ascii(bad_key.ptr()) + " holds a lone surrogate");
    }
    *text_ += ':';
    return Fault::none;
  }

  Fault visit_text(PyObject* text) {
    if (text_ == nullptr || append(text)) return Fault::none;
    return fail(Fault::bad_value, "the str holds a lone surrogate");
  }

  /// @return false for a lone surrogate.
  bool append(PyObject* text) {
    // ASCII is taken in place. Of other text Python would keep a copy for the rest of its life,
    // which pays for keys and short values only.
    constexpr Py_ssize_t kLongestKept = 256;
    if (PyUnicode_GetLength(text) <= kLongestKept) {
      Py_ssize_t size = 0;
      const char* const utf8 = PyUnicode_AsUTF8AndSize(text, &size);
      if (utf8 == nullptr) return refuse_surrogate();
      codec::append_quoted(*text_, {utf8, static_cast<std::size_t>(size)});
      return true;
    }
    const nb::object utf8 = nb::steal(PyUnicode_AsUTF8String(text));
    if (!utf8.is_valid()) return refuse_surrogate();
    codec::append_quoted(*text_, text_of(utf8));
    return true;
  }

  static bool refuse_surrogate() {
    if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError) == 0) nb::raise_python_error();
    PyErr_Clear();
    return false;
  }

  Fault visit_integer(PyObject* integer) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(integer, &overflow);
    if (overflow == 0) return write_number(value);
    if (overflow > 0) {
      const unsigned long long large = PyLong_AsUnsignedLongLong(integer);
      if (PyErr_Occurred() == nullptr) return write_number(large);
      PyErr_Clear();
    }
    return fail(Fault::bad_value, "an int must be within -2**63 .. 2**64-1");
  }

  Fault visit_float(double value) {
    if (!std::isfinite(value)) {
      return fail(Fault::bad_value, std::isnan(value) ? "JSON has no nan"
                                    : value > 0       ? "JSON has no inf"
                                                      : "JSON has no -inf");
    }
    if (text_ != nullptr) codec::append_double(*text_, value);
    return Fault::none;
  }

  template <class T>
  Fault write_number(T value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    return write({digits.begin(), static_cast<std::size_t>(end - digits.begin())});
  }

  Fault write(std::string_view characters) {
    if (text_ != nullptr) *text_ += characters;
    return Fault::none;
  }

  [[nodiscard]] bool is_replaced(PyTypeObject* type) const {
    const int found = PySet_Contains(replaced_.ptr(), reinterpret_cast<PyObject*>(type));
    if (found < 0) nb::raise_python_error();
    return found == 1;
  }

  static std::string type_name(nb::handle value) {
    return nb::cast<std::string>(
        nb::module_::import_("ipc0cp._codec.encoding").attr("type_name")(value));
  }
  static std::string ascii(PyObject* text) {
    const std::string shown = nb::cast<std::string>(nb::steal(PyObject_ASCII(text)));
    return shown.substr(0, 40);
  }

  /// The steps to the value, the middle of a long way left out.
  [[nodiscard]] std::string path() const {
    constexpr std::size_t kMostSteps = 6;
    std::string result;
    for (std::size_t index = 0; index < open_.size(); ++index) {
      const Container& container = open_[index];
      if (container.is_dict && !container.key.is_valid()) break;
      if (open_.size() > kMostSteps && index == kMostSteps / 2) {
        result += "...";
        index = open_.size() - kMostSteps / 2;
      }
      result += step(open_[index]);
    }
    return result;
  }
  static std::string step(const Container& container) {
    if (!container.is_dict) return '[' + std::to_string(container.next - 1) + ']';
    const nb::object shown =
        nb::module_::import_("ipc0cp._codec.encoding").attr("shorten")(container.key);
    return '[' + nb::cast<std::string>(shown) + ']';
  }

  unsigned most_levels_;
  nb::handle replaced_;
  std::string* text_;
  std::vector<Container> open_;
  std::string reason_;
  nb::object named_;
  std::string reason_end_;
};

bool is_json(nb::handle value, unsigned most_levels, nb::handle replaced) {
  const bool any_replaced = PyObject_IsTrue(replaced.ptr()) == 1;
  Walk walk(most_levels, any_replaced ? replaced : nb::handle(), nullptr);
  const Fault fault = walk.walk(value);
  if (fault == Fault::bad_value) throw NotJson(walk.reason());
  return fault == Fault::none;
}

nb::bytes write_json(nb::handle value, unsigned most_levels) {
  std::string text;
  Walk walk(most_levels, nb::handle(), &text);
  if (walk.walk(value) != Fault::none) throw NotJson(walk.explanation());
  return nb::bytes(text.data(), text.size());
}

}  // namespace

void bind_json_writer(nb::module_& module) {
  nb::exception<NotJson>(module, "NotJsonError", PyExc_ValueError);
  module.def("is_json", &is_json, nb::arg("value").none(), nb::arg("most_levels"),
             nb::arg("replaced"),
             nb::sig("def is_json(value: object, most_levels: int,"
                     " replaced: frozenset[type]) -> bool"),
             "Whether `value` is JSON but for lone surrogates; False: something of a type that JSON"
             " does not have, or of one in `replaced`, comes first. Raises NotJsonError, without"
             " the place, where a value it cannot carry, or too many levels, come first.");
  module.def("write_json", &write_json, nb::arg("value").none(), nb::arg("most_levels"),
             nb::sig("def write_json(value: object, most_levels: int) -> bytes"),
             "The canonical text. Raises NotJsonError naming the place and the reason.");
}

}  // namespace ipc0cp::python
