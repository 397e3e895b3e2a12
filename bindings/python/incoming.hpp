// SPDX-License-Identifier: Apache-2.0
/// @file
/// Messages that have come out of a ring, as Python objects. All of it needs the GIL.
#pragma once

#include <nanobind/nanobind.h>

#include "array_cache.hpp"
#include "ipc0cp/message.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// What a message became: an object of a hot type (`bytes`, `str`, a JSON value, an array of a
/// layout that is remembered), or a Block that keeps it and is to be decoded in Python.
struct Incoming {
  nb::object object;
  bool is_block = false;
};

/// Leaves `message` as it is if it throws.
/// @throws Error (corrupt_payload) if a text is not UTF-8, or a JSON text breaks a rule.
Incoming to_object(Message& message, ArrayCache& cache, bool copy);

}  // namespace ipc0cp::python
