// SPDX-License-Identifier: Apache-2.0
/// @file
/// Python arguments as the core wants them. All of it needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// @throws TypeError naming the argument and its value.
[[noreturn]] inline void refuse_type(const char* name, const char* wanted, nb::handle value) {
  const nb::object shown = nb::module_::import_("reprlib").attr("repr")(value);
  const std::string text = std::string(name) + " must be " + wanted + ", not " +
                           nb::str(shown).c_str() + " (" +
                           nb::str(value.type().attr("__name__")).c_str() + ")";
  throw nb::type_error(text.c_str());
}

/// None or inf: for ever. @throws Error (invalid_argument) for negative and NaN; TypeError.
inline Timeout timeout_from(nb::handle seconds, const char* name = "timeout") {
  constexpr const char* kWanted = "a number of seconds or None";
  if (seconds.is_none()) return Timeout::forever();
  // `block` of queue.Queue stands where the time-out stands here.
  if (PyBool_Check(seconds.ptr())) refuse_type(name, kWanted, seconds);
  double value = PyFloat_AsDouble(seconds.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) {
    const bool is_huge = PyErr_ExceptionMatches(PyExc_OverflowError) != 0;
    if (!is_huge && PyErr_ExceptionMatches(PyExc_TypeError) == 0) nb::raise_python_error();
    PyErr_Clear();
    if (!is_huge) refuse_type(name, kWanted, seconds);
    value = seconds < nb::int_(0) ? -HUGE_VAL : HUGE_VAL;
  }
  return std::chrono::duration<double>(value);
}

/// Exactly True or False. @throws TypeError.
inline bool flag_from(nb::handle value, const char* name) {
  if (!PyBool_Check(value.ptr())) refuse_type(name, "True or False", value);
  return value.is(nb::handle(Py_True));
}

/// What is left of a time-out that several calls share.
class TimeLeft {
 public:
  explicit TimeLeft(Timeout total) noexcept : total_(total) {}
  [[nodiscard]] Timeout left() const {
    if (total_.is_forever()) return total_;
    const auto end = std::chrono::nanoseconds(total_.nanoseconds());
    const auto used = std::chrono::steady_clock::now() - start_;
    return std::max(end - used, std::chrono::nanoseconds(0));
  }

 private:
  Timeout total_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// @throws Error (invalid_argument) for anything but "resume" and "discard".
inline Stale stale_from(std::string_view word) {
  if (word == "resume") return Stale::resume;
  if (word == "discard") return Stale::discard;
  throw Error(ErrorCode::invalid_argument,
              "stale must be 'resume' or 'discard', not '" + std::string(word) + "'");
}

/// @throws Error (invalid_argument) for anything but the names of an Overflow.
inline Overflow overflow_from(std::string_view word) {
  if (word == "block") return Overflow::block;
  if (word == "drop_oldest") return Overflow::drop_oldest;
  if (word == "drop_newest") return Overflow::drop_newest;
  throw Error(
      ErrorCode::invalid_argument,
      "overflow must be 'block', 'drop_oldest' or 'drop_newest', not '" + std::string(word) + "'");
}

inline std::vector<std::uint32_t> owners_from(nb::handle owners) {
  std::vector<std::uint32_t> result;
  for (nb::handle owner : owners) result.push_back(nb::cast<std::uint32_t>(owner));
  return result;
}

/// The bytes of a C-contiguous buffer, kept in place (a bytearray cannot be resized) for the
/// lifetime of this object.
class BufferArgument {
 public:
  explicit BufferArgument(nb::handle object, int flags = 0) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_C_CONTIGUOUS | flags) != 0) {
      nb::raise_python_error();
    }
  }
  ~BufferArgument() { PyBuffer_Release(&view_); }
  BufferArgument(const BufferArgument&) = delete;
  BufferArgument& operator=(const BufferArgument&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {static_cast<const std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }
  /// The same of a buffer that was asked for with PyBUF_WRITABLE.
  [[nodiscard]] std::span<std::byte> writable() const noexcept {
    return {static_cast<std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
  }

 private:
  Py_buffer view_{};
};

/// The bytes of a `bytes` object. @throws TypeError for anything else.
inline std::string_view text_of(nb::handle bytes) {
  char* data = nullptr;
  Py_ssize_t length = 0;
  if (PyBytes_AsStringAndSize(bytes.ptr(), &data, &length) != 0) nb::raise_python_error();
  return {data, static_cast<std::size_t>(length)};
}

}  // namespace ipc0cp::python
