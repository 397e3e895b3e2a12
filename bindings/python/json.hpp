// SPDX-License-Identifier: Apache-2.0
/// @file
/// JSON text to and from Python values, by the rules that C++ has too. Nesting takes no stack, so a
/// call deep down in a program reads and writes what one at its top does.
#pragma once

#include <nanobind/nanobind.h>

#include <string_view>

#include "rules/json_reader.hpp"

namespace ipc0cp::python {

/// The value of a JSON text, which nobody may be changing meanwhile.
/// @throws Error (corrupt_payload) if it breaks a rule.
nanobind::object read_json(std::string_view text, const codec::JsonRules& rules);

/// Adds `parse_json` and `check_metadata` to the module.
void bind_json_reader(nanobind::module_& module);
/// Adds `is_json`, `write_json` and the `NotJsonError` they raise to the module.
void bind_json_writer(nanobind::module_& module);

}  // namespace ipc0cp::python
