// SPDX-License-Identifier: Apache-2.0
/// @file
/// What can be told of a FlatBuffer without its schema, for `ipc0cp.flatbuffer`.
#pragma once

#include <nanobind/nanobind.h>

namespace ipc0cp::python {

/// Adds `FlatBufferLayout` to the module.
void bind_flatbuffers(nanobind::module_& module);

}  // namespace ipc0cp::python
