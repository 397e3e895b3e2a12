// SPDX-License-Identifier: Apache-2.0
/// @file
/// The handles behind the Python classes.
#pragma once

#include <nanobind/nanobind.h>

#include "ipc0cp/ring_buffer.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// Set once users have registered a type of their own that the hot paths know: all objects are
/// then encoded and decoded in Python. Guarded by the GIL.
inline bool g_builtins_replaced = false;

/// The fields of a RingStats by name.
nb::dict stats_to_dict(const RingStats& stats);

void bind_stats(nb::module_& module);
void bind_producer(nb::module_& module);
void bind_consumer(nb::module_& module);
void bind_keeper(nb::module_& module);
void bind_inspect(nb::module_& module);
void bind_task_count(nb::module_& module);
void bind_stdio(nb::module_& module);

}  // namespace ipc0cp::python
