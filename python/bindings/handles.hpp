// SPDX-License-Identifier: Apache-2.0
/// @file
/// The handles behind the Python classes.
#pragma once

#include <nanobind/nanobind.h>

#include "ipc0cp/ring_buffer.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// The fields of a RingStats by name.
nb::dict stats_to_dict(const RingStats& stats);

void bind_producer(nb::module_& module);
void bind_consumer(nb::module_& module);
void bind_keeper(nb::module_& module);
void bind_stdio(nb::module_& module);

}  // namespace ipc0cp::python
