// SPDX-License-Identifier: Apache-2.0
/// @file
/// ipc0cp::Error becomes the class of `ipc0cp.errors` with the same code.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>

namespace ipc0cp::python {

/// Stores in an exception of this package how many messages a push_many had queued before it.
void note_pushed(nanobind::handle exception, std::size_t pushed);

/// Registers the translation and adds `ErrorCode`, `error_table` and `set_error_type`.
void bind_errors(nanobind::module_& module);

}  // namespace ipc0cp::python
