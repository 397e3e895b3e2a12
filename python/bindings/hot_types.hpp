// SPDX-License-Identifier: Apache-2.0
/// @file
/// The hot paths of push and pop: bytes, text and arrays of a layout seen before, without Python
/// code. Everything here needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "array_cache.hpp"
#include "ipc0cp/message.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// Set once users have registered a type of their own that the hot paths know: all objects are
/// then encoded and decoded in Python. Guarded by the GIL.
inline bool g_builtins_replaced = false;

/// The message of an object; valid as long as this and the object.
struct HotMessage {
  std::string_view metadata;
  std::span<const std::byte> payload;
  nb::object keeper;
  std::shared_ptr<const ArrayLayout> layout;  ///< Null: not an array.
};

/// @return empty: not of a hot type.
/// @throws Error unsupported_type for text that UTF-8 cannot carry.
std::optional<HotMessage> encode_hot(nb::handle object, const ArrayCache& cache);

/// The object of a message, or a Block to be decoded in Python.
/// @param copy make arrays own their memory.
nb::object decode_hot(Message&& message, const ArrayCache& cache, bool copy);

}  // namespace ipc0cp::python
