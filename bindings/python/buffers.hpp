// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of one Python object seen by another, without copies or with one made without the GIL.
#pragma once

#include <nanobind/nanobind.h>

namespace ipc0cp::python {

/// Adds `copy_into` and `ArrowBytes` to the module.
void bind_buffers(nanobind::module_& module);

}  // namespace ipc0cp::python
