// SPDX-License-Identifier: Apache-2.0
/// @file
/// The hot checks of `ipc0cp.strict_json`: one walk over a value in C++ instead of in Python.
///
/// They only answer yes or no; which value is wrong, and why, is found in Python once it matters.
#pragma once

#include <nanobind/nanobind.h>

namespace ipc0cp::python {

/// Adds `json_fault` and `json_is_exact` to the module.
void bind_json_check(nanobind::module_& module);

}  // namespace ipc0cp::python
