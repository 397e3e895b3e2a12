// SPDX-License-Identifier: Apache-2.0
// What every metadata must be, whatever its type: docs/object_format.md, sections 1 to 3.
#pragma once

#include <string_view>

#include "ipc0cp/error.hpp"

namespace ipc0cp::codec {

/// Checks that `text` is metadata: a JSON object with a type, and a version that is a string if
/// there is one; or nothing at all.
/// @return its levels of arrays and objects.
/// @throws Error (`error`) naming what is wrong.
unsigned check_metadata(std::string_view text, ErrorCode error);

/// The same for what a producer is given, over and over: texts that this thread has checked before
/// are compared, not read.
/// @throws Error invalid_argument naming what is wrong.
void check_pushed_metadata(std::string_view text);

}  // namespace ipc0cp::codec
