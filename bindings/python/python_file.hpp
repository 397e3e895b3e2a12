// SPDX-License-Identifier: Apache-2.0
/// @file
/// A Python file object as a ByteStream of the core.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>

#include "ipc0cp/stdio.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// What is written goes to `file.write()` and `file.flush()`. Made with the GIL held; used inside
/// a WithoutGil region.
/// @throws AttributeError if there is no write().
std::unique_ptr<ByteStream> make_writable_file(nb::handle file);
/// What is read comes from `file.readinto()`, or `file.read()` if there is no such method.
std::unique_ptr<ByteStream> make_readable_file(nb::handle file);

}  // namespace ipc0cp::python
