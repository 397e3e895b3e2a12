// SPDX-License-Identifier: Apache-2.0
/// @file
/// Python arguments as the core wants them. All of it needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// None or inf: for ever. @throws Error (invalid_argument) for negative and NaN.
inline Timeout timeout_from(nb::handle seconds) {
  if (seconds.is_none()) return Timeout::forever();
  const double value = PyFloat_AsDouble(seconds.ptr());
  if (value == -1.0 && PyErr_Occurred() != nullptr) nb::raise_python_error();
  return std::chrono::duration<double>(value);
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

/// Seconds as nanoseconds, saturating.
inline std::chrono::nanoseconds nanoseconds_from(nb::handle seconds) {
  return std::chrono::nanoseconds(timeout_from(seconds).nanoseconds());
}

/// @throws Error (invalid_argument) for anything but "resume" and "discard".
inline Stale stale_from(std::string_view word) {
  if (word == "resume") return Stale::resume;
  if (word == "discard") return Stale::discard;
  throw Error(ErrorCode::invalid_argument,
              "stale must be 'resume' or 'discard', not '" + std::string(word) + "'");
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
